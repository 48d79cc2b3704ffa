"""Arithmetic over a spec's variables: `4 * width`, `depths[2]`, `2 if i == 0 else 1`. Never `eval`.

An expression is parsed to Python's own syntax tree; only the nodes listed here are walked, so that attributes, calls
of anything but the named functions, and strings in arithmetic are errors.
"""

import _ast
import re
from typing import Any

from archcalc.errors import did_you_mean
from archcalc.spec.evaluation import BINARY, COMPARE, FUNCTIONS, UNARY, Evaluation, Variables
from archcalc.spec.values import ExpressionError, Steps, Value

MAX_LENGTH = 1_000
_KEYWORDS = ("and", "else", "for", "if", "in", "is", "not", "or")
_WARNED_OF = r"""'[^'\\]*' | "[^"\\]*"  # text that is fine
    | (?P<bad> \\ | (?<![\w.])(?>  # a backslash, or a number with a word right behind it
        0[xX][\da-fA-F_]+ | 0[oO][0-7_]+ | 0[bB][01_]+ | (?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d[\d_]*)?[jJ]?
      )(?=[^\W\d]))"""
"""What Python takes with a warning, which no filter of warnings keeps from other threads: it is no expression here.

It is compiled where a text may have it, which start-up does not pay for.
"""


class Expression:
    """A parsed expression: `names` are the variables that it reads; call it with their values.

    What it computes is taken from `steps`, which those of one spec share. Raises ExpressionError where the text is no
    arithmetic, or where it cannot be computed.

    >>> Expression("4 * width")({"width": 64})
    256
    >>> Expression("__import__('os').system('ls')")({})
    Traceback (most recent call last):
    ...
    archcalc.spec.values.ExpressionError: this call is not part of the spec language
    """

    __slots__ = ("_compute", "_evaluation", "_size", "_steps", "names", "text")

    def __init__(self, text: str, steps: Steps | None = None) -> None:
        self.text = text
        self._steps = Steps() if steps is None else steps
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"an expression longer than {MAX_LENGTH:,} characters")
        if "\\" in text or (any(map(str.isdigit, text)) and any(word in text for word in _KEYWORDS)):
            for found in re.finditer(_WARNED_OF, text.strip(), flags=re.VERBOSE):
                if found["bad"] is not None:
                    raise ExpressionError("not an arithmetic expression", found.end())
        try:
            parsed: Any = compile(text.strip(), "<expression>", "eval", _ast.PyCF_ONLY_AST)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            offset = max(0, (getattr(error, "offset", None) or 1) - 1)
            raise ExpressionError("not an arithmetic expression", offset) from None
        self._size = 0
        self._evaluation = Evaluation(text, self._steps)
        self.names = frozenset(self._variables(parsed.body))
        try:
            self._compute = self._evaluation.of(parsed.body)
        except RecursionError:
            raise ExpressionError("an expression nested too deep") from None

    def __call__(self, variables: Variables) -> Value:
        self._steps.take(self._size)
        try:
            value: Value = self._compute(variables)
        except RecursionError:
            raise ExpressionError("an expression nested too deep") from None
        return value

    def _variables(self, node: Any) -> list[str]:
        """The names that are read; refuses, before anything is computed, syntax that is not part of the language."""
        names: list[str] = []
        todo = [node]
        while todo:
            node = todo.pop()
            self._size += 1
            children: tuple[Any, ...]
            match node:
                case _ast.Constant(value=value):
                    if not isinstance(value, bool | int | float | str):
                        raise self._evaluation.error(
                            node, f"{type(value).__name__} values are not part of the spec language"
                        )
                    children = ()
                case _ast.Name(id=name):
                    names.append(name)
                    children = ()
                case _ast.BinOp(left=left, op=op, right=right) if type(op) in BINARY:
                    children = (left, right)
                case _ast.UnaryOp(op=op, operand=operand) if type(op) in UNARY:
                    children = (operand,)
                case _ast.BoolOp(values=values):
                    children = tuple(values)
                case _ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in COMPARE for op in ops):
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
                        raise self._evaluation.error(
                            node, f"unknown function {name!r}", did_you_mean(name, FUNCTIONS, known)
                        )
                    children = tuple(args)
                case _ast.Call():
                    raise self._evaluation.error(node, "this call is not part of the spec language")
                case _:
                    raise self._evaluation.error(node, f"{_words(node)} is not part of the spec language")
            todo.extend(children)
        return names


def _words(node: Any) -> str:
    return {"Attribute": "attribute access", "Lambda": "a lambda", "JoinedStr": "an f-string"}.get(
        type(node).__name__, f"this syntax ({type(node).__name__})"
    )
