"""What expressions compute with: their values, and how much of them one spec may ask for."""

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from archcalc.layers.core.arithmetic import Dim

Value: TypeAlias = "bool | float | str | Dim | tuple[Value, ...] | None"


def is_open(value: object) -> bool:
    """Whether a value is a symbol or an array: no number or text of Python's, and no list.

    >>> import sympy
    >>> is_open(sympy.Symbol("n")), is_open(3), is_open((3, "same"))
    (True, False, False)
    """
    return not isinstance(value, bool | int | float | str | tuple | None)


def is_size(value: object) -> bool:
    """Whether a value may be the size of an axis: a whole number ≥ 1, such an array, or a symbol that may be one.

    >>> is_size(3), is_size(0), is_size("3")
    (True, False, False)
    """
    if not is_open(value):
        return type(value) is int and value >= 1
    from archcalc.spec.open_numbers import stand_ins

    return all(type(plain) is int and plain >= 1 for plain in stand_ins(value))


def is_at_most(size: Any, most: int) -> bool:
    """Whether the size of an axis is at most so much: of an array all of its numbers, and of a symbol what is known.

    >>> is_at_most(3, 10), is_at_most(11, 10)
    (True, False)
    """
    if not is_open(size):
        return bool(size <= most)
    from archcalc.spec.open_numbers import stand_ins

    return all(plain <= most for plain in stand_ins(size))


MAX_ITEMS = 10_000
MAX_STEPS = 2_000_000
"""How many steps the evaluation of one spec may take, somewhat less than a second in all. Shipped ones take 3,000."""
ENTRY_STEPS = 10
"""How many steps it is to build a layer that differs from those before it, or to leave an entry out."""
ITEMS_A_STEP = 20
"""How many names, edges or branches are gone through in the time of a step."""


class ExpressionError(Exception):
    """What is wrong with an expression, at which offset in its text, and how to fix it."""

    def __init__(self, message: str, offset: int = 0, hint: str | None = None) -> None:
        super().__init__(message)
        self.offset, self.hint = offset, hint


class OutOfStepsError(ExpressionError):
    """The steps that all expressions of a spec may take together are used up."""


class Steps:
    """How many steps are left: one for each value, each part of an expression and each item of a list that it reads.

    >>> steps = Steps()
    >>> steps.take(size_of((1, (2, 3))))
    >>> MAX_STEPS - steps.left
    4
    """

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_STEPS

    def take(self, steps: int) -> None:
        """Take so many; raises OutOfStepsError where fewer are left."""
        self.left -= steps
        if self.left < 0:
            raise OutOfStepsError(
                f"evaluating the spec takes more than {MAX_STEPS:,} steps",
                hint="compute in `vars` what stays the same, and repeat fewer layers that differ",
            )


def size_of(items: tuple[Value, ...]) -> int:
    """How many values a list holds, those of lists inside it counted in full, but no more than MAX_ITEMS + 1.

    >>> size_of((1, (2, 3)))
    4
    """
    found, todo = 0, [items]
    while todo and found <= MAX_ITEMS:
        inner = todo.pop()
        found += len(inner)
        todo += [item for item in inner if isinstance(item, tuple)]
    return min(found, MAX_ITEMS + 1)
