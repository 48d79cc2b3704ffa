"""Numbers that are open: SymPy expressions, and NumPy arrays with a number for each variant; Python alone gives them.

What an expression computes of one is another. What must be known to go on, such as a condition, is an error unless it
is the same for all that the number may be.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from archcalc.errors import SettingError
from archcalc.layers.core.arithmetic import equal, is_plain
from archcalc.spec.source import MAX_NUMBER
from archcalc.spec.values import is_open

T = TypeVar("T")


class UndecidedError(Exception):
    """A condition does not hold for all values that it is asked of, nor is it false for all."""

    hint = "analyze the values for which it holds separately"

    def __init__(self) -> None:
        super().__init__("a condition on a symbol or an array, which may hold for only some of its values")


def is_array(value: object) -> bool:
    """Whether a value is a NumPy array."""
    return hasattr(value, "__array_ufunc__")


def admitted(value: Any) -> Any:
    """An open number as expressions take it, arrays as int64 or float64; raises ValueError for what is none.

    >>> import numpy, sympy
    >>> admitted(numpy.array([8, 16], dtype=numpy.int32)).dtype, admitted(sympy.Integer(3)), admitted(numpy.int64(5))
    (dtype('int64'), 3, 5)
    """
    library = {base.__module__.partition(".")[0] for base in type(value).__mro__}
    if "numpy" in library and value.dtype.kind in "iuf":
        wide = value.astype("float64" if value.dtype.kind == "f" else "int64")
        if not wide.size or not (abs(wide) < float("inf")).all():
            raise ValueError("not a finite number for each variant")
        return wide.item() if value.ndim == 0 else _checked(wide)
    if "sympy" in library and hasattr(value, "is_number") and not value.is_Relational:
        return settled(value)
    raise ValueError(f"no number: {value!r}")


def settled(value: Any) -> Any:
    """An open number as simple as it is: arrays of whole numbers as such, expressions without symbols as Python's."""
    if is_array(value):
        is_whole = value.dtype.kind == "f" and (value == value.round()).all()
        return _checked(value.astype("int64") if is_whole else value)
    if value.is_number:
        return int(value) if value.is_integer else float(value)
    return value


def _checked(array: Any) -> Any:
    from archcalc.spec.exact_arrays import exact

    return exact(array)


def computed(function: Callable[..., Any], operands: tuple[Any, ...]) -> Any:
    """What a function of expressions gives where some operand is open, or has an open item.

    Raises ValueError, TypeError and ArithmeticError where that cannot be computed, and UndecidedError where it is a
    condition that does not hold for all values alike.
    """
    parts = [*flat(operands)]
    arrays = [value for value in parts if is_array(value)]
    if arrays and any(is_open(value) and not is_array(value) for value in parts):
        raise TypeError("symbols and arrays cannot be combined")
    name = function.__name__
    if name in _CONDITIONS:
        return _CONDITIONS[name](*operands)
    rules: Any = (_of_arrays if arrays else _of_symbols)()
    if name in _REDUCTIONS:
        items = operands[0] if isinstance(operands[0], tuple) else operands
        return settled(functools.reduce(rules[name], items if arrays else map(_exact, items)))
    if any(isinstance(value, tuple | str | None) for value in operands):
        raise TypeError("it takes numbers")
    if name in ("floordiv", "mod", "truediv") and (
        not operands[1].all() if is_array(operands[1]) else operands[1] == 0
    ):
        raise ZeroDivisionError
    if not arrays:
        return settled(rules.get(name, function)(*map(_exact, operands)))
    try:
        result = settled(rules.get(name, function)(*operands))
    except SettingError as error:
        raise OverflowError("a number out of range") from error
    # What is too large for an int64 shows in floats.
    size = function(*[operand * 1.0 for operand in operands]) if name in ("mul", "pow") else result
    if not (abs(size) <= MAX_NUMBER).all():
        raise OverflowError("a number out of range")
    return result


def decided(condition: Any) -> bool:
    """Whether a condition holds for all values; raises UndecidedError where that differs.

    >>> import numpy
    >>> decided(numpy.array([8, 16]) > 4), decided(numpy.array([8, 16]) < 4)
    (True, False)
    """
    if is_plain(condition):
        return bool(condition)
    if is_array(condition):
        if condition.all() or not condition.any():
            return bool(condition.all())
    else:
        for known in (True, False):
            if condition == known:
                return known
    raise UndecidedError


