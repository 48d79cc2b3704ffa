"""Layers that move numbers to other places: rolls, repetitions, shuffles of channels and pixels, windows."""

from typing import Annotated

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Shape, divides, equal, require
from archcalc.layers.core.axes import AxisList, axis_of, resized
from archcalc.layers.core.base import MAX_RANK, AxisIndex, Flag, Positive, Size2d, Visibility, Window, fmt_shape
from archcalc.layers.core.execution import Execution, Tensor
from archcalc.layers.core.twin import Axis, TorchTwin
from archcalc.layers.core.window import require_map, spread
from archcalc.layers.reshape import Rearrangement

Shifts = Annotated[
    tuple[Annotated[int, Meta()], ...], Meta(min_length=1, max_length=MAX_RANK, description="a list of whole numbers")
]


class Roll(Rearrangement, kind="roll"):
    """Shifts numbers along axes; what leaves at one end enters at the other.

    Fields:
        shifts: how far along each of the axes, backwards where negative
        axes: the axes
    Shape: as the input
    Ops: none
    Raises: more or fewer shifts than axes; an input without one of the axes
    Source: torch.roll; Liu et al., "Swin Transformer", arXiv:2103.14030 (the shift of windows)

    >>> Roll(shifts=(-3, -3), axes=(0, 1)).output((56, 56, 96))
    (56, 56, 96)
    """

    shifts: Shifts
    axes: AxisList

    torch = TorchTwin("torch.roll", call="function", shifts="shifts", dims=Axis("axes"))

    def output(self, x: Shape) -> Shape:
        require(
            len(self.shifts) == len(self.axes),
            lambda: LayerError(
                f"roll needs a shift for each axis, got {len(self.shifts)} for {len(self.axes)}",
                field="shifts",
                assume=x,
            ),
        )
        for axis in self.axes:
            axis_of(axis, x, "axes")
        return x

    def window(self, x: Shape) -> Visibility:
        return Visibility.SCATTERED

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        y = x
        for shift, axis in zip(self.shifts, self.axes, strict=True):
            at = axis_of(axis, x.shape[1:], "axes") + 1
            cut = -shift % x.shape[at]
            pieces = [run.view(y, resized(y.shape, at, places), y.layout) for places in (x.shape[at] - cut, cut)]
            if y is not x:
                run.free(y)  # within the one operation, whose results alone count
            y = run.concatenated(pieces, at)
        return y


