"""Nodes of a syntax tree → functions of the variables, in which results are bounded at every step."""

import _ast
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from archcalc.errors import did_you_mean
from archcalc.layers.core.arithmetic import is_plain
from archcalc.spec.source import MAX_NUMBER
from archcalc.spec.values import MAX_ITEMS, ExpressionError, Steps, Value, is_open, size_of

Variables: TypeAlias = Mapping[str, Value]
Computed: TypeAlias = Callable[[Variables], Any]


def divisible(value: float, divisor: int, minimum: int | None = None) -> int:
    """`value` rounded to a multiple of `divisor`, not below `minimum` (the divisor), nor 10 % or more below `value`.

    Source: MobileNet's rounding of channels; Sandler et al., arXiv:1801.04381, as torchvision's `_make_divisible`.

    >>> divisible(32 * 0.75, 8), divisible(11, 8)
    (24, 16)
    """
    rounded = max(minimum or divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def rounded(value: float, digits: int = 0) -> float:
    """A number rounded as Python rounds, to a whole number unless it is said to how many digits."""
    if abs(digits) > 18:  # Python computes 10 to that power
        raise ValueError("round takes up to 18 digits")
    return round(value, digits) if digits else round(value)


def summed(items: Iterable[Any]) -> Any:
    """The sum of a list of numbers; a start would let it join lists."""
    return sum(items)


def is_in(item: Any, items: Any) -> bool:
    """Whether a list holds an item, or a text another."""
    return item in items


def is_not_in(item: Any, items: Any) -> bool:
    """Whether a list does not hold an item, nor a text another."""
    return item not in items


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "divisible": divisible,
    "floor": math.floor,
    "len": len,
    "max": max,
    "min": min,
    "round": rounded,
    "sqrt": math.sqrt,
    "sum": summed,
}

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    _ast.Add: operator.add,
    _ast.Sub: operator.sub,
    _ast.Mult: operator.mul,
    _ast.Div: operator.truediv,
    _ast.FloorDiv: operator.floordiv,
    _ast.Mod: operator.mod,
    _ast.Pow: operator.pow,
}
UNARY: dict[type, Callable[[Any], Any]] = {
    _ast.USub: operator.neg,
    _ast.UAdd: operator.pos,
    _ast.Not: operator.not_,
}
COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    _ast.Eq: operator.eq,
    _ast.NotEq: operator.ne,
    _ast.Lt: operator.lt,
    _ast.LtE: operator.le,
    _ast.Gt: operator.gt,
    _ast.GtE: operator.ge,
    _ast.In: is_in,
    _ast.NotIn: is_not_in,
}


