"""Numbers that count what is done with them, so that a loop over them is a witness of the operations and of the values.

A loop is given a sample as numbers by place and reads learned tensors by name and place; what it does is tallied, and
what it makes can be compared with what PyTorch makes of the same numbers. A change of sign is free. Of two branches
both are computed.
"""

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tests.layers.counting import Tally, every

Place: TypeAlias = tuple[int, ...]
Values: TypeAlias = dict[Place, "Number"]


class Number:
    """A number that tells a tally of every operation that it takes part in."""

    __slots__ = ("tally", "value")

    def __init__(self, value: float, tally: Tally) -> None:
        self.value, self.tally = value, tally

    def _made(self, operation: str, value: float) -> "Number":
        self.tally.do(operation)
        return Number(value, self.tally)

    def __add__(self, other: "Number | float") -> "Number":
        return self._made("additions", self.value + plain(other))

    def __radd__(self, other: float) -> "Number":
        return self + other

    def __sub__(self, other: "Number | float") -> "Number":
        return self + -other

    def __rsub__(self, other: float) -> "Number":
        return -self + other

    def __mul__(self, other: "Number | float") -> "Number":
        return self._made("multiplications", self.value * plain(other))

    def __rmul__(self, other: float) -> "Number":
        return self * other

    def __truediv__(self, other: "Number | float") -> "Number":
        return self._made("divisions", self.value / plain(other))

    def __rtruediv__(self, other: float) -> "Number":
        return self._made("divisions", other / self.value)

    def __neg__(self) -> "Number":
        return Number(-self.value, self.tally)

    def __gt__(self, other: "Number | float") -> bool:
        self.tally.do("comparisons")
        return self.value > plain(other)

    def __lt__(self, other: "Number | float") -> bool:
        self.tally.do("comparisons")
        return self.value < plain(other)


def plain(x: Number | float) -> float:
    return x.value if isinstance(x, Number) else x


def special(function: Callable[[float], float]) -> Callable[[Number], Number]:
    """A function of the standard library, on numbers that count."""

    def counted(x: Number) -> Number:
        return x._made("special", function(x.value))

    return counted


# A power beyond all numbers is infinite, as for PyTorch; Python raises an error.
exp = special(lambda x: math.exp(x) if x < math.log(sys.float_info.max) else math.inf)
log, tanh, sqrt, erf = map(special, (math.log, math.tanh, math.sqrt, math.erf))
cos, sin = map(special, (math.cos, math.sin))


def where(condition: bool, yes: Any, no: Any) -> Any:
    """One of two branches, both of which have been computed."""
    return yes if condition else no


def larger(x: Number, y: Number | float) -> Any:
    return where(x > y, x, y)


class Held:
    """The learned tensors and buffers of a layer, which note what is read of them."""

    def __init__(self, tensors: Mapping[str, Any], tally: Tally) -> None:
        self.tensors, self.tally = tensors, tally

    def __call__(self, name: str, place: Place) -> Number:
        {"weight": self.tally.weights, "bias": self.tally.biases}.get(name, self.tally.buffers).add((name, place))
        return Number(float(self.tensors[name][place]), self.tally)

    def table(self, name: str, rows: int, columns: int) -> Values:
        """A table that is held whole, however little of it is looked up."""
        return {place: self(name, place) for place in every((rows, columns))}
