"""What an analysis found: one immutable row for each layer, and their totals, as exact integers."""

import functools
from collections.abc import Sequence
from typing import Any, Protocol, cast

import msgspec

from archcalc._version import __version__
from archcalc.engine.conventions import Convention, Work, convention_named
from archcalc.engine.figures import IN_ROWS
from archcalc.engine.settings import Settings
from archcalc.engine.totals import Totals, told
from archcalc.errors import SettingError
from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import UNKNOWN, Sizes, is_plain
from archcalc.layers.core.base import Ops, elements

SCHEMA_VERSION = 1


class LayerReport(msgspec.Struct, frozen=True, gc=False):
    """One row: `memory_bytes`, `macs`, `flops` and the tally `ops` are for the whole batch of `samples`.

    `ops` and `macs` are None where unknown, `flops` if the convention has no price; `ops` also where the report is of
    an earlier version.
    `live_bytes` is what is alive in memory while the row runs in eval mode, the network's input included; None where
    unknown.
    `saved_for_backward_bytes` is what training keeps of it beyond what earlier rows keep, as PyTorch does on the CPU:
    None where unknown, and at a dtype that does not train. `bytes_moved` is what it must at least read and write in
    eval mode; None where unknown, and where the report is of an earlier version. `line` is that of the spec (None
    of a graph that was built in Python), `inputs` and `output` are shapes of one sample. `receptive_field` gives,
    for each spatial dimension of the spec's input, how many of its elements one output sees; None where it has
    none. `depth` counts the convolutions and linear layers on the longest way from the input to the row's output,
    as the 50 of ResNet-50 are counted. `tied` is the row whose weights this one uses: what it holds besides them is
    in `params`. A `train_only` row holds parameters, but neither runs nor takes memory in eval mode; `misfit` says
    why one does not fit its input, in which case training fails, and the sizes that follow from it are UNKNOWN.
    """

    name: str
    kind: str
    line: int | None
    inputs: tuple[Sizes, ...]
    output: Sizes
    params: int
    weights: int
    buffers: int
    memory_bytes: int
    live_bytes: int | None
    saved_for_backward_bytes: int | None
    macs: int | None
    flops: int | None
    receptive_field: Sizes | None
    depth: int
    layer: Layer
    ops: Ops | None
    samples: int
    tied: str | None = None
    train_only: bool = False
    misfit: str | None = None
    bytes_moved: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the layer, defaults filled in."""
        return {name: getattr(self.layer, name) for name in self.layer.__struct_fields__}

    @property
    def elements(self) -> int:
        """How many numbers the output of one sample holds."""
        return elements(self.output)

    def flops_by(self, convention: str | Convention) -> int | None:
        """The FLOPs of the whole batch by this convention; None where they are unknown.

        Raises SettingError for an unknown convention.

        >>> from archcalc import analyze
        >>> row = analyze("alexnet").layer("conv1")
        >>> row.flops, row.flops_by("torch")
        (72855552, 145711104)
        """
        if self.train_only:
            return 0
        found = convention_named(convention) if isinstance(convention, str) else convention
        return cast("int | None", found.flops(Work(self.layer, self.inputs, self.output, self.ops, self.samples)))

    @property
    def costs_nothing(self) -> bool:
        """Whether the row costs nothing and changes no shape, so that tables hide it."""
        return self.flops == 0 and self.params == 0 and len(self.inputs) == 1 and self.inputs[0] == self.output

    def to_dict(self) -> dict[str, Any]:
        """The row as `archcalc table --json` prints it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "line": self.line,
            "inputs": [plain_shape(shape) for shape in self.inputs],
            "output": plain_shape(self.output),
            **{field: figure.of_row(self) for field, figure in IN_ROWS.items()},
            "samples": self.samples,
            "ops": None if self.ops is None else msgspec.structs.asdict(self.ops),
            "receptive_field": None if self.receptive_field is None else list(self.receptive_field),
            "depth": self.depth,
            "tied": self.tied,
            "train_only": self.train_only,
            "misfit": self.misfit,
            "fields": {name: list(v) if isinstance(v, tuple) else v for name, v in self.fields.items()},
        }


class Output(msgspec.Struct, frozen=True):
    """What a network gives in eval mode: the layer that makes it, and its shape without the batch."""

    name: str
    shape: Sizes


