"""The figures that a network is measured by, each in one place: what it is of a layer, and what all layers make.

Whatever shows, compares or limits figures reads them from here: columns, totals, JSON, comparisons, diffs, budgets and
their rules, charts, pages, claims. A new figure is one more `Figure` in `FIGURES`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from archcalc.errors import SettingError, did_you_mean
from archcalc.units import BYTES_PER_ELEMENT, Measure

if TYPE_CHECKING:
    from archcalc.engine.report import LayerReport, Report
    from archcalc.engine.settings import Settings

OfRow: TypeAlias = "Callable[[LayerReport], int | None]"
OfWhole: TypeAlias = "Callable[[Sequence[LayerReport], Settings], int | None]"


def largest(values: Iterable[int]) -> int:
    """The largest of some values, 0 of none.

    >>> largest([3, 5]), largest([])
    (5, 0)
    """
    return max(values, default=0)


class TableColumn(NamedTuple):
    """How the table shows a figure: its heading, and the units of the lecture's table and of a narrow one."""

    heading: str
    unit: str
    large_unit: str


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure. None means unknown, for a layer and for the whole; unknown is never 0.

    `name` is what options, budgets and claims call it, `field` what JSON does (empty where it holds none). `statement`
    says what it is of the whole, `of_a_layer` what of a layer where that needs saying.

    It is `per_row` of a layer (None: of the whole alone), and `total` makes the figure of the whole of those of the
    layers: their sum, or the largest. A figure that is neither computes it by `whole`; `made_of` is then the figure
    of the layers that it comes from. With `leaves_out_unknown`, a report's totals hold the sum of what is known, and
    say by `complete` that it is not all.
    """

    name: str
    title: str
    unit: Measure
    statement: str
    of_a_layer: str = ""
    field: str = ""
    per_row: "OfRow | None" = None
    total: Callable[[Iterable[int]], int] = sum
    whole: "OfWhole | None" = None
    made_of: "Figure | None" = None
    leaves_out_unknown: bool = False
    at_most: str = ""
    """What is so at the layer of which it is largest, in words."""
    is_own: bool = False
    """Whether a layer's value depends on the layer alone, not on its neighbours."""
    is_rounded: bool = True
    """Whether people want it in k, M or G."""
    column: TableColumn | None = None
    in_prose: str = ""
    rule: int | None = None
    """The last two digits of the ids of its limits' rules; None where no limit can be set on it.

    A number is never used again, so that an id means the same for ever.
    """

    @property
    def adds_up(self) -> bool:
        """Whether the figure of several layers is the sum of theirs."""
        return self.per_row is not None and self.total is sum

    @property
    def words(self) -> str:
        """What it is called in a sentence."""
        return self.in_prose or f"the {self.title}"

    def of_row(self, row: "LayerReport") -> int | None:
        """The figure of one layer, which must have it; None where it is unknown."""
        return self._per_row(row)

    def known(self, rows: Iterable["LayerReport"]) -> int:
        """What rows make together; those of which it is unknown are left out."""
        return self.total([value for value in map(self._per_row, rows) if value is not None])

    def of_rows(self, rows: Sequence["LayerReport"], settings: "Settings") -> int | None:
        """What the rows of a report at these settings make together; None where that is unknown."""
        if self.whole is not None:
            return self.whole(rows, settings)
        values = [*map(self._per_row, rows)]
        known = [value for value in values if value is not None]
        return self.total(known) if len(known) == len(values) else None

    def of(self, report: "Report") -> int | None:
        """The figure of a whole report; None where it is unknown.

        >>> from archcalc import analyze
        >>> report = analyze("resnet50")
        >>> FIGURES["depth"].of(report), FIGURES["weights"].of(report)
        (50, 102228128)
        """
        return self.of_rows(report.layers, report.settings)

    @property
    def _per_row(self) -> "OfRow":
        assert self.per_row is not None, f"{self.name} is not a figure of a layer"
        return self.per_row


def _depth(rows: Sequence["LayerReport"], _: "Settings") -> int:
    return largest(row.depth for row in rows if not row.train_only)


def _receptive_field(rows: Sequence["LayerReport"], _: "Settings") -> int | None:
    """The larger side of what one output of the last layer sees."""
    last = next((row for row in reversed(rows) if not row.train_only), None)
    return None if last is None or not last.receptive_field else max(last.receptive_field)


def _bytes_of_parameters(rows: Sequence["LayerReport"], settings: "Settings") -> int:
    return PARAMS.known(rows) * BYTES_PER_ELEMENT[settings.dtype]


