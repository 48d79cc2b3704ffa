"""Report → Grid: the table of the lecture, in the columns and units that were asked for, or that fit."""

from collections.abc import Iterable, Sequence

import msgspec

from archcalc.engine.conventions import CONVENTIONS
from archcalc.engine.figures import FIGURES, LECTURE
from archcalc.engine.report import LayerReport, Report
from archcalc.engine.settings import inputs_in_words
from archcalc.errors import printable
from archcalc.render.columns import (
    COSTS,
    FACTS,
    LARGE_UNITS,
    LECTURE_UNITS,
    NOTHING,
    OF_MAPS,
    SHARES,
    Units,
    column,
    default_columns,
    has_channels_first,
)
from archcalc.render.grid import MOST_ROWS, Cell, Grid, beyond, narrowed
from archcalc.render.summary import least_of_half, notes
from archcalc.units import in_unit, percent

UNKNOWN = "?"
CUT = beyond("layers")
KB_WORDS = "1 KB = 1024 bytes, as in the lecture; budgets call it KiB"
SHAPES_WORDS = "C and H/W are unknown, because channels are not first in every tensor: use the columns input and output"


def report_grid(
    report: Report, columns: tuple[str, ...] | None = None, *, units: Units = LECTURE_UNITS, hide: bool = True
) -> Grid:
    """The table of a report in these units and columns, by default those that fit its tensors.

    `hide` leaves out the rows that cost nothing and change no shape; one closing row sums them up, and another what is
    beyond MOST_ROWS, so that every column still adds up to its total. The heaviest cells stand out.
    Raises SettingError where figures are symbols or arrays.
    """
    report.require_plain("shown as a table")
    columns = default_columns(report) if columns is None else columns
    visible, hidden = list[LayerReport](), list[LayerReport]()
    for row in report.layers:
        (hidden if hide and row.costs_nothing else visible).append(row)
    shown, others = visible[:MOST_ROWS], visible[MOST_ROWS:]
    heavy = {cost: least_of_half(map(FIGURES[cost].of_row, visible)) for cost in LECTURE}
    whole = {cost: FIGURES[cost].known(report.layers) for cost in LECTURE}
    decimals = {cost: _decimals(report.layers, cost, units) for cost in COSTS}
    unlabelled = () if set(OF_MAPS).isdisjoint(columns) or has_channels_first(report) else OF_MAPS

    def figure(cost: str, value: int) -> str:
        return in_unit(value, units[cost].worth, decimals[cost])

    def share(cost: str, value: int) -> str:
        return percent(value, whole[cost], 1).removesuffix(" %")

    def cells(name: str) -> list[Cell]:
        if name in FACTS:
            return [Cell(UNKNOWN if name in unlabelled else printable(FACTS[name][1](row))) for row in shown]
        cost = SHARES.get(name, name)
        least, values = heavy.get(cost), [FIGURES[cost].of_row(row) for row in shown]
        written = share if name in SHARES else figure
        texts = [UNKNOWN if value is None else written(cost, value) for value in values]
        strong = [least is not None and value is not None and value >= least for value in values]
        return [Cell(*cell) for cell in zip(texts, strong, strict=True)]

    def closing(label: str, rows: Sequence[LayerReport]) -> tuple[Cell, ...]:
        cells = [Cell(NOTHING if name in FACTS else _sum_text(name, rows)) for name in columns]
        if columns[0] in FACTS:
            cells[0] = Cell(label)
        return tuple(cells)

    def _sum_text(name: str, rows: Sequence[LayerReport]) -> str:
        cost = SHARES.get(name, name)
        value = FIGURES[cost].known(rows)
        text = share(cost, value) if name in SHARES else figure(cost, value)
        return f"{text}+{UNKNOWN}" if None in map(FIGURES[cost].of_row, rows) else text

    shapes = [SHAPES_WORDS] if unlabelled else []
    kilobytes = [KB_WORDS] if any(name in COSTS and units[name].symbol == "KB" for name in columns) else []
    sums = [closing(f"+{len(others)} more", others)] if others else []
    sums += [closing(f"+{len(hidden)} hidden", hidden)] if hidden else []
    cut = [CUT] if others else []
    return Grid(
        columns=tuple(column(name, units) for name in columns),
        rows=tuple(zip(*[cells(name) for name in columns], strict=True)),
        closing=(*sums, closing("total", report.layers)),
        title=printable(report.title),
        caption=caption(report),
        notes=(*cut, *notes(report, visible, hidden), *shapes, *kilobytes),
    )


def fitted_grid(
    report: Report, width: int | None, columns: tuple[str, ...], *, units: Units, hide: bool
) -> tuple[Grid, int]:
    """The table of a report that fits `width` (None: any), and the gap to draw it with.

    Larger units come first, then columns are dropped by priority; a figure is never cut.
    """
    grid = report_grid(report, columns, units=units, hide=hide)
    if width is None:
        return grid, 2
    if units is LECTURE_UNITS and grid.width(gap=1) > width:
        grid = report_grid(report, columns, units=_large_units(report), hide=hide)
    return narrowed(grid, width, remedy="; --wide shows all")


def _large_units(report: Report) -> Units:
    """The larger unit for each cost of which there is at least one such unit: a smaller one would lose its digits."""
    return {
        cost: LARGE_UNITS[cost] if FIGURES[cost].known(report.layers) >= LARGE_UNITS[cost].worth else unit
        for cost, unit in LECTURE_UNITS.items()
    }


def without_totals(grid: Grid) -> Grid:
    """The rows before a spec's first error, without totals and shares, which would mislead."""
    cut = [note for note in grid.notes if note == CUT]
    return msgspec.structs.replace(grid, closing=(), notes=("the rows before the first error", *cut))


def caption(report: Report) -> str:
    """What the figures were made at: input, batch, dtype and convention."""
    settings = report.settings
    parts = (
        inputs_in_words(settings.inputs),
        f"batch {settings.batch}",
        settings.dtype,
        f"{settings.convention} convention: {CONVENTIONS[settings.convention].statement}",
    )
    return " · ".join(parts)


def _decimals(rows: Iterable[LayerReport], cost: str, units: Units) -> int:
    """Whole numbers as the lecture prints them, unless even the largest row would come out with few figures."""
    worth = units[cost].worth
    largest = max(filter(None, map(FIGURES[cost].of_row, rows)), default=0)
    if worth == 1 or largest == 0:
        return 0
    if largest >= 100 * worth:
        return 1 if units[cost] == LARGE_UNITS[cost] else 0
    return 1 if largest >= 10 * worth else 2 if largest >= worth else 3
