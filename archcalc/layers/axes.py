"""Axes as specs name them: without the batch, from the end where they are negative."""

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Shape, require
from archcalc.layers.base import fmt_shape


def axis_of(axis: int, x: Shape, field: str = "axis") -> int:
    """The axis of `x`, counted from 0; raises LayerError where `x` has no such axis.

    >>> axis_of(-1, (64, 56, 28))
    2
    """
    rank = len(x)
    require(
        -rank <= axis < rank,
        lambda: LayerError(
            f"{field} {axis} is none of the axes of its input of {fmt_shape(x)}",
            field=field,
            hint=f"0 is the first axis after the batch, {rank - 1} or -1 the last",
        ),
    )
    return axis % rank
