"""The columns that a report's table can have: what each prints, in which unit, and which goes first in a narrow one."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from archcalc.engine.figures import FIGURES, LECTURE, Figure, TableColumn
from archcalc.engine.report import LayerReport, Report
from archcalc.errors import SettingError, did_you_mean
from archcalc.layers.core.base import AlongAxes, Operation, Visibility, fmt_shape
from archcalc.render.grid import Column, fmt_line
from archcalc.units import Unit, unit

Text: TypeAlias = Callable[[LayerReport], str]
Units: TypeAlias = dict[str, Unit]

NOTHING = ""
FOR_SEQUENCES = (Operation.ATTENTION, Operation.RECURRENCE)
"""What layers do that read tokens × features, or windows of them."""


def _channels(shape: tuple[int, ...]) -> str:
    return str(shape[0])


def _size(shape: tuple[int, ...]) -> str:
    """Height and width, once where they are equal; nothing for a flat shape."""
    spatial = shape[1:]
    return str(spatial[0]) if len(set(spatial)) == 1 else fmt_shape(spatial)


def _field(name: str) -> Text:
    def text(row: LayerReport) -> str:
        value = getattr(row.layer, name, None)
        if value is None and name == "stride" and hasattr(row.layer, "stride"):
            value = getattr(row.layer, "step", None)  # a pool without a stride steps by its kernel
        return fmt_shape(value) if isinstance(value, tuple) else NOTHING if value is None else str(value)

    return text


def _receptive_field(row: LayerReport) -> str:
    return NOTHING if row.receptive_field is None else _size((0, *row.receptive_field))


# Columns that only come when they are asked for go last.
FACTS: dict[str, tuple[Column, Text]] = {
    column.name: (column, text)
    for column, text in (
        (Column("layer", ("layer",), "left"), lambda row: row.name),
        (Column("name", ("name",), "left"), lambda row: row.name),
        (Column("kind", ("kind",), "left", 8), lambda row: row.kind),
        (Column("line", ("line",), "right", 9), lambda row: fmt_line(row.line)),
        (Column("input", ("input",), "right", 8), lambda row: " ".join(map(fmt_shape, row.inputs))),
        (Column("output", ("output",), "right", 8), lambda row: fmt_shape(row.output)),
        (Column("input_channels", ("in", "C"), "right", 60), lambda row: _channels(row.inputs[0])),
        (Column("input_size", ("in", "H/W"), "right", 50), lambda row: _size(row.inputs[0])),
        (Column("filters", ("", "filters"), "right", 80), _field("filters")),
        (Column("kernel", ("", "kernel"), "right", 20), _field("kernel")),
        (Column("stride", ("", "stride"), "right", 30), _field("stride")),
        (Column("pad", ("", "pad"), "right", 40), _field("pad")),
        (Column("dilation", ("", "dilation"), "right", 6), _field("dilation")),
        (Column("groups", ("", "groups"), "right", 6), _field("groups")),
        (Column("output_channels", ("out", "C"), "right", 10), lambda row: _channels(row.output)),
        (Column("output_size", ("out", "H/W"), "right", 5), lambda row: _size(row.output)),
        (Column("receptive_field", ("receptive", "field"), "right", 7), _receptive_field),
    )
}

COSTS: dict[str, tuple[Figure, TableColumn]] = {
    figure.name: (figure, figure.column) for figure in FIGURES.values() if figure.column is not None
}
SHARES = {f"{cost}_share": cost for cost in LECTURE}
"""Columns of percent of the total, and the cost that each is a share of."""

LECTURE_UNITS: Units = {name: unit(column.unit) for name, (_, column) in COSTS.items()}
LARGE_UNITS: Units = {name: unit(column.large_unit) for name, (_, column) in COSTS.items()}
EXACT_UNITS: Units = {name: unit("bytes" if figure.unit == "bytes" else "") for name, (figure, _) in COSTS.items()}

DEFAULT = (
    "layer",
    "input_channels",
    "input_size",
    "filters",
    "kernel",
    "stride",
    "pad",
    "output_channels",
    "output_size",
    *LECTURE,
)
DATA = ("layer", "input", "output", *DEFAULT[1:])
"""The columns of csv and tsv: the same for every network, unlike those of a table."""
OF_MAPS = ("input_channels", "input_size", "output_channels", "output_size")
"""Columns that are unknown in a network in which channels are not the first axis of every tensor."""
DIMENSIONS = ("filters", "kernel", "stride", "pad")
GROUPS = {"default": DEFAULT, "share": tuple(SHARES)}
NAMES = (*FACTS, *COSTS, *SHARES, *GROUPS)


def default_columns(report: Report) -> tuple[str, ...]:
    """The lecture's columns where all tensors are maps with their channels first, or flat; else whole shapes.

    >>> from archcalc import analyze, load
    >>> default_columns(analyze(load("bert-base")))
    ('layer', 'input', 'output', 'memory', 'params', 'flops')
    """
    if has_channels_first(report):
        return DEFAULT
    said = [name for name in DIMENSIONS if any(FACTS[name][1](row) for row in _different(report))]
    return ("layer", "input", *said, "output", *LECTURE)


def has_channels_first(report: Report) -> bool:
    """Whether all tensors are maps with their channels first, or flat, so that `OF_MAPS` are known.

    >>> from archcalc import analyze
    >>> has_channels_first(analyze("alexnet")), has_channels_first(analyze("swin_t"))
    (True, False)
    """
    return all(map(_reads_channels_first, _different(report)))


def _different(report: Report) -> Iterable[LayerReport]:
    return {(id(row.layer), row.inputs, row.output): row for row in report.layers}.values()


def _reads_channels_first(row: LayerReport) -> bool:
    """Whether a layer reads and makes maps, their channels first, or flat tensors: no tokens, no windows."""
    layer, x, y = row.layer, row.inputs[0], row.output
    if layer.indices_below is not None or layer.operation in FOR_SEQUENCES:
        return False
    if len(y) == 1:
        return len(x) == 1 or layer.window(*row.inputs) is not Visibility.LAST_AXIS
    window = layer.window(*row.inputs)
    if isinstance(window, AlongAxes):
        left = [axis for axis in window.to if axis is not None]
        return window.to[0] == 0 and left == sorted(set(left))
    return len(x) == len(y) > 2 if window is Visibility.SCATTERED else window is not Visibility.LAST_AXIS


def choose(columns: str | None, default: tuple[str, ...] = DEFAULT) -> tuple[str, ...]:
    """The columns that `--columns` names, comma-separated; `default` and `share` name several.

    A leading `+` adds to the default ones. Raises SettingError for an unknown column.

    >>> choose("layer,share")
    ('layer', 'memory_share', 'params_share', 'flops_share')
    >>> choose("+kind")[-2:]
    ('flops', 'kind')
    """
    if columns is None:
        return default
    groups = {**GROUPS, "default": default}
    chosen = list(default) if columns.startswith("+") else []
    for name in (part.strip() for part in columns.removeprefix("+").split(",")):
        if name not in NAMES:
            hint = did_you_mean(name, NAMES, f"columns: {', '.join(NAMES)}")
            raise SettingError(f"unknown column {name!r}", hint=hint)
        chosen += [column for column in groups.get(name, (name,)) if column not in chosen]
    return tuple(chosen)


def column(name: str, units: Units) -> Column:
    """The column of this name, its header with the unit.

    >>> column("memory", LECTURE_UNITS).title
    'memory (KB)'
    """
    if name in FACTS:
        return FACTS[name][0]
    if name in SHARES:
        return Column(name, (COSTS[SHARES[name]][1].heading, "(%)"), "right", 7)
    symbol = units[name].symbol
    heading = COSTS[name][1].heading
    header = (heading, f"({symbol})") if symbol else (heading,)
    return Column(name, header, "right", 0 if name in LECTURE else 6)
