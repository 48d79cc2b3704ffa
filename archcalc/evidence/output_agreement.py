"""Two networks that ought to do the same: how far the outputs of their layers are apart, and whether that is rounding.

The difference of two outputs is measured against the largest magnitude in the output: single numbers near zero are
differences of larger ones, and hold no more figures than those.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from archcalc.engine.report import Report

TOLERANCES = {"float64": 1e-12, "float32": 1e-4}
"""How large a difference may be, as a share of the largest magnitude in the output, and be taken for rounding.

Rounding stays below a tenth of it. A forgotten eps makes about 1e-6, which float64 shows and float32 does not.
"""

OutputVerdict: TypeAlias = Literal["agrees", "differs", "nothing to fold", "could not run"]


class Difference(msgspec.Struct, frozen=True):
    """How far a layer's output is from that of its counterpart in the original network.

    `absolute` is the largest difference between two numbers at the same place, `magnitude` the largest number in the
    counterpart's output, by absolute values.
    """

    layer: str
    counterpart: str
    absolute: float
    magnitude: float

    @property
    def relative(self) -> float:
        """The difference as a share of the magnitude; infinite where there is one from nothing.

        >>> Difference("conv1", "bn1", absolute=0.5, magnitude=2.0).relative
        0.25
        """
        if self.absolute == 0:
            return 0.0
        return self.absolute / self.magnitude if self.magnitude else math.inf

    def to_dict(self) -> dict[str, Any]:
        """The difference as `archcalc verify --fold --json` prints it; null means not a finite number."""
        return {
            "layer": self.layer,
            "counterpart": self.counterpart,
            "absolute": _finite(self.absolute),
            "magnitude": _finite(self.magnitude),
            "relative": _finite(self.relative),
        }


class OutputAgreement(msgspec.Struct, frozen=True):
    """The result for one architecture and its folded form: the differences of all layers that the folded one runs.

    `norms` is how many batch norms the original has, `folded` how many of them went into other layers. `failure` says
    why the two could not be run, or not compared.
    """

    report: Report
    norms: int
    folded: int
    differences: tuple[Difference, ...]
    device: str
    seconds: float
    failure: str = ""

    @property
    def tolerance(self) -> float:
        """The largest relative difference that counts as rounding at the dtype of the report."""
        return TOLERANCES[self.report.settings.dtype]

    @property
    def beyond(self) -> tuple[Difference, ...]:
        """The differences that are no rounding, one that is no number among them, in the order of the layers."""
        return tuple(one for one in self.differences if not one.relative <= self.tolerance)

    @property
    def largest(self) -> tuple[float, float]:
        """The largest absolute and the largest relative difference; not a number where one is none."""
        return _largest(one.absolute for one in self.differences), _largest(one.relative for one in self.differences)

    @property
    def verdict(self) -> OutputVerdict:
        """Whether every output agrees, that of the whole network among them."""
        if self.failure:
            return "could not run"
        if not self.folded:
            return "nothing to fold"
        return "differs" if self.beyond else "agrees"

    def to_dict(self, *, all_layers: bool) -> dict[str, Any]:
        """The architecture as `archcalc verify --fold --json` prints it: all layers, or those that differ."""
        absolute, relative = self.largest
        return {
            "name": self.report.architecture,
            "title": self.report.title,
            **self.report.settings.inputs_to_dict(),
            "device": self.device,
            "seconds": round(self.seconds, 3),
            "verdict": self.verdict,
            "batch_norms": self.norms,
            "folded": self.folded,
            "compared": len(self.differences),
            "differs": len(self.beyond),
            "tolerance": self.tolerance,
            "largest_absolute": _finite(absolute),
            "largest_relative": _finite(relative),
            "failure": self.failure,
            "layers": [one.to_dict() for one in (self.differences if all_layers else self.beyond)],
        }


def summary(found: Sequence[OutputAgreement]) -> dict[str, Any]:
    """How many architectures have which verdict, and how many batch norms, folds and outputs there are in them."""
    return {
        "architectures": len(found),
        "verdicts": dict(Counter(one.verdict for one in found)),
        "batch_norms": sum(one.norms for one in found),
        "folded": sum(one.folded for one in found),
        "compared": sum(len(one.differences) for one in found),
        "differ": sum(len(one.beyond) for one in found),
    }


def _largest(values: Iterable[float]) -> float:
    """The largest of these numbers, 0 of none; not a number where one of them is none, which max would pass over."""
    found = list(values)
    return math.nan if any(map(math.isnan, found)) else max(found, default=0.0)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
