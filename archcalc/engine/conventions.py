"""How a tally of operations becomes a FLOP figure: each convention is data and a citation."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from archcalc.errors import SettingError, did_you_mean
from archcalc.layers.core.arithmetic import Dim, Shape
from archcalc.layers.core.base import Layer, Operation, Ops

Weights: TypeAlias = Mapping[str, int]
"""What each kind of operation of a tally costs; those left out cost nothing."""


class Work(msgspec.Struct, frozen=True, gc=False):
    """All that a convention may look at: what one layer does for a whole batch.

    The shapes are of one sample, `ops` is the tally of all `samples`; None where it is unknown.
    """

    layer: Layer
    inputs: tuple[Shape, ...]
    output: Shape
    ops: Ops | None
    samples: Dim


class Convention(msgspec.Struct, frozen=True):
    """What the operations of a layer cost: by `weights`, except for the operations that `other_weights` names.

    Where another tool's rule is no sum over a tally, `price` computes the FLOPs of the whole batch instead; None where
    they are unknown.
    """

    name: str
    statement: str
    """What one FLOP is, for captions."""
    source: str
    weights: Weights = {}
    other_weights: Mapping[Operation, Weights] = {}
    price: Callable[[Work], Dim | None] | None = None

    def flops(self, work: Work) -> Dim | None:
        """The FLOPs of what a layer does for a whole batch; None where they are unknown.

        >>> from archcalc.layers import kinds
        >>> tally = Ops(macs=10, additions=2)
        >>> CONVENTIONS["torch"].flops(Work(kinds()["linear"](features=2), ((5,),), (2,), tally, samples=1))
        20
        """
        if self.price is not None:
            return self.price(work)
        if work.ops is None:
            return None
        weights = self.other_weights.get(work.layer.operation, self.weights)
        counts: list[Dim] = [weight * getattr(work.ops, operation) for operation, weight in weights.items()]
        return sum(counts)


LECTURE = Convention(
    name="lecture",
    statement="1 FLOP = one multiply-add; pooling K·K per output",
    source="Convolutional Networks II, lecture 16 of a university course on deep learning for computer vision (2021)",
    weights={"macs": 1},
    other_weights={Operation.POOLING: {"comparisons": 1, "additions": 1}},
)
TORCH = Convention(
    name="torch",
    statement="2 FLOPs = one multiply-add of a convolution or matrix product",
    source="torch.utils.flop_counter.FlopCounterMode",
    weights={"macs": 2},
)
CONVENTIONS: Mapping[str, Convention] = {convention.name: convention for convention in (LECTURE, TORCH)}


def convention_named(name: str) -> Convention:
    """The convention of this name; raises SettingError where there is none.

    >>> convention_named("lecture").statement
    '1 FLOP = one multiply-add; pooling K·K per output'
    """
    known = f"conventions: {', '.join(CONVENTIONS)}"
    if not isinstance(name, str):
        raise SettingError(f"a convention must be a name, got {type(name).__name__}", hint=known)
    if name not in CONVENTIONS:
        raise SettingError(f"unknown convention {name!r}", hint=did_you_mean(name, CONVENTIONS, known))
    return CONVENTIONS[name]
