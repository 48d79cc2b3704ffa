"""Pooling: the largest or the mean value of each window, channel by channel.

Operations are those of a running result: a window of K·K elements takes K·K comparisons from minus infinity, or
K·K additions from zero and one division. Padding counts like any element, as the lecture counts it, even where it is
left out of the mean.
"""

from typing import ClassVar

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, product, require
from archcalc.layers.core.base import (
    Flag,
    Layer,
    NonNegative,
    Operation,
    Ops,
    Pad2d,
    Pad3d,
    Positive,
    Size2d,
    Size3d,
    Window,
    elements,
    fmt_shape,
)
from archcalc.layers.core.execution import INDEX_BYTES, Execution, Gradient, Tensor
from archcalc.layers.core.twin import TorchTwin
from archcalc.layers.core.window import Extent, per_dimension, receptive_window, require_map, slide, spread


class Pool(Layer):
    """A pool in any number of spatial dimensions: what all of its kinds have in common."""

    kernel: Extent
    stride: Extent | None = None
    pad: Extent = 0

    operation = Operation.POOLING
    label = "pool"
    dimensions: ClassVar[int]

    @property
    def step(self) -> Extent:
        """The stride in force: the kernel where none is given."""
        return self.kernel if self.stride is None else self.stride

    def _pooled(self, x: Shape, dilation: Extent, ceil: bool) -> Shape:
        require_map(x, self.kind, self.dimensions)
        y = slide(x, self.kernel, self.step, self.pad, dilation, ceil, pads_by_half=True)
        kernel, pad = spread(self.kernel, self.dimensions), spread(self.pad, self.dimensions)
        for k, p in zip(kernel, pad, strict=True):
            require(
                2 * p <= k,
                lambda: LayerError(
                    f"pad {per_dimension(pad)} is more than half of the kernel",
                    field="pad",
                    hint=f"pad ≤ {per_dimension([k // 2 for k in kernel])}",
                    assume=(x[0], *y),
                ),
            )
        return (x[0], *y)

    def _visits(self, y: Shape) -> Dim:
        """How many elements all windows together hold."""
        return elements(y) * product(spread(self.kernel, self.dimensions))


class MaxPool(Pool):
    """Max-pooling: what its kinds have in common.

    Fields:
        kernel: size of the window along every dimension
        stride: step between two windows; the kernel where left out
        pad: minus infinity added on every side, at most half of the kernel
        dilation: distance between two elements of the window
        ceil: round the output size up, so that a last window may hang over the edge
    Params: none
    Raises: input is not a map of as many dimensions; kernel larger than the padded input (with ceil: no window); pad
        more than half of the kernel
    """

    dilation: Extent = 1
    ceil: Flag = False

    gradient = Gradient.NEW

    def output(self, x: Shape) -> Shape:
        return self._pooled(x, self.dilation, self.ceil)

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(comparisons=self._visits(y))

    def window(self, x: Shape) -> Window:
        return receptive_window(self.dimensions, self.kernel, self.step, self.pad, self.dilation)

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        shape = self.batched_output(x)
        if self.dimensions == 1 and not x.needs_grad:
            return run.new(shape, x)  # the one pool that leaves indices out where no gradient is wanted
        y = run.new_map(shape, x, as_rows=True)
        run.keep(y, x, run.new(y.shape, width=INDEX_BYTES))
        return y


class AvgPool(Pool):
    """Average pooling: what its kinds have in common.

    Fields:
        kernel: size of the window along every dimension
        stride: step between two windows; the kernel where left out
        pad: zeros added on every side, at most half of the kernel
        ceil: round the output size up, so that a last window may hang over the edge
        count_include_pad: whether the zeros count in the mean
    Params: none
    Raises: input is not a map of as many dimensions; kernel larger than the padded input (with ceil: no window); pad
        more than half of the kernel
    """

    ceil: Flag = False
    count_include_pad: Flag = True

    gradient = Gradient.NEW

    def output(self, x: Shape) -> Shape:
        return self._pooled(x, dilation=1, ceil=self.ceil)

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(additions=self._visits(y), divisions=elements(y))

    def window(self, x: Shape) -> Window:
        return receptive_window(self.dimensions, self.kernel, self.step, self.pad)

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        shape = self.batched_output(x)
        y = run.new_map(shape, x, as_rows=True) if self.dimensions < 3 else run.new(shape, x)
        run.keep(y, x)
        return y


def _max_twin(path: str) -> TorchTwin:
    return TorchTwin(path, kernel_size="kernel", stride="stride", padding="pad", dilation="dilation", ceil_mode="ceil")


def _avg_twin(path: str) -> TorchTwin:
    return TorchTwin(
        path,
        kernel_size="kernel",
        stride="stride",
        padding="pad",
        ceil_mode="ceil",
        count_include_pad="count_include_pad",
    )


