"""Layers that cut pieces out of a tensor."""

from typing import Annotated

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, ceil_div, equal, maximum, minimum, require
from archcalc.layers.core.axes import axis_of, resized
from archcalc.layers.core.base import (
    STRUCTURAL,
    AlongAxes,
    AxisIndex,
    NonNegative,
    Positive,
    Size2d,
    Visibility,
    fmt_shape,
)
from archcalc.layers.core.execution import Execution, Gradient, Tensor
from archcalc.layers.core.twin import Axis, TorchTwin
from archcalc.layers.core.window import require_map, spread
from archcalc.layers.reshape import Rearrangement

Place = Annotated[int, Meta(description="a whole number, from the end where it is negative", extra=STRUCTURAL)]
Step = Annotated[int, Meta(ge=1, description="a whole number ≥ 1", extra=STRUCTURAL)]
Index = Annotated[int, Meta(ge=0, description="a whole number ≥ 0", extra=STRUCTURAL)]
Sizes = Annotated[tuple[Positive, ...], Meta(min_length=1, description="a list of whole numbers ≥ 1")]


class Extent(Rearrangement):
    """What kinds share that keep part of the places along the axes, or add places to them."""

    def window(self, x: Shape) -> AlongAxes | Visibility:
        return AlongAxes(to=tuple(range(len(x))), starts=self.starts(x))

    def starts(self, x: Shape) -> Shape:
        """The place of the input that the first of the output is, along each axis; negative where places are added."""
        raise TypeError(f"{type(self).__name__} does not say where it starts")


