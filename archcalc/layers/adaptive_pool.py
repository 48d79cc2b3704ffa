"""Pooling to a given size, or to one value per channel: the windows follow from the input.

Operations are those of a running result: a comparison for every element of a window, from minus infinity, or an
addition for every element, from zero, and one division.
"""

from typing import ClassVar

from archcalc.layers.core.arithmetic import Dim, Shape, Sizes, ceil_div, gcd, product, whole
from archcalc.layers.core.base import Layer, Operation, Ops, Positive, Size2d, Size3d, Visibility, Window, elements
from archcalc.layers.core.execution import INDEX_BYTES, Execution, Gradient, Tensor
from archcalc.layers.core.twin import Constant, TorchTwin
from archcalc.layers.core.window import Extent, require_any_map, require_map, spread


class AdaptivePool(Layer):
    """A pool to a given size, in any number of spatial dimensions.

    Output i of m sees inputs from floor(i·n/m) to ceil((i+1)·n/m), so that windows may overlap and differ in
    size; together they hold n + m - gcd(n, m) elements along that dimension.

    Fields:
        size: size of the output along every dimension
    Params: none
    Raises: input is not a map of as many dimensions
    """

    size: Extent

    gradient = Gradient.NEW
    operation = Operation.POOLING
    label = "pool"
    sees_whole_input = True
    dimensions: ClassVar[int]

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind, self.dimensions)
        return (x[0], *spread(self.size, self.dimensions))

    def window(self, x: Shape) -> Window:
        sizes = zip(x[1:], spread(self.size, self.dimensions), strict=True)
        return tuple((1 + ceil_div(n - gcd(n, m), m), ceil_div(n, m), 0) for n, m in sizes)


def _visits(x: Shape, y: Shape) -> Dim:
    """How many elements all windows together hold."""
    return x[0] * product(n + m - gcd(n, m) for n, m in zip(x[1:], y[1:], strict=True))


def _averaged(run: Execution, x: Tensor, y: Sizes) -> Tensor:
    mean = all(size == 1 for size in y[1:])  # which PyTorch then takes
    pooled = run.new_map((x.shape[0], *y), x, as_rows=True) if mean or len(y) < 4 else run.new((x.shape[0], *y), x)
    if not mean:
        run.keep(pooled, x)
    return pooled


def _maximum(run: Execution, x: Tensor, y: Sizes) -> Tensor:
    pooled = run.new_map((x.shape[0], *y), x, as_rows=True) if len(y) < 4 else run.new((x.shape[0], *y), x)
    run.keep(pooled, x, run.new(pooled.shape, width=INDEX_BYTES))
    return pooled


class AdaptiveAvgPool(AdaptivePool):
    """Average pooling to a given size: what its kinds have in common."""

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(additions=_visits(x, y), divisions=elements(y))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return _averaged(run, x, whole(self.output(x.shape[1:])))


class AdaptiveMaxPool(AdaptivePool):
    """Max-pooling to a given size: what its kinds have in common."""

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(comparisons=_visits(x, y))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return _maximum(run, x, whole(self.output(x.shape[1:])))


class AdaptiveAvgPool1d(AdaptiveAvgPool, kind="adaptive_avgpool1d"):
    """Average pooling of channels × length to a given length: the windows follow from the input.

    Output i of m sees inputs from floor(i·n/m) to ceil((i+1)·n/m), so that windows may overlap and differ in
    size; together they hold n + m - gcd(n, m) elements.

    Shape: (C, L) → (C, size)
    Ops: one addition per element of every window, one division per output element
    Source: torch.nn.AdaptiveAvgPool1d

    >>> pool = AdaptiveAvgPool1d(size=6)
    >>> y = pool.output((256, 13))
    >>> y, pool.ops((256, 13), y).additions
    ((256, 6), 4608)
    """

    size: Positive

    dimensions = 1
    torch = TorchTwin("torch.nn.AdaptiveAvgPool1d", output_size="size")


class AdaptiveAvgPool2d(AdaptiveAvgPool, kind="adaptive_avgpool"):
    """Average pooling of a map to a given size: the windows follow from the input.

    Output i of m sees inputs from floor(i·n/m) to ceil((i+1)·n/m), so that windows may overlap and differ in
    size; together they hold n + m - gcd(n, m) elements along that dimension.

    Shape: (C, H, W) → (C, size, size)
    Ops: one addition per element of every window, one division per output element
    Source: torch.nn.AdaptiveAvgPool2d

    >>> pool = AdaptiveAvgPool2d(size=6)
    >>> y = pool.output((256, 13, 13))
    >>> y, pool.ops((256, 13, 13), y).additions
    ((256, 6, 6), 82944)
    """

    size: Size2d

    dimensions = 2
    torch = TorchTwin("torch.nn.AdaptiveAvgPool2d", output_size="size")


