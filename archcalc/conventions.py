"""How a tally of operations becomes a FLOP figure: each convention is data and a citation."""

from collections.abc import Mapping

import msgspec

from archcalc.errors import SettingError, did_you_mean
from archcalc.layers.base import Ops


class Convention(msgspec.Struct, frozen=True):
    """Weights of each kind of operation: for the layer families named in `families`, and `default` for all others."""

    name: str
    statement: str
    """What one FLOP is, for captions."""
    source: str
    default: Mapping[str, int]
    families: Mapping[str, Mapping[str, int]] = {}

    def flops(self, ops: Ops, family: str) -> int:
        """The FLOPs of a tally of a layer of this family.

        >>> CONVENTIONS["torch"].flops(Ops(macs=10, additions=2), "conv")
        20
        """
        weights = self.families.get(family, self.default)
        return sum(weight * int(getattr(ops, operation)) for operation, weight in weights.items())


_POOLING = {"comparisons": 1, "additions": 1}

LECTURE = Convention(
    name="lecture",
    statement="1 FLOP = one multiply-add; pooling K·K per output",
    source="Convolutional Networks II, lecture 16 of a university course on deep learning for computer vision (2021)",
    default={"macs": 1},
    families={"pool": _POOLING, "adaptive_pool": _POOLING},
)
TORCH = Convention(
    name="torch",
    statement="2 FLOPs = one multiply-add of a convolution or matrix product",
    source="torch.utils.flop_counter.FlopCounterMode",
    default={"macs": 2},
)
CONVENTIONS: Mapping[str, Convention] = {convention.name: convention for convention in (LECTURE, TORCH)}


def convention_named(name: str) -> Convention:
    """The convention of this name; raises SettingError where there is none.

    >>> convention_named("lecture").statement
    '1 FLOP = one multiply-add; pooling K·K per output'
    """
    try:
        return CONVENTIONS[name]
    except (KeyError, TypeError):
        known = f"conventions: {', '.join(CONVENTIONS)}"
        raise SettingError(f"unknown convention {name!r}", hint=did_you_mean(str(name), CONVENTIONS, known)) from None