PARAMS = Figure(
    name="params",
    title="params",
    unit="count",
    statement="weights and biases",
    field="params",
    per_row=attrgetter("params"),
    is_own=True,
    column=TableColumn("params", "k", "M"),
    in_prose="the parameters",
    rule=1,
)
MACS = Figure(
    name="macs",
    title="MACs",
    unit="count",
    statement="multiply-adds of convolutions and matrix products",
    field="macs",
    per_row=attrgetter("macs"),
    leaves_out_unknown=True,
    is_own=True,
    column=TableColumn("MACs", "M", "G"),
    rule=2,
)
FLOPS = Figure(
    name="flops",
    title="FLOPs",
    unit="count",
    statement="by the convention",
    field="flops",
    per_row=attrgetter("flops"),
    leaves_out_unknown=True,
    is_own=True,
    column=TableColumn("FLOPs", "M", "G"),
    rule=3,
)
MEMORY = Figure(
    name="memory",
    title="memory",
    unit="bytes",
    statement="the outputs of all layers together",
    field="memory_bytes",
    per_row=attrgetter("memory_bytes"),
    is_own=True,
    column=TableColumn("memory", "KB", "MiB"),
    rule=4,
)
LIVE = Figure(
    name="live",
    title="live",
    unit="bytes",
    statement="the most memory in use at once",
    of_a_layer="the memory in use while a layer runs in eval mode, the input included",
    field="live_bytes",
    per_row=attrgetter("live_bytes"),
    total=largest,
    at_most="the most is alive",
    column=TableColumn("live", "KB", "MiB"),
)
PEAK = Figure(
    name="peak",
    title="peak memory",
    unit="bytes",
    statement=LIVE.statement,
    field="peak_memory_bytes",
    whole=LIVE.of_rows,
    made_of=LIVE,
    rule=5,
)
SAVED = Figure(
    name="saved",
    title="saved for backward",
    unit="bytes",
    statement="the memory that training keeps for the backward pass",
    of_a_layer="the memory that training keeps of it for the backward pass, beyond that of earlier layers, as PyTorch "
    "does on the CPU",
    field="saved_for_backward_bytes",
    per_row=attrgetter("saved_for_backward_bytes"),
    column=TableColumn("saved", "KB", "MiB"),
    rule=6,
)
BYTES_MOVED = Figure(
    name="bytes_moved",
    title="bytes moved",
    unit="bytes",
    statement="the least that the layers read and write, one by one",
    of_a_layer="the least that a layer reads and writes: its inputs, its output, and the parameters and buffers that "
    "it uses, each once; of a table no more than goes into the output, and nothing if the output is a view",
    field="bytes_moved",
    per_row=attrgetter("bytes_moved"),
    column=TableColumn("moved", "KB", "MiB"),
    rule=11,
)
BUFFERS = Figure(
    name="buffers",
    title="buffers",
    unit="count",
    statement="state besides the parameters, such as running statistics",
    field="buffers",
    per_row=attrgetter("buffers"),
    column=TableColumn("buffers", "k", "M"),
)
WEIGHTS = Figure(
    name="weights",
    title="weights",
    unit="bytes",
    statement="all parameters at the dtype",
    whole=_bytes_of_parameters,
    made_of=PARAMS,
    rule=7,
)
WEIGHT_COUNT = Figure(
    name="weight_count",
    title="weights without biases",
    unit="count",
    statement="all parameters except biases",
    field="weights",
    per_row=attrgetter("weights"),
)
ELEMENTS = Figure(
    name="elements",
    title="elements",
    unit="count",
    statement="the numbers in the outputs for one sample",
    per_row=attrgetter("elements"),
)
LAYERS = Figure(
    name="layers",
    title="layers",
    unit="count",
    statement="all layers of the spec",
    whole=lambda rows, _: len(rows),
    is_rounded=False,
    rule=8,
)
DEPTH = Figure(
    name="depth",
    title="depth",
    unit="count",
    statement="convolutions and linear layers one after another",
    field="depth",
    whole=_depth,
    is_rounded=False,
    rule=9,
)
RECEPTIVE_FIELD = Figure(
    name="receptive_field",
    title="receptive field",
    unit="count",
    statement="elements along the larger side",
    whole=_receptive_field,
    is_rounded=False,
    rule=10,
)

FIGURES: Mapping[str, Figure] = {
    figure.name: figure
    for figure in (
        PARAMS,
        MACS,
        FLOPS,
        MEMORY,
        LIVE,
        PEAK,
        SAVED,
        BYTES_MOVED,
        BUFFERS,
        WEIGHTS,
        WEIGHT_COUNT,
        ELEMENTS,
        LAYERS,
        DEPTH,
        RECEPTIVE_FIELD,
    )
}
"""All figures by their names, in the order in which they are shown."""
METRICS: Mapping[str, Figure] = {name: figure for name, figure in FIGURES.items() if figure.rule is not None}
"""The figures of a whole architecture that are compared, charted and limited."""
LECTURE = ("memory", "params", "flops")
"""The three that the lecture's table is about, in its order."""
IN_ROWS: Mapping[str, Figure] = {
    figure.field: figure for figure in FIGURES.values() if figure.field and figure.per_row is not None
}
"""Those that JSON holds for each layer, by their fields."""
IN_TOTALS: Mapping[str, Figure] = {
    figure.field: figure for figure in FIGURES.values() if figure.field and (figure.whole or figure.adds_up)
}
"""Those that JSON holds for the whole, by their fields."""


def metric_named(name: str) -> Figure:
    """The metric of this name; raises SettingError where there is none.

    >>> metric_named("depth").statement
    'convolutions and linear layers one after another'
    """
    try:
        return METRICS[name]
    except KeyError:
        known = f"metrics: {', '.join(METRICS)}"
        raise SettingError(f"unknown metric {name!r}", hint=did_you_mean(name, METRICS, known)) from None
