"""What training a network costs: the memory of a step, its operations layer by layer, and those of a whole run."""

from typing import Any

import msgspec

from archcalc._version import __version__
from archcalc.engine.report import Settings
from archcalc.layers.core.base import Ops

SCHEMA_VERSION = 1


class Options(msgspec.Struct, frozen=True):
    """What a training report was made at besides the settings of the network's report.

    `frozen` are the names of layers that stay as they are. With `master_weights`, parameters of 16 bits have a copy of
    float32, which the optimizer updates and keeps its state for (Micikevicius et al., arXiv:1710.03740).
    """

    optimizer: str = "sgd"
    master_weights: bool = False
    checkpoint: str = "none"
    frozen: tuple[str, ...] = ()


class TrainingRow(msgspec.Struct, frozen=True, gc=False):
    """One layer in a training step, for the whole batch: its multiply-adds, and what it keeps.

    `forward_macs` are those of one forward pass in training mode, `recomputed_macs` those of the second one that
    checkpointing takes. `backward_macs` are those of the gradients; None where unknown. `saved_bytes` is what the
    backward pass needs of it beyond what it needs of earlier rows. `trained` is how many of its numbers training
    changes, `update` what the optimizer's step takes for them; None where unknown.
    """

    name: str
    kind: str
    trained: int
    forward_macs: int | None
    backward_macs: int | None
    recomputed_macs: int | None
    saved_bytes: int | None
    update: Ops | None

    def to_dict(self) -> dict[str, Any]:
        """The row as JSON has it."""
        return {**msgspec.structs.asdict(self), "update": _tally(self.update)}


class TrainingReport(msgspec.Struct, frozen=True):
    """What a training step of a network takes: exact integers, bytes and operations for the whole batch.

    `parameter_bytes`, `buffer_bytes`, `gradient_bytes` (one for each trained number), `optimizer_bytes` and
    `master_bytes` stay from step to step, but for the gradients. `saved_bytes` is what the backward pass needs of the
    forward pass, `held_bytes` that with the network's inputs and outputs; None where unknown. `peak_step_bytes` is the
    most that a step has alive besides parameters, buffers and the optimizer's: activations, their gradients, and the
    gradients of parameters made so far. Where `peak_is_exact` is False, there are at least so many. What kernels take
    for themselves, the loss and the update's own tensors are left out.
    """

    architecture: str
    title: str
    settings: Settings
    options: Options
    layers: tuple[TrainingRow, ...]
    parameter_bytes: int
    buffer_bytes: int
    gradient_bytes: int
    optimizer_bytes: int
    master_bytes: int
    saved_bytes: int | None
    held_bytes: int | None
    peak_step_bytes: int
    peak_is_exact: bool
    peak_at: str

    @property
    def resident_bytes(self) -> int:
        """What stays from step to step: parameters, their master copies, buffers, and the optimizer's state."""
        return self.parameter_bytes + self.master_bytes + self.buffer_bytes + self.optimizer_bytes

    @property
    def peak_bytes(self) -> int:
        """The most that is alive at once in a step, all together; at least so much where `peak_is_exact` is False."""
        return self.resident_bytes + max(self.peak_step_bytes, self.gradient_bytes)

    @property
    def trained(self) -> int:
        """How many numbers training changes."""
        return sum([row.trained for row in self.layers])

    @property
    def forward_macs(self) -> int | None:
        """The multiply-adds of the forward pass; None where those of some layer are unknown."""
        return _sum([row.forward_macs for row in self.layers])

    @property
    def backward_macs(self) -> int | None:
        """The multiply-adds of the backward pass; None where those of some layer are unknown."""
        return _sum([row.backward_macs for row in self.layers])

    @property
    def recomputed_macs(self) -> int | None:
        """The multiply-adds that checkpointing runs once more; None where those of some layer are unknown."""
        return _sum([row.recomputed_macs for row in self.layers])

    @property
    def step_macs(self) -> int | None:
        """The multiply-adds of a step: forward, once more where checkpointed, and backward."""
        return _sum([self.forward_macs, self.recomputed_macs, self.backward_macs])

    @property
    def update(self) -> Ops | None:
        """What the optimizer's step takes; None where unknown."""
        found = [row.update for row in self.layers if row.update is not None]
        if len(found) < len(self.layers):
            return None
        return Ops(*[sum(counts) for counts in zip(*map(msgspec.structs.astuple, found), strict=True)])

    def run(self, images: int, epochs: int = 1, views: int = 1) -> "Run":
        """What training on so many images for so many epochs takes, and testing an image by so many views of it.

        Multiply-adds are those of whole images, as if a last, smaller batch cost its share.

        >>> from archcalc.analysis import analyze_graph
        >>> from archcalc.training.cost import training_cost
        >>> run = training_cost(*analyze_graph("alexnet", batch=128)).run(1_280_000, epochs=90, views=10)
        >>> run.steps, run.macs, run.test_macs
        (900000, 239321795788800000, 7167672320)
        """
        batch, step, forward = self.settings.batch, self.step_macs, self.forward_macs
        return Run(
            images=images,
            epochs=epochs,
            views=views,
            steps=-(-images // batch) * epochs,
            macs=None if step is None else step * images * epochs // batch,
            test_macs=None if forward is None else forward * views // batch,
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as `archcalc training --json` prints it: plain lists, dicts and exact integers."""
        totals = (
            "resident_bytes",
            "peak_bytes",
            "trained",
            "forward_macs",
            "recomputed_macs",
            "backward_macs",
            "step_macs",
        )
        return {
            "schema_version": SCHEMA_VERSION,
            "archcalc": __version__,
            "architecture": self.architecture,
            "title": self.title,
            "settings": self.settings.to_dict(),
            "options": {**msgspec.structs.asdict(self.options), "frozen": list(self.options.frozen)},
            "memory": {name: getattr(self, name) for name in LADDER},
            "peak_is_exact": self.peak_is_exact,
            "peak_at": self.peak_at,
            "totals": {**{name: getattr(self, name) for name in totals}, "update": _tally(self.update)},
            "layers": [row.to_dict() for row in self.layers],
        }


LADDER = (
    "parameter_bytes",
    "master_bytes",
    "buffer_bytes",
    "optimizer_bytes",
    "gradient_bytes",
    "saved_bytes",
    "held_bytes",
    "peak_step_bytes",
)
"""The rungs of memory, in the order in which they are told."""


class Run(msgspec.Struct, frozen=True):
    """A whole training: its steps and multiply-adds, and those of testing one image by its views, such as ten crops."""

    images: int
    epochs: int
    views: int
    steps: int
    macs: int | None
    test_macs: int | None


def _tally(ops: Ops | None) -> dict[str, Any] | None:
    return None if ops is None else msgspec.structs.asdict(ops)


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
