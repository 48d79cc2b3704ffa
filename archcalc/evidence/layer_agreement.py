"""Compares archcalc's figures of every layer with PyTorch's, figure by figure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from archcalc.engine.figures import IN_ROWS, MACS, MEMORY, PEAK, SAVED
from archcalc.engine.report import LayerReport, Report
from archcalc.graph import Graph
from archcalc.layers.core.base import Operation

PEAK_TOLERANCE = 0.02
"""How far apart the peaks may be: archcalc leaves out what single kernels take while they run."""
SCHEMA_VERSION = 1
DEVICES = ("auto", "cpu", "cuda", "mps", "xpu", "meta")
DTYPES = ("float32", "float16", "bfloat16", "float64")
RULES_UNKNOWN = "archcalc does not know how many there are"
OTHER_STEPS = "the meta device runs attention step by step, the CPU as one operation"
NOT_RUN = "the layer runs only in training mode"
IN_TRAINING = "archcalc's figures are those of eval mode, where the layer does not run"

Found: TypeAlias = int | tuple[int, ...] | None
ModelVerdict: TypeAlias = Literal["agrees", "differs", "not checkable", "could not run"]


class Measurement(msgspec.Struct, frozen=True):
    """What PyTorch did in one layer: shape (batch included), bytes and dtype of its output, and what the layer holds.

    `output` is None for a layer that did not run. `macs` is None if PyTorch's counter does not know, and `why` then
    gives the reason.
    """

    output: tuple[int, ...] | None
    memory_bytes: int
    dtype: str
    params: int
    buffers: int
    macs: int | None
    why: str = ""


OUTPUT = "output"
"""The shape of the output, which is compared beside the figures."""
MEASURED = (OUTPUT, *(field for field in Measurement.__struct_fields__ if field in IN_ROWS))
"""What is compared of every layer, by the fields of the figures; what depends on it is for the whole batch."""


class MemoryMeasurement(msgspec.Struct, frozen=True):
    """What PyTorch has in memory: what training keeps of each layer, and the most that is alive in eval mode.

    The former is None where the network runs in eval mode alone, and `training_failure` then says why.
    `allocated_bytes` is the latter as CUDA's allocator has it, with all that kernels take; None elsewhere.
    """

    saved_for_backward_bytes: tuple[int, ...] | None
    peak_memory_bytes: int
    allocated_bytes: int | None = None
    training_failure: str = ""


class Comparison(msgspec.Struct, frozen=True):
    """One figure of one layer, as archcalc computes and as PyTorch measures it, and whether they agree."""

    figure: str
    computed: Found
    measured: Found
    verdict: Literal["agrees", "differs", "not checkable"]
    reason: str = ""


class LayerVerdict(msgspec.Struct, frozen=True):
    """The comparisons of one layer."""

    row: LayerReport
    comparisons: tuple[Comparison, ...]

    def of(self, verdict: str) -> list[Comparison]:
        """The comparisons with this verdict."""
        return [comparison for comparison in self.comparisons if comparison.verdict == verdict]

    @property
    def verdict(self) -> Literal["agrees", "differs", "not checkable"]:
        """A single difference makes it `differs`; of what can be compared, all must agree."""
        return "differs" if self.of("differs") else "agrees" if self.of("agrees") else "not checkable"

    @property
    def is_settled(self) -> bool:
        """Whether every figure was checked, and agrees."""
        return len(self.of("agrees")) == len(self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """The layer as `archcalc verify --json` prints it: what was measured, and what that does not agree with."""
        return {
            "name": self.row.name,
            "kind": self.row.kind,
            "line": self.row.line,
            "verdict": self.verdict,
            "measured": {c.figure: _plain(c.measured) for c in self.comparisons},
            "differs": {c.figure: {"computed": _plain(c.computed)} for c in self.of("differs")},
            "not_checkable": {c.figure: c.reason for c in self.of("not checkable")},
        }


class MemoryVerdict(msgspec.Struct, frozen=True):
    """The comparison of the peaks, and what was kept in all; None where training fails."""

    peak: Comparison
    measured_saved_bytes: int | None
    allocated_bytes: int | None

    def to_dict(self) -> dict[str, Any]:
        """The verdict as `archcalc verify --json` prints it."""
        return {
            self.peak.figure: {
                "computed": self.peak.computed,
                "measured": self.peak.measured,
                "verdict": self.peak.verdict,
                "tolerance": PEAK_TOLERANCE,
            },
            "measured_saved_for_backward_bytes": self.measured_saved_bytes,
            "allocated_bytes": self.allocated_bytes,
        }


class LayerAgreement(msgspec.Struct, frozen=True):
    """The result for one architecture: the verdicts of its layers, the device and the seconds.

    `failure` says why PyTorch gave no measurement at all; `refused` marks that as PyTorch's own no to a layer that
    archcalc takes, which is a difference. `note` says what a reader must know of the run. `reduced` are the vars of a
    smaller copy, where it is of one.
    """

    report: Report
    layers: tuple[LayerVerdict, ...]
    device: str
    seconds: float
    note: str = ""
    failure: str = ""
    refused: bool = False
    memory: MemoryVerdict | None = None
    reduced: dict[str, int] = {}

    @property
    def name(self) -> str:
        """The architecture's name, with the vars of a smaller copy."""
        return ", ".join([self.report.architecture, *(f"{name} {value}" for name, value in self.reduced.items())])

    @property
    def verdict(self) -> ModelVerdict:
        """That of all layers together: a single difference makes it `differs`."""
        if self.refused or self.count("differs"):
            return "differs"
        if self.failure:
            return "could not run"
        return "agrees" if self.count("agrees") else "not checkable"

    @property
    def figures(self) -> int:
        """How many figures there are to compare."""
        if not self.layers:
            return len(MEASURED) * len(self.report.layers)
        return sum(1 for _ in self.comparisons())

    @property
    def checked(self) -> int:
        """How many figures were compared."""
        return self.count("agrees") + self.count("differs")

    def count(self, verdict: str) -> int:
        """How many figures have this verdict."""
        return sum(comparison.verdict == verdict for comparison in self.comparisons())

    def comparisons(self) -> Iterator[Comparison]:
        """Those of all layers, and that of the peaks."""
        for layer in self.layers:
            yield from layer.comparisons
        if self.memory is not None:
            yield self.memory.peak

    def to_dict(self, *, all_layers: bool) -> dict[str, Any]:
        """The architecture as `archcalc verify --json` prints it: all layers, or those with a figure that is open."""
        return {
            "name": self.report.architecture,
            "title": self.report.title,
            **self.report.settings.inputs_to_dict(),
            "reduced": self.reduced,
            "device": self.device,
            "seconds": round(self.seconds, 3),
            "verdict": self.verdict,
            "figures": self.figures,
            "checked": self.checked,
            "differs": self.count("differs"),
            "note": self.note,
            "failure": self.failure,
            "memory": None if self.memory is None else self.memory.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers if all_layers or not layer.is_settled],
        }