class Tile(Rearrangement, kind="tile"):
    """Repeats a whole tensor along an axis.

    Fields:
        axis: the axis
        times: how often it then is there
    Shape: (C, H, W) with axis 0 → (C · times, H, W)
    Ops: none
    Raises: an input without the axis
    Source: torch.Tensor.repeat

    >>> Tile(axis=1, times=16).output((2048, 1, 64))
    (2048, 16, 64)
    """

    axis: AxisIndex
    times: Positive

    torch = TorchTwin("archcalc.torch_backend.twins.slicing.tile", call="function", axis=Axis("axis"), times="times")

    def output(self, x: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        return resized(x, axis, x[axis] * self.times)

    def window(self, x: Shape) -> Visibility:
        return Visibility.SCATTERED

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.new(self.batched_output(x), x, width=x.width)


class PixelShuffle(Rearrangement, kind="pixel_shuffle"):
    """Makes a map larger by a factor each way, out of its channels.

    Fields:
        factor: how many times larger each way
    Shape: (C · factor², H, W) → (C, H · factor, W · factor)
    Ops: none
    Raises: an input that is no map, or whose channels are no multiple of factor²
    Source: torch.nn.PixelShuffle; Shi et al., arXiv:1609.05158

    >>> PixelShuffle(factor=3).output((27, 32, 32))
    (3, 96, 96)
    """

    factor: Positive

    torch = TorchTwin("torch.nn.PixelShuffle", upscale_factor="factor")

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind)
        square = self.factor * self.factor
        require(
            divides(square, x[0]),
            lambda: LayerError(
                f"factor {self.factor} needs channels that are a multiple of {square}, got {x[0]}", field="factor"
            ),
        )
        return (x[0] // square, x[1] * self.factor, x[2] * self.factor)

    def window(self, x: Shape) -> Visibility:
        return Visibility.SCATTERED

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.new_map(self.batched_output(x), x)


class PixelUnshuffle(Rearrangement, kind="pixel_unshuffle"):
    """Makes a map smaller by a factor each way, and its channels more: the inverse of pixel_shuffle.

    Fields:
        factor: how many times smaller each way
    Shape: (C, H · factor, W · factor) → (C · factor², H, W)
    Ops: none
    Raises: an input that is no map, or whose height or width is no multiple of the factor
    Source: torch.nn.PixelUnshuffle

    >>> PixelUnshuffle(factor=2).output((3, 640, 640))
    (12, 320, 320)
    """

    factor: Positive

    sees_whole_input = True
    torch = TorchTwin("torch.nn.PixelUnshuffle", downscale_factor="factor")

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind)
        for size in x[1:]:
            require(
                divides(self.factor, size),
                lambda: LayerError(
                    f"factor {self.factor} needs a height and width that are multiples of it, got {fmt_shape(x[1:])}",
                    field="factor",
                ),
            )
        return (x[0] * self.factor * self.factor, x[1] // self.factor, x[2] // self.factor)

    def window(self, x: Shape) -> Window:
        # Each number sees one place, but the channels of one position, which later layers mix, together see these.
        return ((self.factor, self.factor, 0),) * 2

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.new_map(self.batched_output(x), x)


class ChannelShuffle(Rearrangement, kind="channel_shuffle"):
    """Deals the channels of each group out to all groups.

    Fields:
        groups: how many groups there are
    Shape: as the input: (C, H, W), or any with channels and at least one more axis
    Ops: none
    Raises: an input without a spatial axis, or whose channels are no multiple of the groups
    Source: torch.nn.ChannelShuffle; Zhang et al., "ShuffleNet", arXiv:1707.01083

    >>> ChannelShuffle(groups=2).output((116, 28, 28))
    (116, 28, 28)
    """

    groups: Positive

    torch = TorchTwin("torch.nn.ChannelShuffle", groups="groups")

    def output(self, x: Shape) -> Shape:
        require(
            len(x) > 1,
            lambda: LayerError(
                f"channel_shuffle needs an input with channels and a spatial size, got {fmt_shape(x)}", assume=x
            ),
        )
        require(
            divides(self.groups, x[0]),
            lambda: LayerError(
                f"{self.groups} groups need channels that are a multiple of them, got {x[0]}", field="groups", assume=x
            ),
        )
        return x

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.new_map(x.shape, x)

    def window(self, x: Shape) -> Window:
        return ((1, 1, 0),) * (len(x) - 1)  # channels of one place


class WindowPartition(Rearrangement, kind="window_partition"):
    """Cuts a map into windows, each a row of h · w tokens; channels come last.

    Dilated, it makes the grid of MaxViT: the tokens of window (i, j) lie H / h and W / w apart, at
    (i + a · H / h, j + b · W / w) for each a < h and b < w.

    Fields:
        size: of a window, [h, w]
        dilated: whether the tokens of a window are spread over the map instead of side by side
    Shape: (H, W, C) → (H / h, W / w, h · w, C)
    Ops: none
    Raises: an input that is not height × width × channels; a height or width that is no multiple of the window's
    Source: Liu et al., "Swin Transformer", arXiv:2103.14030; dilated: Tu et al., "MaxViT", arXiv:2204.01697

    >>> WindowPartition(size=7).output((56, 56, 96))
    (8, 8, 49, 96)
    """

    size: Size2d
    dilated: Flag = False

    torch = TorchTwin(
        "archcalc.torch_backend.twins.windows.window_partition", call="function", size="size", dilated="dilated"
    )

    def output(self, x: Shape) -> Shape:
        require(
            len(x) == 3,
            lambda: LayerError(
                f"window_partition needs an input of height × width × channels, got {fmt_shape(x)}",
                hint="`permute: [1, 2, 0]` makes it of channels × height × width",
            ),
        )
        h, w = spread(self.size, 2)
        require(
            divides(h, x[0]) & divides(w, x[1]),
            lambda: LayerError(
                f"windows of {h}×{w} do not fill a map of {fmt_shape(x[:2])}",
                field="size",
                hint="pad it to a multiple, or take another size",
            ),
        )
        return (x[0] // h, x[1] // w, h * w, x[2])

    def window(self, x: Shape) -> Visibility:
        return Visibility.SCATTERED

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        h, w = spread(self.size, 2)
        batch, height, width, channels = x.shape
        rows, columns = height // h, width // w
        apart = (batch, h, rows, w, columns, channels) if self.dilated else (batch, rows, h, columns, w, channels)
        order = (0, 2, 4, 1, 3, 5) if self.dilated else (0, 1, 3, 2, 4, 5)
        return run.rearranged(x, apart, order, (batch, rows, columns, h * w, channels))


class WindowReverse(Rearrangement, kind="window_reverse"):
    """Puts windows together to the map that window_partition cut them from.

    Fields:
        size: of a window, [h, w]
        dilated: whether the windows are dilated
    Shape: (rows of windows, columns of windows, h · w, C) → (rows · h, columns · w, C)
    Ops: none
    Raises: an input of another rank, or with windows of another number of tokens
    Source: Liu et al., "Swin Transformer", arXiv:2103.14030; dilated: Tu et al., "MaxViT", arXiv:2204.01697

    >>> WindowReverse(size=7).output((8, 8, 49, 96))
    (56, 56, 96)
    """

    size: Size2d
    dilated: Flag = False

    torch = TorchTwin(
        "archcalc.torch_backend.twins.windows.window_reverse", call="function", size="size", dilated="dilated"
    )

    def output(self, x: Shape) -> Shape:
        h, w = spread(self.size, 2)
        require(
            len(x) == 4,
            lambda: LayerError(
                f"window_reverse needs an input of rows × columns × tokens × channels, got {fmt_shape(x)}",
                hint="it undoes a window_partition",
            ),
        )
        require(
            equal(h * w, x[2]),
            lambda: LayerError(
                f"windows of {h}×{w} have {h * w} tokens, got {fmt_shape(x)}, where they have {x[2]}", field="size"
            ),
        )
        return (x[0] * h, x[1] * w, x[3])

    def window(self, x: Shape) -> Visibility:
        return Visibility.SCATTERED

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        h, w = spread(self.size, 2)
        batch, rows, columns, _, channels = x.shape
        order = (0, 3, 1, 4, 2, 5) if self.dilated else (0, 1, 3, 2, 4, 5)
        return run.rearranged(
            x, (batch, rows, columns, h, w, channels), order, (batch, rows * h, columns * w, channels)
        )
