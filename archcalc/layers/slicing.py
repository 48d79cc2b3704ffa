"""Layers that cut pieces out of a tensor, or add to its sides."""

from typing import Annotated, Literal

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Dim, Shape, ceil_div, equal, maximum, minimum, require
from archcalc.layers.axes import axis_of
from archcalc.layers.base import (
    MAX_RANK,
    STRUCTURAL,
    AlongAxes,
    AxisIndex,
    NonNegative,
    Positive,
    Real,
    Size2d,
    fmt_shape,
)
from archcalc.layers.reshape import Rearrangement
from archcalc.layers.twin import Axis, TorchTwin
from archcalc.layers.window import require_map, spread

Place = Annotated[int, Meta(description="a whole number, from the end where it is negative", extra=STRUCTURAL)]
Step = Annotated[int, Meta(ge=1, description="a whole number ≥ 1", extra=STRUCTURAL)]
Index = Annotated[int, Meta(ge=0, description="a whole number ≥ 0", extra=STRUCTURAL)]
Sizes = Annotated[tuple[Positive, ...], Meta(min_length=1, description="a list of whole numbers ≥ 1")]
Sides = Annotated[
    NonNegative | Annotated[tuple[NonNegative, ...], Meta(min_length=2, max_length=2 * MAX_RANK)],
    Meta(
        description="a whole number ≥ 0 for all spatial sides, or [left, right], [left, right, top, bottom], "
        "[left, right, top, bottom, front, back] …"
    ),
]
Mode = Annotated[
    Literal["constant", "reflect", "replicate", "circular"],
    Meta(description="constant, reflect, replicate or circular"),
]


class Extent(Rearrangement):
    """What kinds share that keep part of the places along the axes, or add places to them."""

    def window(self, x: Shape) -> AlongAxes:
        return AlongAxes(to=tuple(range(len(x))))


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
        return (*x[:axis], taken, *x[axis + 1 :])

    def window(self, x: Shape) -> AlongAxes:
        axis, axes = axis_of(self.axis, x), range(len(x))
        return AlongAxes(to=tuple(axes), steps=tuple(self.step if k == axis else 1 for k in axes))


def _place(at: int, size: Dim) -> Dim:
    return minimum(at, size) if at >= 0 else maximum(size + at, 0)


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
        return (*x[:axis], taken, *x[axis + 1 :])


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
        return (*x[:axis], self.sizes[self.index], *x[axis + 1 :])


class Pad(Extent, kind="pad"):
    """Adds places to the sides of a map.

    Fields:
        pad: how many to each side: a list begins with the last axis, as PyTorch's does; a number is for all spatial
            sides
        value: what stands in them
        mode: constant for the value, reflect or replicate for the nearest places, circular for those of the other side
    Shape: (C, H, W) with pad [l, r, t, b] → (C, H + t + b, W + l + r)
    Ops: none
    Raises: a list that has more sides than the input, or is of odd length; a number for an input without spatial axes;
        for a mode other than constant, a value, or a list for other axes than all spatial ones (all axes also do), or
        for more than three; reflecting as many places as there are, or more; wrapping around more often than once
    Source: torch.nn.functional.pad

    >>> Pad(pad=(0, 1, 0, 1)).output((64, 56, 56)), Pad(pad=3, mode="reflect").output((3, 224, 224))
    ((64, 57, 57), (3, 230, 230))
    """

    pad: Sides
    value: Real = 0.0
    mode: Mode = "constant"

    torch = TorchTwin(
        "archcalc.torch_backend.twins.slicing.pad", call="function", sides="pad", value="value", mode="mode"
    )

    def output(self, x: Shape) -> Shape:
        pairs = self._pairs(x)
        if self.mode != "constant":
            self._check_mode(pairs, x)
        padded = zip(x[len(x) - len(pairs) :], pairs, strict=True)
        return (*x[: len(x) - len(pairs)], *(before + size + after for size, (before, after) in padded))

    def _pairs(self, x: Shape) -> tuple[tuple[Dim, Dim], ...]:
        """What is added before and after, for each of the last axes."""
        if not isinstance(self.pad, tuple):
            require(
                len(x) > 1,
                lambda: LayerError(
                    f"pad needs an input with spatial axes, got {fmt_shape(x)}",
                    field="pad",
                    hint=f"pad: [{self.pad}, {self.pad}] pads the only axis",
                ),
            )
            return ((self.pad, self.pad),) * (len(x) - 1)
        sides = len(self.pad)
        require(
            sides % 2 == 0,
            lambda: LayerError(f"pad needs two numbers for each axis, got {sides}", field="pad"),
        )
        require(
            sides <= 2 * len(x),
            lambda: LayerError(f"pad has {sides} sides, its input of {fmt_shape(x)} {2 * len(x)}", field="pad"),
        )
        return tuple(zip(self.pad[::2], self.pad[1::2], strict=True))[::-1]

    def _check_mode(self, pairs: tuple[tuple[Dim, Dim], ...], x: Shape) -> None:
        require(self.value == 0, lambda: LayerError(f"a value goes with mode constant, not {self.mode}", field="value"))
        require(
            len(pairs) in (len(x) - 1, len(x)) and len(pairs) <= 3,
            lambda: LayerError(
                f"mode {self.mode} pads all spatial axes, up to three, got {2 * len(pairs)} sides for {fmt_shape(x)}",
                field="pad",
            ),
        )
        # A reflection leaves the edge out; going around uses every place once at most; an edge can be repeated for ever.
        most = {"reflect": 1, "circular": 0}.get(self.mode)
        if most is None:
            return
        for size, sides in zip(x[len(x) - len(pairs) :], pairs, strict=True):
            for side in sides:
                require(
                    side <= size - most,
                    lambda size=size, side=side: LayerError(  # type: ignore[misc]
                        f"mode {self.mode} cannot add {side} to a size of {size}",
                        field="pad",
                        hint=f"pad ≤ {size - most}",
                        size_matters=True,
                    ),
                )


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