class Findings(Protocol):
    """What a report is made of; whoever asks for none of it does not wait for it."""

    @property
    def costs(self) -> Sequence[Any]:
        """What each layer costs by itself: anything that has a row's own figures under their names."""

    @property
    def layers(self) -> tuple[LayerReport, ...]:
        """The rows in the order in which the layers run."""

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the network gives."""


class Stored(msgspec.Struct, frozen=True):
    """Findings that are there."""

    layers: tuple[LayerReport, ...]
    outputs: tuple[Output, ...]

    @property
    def costs(self) -> tuple[LayerReport, ...]:
        """What each layer costs by itself."""
        return self.layers


class Report(msgspec.Struct, frozen=True, eq=False, dict=True):
    """The rows of an architecture in the order in which its layers run, and their totals.

    Rows are found when they are asked for, and with them the totals that no layer's own figures make: peak memory, what
    is saved for the backward pass, what is moved, and depth. Where the analysis was given symbols or arrays, what
    depends on them is such as well; figures are typed as the whole numbers that they are else.

    >>> from archcalc import analyze, load
    >>> report = analyze(load("alexnet"))
    >>> report.totals.params, report.layers[0].output
    (61100840, (64, 56, 56))
    """

    architecture: str
    title: str
    settings: Settings
    found: Findings

    @classmethod
    def of(cls, architecture: str, title: str, settings: Settings, found: Stored) -> "Report":
        """The report of rows that are there."""
        return cls(architecture, title, settings, found)

    @property
    def layers(self) -> tuple[LayerReport, ...]:
        """The rows in the order in which the layers run."""
        return self.found.layers

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the network gives: it is alive to the end."""
        return self.found.outputs

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Report):
            return False
        if self.is_plain and other.is_plain:
            return self._content() == other._content()
        return bool(told(self._content()) == told(other._content()))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Report({', '.join(map(repr, self._content()))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Report.of, self._content()

    def _content(self) -> tuple[str, str, Settings, Stored]:
        return self.architecture, self.title, self.settings, Stored(self.layers, self.outputs)

    @property
    def last(self) -> str | None:
        """The name of the last layer that runs in eval mode."""
        return next((row.name for row in reversed(self.layers) if not row.train_only), None)

    @functools.cached_property
    def totals(self) -> Totals:
        """The figures of all rows together."""
        return Totals(self.found, self.settings)

    def layer(self, name: str) -> LayerReport:
        """The row of this name; raises KeyError where there is none."""
        for row in self.layers:
            if row.name == name:
                return row
        raise KeyError(name)

    def flops(self, convention: str | Convention) -> int | None:
        """The FLOPs of all rows by this convention; None where those of some row are unknown.

        Raises SettingError for an unknown convention.

        >>> from archcalc import analyze
        >>> report = analyze("alexnet")
        >>> report.flops("lecture"), report.flops("torch")
        (717562112, 1433534464)
        """
        found = convention_named(convention) if isinstance(convention, str) else convention
        flops = [row.flops_by(found) for row in self.layers]
        known = [figure for figure in flops if figure is not None]
        return sum(known) if len(known) == len(flops) else None

    @functools.cached_property
    def is_plain(self) -> bool:
        """Whether all figures are whole numbers: no symbols, no arrays."""
        settings = (*self.settings.inputs.values(), self.settings.batch, list(self.settings.vars.values()))
        layers = {id(row.layer): row.layer for row in self.layers}.values()
        return is_plain(*settings, *[field for layer in layers for field in msgspec.structs.astuple(layer)])

    def require_plain(self, treated: str) -> None:
        """Raise SettingError unless all figures are whole numbers, as what is `treated` so needs them.

        >>> from archcalc import analyze
        >>> analyze("alexnet").require_plain("compared")
        """
        if not self.is_plain:
            raise SettingError(
                f"a report whose figures are symbols or arrays cannot be {treated}",
                hint="analyze it at whole numbers, or read its figures in Python",
            )

    def to_dict(self) -> dict[str, Any]:
        """The report as `archcalc table --json` prints it: plain lists, dicts and exact integers.

        Raises SettingError where figures are symbols or arrays.
        """
        self.require_plain("written")
        return {
            "schema_version": SCHEMA_VERSION,
            "archcalc": __version__,
            "architecture": self.architecture,
            "title": self.title,
            "settings": self.settings.to_dict(),
            "layers": [row.to_dict() for row in self.layers],
            "totals": self.totals.to_dict(),
            "further_outputs": [output.name for output in self.outputs if output.name != self.last],
            "outputs": [{"name": output.name, "shape": plain_shape(output.shape)} for output in self.outputs],
        }

    @classmethod
    def from_dict(cls, data: Any) -> "Report":
        """The report that `to_dict` made this of; raises SettingError for anything else.

        >>> from archcalc import analyze, load
        >>> report = analyze(load("lenet5"))
        >>> Report.from_dict(report.to_dict()).totals == report.totals
        True
        """
        from archcalc.engine.saved_report import report_of

        return report_of(data)


def plain_shape(shape: Sizes) -> list[int | None]:
    """A shape as JSON has it: null for a size that is not known.

    >>> plain_shape((768, UNKNOWN, 8))
    [768, None, 8]
    """
    return [None if size is UNKNOWN else size for size in shape]
