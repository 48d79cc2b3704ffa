"""The few operations that a layer's rule may use besides `+ - * //`, for all three number types.

A dimension is a Python int (the table), a SymPy expression (the formula) or a NumPy int64 array (a million
variants at once). Neither SymPy nor NumPy is imported here unless a value of theirs comes in. Of a branch that does not
fit its input, dimensions may be UNKNOWN.
"""

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar, cast

from archcalc.errors import LayerError

Dim: TypeAlias = int
Shape: TypeAlias = tuple[Dim, ...]
T = TypeVar("T")


class _Unknown:
    """A size that is not known: nor is what is computed with it, and what is required of it may hold."""

    __slots__ = ()

    def _itself(self, *_: object) -> "_Unknown":
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __neg__ = _itself
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _itself
    __lt__ = __le__ = __gt__ = __ge__ = _itself

    def __and__(self, other: object) -> object:
        return other and self

    def __or__(self, other: object) -> object:
        return other or self

    __rand__, __ror__ = __and__, __or__

    def __repr__(self) -> str:
        return "?"

    def __reduce__(self) -> str:
        return "UNKNOWN"


UNKNOWN = cast("Dim", _Unknown())
"""The size of an axis of which it is not known."""


def is_known(shape: Iterable[Dim]) -> bool:
    """Whether every size of a shape is known.

    >>> is_known((3, 8, 8)), is_known((3, UNKNOWN, 2 * UNKNOWN + 1))
    (True, False)
    """
    return all(dim is not UNKNOWN for dim in shape)


def minimum(a: Dim, b: Dim) -> Dim:
    """The smaller of two dimensions.

    >>> minimum(3, 5)
    3
    """
    return cast("Dim", _by_type((a, b), min, sympy=lambda s: s.Min, numpy=lambda n: n.minimum))


def maximum(a: Dim, b: Dim) -> Dim:
    """The larger of two dimensions.

    >>> maximum(3, 5)
    5
    """
    return cast("Dim", _by_type((a, b), max, sympy=lambda s: s.Max, numpy=lambda n: n.maximum))


def gcd(a: Dim, b: Dim) -> Dim:
    """The greatest common divisor of two dimensions.

    >>> gcd(12, 18)
    6
    """
    return cast("Dim", _by_type((a, b), math.gcd, sympy=_symbolic_gcd, numpy=lambda n: n.gcd))


def ceil_div(a: Dim, b: Dim) -> Dim:
    """`a / b` rounded up.

    >>> ceil_div(7, 2)
    4
    """
    return -(-a // b)


def product(dims: Iterable[Dim]) -> Dim:
    """The product of dimensions; of none, 1.

    >>> product((64, 56, 56))
    200704
    """
    return math.prod(dims)


def equal(a: Dim, b: Dim) -> bool:
    """Whether two dimensions are equal; symbols that may be equal stay an undecided `Eq`.

    >>> equal(3, 3)
    True
    """
    return cast("bool", _by_type((a, b), lambda a, b: a == b, sympy=lambda s: s.Eq, numpy=lambda n: n.equal))


def divides(divisor: Dim, value: Dim) -> bool:
    """Whether `value` is a multiple of `divisor`.

    >>> divides(3, 12), divides(5, 12)
    (True, False)
    """
    return equal(value % divisor, 0)


def require(condition: object, error: Callable[[], LayerError]) -> None:
    """Raise `error()` unless `condition` holds: for every variant of an array, and for a symbol unless it is false.

    >>> require(3 > 2, lambda: LayerError("never raised"))
    >>> require(2 > 3, lambda: LayerError("2 is not above 3"))
    Traceback (most recent call last):
    ...
    archcalc.errors.LayerError: error: 2 is not above 3
    """
    if condition is True:
        return
    origin = _library(condition)
    if origin == "sympy":
        import sympy

        failed = condition == sympy.false
    elif origin == "numpy":
        failed = not cast("Any", condition).all()
    else:
        failed = not condition
    if failed:
        raise error()


def _library(value: object) -> str:
    for base in type(value).__mro__[:-1]:  # a symbolic gcd is a class of ours, of SymPy's by its base
        library = base.__module__.partition(".")[0]
        if library in ("sympy", "numpy"):
            return library
    return ""


def _by_type(
    values: tuple[Dim, Dim],
    of_integers: Callable[[Dim, Dim], T],
    *,
    sympy: Callable[[Any], Callable[..., T]],
    numpy: Callable[[Any], Callable[..., T]],
) -> T:
    if type(values[0]) is int and type(values[1]) is int:  # what a table is made of
        return of_integers(*values)
    libraries = {_library(value) for value in values}
    if not is_known(values):
        return cast("T", UNKNOWN)
    if "sympy" in libraries:
        import sympy as sympy_library

        return sympy(sympy_library)(*values)
    if "numpy" in libraries:
        import numpy as numpy_library

        return numpy(numpy_library)(*values)
    return of_integers(*values)


@functools.cache
def _symbolic_gcd(sympy: Any) -> Callable[..., Any]:
    # SymPy's own gcd takes symbols for polynomials and answers 1 for two of them, which is wrong for integers.
    class gcd(sympy.Function):  # type: ignore[misc]  # SymPy ships no types
        @classmethod
        def eval(cls, a: Any, b: Any) -> Any:
            if a.is_Integer and b.is_Integer:
                return sympy.Integer(math.gcd(int(a), int(b)))
            return sympy.Integer(1) if sympy.S.One in (a, b) else None

    return cast("Callable[..., Any]", gcd)
