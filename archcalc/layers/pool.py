"""Pooling: the largest or the mean value of each window, channel by channel.

Operations are those of a running result: a window of K·K elements takes K·K comparisons from minus infinity, or
K·K additions from zero and one division. Padding counts like any element, as the lecture counts it.
"""

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Shape, ceil_div, gcd, product, require
from archcalc.layers.base import Flag, Layer, Ops, Pad2d, Sight, Size2d, Window, elements
from archcalc.layers.twin import Constant, TorchTwin
from archcalc.layers.window import receptive_window, require_map, slide, span, spread


def _pool(layer: "MaxPool2d | AvgPool2d", x: Shape, dilation: object) -> Shape:
    require_map(x, layer.kind)
    y = slide(x, layer.kernel, layer.step, layer.pad, dilation, layer.ceil)
    for k, p, d in zip(spread(layer.kernel, 2), spread(layer.pad, 2), spread(dilation, 2), strict=True):
        require(
            2 * p <= span(k, d),
            lambda: LayerError(
                f"pad {layer.pad} is more than half of the kernel: some windows would hold nothing but padding",
                field="pad",
                hint=f"pad ≤ {span(k, d) // 2}",  # noqa: B023  # raised, if at all, in this very iteration
            ),
        )
    return (x[0], *y)


class MaxPool2d(Layer, kind="maxpool"):
    """Max-pooling: the largest value of each window.

    Fields:
        kernel: height and width of the window
        stride: step between two windows; the kernel where left out
        pad: minus infinity added on every side, at most half of the kernel
        dilation: distance between two elements of the window
        ceil: round the output size up, so that a last window may hang over the edge
    Shape: (C, H, W) → (C, H', W') with H' = (H + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Params: none
    Ops: kernel · kernel comparisons per output element
    Raises: input is not a map; kernel larger than the padded input (with ceil: no window); pad more than half of the
        kernel
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
    ceil: Flag = False

    label = "pool"
    torch = TorchTwin(
        "torch.nn.MaxPool2d",
        kernel_size="kernel",
        stride="stride",
        padding="pad",
        dilation="dilation",
        ceil_mode="ceil",
    )

    def output(self, x: Shape) -> Shape:
        return _pool(self, x, self.dilation)

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(comparisons=elements(y) * product(spread(self.kernel, 2)))

    def window(self, x: Shape) -> Window:
        return receptive_window(2, self.kernel, self.step, self.dilation)

    @property
    def step(self) -> object:
        """The stride in force: the kernel where none is given."""
        return self.kernel if self.stride is None else self.stride


class AvgPool2d(Layer, kind="avgpool"):
    """Average pooling: the mean of each window.

    Fields:
        kernel: height and width of the window
        stride: step between two windows; the kernel where left out
        pad: zeros added on every side, at most half of the kernel; they count in the mean
        ceil: round the output size up, so that a last window may hang over the edge
    Shape: (C, H, W) → (C, H', W') with H' = (H + 2·pad - kernel) // stride + 1
    Params: none
    Ops: kernel · kernel additions and one division per output element
    Raises: input is not a map; kernel larger than the padded input (with ceil: no window); pad more than half of the
        kernel
    Source: torch.nn.AvgPool2d

    >>> pool = AvgPool2d(kernel=2)
    >>> y = pool.output((6, 28, 28))
    >>> y, pool.ops((6, 28, 28), y).additions
    ((6, 14, 14), 4704)
    """

    kernel: Size2d
    stride: Size2d | None = None
    pad: Pad2d = 0
    ceil: Flag = False

    label = "pool"
    torch = TorchTwin("torch.nn.AvgPool2d", kernel_size="kernel", stride="stride", padding="pad", ceil_mode="ceil")

    def output(self, x: Shape) -> Shape:
        return _pool(self, x, dilation=1)

    def ops(self, x: Shape, y: Shape) -> Ops:
        outputs = elements(y)
        return Ops(additions=outputs * product(spread(self.kernel, 2)), divisions=outputs)

    def window(self, x: Shape) -> Window:
        return receptive_window(2, self.kernel, self.step)

    @property
    def step(self) -> object:
        """The stride in force: the kernel where none is given."""
        return self.kernel if self.stride is None else self.stride


class AdaptiveAvgPool2d(Layer, kind="adaptive_avgpool"):
    """Average pooling to a given size: the windows follow from the input.

    Output i of m sees inputs from floor(i·n/m) to ceil((i+1)·n/m), so that windows may overlap and differ in
    size; together they hold n + m - gcd(n, m) elements along that dimension.

    Fields:
        size: height and width of the output
    Shape: (C, H, W) → (C, size, size)
    Params: none
    Ops: one addition per element of every window, one division per output element
    Raises: input is not a map
    Source: torch.nn.AdaptiveAvgPool2d

    >>> pool = AdaptiveAvgPool2d(size=6)
    >>> y = pool.output((256, 13, 13))
    >>> y, pool.ops((256, 13, 13), y).additions
    ((256, 6, 6), 82944)
    """

    size: Size2d

    label = "pool"
    covers = True
    torch = TorchTwin("torch.nn.AdaptiveAvgPool2d", output_size="size")

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind)
        return (x[0], *spread(self.size, 2))

    def ops(self, x: Shape, y: Shape) -> Ops:
        window_elements = product(n + m - gcd(n, m) for n, m in zip(x[1:], y[1:], strict=True))
        return Ops(additions=x[0] * window_elements, divisions=elements(y))

    def window(self, x: Shape) -> Window:
        sizes = zip(x[1:], spread(self.size, 2), strict=True)
        return tuple((1 + ceil_div(n - gcd(n, m), m), ceil_div(n, m)) for n, m in sizes)


class GlobalAvgPool2d(Layer, kind="global_avgpool"):
    """Global average pooling: the mean of each channel's whole map, left as 1×1 (flatten it before a linear layer).

    Fields: none
    Shape: (C, H, W) → (C, 1, 1)
    Params: none
    Ops: H · W additions and one division per channel
    Raises: input is not a map
    Source: torch.nn.AdaptiveAvgPool2d(1); Lin, Chen and Yan, "Network In Network", arXiv:1312.4400

    >>> pool = GlobalAvgPool2d()
    >>> y = pool.output((512, 7, 7))
    >>> y, pool.ops((512, 7, 7), y).additions
    ((512, 1, 1), 25088)
    """

    label = "pool"
    torch = TorchTwin("torch.nn.AdaptiveAvgPool2d", output_size=Constant(1))

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind)
        return (x[0], 1, 1)

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(additions=elements(x), divisions=elements(y))

    def window(self, x: Shape) -> Sight:
        return Sight.WHOLE
