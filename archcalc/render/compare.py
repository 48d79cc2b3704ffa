"""Comparison → Grids: totals with their ratios, and the groups below."""

from collections.abc import Sequence
from fractions import Fraction

from archcalc.comparison.compare import Comparison
from archcalc.engine.figures import FIGURES, METRICS
from archcalc.errors import printable
from archcalc.render.grid import Cell, Column, Grid
from archcalc.units import COUNT_UNITS, MEMORY_UNITS, human

UNKNOWN = "?"
MOST_BESIDE = 3
"""How many architectures are shown side by side; more are shown one below the other."""


def totals_grid(found: Comparison, caption: str) -> Grid:
    """Every metric of every architecture, and how many times the first's it is."""
    names = [printable(report.architecture) for report in found.reports]
    if len(names) > MOST_BESIDE:
        return _transposed(found, names, caption)
    columns = [Column("metric", ("metric",), "left"), Column("first", (names[0],))]
    for i, name in enumerate(names[1:]):
        columns += [Column(f"value{i}", (name,)), Column(f"ratio{i}", ("×",), drop_order=5)]
    rows = []
    for name, metric in METRICS.items():
        (first, *values), (_, *ratios) = found.totals(name), found.ratios(name)
        cells = [metric.title, figure(name, first)]
        for value, ratio in zip(values, ratios, strict=True):
            cells += [figure(name, value), times(ratio)]
        rows.append(tuple(map(Cell, cells)))
    return Grid(tuple(columns), tuple(rows), title=" against ".join(names), caption=caption)


def _transposed(found: Comparison, names: Sequence[str], caption: str) -> Grid:
    columns = [Column("name", ("", "name"), "left")]
    for place, (name, metric) in enumerate(METRICS.items()):
        columns += [
            Column(name, ("", metric.title), drop_order=0 if place < 1 else 2 * place),
            Column(f"{name}_ratio", ("", "×"), drop_order=2 * place + 1),
        ]
    by_metric = [
        cell
        for name in METRICS
        for cell in ([figure(name, v) for v in found.totals(name)], [times(r) for r in found.ratios(name)])
    ]
    rows = tuple((Cell(name), *(Cell(cells[i]) for cells in by_metric)) for i, name in enumerate(names))
    return Grid(tuple(columns), rows, title=f"{len(names)} architectures", caption=caption)


def breakdown_grid(found: Comparison, metrics: Sequence[str]) -> Grid:
    """The groups of all architectures, in common lines; a line that costs nothing anywhere is left out."""
    names = [printable(report.architecture) for report in found.reports]
    columns = [Column("group", ("", found.by), "left")]
    for order, metric in enumerate(metrics):
        for i, name in enumerate(names):
            drop = 3 * order + (i > 0) + 1 if order or i else 0
            columns.append(Column(f"{metric}{i}", (METRICS[metric].title, name), drop_order=drop))
    rows, left_out = [], 0
    for line in found.lines:
        figures = [found.figures(line, metric) for metric in metrics]
        if not any(value is None or value for values in figures for value in values):
            left_out += 1
            continue
        cells = [
            figure(metric, value) if rows_of else "–"
            for metric, values in zip(metrics, figures, strict=True)
            for value, rows_of in zip(values, line.groups, strict=True)
        ]
        rows.append((Cell(printable(line.name)), *map(Cell, cells)))
    notes = (f"left out: {left_out:,} that cost nothing",) if left_out else ()
    totals = [figure(metric, value) for metric in metrics for value in found.totals(metric)]
    return Grid(tuple(columns), tuple(rows), closing=((Cell("total"), *map(Cell, totals)),), notes=notes)


def figure(metric: str, value: int | None) -> str:
    """A figure for people, `?` where it is unknown.

    >>> figure("params", 61100840), figure("depth", 8), figure("memory", 4449696)
    ('61.1 M', '8', '4.24 MiB')
    """
    if value is None:
        return UNKNOWN
    if not FIGURES[metric].is_rounded:
        return f"{value:,}"
    return human(value, MEMORY_UNITS if FIGURES[metric].unit == "bytes" else COUNT_UNITS)


def times(ratio: Fraction | None) -> str:
    """How many times something is another, to three digits.

    >>> times(Fraction(256, 10)), times(Fraction(1)), times(Fraction(1, 3)), times(Fraction(12345))
    ('25.6×', '1×', '0.333×', '12,345×')
    """
    if ratio is None:
        return UNKNOWN
    value = float(ratio)
    return f"{value:,.0f}×" if value >= 100 else f"{value:.3g}×"
