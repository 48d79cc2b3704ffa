"""What archcalc says of training a network against a step of PyTorch, figure by figure."""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from archcalc.engine.report import Report
from archcalc.evidence.layer_agreement import RULES_UNKNOWN, Comparison, ModelVerdict
from archcalc.training.report import TrainingReport

SCHEMA_VERSION = 1
WITHOUT_DATA = "only a run with data tells"
LOWER_BOUND = "a lower bound, which holds"


class TrainingMeasurement(msgspec.Struct, frozen=True):
    """What PyTorch did in one training step: multiply-adds and saved bytes of every layer, and bytes of the whole.

    `saved` are without checkpointing; `held_bytes` are alive between the passes, `peak_bytes` at once at the most, both
    without parameters and buffers. `optimizer_bytes` are those of the state after a step. What is None was not run.
    """

    forward_macs: tuple[int, ...]
    backward_macs: tuple[int, ...]
    saved: tuple[int, ...] | None
    held_bytes: int | None
    peak_bytes: int | None
    parameter_bytes: int
    buffer_bytes: int
    gradient_bytes: int | None
    optimizer_bytes: dict[str, int]


class TrainingVerification(msgspec.Struct, frozen=True):
    """The comparisons of one network: those of each layer by its name, and those of the whole.

    `failure` says why PyTorch gave no measurement; `refused` marks that as PyTorch's own no to a layer.
    """

    report: Report
    layers: dict[str, tuple[Comparison, ...]]
    whole: tuple[Comparison, ...]
    device: str
    seconds: float
    note: str = ""
    failure: str = ""
    refused: bool = False

    def comparisons(self) -> Iterator[tuple[str, Comparison]]:
        """All of them, with the layer's name; without a name those of the whole."""
        for name, found in self.layers.items():
            yield from ((name, one) for one in found)
        yield from (("", one) for one in self.whole)

    def count(self, verdict: str) -> int:
        """How many figures have this verdict."""
        return sum([one.verdict == verdict for _, one in self.comparisons()])

    @property
    def verdict(self) -> ModelVerdict:
        """That of all figures together: a single difference makes it `differs`."""
        if self.refused or self.count("differs"):
            return "differs"
        if self.failure:
            return "could not run"
        return "agrees" if self.count("agrees") else "not checkable"

    def to_dict(self) -> dict[str, Any]:
        """The verification as `archcalc verify --training --json` prints it."""
        open_ = [(name, one) for name, one in self.comparisons() if one.verdict != "agrees"]
        return {
            "name": self.report.architecture,
            "title": self.report.title,
            **self.report.settings.inputs_to_dict(),
            "device": self.device,
            "seconds": round(self.seconds, 3),
            "verdict": self.verdict,
            "agrees": self.count("agrees"),
            "differs": self.count("differs"),
            "not_checkable": self.count("not checkable"),
            "note": self.note,
            "failure": self.failure,
            "whole": [msgspec.structs.asdict(one) for one in self.whole],
            "open": [{"layer": name, **msgspec.structs.asdict(one)} for name, one in open_],
        }


def compare_layers(computed: TrainingReport, measured: TrainingMeasurement) -> dict[str, tuple[Comparison, ...]]:
    """Every layer's multiply-adds forward, once more and backward, and where measured what it saves."""
    found: dict[str, tuple[Comparison, ...]] = {}
    for k, row in enumerate(computed.layers):
        forward = None
        if row.forward_macs is not None and row.recomputed_macs is not None:
            forward = row.forward_macs + row.recomputed_macs
        figures = [
            _compared("forward_macs", forward, measured.forward_macs[k]),
            _compared("backward_macs", row.backward_macs, measured.backward_macs[k]),
        ]
        if measured.saved is not None and computed.options.checkpoint == "none":
            figures.append(_compared("saved_bytes", row.saved_bytes, measured.saved[k]))
        found[row.name] = tuple(figures)
    return found


def compare_whole(
    computed: TrainingReport, measured: TrainingMeasurement, optimizer_bytes: dict[str, int]
) -> tuple[Comparison, ...]:
    """The rungs of memory; `optimizer_bytes` are what each optimizer should hold."""
    figures = [
        _compared("parameter_bytes", computed.parameter_bytes, measured.parameter_bytes),
        _compared("buffer_bytes", computed.buffer_bytes, measured.buffer_bytes),
        _compared("gradient_bytes", computed.gradient_bytes, measured.gradient_bytes),
        *[
            _compared(f"optimizer_bytes of {name}", bytes, measured.optimizer_bytes.get(name))
            for name, bytes in optimizer_bytes.items()
        ],
        _compared("held_bytes", computed.held_bytes, measured.held_bytes),
    ]
    peak, found = computed.peak_step_bytes, measured.peak_bytes
    if found is None or computed.peak_is_exact or peak > found:
        figures.append(_compared("peak_step_bytes", peak, found))
    else:
        figures.append(Comparison("peak_step_bytes", peak, found, "not checkable", LOWER_BOUND))
    return tuple(figures)


def _compared(figure: str, computed: int | None, measured: int | None) -> Comparison:
    if measured is None:
        return Comparison(figure, computed, measured, "not checkable", WITHOUT_DATA)
    if computed is None:
        return Comparison(figure, computed, measured, "not checkable", RULES_UNKNOWN)
    verdict: Literal["agrees", "differs"] = "agrees" if computed == measured else "differs"
    return Comparison(figure, computed, measured, verdict)