class Evaluation:
    """Makes a function of each node of an expression's tree; all take their steps from the same store."""

    def __init__(self, text: str, steps: Steps) -> None:
        self.text, self.steps = text, steps

    def of(self, node: Any) -> Computed:
        """The function that computes a node which is part of the spec language."""
        return _RULES[type(node)](self, node)

    def _constant(self, node: Any) -> Computed:
        value = node.value
        return (lambda _: value) if _is_whole(value) else lambda _: self._bounded(node, value)

    def _name(self, node: Any) -> Computed:
        name = node.id

        def read(variables: Variables) -> Any:
            if name in variables:
                return variables[name]
            known = f"known here: {some(variables)}" if variables else "the spec has no vars"
            raise self.error(node, f"unknown variable {name!r}", did_you_mean(name, variables, known))

        return read

    def _binary(self, node: Any) -> Computed:
        left, right, operation = self.of(node.left), self.of(node.right), type(node.op)
        function, is_division, is_power = BINARY[operation], operation is _ast.Div, operation is _ast.Pow
        is_simple = operation in (_ast.Add, _ast.Sub, _ast.Mult)

        def compute(variables: Variables) -> Any:
            a, b = left(variables), right(variables)
            if is_simple and type(a) is int and type(b) is int:
                result = function(a, b)
                if -MAX_NUMBER <= result <= MAX_NUMBER:
                    return result
            if is_open(a) or is_open(b):
                return self._of_open(node, function, a, b)
            for operand in (a, b):
                if not isinstance(operand, (int, float)):
                    raise self.error(node, f"arithmetic on {_kind(operand)}; it takes numbers")
            if is_division and isinstance(a, int) and isinstance(b, int) and b and a % b == 0:
                return a // b  # exact where a float would round
            if is_power and abs(b) * math.log2(max(abs(a), 1)) > 64:
                raise self.error(node, "a power too large to be a dimension")
            return self._computed(node, function, a, b)

        return compute

    def _unary(self, node: Any) -> Computed:
        function, operand = UNARY[type(node.op)], self.of(node.operand)
        return lambda variables: self._computed(node, function, operand(variables))

    def _logic(self, node: Any) -> Computed:
        decisive, operands = isinstance(node.op, _ast.Or), list(map(self.of, node.values))

        def compute(variables: Variables) -> Any:
            value = None
            for operand in operands:
                value = operand(variables)
                if self._is_true(node, value) is decisive:
                    break
            return value

        return compute

    def _compare(self, node: Any) -> Computed:
        first = self.of(node.left)
        others = [(COMPARE[type(op)], self.of(other)) for op, other in zip(node.ops, node.comparators, strict=True)]

        def compute(variables: Variables) -> bool:
            a = first(variables)
            for function, other in others:
                b = other(variables)
                if not self._computed(node, function, a, b):
                    return False
                a = b
            return True

        return compute

    def _choice(self, node: Any) -> Computed:
        test, body, otherwise = self.of(node.test), self.of(node.body), self.of(node.orelse)
        return lambda variables: body(variables) if self._is_true(node.test, test(variables)) else otherwise(variables)

    def _item(self, node: Any) -> Computed:
        items, index = self.of(node.value), self.of(node.slice)

        def compute(variables: Variables) -> Any:
            found, place = items(variables), index(variables)
            if is_open(found) or is_open(place):
                raise self.error(node, "an item needs a list and a whole number, got a symbol or an array")
            return self._computed(node, operator.getitem, found, place)

        return compute

    def _list(self, node: Any) -> Computed:
        items = list(map(self.of, node.elts))
        return lambda variables: self._bounded(node, tuple([item(variables) for item in items]))

    def _call(self, node: Any) -> Computed:
        function, arguments = FUNCTIONS[node.func.id], list(map(self.of, node.args))
        return lambda variables: self._computed(node, function, *[argument(variables) for argument in arguments])

    def _computed(self, node: Any, function: Callable[..., Any], *operands: Any) -> Any:
        if function is not operator.getitem:
            for operand in operands:
                if type(operand) is tuple:
                    self.steps.take(size_of(operand))
                if not is_plain(operand):
                    return self._of_open(node, function, *operands)
        try:
            return self._bounded(node, function(*operands))
        except ZeroDivisionError:
            raise self.error(node, "division by zero") from None
        except IndexError:
            raise self.error(node, f"index {operands[1]} is out of range for a list of {len(operands[0])}") from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise self.error(node, f"cannot be computed: {error}") from None

    def _of_open(self, node: Any, function: Callable[..., Any], *operands: Any) -> Any:
        """What a function gives where an operand is a symbol or an array."""
        from archcalc.spec import open_numbers  # which few analyses need

        try:
            return open_numbers.computed(function, operands)
        except open_numbers.UndecidedError as error:
            raise self.error(node, str(error), error.hint) from None
        except ZeroDivisionError:
            raise self.error(node, "division by zero") from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise self.error(node, f"cannot be computed: {error}") from None

    def _is_true(self, node: Any, value: Any) -> bool:
        if not is_open(value):
            return bool(value)
        from archcalc.spec import open_numbers

        try:
            return open_numbers.is_true(value)
        except open_numbers.UndecidedError as error:
            raise self.error(node, str(error), error.hint) from None

    def _bounded(self, node: Any, value: Any) -> Any:
        if _is_whole(value):
            return value
        if isinstance(value, tuple):
            size = size_of(value)
            if size > MAX_ITEMS:
                raise self.error(node, f"a list of more than {MAX_ITEMS:,} values")
            self.steps.take(size)
        if isinstance(value, complex):
            raise self.error(node, "a complex number")
        if isinstance(value, (int, float)) and not abs(value) <= MAX_NUMBER:
            raise self.error(node, "a number out of range", "numbers go up to 10^18")
        return value

    def error(self, node: Any, message: str, hint: str | None = None) -> ExpressionError:
        """An error at the place of a node."""
        before = self.text.strip().encode()[: getattr(node, "col_offset", 0)]  # Python counts bytes
        return ExpressionError(message, len(before.decode(errors="replace")), hint)


_RULES: dict[type, Callable[[Evaluation, Any], Computed]] = {
    _ast.Constant: Evaluation._constant,
    _ast.Name: Evaluation._name,
    _ast.BinOp: Evaluation._binary,
    _ast.UnaryOp: Evaluation._unary,
    _ast.BoolOp: Evaluation._logic,
    _ast.Compare: Evaluation._compare,
    _ast.IfExp: Evaluation._choice,
    _ast.Subscript: Evaluation._item,
    _ast.List: Evaluation._list,
    _ast.Tuple: Evaluation._list,
    _ast.Call: Evaluation._call,
}


def _is_whole(value: object) -> bool:
    return type(value) is int and -MAX_NUMBER <= value <= MAX_NUMBER


def some(names: Iterable[str]) -> str:
    """The first dozen of these names, and how many more there are."""
    names = list(names)
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])} and {len(names) - 12} more"


def _kind(value: Any) -> str:
    return {str: "text", tuple: "a list", type(None): "nothing"}.get(type(value), type(value).__name__)
