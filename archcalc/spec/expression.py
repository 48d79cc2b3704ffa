"""Arithmetic over a spec's variables: `4 * width`, `depths[2]`, `2 if i == 0 else 1`. Never `eval`.

An expression is parsed to Python's own syntax tree; only the nodes listed here are walked, so that attributes, calls
of anything but the named functions, and strings in arithmetic are errors. Results are bounded at every step.
"""

import _ast
import math
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from archcalc.errors import did_you_mean
from archcalc.spec.source import MAX_NUMBER

Value: TypeAlias = bool | int | float | str | tuple["Value", ...] | None

MAX_LENGTH = 1_000
MAX_ITEMS = 10_000


class ExpressionError(Exception):
    """What is wrong with an expression, at which offset in its text, and how to mend it."""

    def __init__(self, message: str, offset: int = 0, hint: str | None = None) -> None:
        super().__init__(message)
        self.offset, self.hint = offset, hint


def divisible(value: float, divisor: int, minimum: int | None = None) -> int:
    """`value` rounded to a multiple of `divisor`, not below `minimum` (the divisor), nor 10 % or more below `value`.

    Source: MobileNet's rounding of channels; Sandler et al., arXiv:1801.04381, as torchvision's `_make_divisible`.

    >>> divisible(32 * 0.75, 8), divisible(11, 8)
    (24, 16)
    """
    rounded = max(minimum or divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def is_small(items: tuple[Value, ...]) -> bool:
    """Whether a list holds at most MAX_ITEMS values, those of lists inside it counted in full."""
    left, todo = MAX_ITEMS, [items]
    while todo and left >= 0:
        inner = todo.pop()
        left -= len(inner)
        todo += [item for item in inner if isinstance(item, tuple)]
    return left >= 0


def _round(value: float, digits: int = 0) -> float:
    if abs(digits) > 18:  # Python computes 10 to that power
        raise ValueError("round takes up to 18 digits")
    return round(value, digits) if digits else round(value)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "divisible": divisible,
    "floor": math.floor,
    "len": len,
    "max": max,
    "min": min,
    "round": _round,
    "sqrt": math.sqrt,
    "sum": lambda items: sum(items),  # a start would let it join lists
}

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    _ast.Add: operator.add,
    _ast.Sub: operator.sub,
    _ast.Mult: operator.mul,
    _ast.Div: operator.truediv,
    _ast.FloorDiv: operator.floordiv,
    _ast.Mod: operator.mod,
    _ast.Pow: operator.pow,
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    _ast.USub: operator.neg,
    _ast.UAdd: operator.pos,
    _ast.Not: operator.not_,
}
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    _ast.Eq: operator.eq,
    _ast.NotEq: operator.ne,
    _ast.Lt: operator.lt,
    _ast.LtE: operator.le,
    _ast.Gt: operator.gt,
    _ast.GtE: operator.ge,
    _ast.In: lambda a, b: a in b,
    _ast.NotIn: lambda a, b: a not in b,
}