class AdaptiveAvgPool3d(AdaptiveAvgPool, kind="adaptive_avgpool3d"):
    """Average pooling of channels × depth × height × width to a given size: the windows follow from the input.

    Output i of m sees inputs from floor(i·n/m) to ceil((i+1)·n/m), so that windows may overlap and differ in
    size; together they hold n + m - gcd(n, m) elements along that dimension.

    Shape: (C, D, H, W) → (C, size, size, size)
    Ops: one addition per element of every window, one division per output element
    Source: torch.nn.AdaptiveAvgPool3d

    >>> pool = AdaptiveAvgPool3d(size=(1, 6, 6))
    >>> y = pool.output((256, 4, 13, 13))
    >>> y, pool.ops((256, 4, 13, 13), y).additions
    ((256, 1, 6, 6), 331776)
    """

    size: Size3d

    dimensions = 3
    torch = TorchTwin("torch.nn.AdaptiveAvgPool3d", output_size="size")


class AdaptiveMaxPool1d(AdaptiveMaxPool, kind="adaptive_maxpool1d"):
    """Max-pooling of channels × length to a given length: the windows are those of adaptive_avgpool1d.

    Shape: (C, L) → (C, size)
    Ops: one comparison per element of every window
    Source: torch.nn.AdaptiveMaxPool1d

    >>> pool = AdaptiveMaxPool1d(size=6)
    >>> y = pool.output((256, 13))
    >>> y, pool.ops((256, 13), y).comparisons
    ((256, 6), 4608)
    """

    size: Positive

    dimensions = 1
    torch = TorchTwin("torch.nn.AdaptiveMaxPool1d", output_size="size")


class AdaptiveMaxPool2d(AdaptiveMaxPool, kind="adaptive_maxpool"):
    """Max-pooling of a map to a given size: the windows are those of adaptive_avgpool.

    Shape: (C, H, W) → (C, size, size)
    Ops: one comparison per element of every window
    Source: torch.nn.AdaptiveMaxPool2d

    >>> pool = AdaptiveMaxPool2d(size=7)
    >>> y = pool.output((512, 14, 14))
    >>> y, pool.ops((512, 14, 14), y).comparisons
    ((512, 7, 7), 100352)
    """

    size: Size2d

    dimensions = 2
    torch = TorchTwin("torch.nn.AdaptiveMaxPool2d", output_size="size")


class AdaptiveMaxPool3d(AdaptiveMaxPool, kind="adaptive_maxpool3d"):
    """Max-pooling of channels × depth × height × width to a given size: the windows are those of adaptive_avgpool3d.

    Shape: (C, D, H, W) → (C, size, size, size)
    Ops: one comparison per element of every window
    Source: torch.nn.AdaptiveMaxPool3d

    >>> pool = AdaptiveMaxPool3d(size=(1, 7, 7))
    >>> y = pool.output((512, 2, 14, 14))
    >>> y, pool.ops((512, 2, 14, 14), y).comparisons
    ((512, 1, 7, 7), 200704)
    """

    size: Size3d

    dimensions = 3
    torch = TorchTwin("torch.nn.AdaptiveMaxPool3d", output_size="size")


class GlobalPool(Layer):
    """A pool of each channel's whole map to one value: what its kinds have in common.

    Fields: none
    Shape: (C, L) → (C, 1), (C, H, W) → (C, 1, 1), (C, D, H, W) → (C, 1, 1, 1)
    Params: none
    Raises: input is not a map
    """

    operation = Operation.POOLING
    label = "pool"

    def output(self, x: Shape) -> Shape:
        require_any_map(x, self.kind)
        return (x[0], *(1 for _ in x[1:]))

    def window(self, x: Shape) -> Visibility:
        return Visibility.WHOLE


class GlobalAvgPool(GlobalPool, kind="global_avgpool"):
    """Global average pooling: the mean of each channel's whole map, left as 1×1 (flatten it before a linear layer).

    Ops: one addition per input element and one division per channel
    Source: torch.nn.AdaptiveAvgPool2d(1); Lin, Chen and Yan, "Network In Network", arXiv:1312.4400

    >>> pool = GlobalAvgPool()
    >>> y = pool.output((512, 7, 7))
    >>> y, pool.ops((512, 7, 7), y).additions
    ((512, 1, 1), 25088)
    """

    gradient = Gradient.NEW
    torch = TorchTwin("torch.nn.AdaptiveAvgPool{n}d", output_size=Constant(1))

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(additions=elements(x), divisions=elements(y))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return _averaged(run, x, whole(self.output(x.shape[1:])))


class GlobalMaxPool(GlobalPool, kind="global_maxpool"):
    """Global max-pooling: the largest value of each channel's whole map, left as 1×1 (flatten it afterwards).

    Ops: one comparison per input element
    Source: torch.nn.AdaptiveMaxPool2d(1)

    >>> pool = GlobalMaxPool()
    >>> y = pool.output((512, 7, 7))
    >>> y, pool.ops((512, 7, 7), y).comparisons
    ((512, 1, 1), 25088)
    """

    torch = TorchTwin("torch.nn.AdaptiveMaxPool{n}d", output_size=Constant(1))

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(comparisons=elements(x))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return _maximum(run, x, whole(self.output(x.shape[1:])))
