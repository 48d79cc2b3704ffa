"""`archcalc compare`."""

from typing import TYPE_CHECKING, Any

import click

from archcalc.cli.base import HELP_OPTIONS, Command
from archcalc.cli.options import chosen_format, format_options, settings_options
from archcalc.engine.figures import LECTURE, METRICS
from archcalc.errors import ArchcalcError, Problem, SettingError, SpecError

if TYPE_CHECKING:
    from archcalc.comparison.compare import Comparison
    from archcalc.engine.report import Report
    from archcalc.graph import Graph

MOST_INPUTS = 3
BY_CHOICES = ("stage", "kind", "layer")
ADDED_UP = [name for name, metric in METRICS.items() if metric.adds_up]
METRIC_CHOICES = (*LECTURE, *(name for name in ADDED_UP if name not in LECTURE), "all")

own_input_option = click.option("--own-input", is_flag=True, help="Use each spec's own input, not the first's.")
by_option = click.option(
    "--by", type=click.Choice(BY_CHOICES), default="stage", show_default=True, help="What to group by."
)
metric_option = click.option(
    "--metric", type=click.Choice(METRIC_CHOICES), default="all", show_default=True, help="What to show for each group."
)


@click.command(cls=Command, context_settings=HELP_OPTIONS)
@click.argument("specs", nargs=-1, metavar="NAME|FILE...")
@settings_options
@own_input_option
@by_option
@metric_option
@click.option("--bars", is_flag=True, help="Draw the groups as bars below the totals.")
@format_options
def compare(
    specs: tuple[str, ...],
    assignments: tuple[tuple[str, Any], ...],
    own_input: bool,
    by: Any,
    metric: str,
    bars: bool,
    format_: str | None,
    json_: bool,
    output: str | None,
    **settings: Any,
) -> None:
    """Compare architectures: totals, ratios to the first, and where they differ.

    All are analysed at the input of the first, unless --input gives another or --own-input each its own. The data
    formats hold exact figures.

    Below the totals come the stages: layers whose names share a prefix; if no name has a dot, a stage ends with a
    pooling layer. --by kind and --by layer group differently; layers are paired as in archcalc diff.
    """
    from archcalc.comparison.compare import compare as compared

    form = chosen_format(format_, json_, output)
    if bars and form != "table":
        raise SettingError(f"--bars cannot be combined with {form}", hint="archcalc chart draws pictures")
    if len(specs) < 2:
        raise SettingError("give at least two architectures", hint="archcalc compare alexnet vgg16")
    networks = analyzed(specs, own_input=own_input, vars=dict(assignments), **settings)
    reports = [report for _, report in networks]
    found = compared(reports, by)
    metrics = LECTURE if metric == "all" else (metric,)
    if form in ("json", "jsonl", "csv", "tsv"):
        _write_data(found, form, output)
    else:
        _write_tables(found, caption(reports, own_input), metrics, form, bars, output)


def analyzed(specs: tuple[str, ...], *, own_input: bool, **settings: Any) -> "list[tuple[Graph, Report]]":
    """Specs analysed, at the input of the first unless each is to have its own; all their problems at once."""
    from archcalc.analysis import analyze_graph
    from archcalc.spec.catalogue import find

    if own_input and settings["input"]:
        raise SettingError("--input and --own-input cannot be combined", hint="give one of them")
    found: list[tuple[Graph, Report]] = []
    problems: list[Problem] = []
    for name in specs:
        borrowed = bool(found) and not own_input and not settings["input"]
        given = {**settings, "input": _lent(found[0][1])} if borrowed else settings
        try:
            architecture = find(name)
        except SpecError as error:
            problems += error.problems
            continue
        try:
            found.append(analyze_graph(architecture, **given))
        except (SpecError, SettingError) as error:
            hint = f"at the input of {specs[0]}; --own-input uses each spec's own"
            problems += [_with_hint(p, hint) if borrowed else p for p in error.problems]
    if problems:
        raise ArchcalcError(problems=problems)
    return found


def _lent(report: "Report") -> Any:
    """The inputs of the first for the others: by their names only where there are several."""
    inputs = report.settings.inputs
    return report.settings.input if len(inputs) == 1 else inputs


def _with_hint(problem: Problem, hint: str) -> Problem:
    return problem._replace(hint=f"{problem.hint}; {hint}" if problem.hint else hint)


def caption(reports: "list[Report]", own_input: bool) -> str:
    """What the figures were made at."""
    from archcalc.engine.settings import inputs_in_words
    from archcalc.render.table import caption as of_one

    inputs = dict.fromkeys(inputs_in_words(report.settings.inputs, with_name=False) for report in reports)
    where, _, settings = of_one(reports[0]).partition(" · ")
    between = "; " if any(len(report.settings.inputs) > 1 for report in reports) else ", "
    several = f"inputs {between.join(inputs)}" if len(inputs) <= MOST_INPUTS else f"{len(inputs)} different inputs"
    if len(reports) > 1:
        where = f"{several}, each its own" if own_input else f"{where} for all"
    return f"{where} · {settings}"


def _write_data(found: "Comparison", form: str, output: str | None) -> None:
    from archcalc.comparison.compare import SCHEMA_VERSION
    from archcalc.render.formats.data import as_document, records
    from archcalc.render.output import write

    data = found.to_dict()
    if form == "json":
        write(as_document(SCHEMA_VERSION, **data), output)
        return
    names = [report.architecture for report in found.reports]
    lines = [
        {"part": part, "name": name, "metric": metric, **dict(zip(names, values, strict=True))}
        for part, name, metric, values in (
            *(("total", "total", metric, values) for metric, values in data["totals"].items()),
            *(("ratio", "total", metric, values) for metric, values in data["ratios"].items()),
            *((found.by, line["name"], metric, line[metric]) for line in data["breakdown"] for metric in LECTURE),
        )
    ]
    write(records(lines, form), output)


def _write_tables(
    found: "Comparison", caption: str, metrics: tuple[str, ...], form: str, bars: bool, output: str | None
) -> None:
    import msgspec

    from archcalc.render import compare as render
    from archcalc.render.grid import MOST_ROWS, beyond
    from archcalc.render.output import print_grids

    grids = [render.totals_grid(found, caption)]
    if not bars:
        groups = render.breakdown_grid(found, metrics)
        if len(groups.rows) > MOST_ROWS:
            notes = (beyond(f"{found.by}s"), *groups.notes)
            groups = msgspec.structs.replace(groups, rows=groups.rows[:MOST_ROWS], notes=notes)
        grids.append(groups)
    print_grids(grids, output, form)
    if bars:
        from archcalc.render.charts.bars import draw

        draw(found, metrics, output)