def is_true(value: Any) -> bool:
    """Whether a value counts as true; raises UndecidedError where that differs for a number's values."""
    return not decided(equal(value, 0)) if is_open(value) else bool(value)


def stand_ins(value: Any) -> Iterator[Any]:
    """Plain values with which a field's bounds hold where they hold for all values of an open number."""
    yield _standing_in(value, min)
    if not is_plain(value):
        yield _standing_in(value, max)


def converted(values: dict[str, Any], cls: type[T]) -> T:
    """The struct of a class with these values; raises msgspec.ValidationError where they are out of its bounds."""
    for pick in (min, max):
        made: Any = msgspec.convert({name: _standing_in(value, pick) for name, value in values.items()}, cls)
    replaced: T = msgspec.structs.replace(made, **{name: v for name, v in values.items() if not is_plain(v)})
    return replaced


def _standing_in(value: Any, pick: Callable[[Any], Any]) -> Any:
    if isinstance(value, tuple):
        return tuple([_standing_in(item, pick) for item in value])
    if not is_open(value):
        return value
    if is_array(value):
        broken = value[value != value.round()]
        return broken.flat[0].item() if broken.size else pick(value.flat).item()
    if value.is_integer is False:
        return 0.5
    return 1 if value.is_positive is not False else -1 if value.is_negative else 0


def flat(values: Iterable[Any]) -> Iterator[Any]:
    """The values, those in lists one by one."""
    for value in values:
        if isinstance(value, tuple):
            yield from flat(value)
        else:
            yield value


def _exact(value: Any) -> Any:
    """A number as SymPy has it, decimal fractions exactly as they are written."""
    import sympy

    return sympy.Rational(repr(value)) if isinstance(value, float) else sympy.sympify(value)


def _are_equal(a: Any, b: Any) -> bool:
    return not any(isinstance(value, tuple | str | None) for value in (a, b)) and decided(equal(a, b))


_CONDITIONS: dict[str, Callable[..., bool]] = {
    "eq": _are_equal,
    "ne": lambda a, b: not _are_equal(a, b),
    "lt": lambda a, b: decided(a < b),
    "le": lambda a, b: decided(a <= b),
    "gt": lambda a, b: decided(a > b),
    "ge": lambda a, b: decided(a >= b),
    "not_": lambda value: not is_true(value),
    "is_in": lambda a, items: any(_are_equal(a, item) for item in items),
    "is_not_in": lambda a, items: not any(_are_equal(a, item) for item in items),
}
_REDUCTIONS = ("max", "min", "summed")


def _refuse(*_: Any) -> Any:
    raise TypeError("it takes no symbols and no arrays")


@functools.cache
def _of_symbols() -> dict[str, Callable[..., Any]]:
    import sympy

    def divisible(value: Any, divisor: Any, minimum: Any = None) -> Any:
        least = divisor if minimum is None else minimum
        multiple = sympy.Max(least, sympy.floor((value + divisor / 2) / divisor) * divisor)
        return sympy.Piecewise((multiple + divisor, multiple < value * sympy.Rational(9, 10)), (multiple, True))

    return {
        "abs": sympy.Abs,
        "ceil": sympy.ceiling,
        "divisible": divisible,
        "floor": sympy.floor,
        "len": _refuse,
        "max": sympy.Max,
        "min": sympy.Min,
        "rounded": _refuse,
        "sqrt": sympy.sqrt,
        "summed": operator.add,
    }


@functools.cache
def _of_arrays() -> dict[str, Callable[..., Any]]:
    import numpy

    def divisible(value: Any, divisor: Any, minimum: Any = None) -> Any:
        least = divisor if minimum is None else minimum
        multiple = numpy.maximum(least, numpy.trunc(value + divisor / 2).astype("int64") // divisor * divisor)
        return numpy.where(multiple < 0.9 * value, multiple + divisor, multiple)

    def divided(a: Any, b: Any) -> Any:
        is_whole = numpy.result_type(a, b).kind in "iu" and not (a % b).any()
        return a // b if is_whole else a / b

    return {
        "abs": numpy.abs,
        "ceil": numpy.ceil,
        "divisible": divisible,
        "floor": numpy.floor,
        "len": _refuse,
        "max": numpy.maximum,
        "min": numpy.minimum,
        "rounded": lambda value, *digits: _refuse() if digits else numpy.rint(value),
        "sqrt": numpy.sqrt,
        "summed": operator.add,
        "truediv": divided,
    }
