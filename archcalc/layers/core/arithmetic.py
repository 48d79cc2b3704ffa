"""The few operations that a layer's rule may use besides `+ - * // % **`, for all three number types.

A dimension is a Python int (the table), a SymPy expression (the formula) or a NumPy int64 array (a million
variants at once). Neither SymPy nor NumPy is imported here unless a value of theirs comes in. Of a branch that does not
fit its input, dimensions may be UNKNOWN.
"""

import functools
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar, cast, overload

from archcalc.errors import LayerError

if TYPE_CHECKING:

    class Symbolic(Protocol):
        """A SymPy expression of whole numbers."""

        @property
        def free_symbols(self) -> "set[Any]":
            """The symbols that it is made of."""

        def __add__(self, other: "Dim", /) -> "Dim": ...
        def __radd__(self, other: "Dim", /) -> "Dim": ...
        def __sub__(self, other: "Dim", /) -> "Dim": ...
        def __rsub__(self, other: "Dim", /) -> "Dim": ...
        def __mul__(self, other: "Dim", /) -> "Dim": ...
        def __rmul__(self, other: "Dim", /) -> "Dim": ...
        def __floordiv__(self, other: "Dim", /) -> "Dim": ...
        def __rfloordiv__(self, other: "Dim", /) -> "Dim": ...
        def __mod__(self, other: "Dim", /) -> "Dim": ...
        def __rmod__(self, other: "Dim", /) -> "Dim": ...
        def __pow__(self, other: "Dim", /) -> "Dim": ...
        def __rpow__(self, other: "Dim", /) -> "Dim": ...
        def __neg__(self) -> "Dim": ...
        def __lt__(self, other: "Dim", /) -> "Condition": ...
        def __le__(self, other: "Dim", /) -> "Condition": ...
        def __gt__(self, other: "Dim", /) -> "Condition": ...
        def __ge__(self, other: "Dim", /) -> "Condition": ...

    class IntArray(Protocol):
        """A NumPy array of int64, with a number for each variant; in the words that NumPy's own types allow."""

        @property
        def dtype(self) -> Any:
            """The type of its numbers."""

        def __add__(self, other: Any, /) -> Any: ...
        def __radd__(self, other: Any, /) -> Any: ...
        def __sub__(self, other: Any, /) -> Any: ...
        def __rsub__(self, other: Any, /) -> Any: ...
        def __mul__(self, other: Any, /) -> Any: ...
        def __rmul__(self, other: Any, /) -> Any: ...
        def __floordiv__(self, other: Any, /) -> Any: ...
        def __rfloordiv__(self, other: Any, /) -> Any: ...
        def __mod__(self, other: Any, /) -> Any: ...
        def __rmod__(self, other: Any, /) -> Any: ...
        def __pow__(self, other: Any, /) -> Any: ...
        def __rpow__(self, other: Any, /) -> Any: ...
        def __neg__(self) -> Any: ...
        def __lt__(self, other: Any, /) -> Any: ...
        def __le__(self, other: Any, /) -> Any: ...
        def __gt__(self, other: Any, /) -> Any: ...
        def __ge__(self, other: Any, /) -> Any: ...

    class Relation(Protocol):
        """What a comparison of symbols or arrays gives: `require` judges it, no `if` can."""

        def __and__(self, other: "Condition", /) -> "Condition": ...
        def __rand__(self, other: "Condition", /) -> "Condition": ...
        def __or__(self, other: "Condition", /) -> "Condition": ...
        def __ror__(self, other: "Condition", /) -> "Condition": ...

    Dim: TypeAlias = int | Symbolic | IntArray
    Condition: TypeAlias = bool | Relation
else:
    Dim = int  # what fields and reports are read as; symbols and arrays come from no file
    Condition = bool

Shape: TypeAlias = tuple[Dim, ...]
Sizes: TypeAlias = tuple[int, ...]
"""A shape in whole numbers: what memory is followed in, and what reports print."""
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


_PLAIN = frozenset({int, float, bool, str, type(None)})


def is_plain(*values: object) -> bool:
    """Whether there is no symbol and no array among values, nor in lists of them.

    >>> is_plain(3, (64, 56, 56), "same"), is_plain(3, (64, UNKNOWN))
    (True, False)
    """
    return all(type(value) in _PLAIN or (isinstance(value, tuple | list) and is_plain(*value)) for value in values)


def whole(shape: Iterable[Dim]) -> Sizes:
    """A shape computed from whole numbers alone, as such: what a rule of memory computes, which is given no others.

    >>> whole([3, 8, 8])
    (3, 8, 8)
    """
    return cast("Sizes", tuple(shape))


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
    return cast("Dim", _by_type((a, b), cast("Any", math.gcd), sympy=_symbolic_gcd, numpy=lambda n: n.gcd))


def ceil_div(a: Dim, b: Dim) -> Dim:
    """`a / b` rounded up.

    >>> ceil_div(7, 2)
    4
    """
    return -(-a // b)


@overload
def product(dims: Iterable[int]) -> int: ...
@overload
def product(dims: Iterable[Dim]) -> Dim: ...
def product(dims: Iterable[Dim]) -> Dim:
    """The product of dimensions; of none, 1.

    >>> product((64, 56, 56))
    200704
    """
    return cast("Dim", math.prod(cast("Iterable[Any]", dims)))


def equal(a: Dim, b: Dim) -> Condition:
    """Whether two dimensions are equal; symbols that may be equal stay an undecided `Eq`.

    >>> equal(3, 3)
    True
    """
    return cast("Condition", _by_type((a, b), lambda a, b: a == b, sympy=lambda s: s.Eq, numpy=lambda n: n.equal))


def divides(divisor: Dim, value: Dim) -> Condition:
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
    if condition is not True and not may_hold(condition):
        raise error()


def may_hold(condition: object) -> bool:
    """Whether a condition holds for every variant of an array, and is not false for all values of a symbol.

    >>> may_hold(equal(3, 3)), may_hold(equal(3, 5)), may_hold(equal(3, UNKNOWN))
    (True, False, True)
    """
    origin = _library(condition)
    if origin == "sympy":
        import sympy

        return bool(condition != sympy.false)
    if origin == "numpy":
        return bool(cast("Any", condition).all())
    return bool(condition)


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