class Expression:
    """A parsed expression: `names` are the variables that it reads; call it with their values.

    Raises ExpressionError where the text is no arithmetic, or where it cannot be computed.

    >>> Expression("4 * width")({"width": 64})
    256
    >>> Expression("__import__('os').system('ls')")({})
    Traceback (most recent call last):
    ...
    archcalc.spec.expression.ExpressionError: a call of something that is no function of the spec language
    """

    __slots__ = ("_tree", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"an expression longer than {MAX_LENGTH:,} characters")
        try:
            with warnings.catch_warnings():  # Python's advice to its own programmers
                warnings.simplefilter("ignore")
                parsed: Any = compile(text.strip(), "<expression>", "eval", _ast.PyCF_ONLY_AST)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            offset = max(0, (getattr(error, "offset", None) or 1) - 1)
            raise ExpressionError("not an arithmetic expression", offset) from None
        self._tree = parsed.body
        self.names = frozenset(self._variables(self._tree))

    def __call__(self, variables: Mapping[str, Value]) -> Value:
        try:
            value: Value = self._value(self._tree, variables)
        except RecursionError:
            raise ExpressionError("an expression nested too deep") from None
        return value

    def _variables(self, node: Any) -> list[str]:
        """The names that are read; refuses, before anything is computed, what is no part of the language."""
        names: list[str] = []
        todo = [node]
        while todo:
            node = todo.pop()
            children: tuple[Any, ...]
            match node:
                case _ast.Constant(value=value):
                    if not isinstance(value, bool | int | float | str):
                        raise self._error(node, f"{type(value).__name__} values are not part of the spec language")
                    children = ()
                case _ast.Name(id=name):
                    names.append(name)
                    children = ()
                case _ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                    children = (left, right)
                case _ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
                    children = (operand,)
                case _ast.BoolOp(values=values):
                    children = tuple(values)
                case _ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in _COMPARE for op in ops):
                    children = (left, *rest)
                case _ast.IfExp(test=test, body=body, orelse=orelse):
                    children = (test, body, orelse)
                case _ast.Subscript(value=value, slice=index):
                    children = (value, index)
                case _ast.List(elts=items) | _ast.Tuple(elts=items):
                    children = tuple(items)
                case _ast.Call(func=_ast.Name(id=name), args=args, keywords=[]):
                    if name not in FUNCTIONS:
                        known = f"functions are {', '.join(FUNCTIONS)}"
                        raise self._error(node, f"unknown function {name!r}", did_you_mean(name, FUNCTIONS, known))
                    children = tuple(args)
                case _ast.Call():
                    raise self._error(node, "a call of something that is no function of the spec language")
                case _:
                    raise self._error(node, f"{_words(node)} is not part of the spec language")
            todo.extend(children)
        return names

    def _value(self, node: Any, variables: Mapping[str, Value]) -> Any:
        match node:
            case _ast.Constant(value=value):
                return self._bounded(node, value)
            case _ast.Name(id=name):
                if name not in variables:
                    known = f"known here: {some(variables)}" if variables else "the spec has no vars"
                    raise self._error(node, f"unknown variable {name!r}", did_you_mean(name, variables, known))
                return variables[name]
            case _ast.BinOp(left=left, op=op, right=right):
                return self._binary(node, op, self._value(left, variables), self._value(right, variables))
            case _ast.UnaryOp(op=op, operand=operand):
                value = self._value(operand, variables)
                return self._compute(node, _UNARY[type(op)], value)
            case _ast.BoolOp(op=op, values=values):
                decisive = isinstance(op, _ast.Or)
                value = None
                for operand in values:
                    value = self._value(operand, variables)
                    if bool(value) is decisive:
                        break
                return value
            case _ast.Compare(left=left, ops=ops, comparators=rest):
                a = self._value(left, variables)
                for comparison, other in zip(ops, rest, strict=True):
                    b = self._value(other, variables)
                    if not self._compute(node, _COMPARE[type(comparison)], a, b):
                        return False
                    a = b
                return True
            case _ast.IfExp(test=test, body=body, orelse=orelse):
                return self._value(body if self._value(test, variables) else orelse, variables)
            case _ast.Subscript(value=value, slice=index):
                return self._compute(
                    node, operator.getitem, self._value(value, variables), self._value(index, variables)
                )
            case _ast.List(elts=items) | _ast.Tuple(elts=items):
                return self._bounded(node, tuple(self._value(item, variables) for item in items))
            case _ast.Call(func=_ast.Name(id=name), args=args):
                return self._compute(node, FUNCTIONS[name], *(self._value(arg, variables) for arg in args))
        raise AssertionError(f"_variables let {node!r} pass")

    def _binary(self, node: Any, op: Any, a: Any, b: Any) -> Any:
        for operand in (a, b):
            if not isinstance(operand, int | float):
                raise self._error(node, f"arithmetic on {_kind(operand)}; it takes numbers")
        if isinstance(op, _ast.Div) and isinstance(a, int) and isinstance(b, int) and b and a % b == 0:
            return a // b  # exact where a float would round
        if isinstance(op, _ast.Pow) and abs(b) * math.log2(max(abs(a), 1)) > 64:
            raise self._error(node, "a power too large to be a dimension")
        return self._compute(node, _BINARY[type(op)], a, b)

    def _compute(self, node: Any, function: Callable[..., Any], *operands: Any) -> Any:
        try:
            return self._bounded(node, function(*operands))
        except ZeroDivisionError:
            raise self._error(node, "a division by zero") from None
        except IndexError:
            raise self._error(node, f"index {operands[1]} of a list of {len(operands[0])}") from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise self._error(node, f"cannot be computed: {error}") from None

    def _bounded(self, node: Any, value: Any) -> Any:
        if isinstance(value, complex):
            raise self._error(node, "a complex number")
        if isinstance(value, tuple) and not is_small(value):
            raise self._error(node, f"a list of more than {MAX_ITEMS:,} values")
        if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
            raise self._error(node, "a number out of range", "numbers go up to 10^18")
        return value

    def _error(self, node: Any, message: str, hint: str | None = None) -> ExpressionError:
        before = self.text.strip().encode()[: getattr(node, "col_offset", 0)]  # Python counts bytes
        return ExpressionError(message, len(before.decode(errors="replace")), hint)


def some(names: Iterable[str]) -> str:
    """The first dozen of these names, and how many more there are."""
    names = list(names)
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])} and {len(names) - 12} more"


def _words(node: Any) -> str:
    return {"Attribute": "attribute access", "Lambda": "a lambda", "JoinedStr": "an f-string"}.get(
        type(node).__name__, f"this syntax ({type(node).__name__})"
    )


def _kind(value: Any) -> str:
    return {str: "text", tuple: "a list", type(None): "nothing"}.get(type(value), type(value).__name__)
