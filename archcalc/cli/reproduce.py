"""`archcalc reproduce`."""

from collections import Counter
from typing import Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import JSON_OR_TABLE, format_by_ending, output_option

CHECK_FAILED = 1
LONGEST_WORDS = 18


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("source", required=False, metavar="[SOURCE]")
@click.option("--all", "all_", is_flag=True, help="Also show the claims that agree.")
@click.option("--json", "json_", is_flag=True, help="Print all claims as JSON.")
@output_option
@click.pass_context
def reproduce(ctx: click.Context, source: str | None, all_: bool, json_: bool, output: str | None) -> None:
    """Recompute published figures, claim by claim: each agrees, is a known misprint, or differs.

    SOURCE is a shipped source (such as lecture), or a claim file or folder of your own (`archcalc schema --claims`);
    all shipped sources if left out. Claims on activations at an initialisation are measured in PyTorch, and skipped
    where it is not installed. Exits with 1 if any claim differs.
    """
    from archcalc.api import activation_verdicts
    from archcalc.evidence.claim_metrics import Computer
    from archcalc.evidence.claim_verdicts import judge
    from archcalc.evidence.claims import find_claims
    from archcalc.render.formats.data import as_json
    from archcalc.render.output import write

    json_ = json_ or format_by_ending(output, JSON_OR_TABLE, "table", "--json") == "json"
    computer = Computer(activation_verdicts())
    files = find_claims(source)
    verdicts = [(file, judge(claim, computer)) for file in files for claim in file.all_claims()]
    counts = Counter(verdict.verdict for _, verdict in verdicts)
    summary = {verdict: counts[verdict] for verdict in ("agrees", "misprint", "differs", "skipped")}
    if json_:
        claims = [verdict.to_dict(file.name) for file, verdict in verdicts]
        sources = {file.name: {"title": file.title, "source": file.source} for file in files}
        write(as_json({"claims": claims, "summary": summary, "sources": sources}), output)
    else:
        _print(files, verdicts, summary, all_, output)
    if summary["differs"]:
        ctx.exit(CHECK_FAILED)


def _print(files: list[Any], verdicts: list[Any], summary: dict[str, int], all_: bool, output: str | None) -> None:
    from archcalc.render.formats.text import prose
    from archcalc.render.grid import Cell, Column, Grid
    from archcalc.render.output import print_grid, terminal_width, write

    width = None if output else terminal_width()
    if all_:
        columns = (
            Column("verdict", ("verdict",), "left"),
            Column("claim", ("claim",), "left"),
            Column("published", ("published",)),
            Column("computed", ("computed",)),
            Column("unit", ("unit",), "left"),
            Column("where", ("where",), "left", drop_order=10, least=16),
        )
        rows = tuple(
            tuple(map(Cell, (v.verdict, v.claim.id, _short(v.published), _short(v.computed), v.unit, v.claim.where)))
            for _, v in verdicts
        )
        print_grid(Grid(columns, rows), "table", output)
        return
    lines: list[str] = []
    for file in files:
        lines += prose(f"{file.name}: {file.title}", width)
        for _, v in (pair for pair in verdicts if pair[0] is file and pair[1].verdict != "agrees"):
            unit = f" {v.unit}" if v.unit else ""
            lines += ["", f"{v.verdict}  {v.claim.id}"]
            figures = f"printed {_figure(v.published)}{unit}, computed {_figure(v.computed)}{unit}"
            lines += [
                f"  {line}" for text in (v.claim.where, figures, v.note) for line in prose(text, width and width - 2)
            ]
        lines.append("")
    total = sum(summary.values())
    counted = f"{summary['agrees']} agree, {summary['misprint']} are misprints, {summary['differs']} differ"
    if summary["skipped"]:
        counted += f", {summary['skipped']} were skipped"
    lines.append(f"{total} claims: {counted}" + ("" if all_ else " (--all shows every one)"))
    write("\n".join(lines) + "\n", output)


def _figure(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}" if isinstance(value, float) else str(value)


def _short(value: Any) -> str:
    """A figure for a table: numbers whole, words and formulas cut."""
    text = _figure(value)
    return text if not isinstance(value, str) or len(text) <= LONGEST_WORDS else f"{text[: LONGEST_WORDS - 1]}…"