class MaxPool1d(MaxPool, kind="maxpool1d"):
    """Max-pooling over channels × length: the largest value of each window.

    Shape: (C, L) → (C, L') with L' = (L + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Ops: kernel comparisons per output element, padding included
    Source: torch.nn.MaxPool1d

    >>> pool1 = MaxPool1d(kernel=4)
    >>> y = pool1.output((64, 800))
    >>> y, pool1.ops((64, 800), y).comparisons
    ((64, 200), 51200)
    """

    kernel: Positive
    stride: Positive | None = None
    pad: NonNegative = 0
    dilation: Positive = 1

    dimensions = 1
    torch = _max_twin("torch.nn.MaxPool1d")


class MaxPool2d(MaxPool, kind="maxpool"):
    """Max-pooling over a map of channels × height × width: the largest value of each window.

    Shape: (C, H, W) → (C, H', W') with H' = (H + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Ops: kernel · kernel comparisons per output element, padding included
    Source: torch.nn.MaxPool2d

    >>> pool1 = MaxPool2d(kernel=3, stride=2)
    >>> y = pool1.output((64, 56, 56))
    >>> y, pool1.ops((64, 56, 56), y).comparisons
    ((64, 27, 27), 419904)
    """

    kernel: Size2d
    stride: Size2d | None = None
    pad: Pad2d = 0
    dilation: Size2d = 1

    dimensions = 2
    torch = _max_twin("torch.nn.MaxPool2d")


class MaxPool3d(MaxPool, kind="maxpool3d"):
    """Max-pooling over channels × depth × height × width: the largest value of each window.

    Shape: (C, D, H, W) → (C, D', H', W') with D' = (D + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Ops: kernel · kernel · kernel comparisons per output element, padding included
    Source: torch.nn.MaxPool3d

    >>> pool1 = MaxPool3d(kernel=(1, 2, 2))
    >>> y = pool1.output((64, 16, 112, 112))
    >>> y, pool1.ops((64, 16, 112, 112), y).comparisons
    ((64, 16, 56, 56), 12845056)
    """

    kernel: Size3d
    stride: Size3d | None = None
    pad: Pad3d = 0
    dilation: Size3d = 1

    dimensions = 3
    torch = _max_twin("torch.nn.MaxPool3d")


class AvgPool1d(AvgPool, kind="avgpool1d"):
    """Average pooling over channels × length: the mean of each window.

    Shape: (C, L) → (C, L') with L' = (L + 2·pad - kernel) // stride + 1
    Ops: kernel additions, padding included whether or not it counts in the mean, and one division per output element
    Source: torch.nn.AvgPool1d

    >>> pool = AvgPool1d(kernel=2)
    >>> y = pool.output((6, 28))
    >>> y, pool.ops((6, 28), y).additions
    ((6, 14), 168)
    """

    kernel: Positive
    stride: Positive | None = None
    pad: NonNegative = 0

    dimensions = 1
    torch = _avg_twin("torch.nn.AvgPool1d")


class AvgPool2d(AvgPool, kind="avgpool"):
    """Average pooling over a map of channels × height × width: the mean of each window.

    Shape: (C, H, W) → (C, H', W') with H' = (H + 2·pad - kernel) // stride + 1
    Ops: kernel · kernel additions, padding included whether or not it counts in the mean, and one division per output
        element
    Source: torch.nn.AvgPool2d

    >>> pool = AvgPool2d(kernel=2)
    >>> y = pool.output((6, 28, 28))
    >>> y, pool.ops((6, 28, 28), y).additions
    ((6, 14, 14), 4704)
    """

    kernel: Size2d
    stride: Size2d | None = None
    pad: Pad2d = 0

    dimensions = 2
    torch = _avg_twin("torch.nn.AvgPool2d")


class AvgPool3d(AvgPool, kind="avgpool3d"):
    """Average pooling over channels × depth × height × width: the mean of each window.

    Shape: (C, D, H, W) → (C, D', H', W') with D' = (D + 2·pad - kernel) // stride + 1
    Ops: kernel · kernel · kernel additions, padding included whether or not it counts in the mean, and one division
        per output element
    Raises: input is not channels × depth × height × width; kernel larger than the input, padded or not; pad more than
        half of the kernel
    Source: torch.nn.AvgPool3d, which alone of all pools does not let padding make room for the kernel

    >>> pool = AvgPool3d(kernel=2)
    >>> y = pool.output((6, 8, 28, 28))
    >>> y, pool.ops((6, 8, 28, 28), y).additions
    ((6, 4, 14, 14), 37632)
    """

    kernel: Size3d
    stride: Size3d | None = None
    pad: Pad3d = 0

    dimensions = 3
    torch = _avg_twin("torch.nn.AvgPool3d")

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind, self.dimensions)
        for size, k in zip(x[1:], spread(self.kernel, 3), strict=True):
            require(
                k <= size,
                lambda: LayerError(
                    f"kernel {per_dimension(spread(self.kernel, 3))} is larger than its input of {fmt_shape(x[1:])}",
                    field="kernel",
                    hint=f"kernel ≤ {per_dimension(x[1:])}; pad makes no room for it",
                    size_matters=True,
                ),
            )
        return super().output(x)