def compare(
    report: Report, measurements: Sequence[Measurement], memory: MemoryMeasurement | None = None, device: str = "cpu"
) -> tuple[LayerVerdict, ...]:
    """Every row of a report against the measurement of its layer, and what training keeps of it, where measured.

    Raises SettingError where figures are symbols or arrays.
    """
    report.require_plain("compared")
    other = _takes_other_steps(report, device)
    saved: Sequence[tuple[Comparison, ...]] = [()] * len(measurements)
    if memory is not None and memory.saved_for_backward_bytes is None:
        reason = f"training mode fails: {memory.training_failure}"
        saved = [
            (Comparison(SAVED.field, row.saved_for_backward_bytes, None, "not checkable", reason),)
            for row in report.layers
        ]
    elif memory is not None and memory.saved_for_backward_bytes is not None:
        pairs = zip(report.layers, memory.saved_for_backward_bytes, strict=True)
        saved = [(_saved(row, measured, device, other),) for row, measured in pairs]
    return tuple(
        LayerVerdict(row, (*_compared(row, measurement), *of_training))
        for row, measurement, of_training in zip(report.layers, measurements, saved, strict=True)
    )


def compare_memory(report: Report, measured: MemoryMeasurement, device: str = "cpu") -> MemoryVerdict:
    """The peak of a report against that of a measurement."""
    computed, found = report.totals.peak_memory_bytes, measured.peak_memory_bytes
    if computed is None:
        peak = Comparison(PEAK.field, computed, found, "not checkable", RULES_UNKNOWN)
    elif abs(computed - found) <= PEAK_TOLERANCE * found:
        peak = Comparison(PEAK.field, computed, found, "agrees")
    elif _takes_other_steps(report, device):
        peak = Comparison(PEAK.field, computed, found, "not checkable", OTHER_STEPS)
    else:
        peak = Comparison(PEAK.field, computed, found, "differs")
    kept = measured.saved_for_backward_bytes
    return MemoryVerdict(peak, None if kept is None else sum(kept), measured.allocated_bytes)


