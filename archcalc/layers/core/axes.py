"""Axes as specs name them: without the batch, from the end where they are negative."""

from typing import Annotated, overload

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, Sizes, require
from archcalc.layers.core.base import MAX_RANK, STRUCTURAL, AxisIndex, fmt_shape

AxisList = Annotated[
    tuple[AxisIndex, ...],
    Meta(
        min_length=1,
        max_length=MAX_RANK,
        description="a list of axes: 0 is the first after the batch (the channels), -1 the last",
        extra=STRUCTURAL,
    ),
]
AxisOrAxes = Annotated[
    AxisIndex | AxisList,
    Meta(description="an axis or a list of axes: 0 is the first after the batch (the channels), -1 the last"),
]


def axis_of(axis: int, x: Shape, field: str = "axis") -> int:
    """The axis of `x`, counted from 0; raises LayerError where `x` has no such axis.

    >>> axis_of(-1, (64, 56, 28))
    2
    """
    rank = len(x)
    require(
        -rank <= axis < rank,
        lambda: LayerError(
            f"{field} {axis} is not an axis of its input of {fmt_shape(x)}",
            field=field,
            hint=f"0 is the first axis after the batch, {rank - 1} or -1 the last",
        ),
    )
    return axis % rank


def axes_of(axes: tuple[int, ...], x: Shape, field: str = "axis") -> tuple[int, ...]:
    """Different axes of `x`, counted from 0; raises LayerError where `x` lacks one or one is named twice.

    >>> axes_of((1, -1), (64, 56, 28))
    (1, 2)
    """
    found = tuple(axis_of(axis, x, field) for axis in axes)
    require(
        len(set(found)) == len(found),
        lambda: LayerError(f"{field} {list(axes)} names an axis of its input of {fmt_shape(x)} twice", field=field),
    )
    return found


@overload
def resized(x: Sizes, axis: int, size: int) -> Sizes: ...
@overload
def resized(x: Shape, axis: int, size: Dim) -> Shape: ...
def resized(x: Shape, axis: int, size: Dim) -> Shape:
    """The shape `x` with another size along one axis.

    >>> resized((64, 56, 28), 1, 7)
    (64, 7, 28)
    """
    return (*x[:axis], size, *x[axis + 1 :])
