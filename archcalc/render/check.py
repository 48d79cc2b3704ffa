"""Checked specs → text and Markdown: what each limit came to, what was found, and a line that sums up."""

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

from archcalc.engine.figures import METRICS
from archcalc.engine.settings import inputs_in_words
from archcalc.errors import Problem, printable
from archcalc.gate.judge import VERDICTS, Checked, Finding, Judgement
from archcalc.render.grid import Cell, Column, Grid
from archcalc.render.table import caption
from archcalc.units import COUNT_UNITS, MEMORY_UNITS, human, percent

MOST_TABLES = 20
"""With more specs than these, those that are fine are only counted."""
MOST_ROWS = 100
"""How many rows and findings a Markdown report holds: nobody reads more, and comments have a limit."""
UNKNOWN = "?"


def shown(checked: Sequence[Checked]) -> list[Checked]:
    """Those that text is about: all, or where there are many, those with findings."""
    return list(checked) if len(checked) <= MOST_TABLES else [one for one in checked if one.findings]


def limits_grid(one: Checked) -> Grid:
    """What each limit of a spec came to, and the settings that the figures were taken at."""
    assert one.report is not None
    columns = (
        Column("metric", ("metric",), "left"),
        Column("figure", ("figure",)),
        Column("limit", ("limit",), "left"),
        Column("used", ("used", "(%)"), drop_order=10),
        Column("verdict", ("verdict",), "left"),
    )
    rows = tuple(tuple(map(Cell, _row(judgement))) for judgement in one.judgements)
    title = f"{printable(one.name)}: {one.verdict}"
    notes = () if rows else ("no limits: valid, and fully counted" if not one.findings else "no limits",)
    base = f" · {printable(one.base)}" if one.base else ""
    return Grid(columns, rows, title=title, caption=caption(one.report) + base, notes=notes)


def _row(judgement: Judgement) -> tuple[str, ...]:
    limit = judgement.limit
    finding = judgement.finding
    verdict = f"{finding.rule.id} {finding.rule.name}" if finding else "ok"
    return METRICS[limit.metric].title, _figure(judgement), printable(str(limit)), _used(judgement), verdict


def _figure(judgement: Judgement) -> str:
    if judgement.value is None:
        return UNKNOWN
    units = MEMORY_UNITS if METRICS[judgement.limit.metric].unit == "bytes" else COUNT_UNITS
    return human(judgement.value, units)


def _used(judgement: Judgement) -> str:
    """How much of a limit a figure takes; of an increase, how much of what it may be."""
    value, bound = judgement.value, judgement.limit.bound
    if value is None or not bound or (judgement.limit.kind == "max-increase" and not judgement.base):
        return "–"
    if judgement.limit.kind == "max-increase":
        assert judgement.base
        used = Fraction(max(value - judgement.base, 0)) / (bound * judgement.base)
        return percent(used.numerator, used.denominator, 1).removesuffix(" %")
    return percent(value, int(bound), 1).removesuffix(" %")


def settings_words(one: Checked) -> str:
    """What a spec's figures were taken at, in short; empty for one that is invalid."""
    if one.report is None:
        return ""
    settings = one.report.settings
    inputs = inputs_in_words(settings.inputs, with_name=False)
    return f"{inputs}, batch {settings.batch}, {settings.dtype}, {settings.convention} convention"


def finding_text(finding: Finding) -> str:
    """A finding as errors are printed: where, what, the line with a caret, the heaviest layers, and how to fix it."""
    rule = finding.rule
    problem = Problem(f"{rule.id} {rule.name}: {finding.message}", finding.location, level=rule.level)
    heaviest = finding.heaviest_words()
    lines = [str(problem), f"  heaviest: {printable(heaviest)}" if heaviest else ""]
    lines.append(f"  hint: {printable(finding.hint)}" if finding.hint else "")
    return "\n".join(line for line in lines if line) + "\n"


def summary(checked: Sequence[Checked]) -> str:
    """How many specs were checked, and with which outcomes."""
    verdicts = Counter(one.verdict for one in checked)
    counted = ", ".join(f"{verdicts[verdict]:,} {verdict}" for verdict in VERDICTS if verdicts[verdict])
    bare = sum(1 for one in checked if one.report and not one.judgements)
    more = f"; {bare:,} without limits" if bare else ""
    return f"{len(checked):,} {'spec' if len(checked) == 1 else 'specs'} checked: {counted}{more}"


def markdown(checked: Sequence[Checked]) -> str:
    """The report for a step summary or a comment: failures first."""
    from archcalc.render.formats import markup  # text does without it

    columns = (
        Column("spec", ("spec",), "left"),
        Column("metric", ("metric",), "left"),
        Column("figure", ("figure",)),
        Column("limit", ("limit",), "left"),
        Column("used", ("used", "(%)")),
        Column("verdict", ("verdict",), "left"),
        Column("at", ("at",), "left"),
    )
    ordered = sorted(checked, key=lambda one: (-one.exit_code, one.verdict == "ok"))
    rows: list[tuple[str, ...]] = []
    for one in ordered:
        at = settings_words(one) or "–"
        name = printable(one.name)
        found = [(name, *_row(judgement), at) for judgement in one.judgements]
        rows += found or [(name, "–", "–", "–", "–", one.verdict, at)]
    cut = [f"{len(rows) - MOST_ROWS:,} more rows are left out"] if len(rows) > MOST_ROWS else []
    grid = Grid(columns, tuple(tuple(map(Cell, row)) for row in rows[:MOST_ROWS]), notes=tuple(cut))
    findings = [finding for one in ordered for finding in one.findings]
    items = [f"- {_item(finding, markup.escaped)}" for finding in findings[:MOST_ROWS]]
    if len(findings) > MOST_ROWS:
        items.append(f"- {len(findings) - MOST_ROWS:,} more findings are left out")
    compared = "".join(
        f"\n\nCompared with {markup.escaped(base)}" for base in dict.fromkeys(o.base for o in checked) if base
    )
    head = f"### archcalc: {summary(checked)}{compared}\n"
    return "\n".join([head, markup.markdown(grid), *items, *([""] if items else [])])


def _item(finding: Finding, escaped: Callable[[str], str]) -> str:
    where = "" if finding.location is None else f"{escaped(str(finding.location))} "
    return f"{where}**{finding.rule.id} {finding.rule.name}**: {escaped(finding.text())}"