def _saved(row: LayerReport, measured: int, device: str, takes_other_steps: bool) -> Comparison:
    computed = row.saved_for_backward_bytes
    if computed == measured:
        return Comparison(SAVED.field, computed, measured, "agrees")
    if computed is None:
        return Comparison(SAVED.field, computed, measured, "not checkable", RULES_UNKNOWN)
    if takes_other_steps:
        return Comparison(SAVED.field, computed, measured, "not checkable", OTHER_STEPS)
    if device not in ("cpu", "meta"):
        reason = f"archcalc counts what CPU kernels keep; those of {device} may keep other tensors"
        return Comparison(SAVED.field, computed, measured, "not checkable", reason)
    return Comparison(SAVED.field, computed, measured, "differs")


def _takes_other_steps(report: Report, device: str) -> bool:
    """Whether PyTorch's meta device runs a network in other steps than its CPU: it has no fused attention."""
    return device == "meta" and any(row.layer.operation is Operation.ATTENTION for row in report.layers)


def _compared(row: LayerReport, measured: Measurement) -> tuple[Comparison, ...]:
    comparisons = []
    for figure in MEASURED:
        computed: Found = (row.samples, *row.output) if figure == OUTPUT else IN_ROWS[figure].of_row(row)
        found: Found = getattr(measured, figure)
        if measured.output is None and figure == OUTPUT:
            reason = NOT_RUN
        elif measured.output is not None and row.train_only and figure in (MEMORY.field, MACS.field):
            reason = IN_TRAINING
        elif computed is None:
            reason = RULES_UNKNOWN
        elif found is None:
            reason = measured.why
        else:
            comparisons.append(Comparison(figure, computed, found, "agrees" if computed == found else "differs"))
            continue
        comparisons.append(Comparison(figure, computed, found, "not checkable", reason))
    return tuple(comparisons)


def summary(verifications: Sequence[LayerAgreement]) -> dict[str, Any]:
    """How many architectures have which verdict, how many figures there are, were checked, and differ, and why not."""
    return {
        "architectures": sum(not verification.reduced for verification in verifications),
        "reduced": sum(bool(verification.reduced) for verification in verifications),
        "verdicts": dict(Counter(verification.verdict for verification in verifications)),
        "layers": sum(len(verification.report.layers) for verification in verifications),
        "figures": sum(verification.figures for verification in verifications),
        "checked": sum(verification.checked for verification in verifications),
        "differ": sum(verification.count("differs") for verification in verifications),
        "not_checkable": dict(reasons(verifications).most_common()),
    }


def reasons(verifications: Iterable[LayerAgreement]) -> Counter[str]:
    """Why figures were not compared, and how many of them for each reason."""
    return Counter(
        f"{comparison.figure}: {comparison.reason}"
        for verification in verifications
        for comparison in verification.comparisons()
        if comparison.verdict == "not checkable"
    )


def _plain(figure: Found) -> int | list[int] | None:
    return list(figure) if isinstance(figure, tuple) else figure


class SmallerCopy(NamedTuple):
    """A smaller copy of a network: the vars that make it small, and a function that gives it with its report."""

    vars: dict[str, int]
    analyzed: Callable[[], tuple[Graph, Report]]
