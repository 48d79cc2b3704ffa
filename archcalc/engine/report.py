"""What an analysis found: one immutable row for each layer, and their totals, as exact integers."""

from collections.abc import Iterable
from typing import Any, cast

import msgspec

from archcalc._version import __version__
from archcalc.engine.conventions import Convention, Work, convention_named
from archcalc.errors import SettingError
from archcalc.layers import Layer, kinds
from archcalc.layers.core.arithmetic import UNKNOWN, Sizes, is_plain, whole
from archcalc.layers.core.base import Ops, elements, fmt_shape
from archcalc.units import BYTES_PER_ELEMENT, KNOWN_DTYPES

SCHEMA_VERSION = 1


class Settings(msgspec.Struct, frozen=True):
    """What a report was made at: the input's shape without the batch, the batch, the dtype and the convention.

    `vars` are those of the spec that the run set, as JSON has them.
    """

    input: Sizes
    batch: int
    dtype: str
    convention: str
    vars: dict[str, Any] = {}

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON has them, without `vars` where none was set."""
        settings = {**msgspec.structs.asdict(self), "input": list(self.input)}
        return settings if self.vars else {name: value for name, value in settings.items() if name != "vars"}

    def differences(self, other: "Settings") -> dict[str, str]:
        """For each setting in which these and others differ, both values in words.

        >>> Settings((3, 8, 8), 2, "float32", "lecture").differences(Settings((3, 8, 8), 1, "float32", "lecture"))
        {'batch': 'batch 2, this at 1'}
        """
        return {
            name: f"{name} {_words(getattr(self, name))}, this at {_words(getattr(other, name))}"
            for name in self.__struct_fields__
            if getattr(self, name) != getattr(other, name)
        }


class LayerReport(msgspec.Struct, frozen=True, gc=False):
    """One row: `memory_bytes`, `macs`, `flops` and the tally `ops` are for the whole batch of `samples`.

    `ops` and `macs` are None where unknown, `flops` where the convention cannot tell; `ops` also where the report is of
    an earlier version.
    `live_bytes` is what is alive in memory while the row runs in eval mode, the network's input included; None where
    unknown.
    `saved_for_backward_bytes` is what training keeps of it beyond what earlier rows keep, as PyTorch does on the CPU:
    None where unknown, and at a dtype that does not train. `line` is that of the spec (None of a graph that was built
    in Python), `inputs` and `output` are shapes of one sample. `receptive_field` gives, for each spatial dimension of
    the spec's input, how many of its elements one output sees; None where it has none. `depth` counts the convolutions
    and linear layers on the longest way from the input to the row's output, as the 50 of ResNet-50 are counted. `tied`
    is the row whose weights this one uses: what it holds besides them is in `params`. A `train_only` row holds
    parameters, but neither runs nor takes memory in eval mode; `misfit` says why one does not fit its input, in which
    case training fails, and the sizes that follow from it are UNKNOWN.
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
    def is_foldable(self) -> bool:
        """Whether the row costs nothing and changes no shape, so that the table may fold it away."""
        return self.flops == 0 and self.params == 0 and len(self.inputs) == 1 and self.inputs[0] == self.output

    def to_dict(self) -> dict[str, Any]:
        """The row as `archcalc table --json` prints it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "line": self.line,
            "inputs": [plain_shape(shape) for shape in self.inputs],
            "output": plain_shape(self.output),
            "params": self.params,
            "weights": self.weights,
            "buffers": self.buffers,
            "memory_bytes": self.memory_bytes,
            "live_bytes": self.live_bytes,
            "saved_for_backward_bytes": self.saved_for_backward_bytes,
            "macs": self.macs,
            "flops": self.flops,
            "ops": None if self.ops is None else msgspec.structs.asdict(self.ops),
            "receptive_field": None if self.receptive_field is None else list(self.receptive_field),
            "depth": self.depth,
            "tied": self.tied,
            "train_only": self.train_only,
            "misfit": self.misfit,
            "fields": {name: list(v) if isinstance(v, tuple) else v for name, v in self.fields.items()},
        }


class Totals(msgspec.Struct, frozen=True):
    """Sums over rows. `complete` is False where some row's operations are unknown: the sums then leave them out.

    `peak_memory_bytes` is the most that is alive at once. It and `saved_for_backward_bytes` are None where a row's is
    unknown.
    """

    params: int
    buffers: int
    memory_bytes: int
    peak_memory_bytes: int | None
    saved_for_backward_bytes: int | None
    macs: int
    flops: int
    depth: int
    complete: bool

    @classmethod
    def of(cls, rows: Iterable[LayerReport]) -> "Totals":
        """The sums over these rows."""
        rows = tuple(rows)
        alive, saved = [row.live_bytes for row in rows], [row.saved_for_backward_bytes for row in rows]
        return cls(
            params=sum(row.params for row in rows),
            buffers=sum(row.buffers for row in rows),
            memory_bytes=sum(row.memory_bytes for row in rows),
            peak_memory_bytes=None if None in alive else max(filter(None, alive), default=0),
            saved_for_backward_bytes=None if None in saved else sum(filter(None, saved)),
            macs=sum([row.macs for row in rows if row.macs is not None]),
            flops=sum([row.flops for row in rows if row.flops is not None]),
            depth=max((row.depth for row in rows if not row.train_only), default=0),
            complete=all(row.flops is not None for row in rows),
        )

    def to_dict(self) -> dict[str, Any]:
        """The totals as `archcalc table --json` prints them."""
        return msgspec.structs.asdict(self)


class Report(msgspec.Struct, frozen=True):
    """The rows of an architecture in the order in which its layers run, and their totals.

    Where the analysis was given symbols or arrays, what depends on them is such as well; figures are typed as the whole
    numbers that they are else.

    >>> from archcalc import analyze, load
    >>> report = analyze(load("alexnet"))
    >>> report.totals.params, report.layers[0].output
    (61100840, (64, 56, 56))
    """

    architecture: str
    title: str
    settings: Settings
    layers: tuple[LayerReport, ...]
    totals: Totals
    further_outputs: tuple[str, ...] = ()
    """The layers besides the last that no layer reads, in eval mode: what they give is alive to the end."""

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

    @property
    def is_plain(self) -> bool:
        """Whether all figures are whole numbers: no symbols, no arrays."""
        settings = (self.settings.input, self.settings.batch, list(self.settings.vars.values()))
        layers = {id(row.layer): row.layer for row in self.layers}.values()
        return is_plain(*settings, *[field for layer in layers for field in msgspec.structs.astuple(layer)])

    def to_dict(self) -> dict[str, Any]:
        """The report as `archcalc table --json` prints it: plain lists, dicts and exact integers.

        Raises SettingError where figures are symbols or arrays.
        """
        if not self.is_plain:
            raise SettingError(
                "a report whose figures are symbols or arrays cannot be written",
                hint="analyze it at whole numbers, or read its figures in Python",
            )
        return {
            "schema_version": SCHEMA_VERSION,
            "archcalc": __version__,
            "architecture": self.architecture,
            "title": self.title,
            "settings": self.settings.to_dict(),
            "layers": [row.to_dict() for row in self.layers],
            "totals": self.totals.to_dict(),
            "further_outputs": list(self.further_outputs),
        }

    @classmethod
    def from_dict(cls, data: Any) -> "Report":
        """The report that `to_dict` made this of; raises SettingError for anything else.

        >>> from archcalc import analyze, load
        >>> report = analyze(load("lenet5"))
        >>> Report.from_dict(report.to_dict()).totals == report.totals
        True
        """
        try:
            if data["schema_version"] != SCHEMA_VERSION:
                raise SettingError(
                    f"a report of schema version {data['schema_version']!r}, this archcalc knows {SCHEMA_VERSION}",
                    hint="make it anew with `archcalc table --json`",
                )
            if not data["layers"]:
                raise SettingError("a report without layers", hint="make it anew with `archcalc table --json`")
            settings = msgspec.convert(data["settings"], Settings)
            rows = tuple([_row(row, settings.batch) for row in data["layers"]])
            if settings.dtype not in BYTES_PER_ELEMENT:
                raise SettingError(f"a report at the unknown dtype {settings.dtype!r}", hint=KNOWN_DTYPES)
            name = msgspec.convert(data["architecture"], str)
            title = msgspec.convert(data.get("title", name), str)
            further = tuple(map(str, data.get("further_outputs", ())))
            return cls(name, title, settings, rows, Totals.of(rows), further)
        except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as error:
            words = f"no report of archcalc: {type(error).__name__}: {error}"
            raise SettingError(words, hint="`archcalc table NAME --json` writes one") from error


def _words(setting: Any) -> str:
    if isinstance(setting, dict):
        return ", ".join(f"{name}={value}" for name, value in setting.items()) or "none"
    return fmt_shape(setting) if isinstance(setting, tuple) else str(setting)


def plain_shape(shape: Sizes) -> list[int | None]:
    """A shape as JSON has it: null for a size that is not known.

    >>> plain_shape((768, UNKNOWN, 8))
    [768, None, 8]
    """
    return [None if size is UNKNOWN else size for size in shape]


def _shape(plain: Any) -> Sizes:
    sizes = msgspec.convert(plain, tuple[int | None, ...])
    return whole(UNKNOWN if size is None else size for size in sizes)


def _row(data: dict[str, Any], samples: int) -> LayerReport:
    """The row that `LayerReport.to_dict` made this of; one of an earlier version has no `misfit` and no `ops`."""
    layer = msgspec.convert(data["fields"], kinds()[data["kind"]])
    types = {field.name: field.type for field in msgspec.structs.fields(LayerReport)}
    plain = types.keys() - {"layer", "inputs", "output", "samples", "ops", "misfit"}
    return LayerReport(
        layer=layer,
        inputs=tuple(map(_shape, data["inputs"])),
        output=_shape(data["output"]),
        samples=samples,
        **{name: msgspec.convert(data.get(name), types[name]) for name in ("ops", "misfit")},
        **{name: msgspec.convert(data[name], types[name]) for name in plain},
    )