class Slice(Extent, kind="slice"):
    """Takes a range of places along an axis, as Python slices do.

    Places beyond the end are cut off, as Python does.

    Fields:
        axis: the axis along which it takes them
        start: the first place
        stop: the place before which it ends; none: the end
        step: from one place to the next
    Shape: (C, H, W) with axis 0, start 0 and stop N → (N, H, W)
    Ops: none
    Raises: an input without the axis; a range of no places
    Source: torch.Tensor, indexed with a slice

    >>> Slice(axis=0, stop=1).output((197, 768)), Slice(axis=1, start=1, step=2).output((64, 28, 28))
    ((1, 768), (64, 14, 28))
    """

    axis: AxisIndex
    start: Place = 0
    stop: Place | None = None
    step: Step = 1

    gradient = Gradient.NEW
    torch = TorchTwin(
        "archcalc.torch_backend.twins.slicing.take",
        call="function",
        axis=Axis("axis"),
        start="start",
        stop="stop",
        step="step",
    )

    def output(self, x: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        size = x[axis]
        stop = size if self.stop is None else _place(self.stop, size)
        taken = ceil_div(stop - _place(self.start, size), self.step)
        require(
            taken >= 1,
            lambda: LayerError(
                f"{self.start}:{'' if self.stop is None else self.stop} takes nothing from axis {self.axis} "
                f"of its input of {fmt_shape(x)}",
                field="start" if self.stop is None else "stop",
                hint=f"the places along that axis are 0 to {size - 1}, and stop is not taken itself",
            ),
        )
        return resized(x, axis, taken)

    def window(self, x: Shape) -> AlongAxes:
        axis, axes = axis_of(self.axis, x), range(len(x))
        steps = tuple(self.step if k == axis else 1 for k in axes)
        return AlongAxes(to=tuple(axes), steps=steps, starts=self.starts(x))

    def starts(self, x: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        return _from(x, axis, _place(self.start, x[axis]))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        axis = axis_of(self.axis, x.shape[1:]) + 1
        strides = resized(x.strides, axis, x.strides[axis] * self.step)
        return run.view(x, self.batched_output(x), strides)


def _place(at: int, size: Dim) -> Dim:
    return minimum(at, size) if at >= 0 else maximum(size + at, 0)


def _from(x: Shape, axis: int, start: Dim) -> Shape:
    """A start along one axis, 0 along all others."""
    return resized((0,) * len(x), axis, start)


class Chunk(Extent, kind="chunk"):
    """One of the pieces of equal size that an axis is cut into; the last may be smaller.

    A piece has ⌈size / chunks⌉ places, so that there may be fewer pieces than `chunks`.

    Fields:
        chunks: how many pieces, at the most
        index: which of them, from 0
        axis: the axis that is cut
    Shape: (C, H, W) → (C / chunks, H, W)
    Ops: none
    Raises: an input without the axis, or with too few places along it for a piece of that index
    Source: torch.chunk

    >>> Chunk(chunks=3, index=0).output((64, 28, 28)), Chunk(chunks=3, index=2).output((64, 28, 28))
    ((22, 28, 28), (20, 28, 28))
    """

    chunks: Positive
    index: NonNegative
    axis: AxisIndex = 0

    torch = TorchTwin(
        "archcalc.torch_backend.twins.slicing.chunk",
        call="function",
        chunks="chunks",
        index="index",
        axis=Axis("axis"),
    )

    def output(self, x: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        size = x[axis]
        piece = ceil_div(size, self.chunks)
        taken = minimum(piece, size - self.index * piece)
        require(
            taken >= 1,
            lambda: LayerError(
                f"there is no piece {self.index} of axis {self.axis} of its input of {fmt_shape(x)}: {self.chunks} "
                f"chunks of {size} have {piece} each, which makes {ceil_div(size, piece)}",
                field="index",
                hint="the first piece has index 0",
            ),
        )
        return resized(x, axis, taken)

    def starts(self, x: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        return _from(x, axis, self.index * ceil_div(x[axis], self.chunks))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.view(x, self.batched_output(x), x.layout)


class Split(Extent, kind="split"):
    """One of the pieces of given sizes that an axis is cut into.

    Fields:
        sizes: of all pieces
        index: which of them, from 0
        axis: the axis that is cut
    Shape: (C, H, W) → (sizes[index], H, W)
    Ops: none
    Raises: an input without the axis, or with another size along it than the sizes together; an index without a size
    Source: torch.split

    >>> Split(sizes=(16, 16, 32), index=2).output((64, 28, 28))
    (32, 28, 28)
    """

    sizes: Sizes
    index: Index
    axis: AxisIndex = 0

    torch = TorchTwin(
        "archcalc.torch_backend.twins.slicing.split",
        call="function",
        sizes="sizes",
        index="index",
        axis=Axis("axis"),
    )

    def output(self, x: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        total = sum(self.sizes)
        require(
            equal(total, x[axis]),
            lambda: LayerError(
                f"sizes {list(self.sizes)} make {total}, but axis {self.axis} of its input of {fmt_shape(x)} "
                f"has {x[axis]}",
                field="sizes",
            ),
        )
        require(
            self.index < len(self.sizes),
            lambda: LayerError(
                f"there is no piece {self.index} of {len(self.sizes)}", field="index", hint="the first has index 0"
            ),
        )
        return resized(x, axis, self.sizes[self.index])

    def starts(self, x: Shape) -> Shape:
        return _from(x, axis_of(self.axis, x), sum(self.sizes[: self.index]))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.view(x, self.batched_output(x), x.layout)


class Crop(Extent, kind="crop"):
    """Cuts out the middle of a map, as the copy-and-crop of a U-Net does.

    It begins at ⌊(H - h) / 2⌋: of an odd rest, the larger half is cut off behind.

    Fields:
        size: of what is left
    Shape: (C, H, W) → (C, h, w)
    Ops: none
    Raises: an input that is no map, or is smaller
    Source: Ronneberger et al., "U-Net", arXiv:1505.04597

    >>> Crop(size=56).output((512, 64, 64))
    (512, 56, 56)
    """

    size: Size2d

    torch = TorchTwin("archcalc.torch_backend.twins.slicing.crop", call="function", size="size")

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind)
        size = spread(self.size, 2)
        for wanted, there in zip(size, x[1:], strict=True):
            require(
                wanted <= there,
                lambda: LayerError(
                    f"crop to {fmt_shape(size)} needs an input that is no smaller, got {fmt_shape(x[1:])}",
                    field="size",
                    assume=(x[0], *size),
                    size_matters=True,
                ),
            )
        return (x[0], *size)

    def starts(self, x: Shape) -> Shape:
        return (0, *((there - wanted) // 2 for wanted, there in zip(spread(self.size, 2), x[1:], strict=True)))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.view(x, self.batched_output(x), x.layout)
