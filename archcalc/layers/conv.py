"""Convolutions over maps of one, two and three spatial dimensions."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, Sizes, divides, equal, product, require, whole
from archcalc.layers.core.base import (
    Flag,
    Layer,
    Operation,
    Ops,
    PadOrSame1d,
    PadOrSame2d,
    PadOrSame3d,
    Positive,
    Size2d,
    Size3d,
    Window,
    elements,
)
from archcalc.layers.core.execution import Execution, Gradient, Tensor
from archcalc.layers.core.twin import CHANNELS, FromInput, TorchTwin
from archcalc.layers.core.window import Extent, receptive_window, require_map, slide, spread


def _twin(path: str, out_channels: str | FromInput, groups: str | FromInput) -> TorchTwin:
    return TorchTwin(
        path,
        in_channels=CHANNELS,
        out_channels=out_channels,
        kernel_size="kernel",
        stride="stride",
        padding="pad",
        dilation="dilation",
        groups=groups,
        bias="bias",
    )


class Convolution(Layer):
    """Convolution (cross-correlation) in any number of spatial dimensions: what all of its kinds have in common.

    Fields:
        filters: output channels
        kernel: size of each filter along every dimension
        stride: step between two positions of the filter
        pad: zeros added on every side; same keeps the size (stride 1)
        dilation: distance between two taps of the filter
        groups: channels are split into this many groups that do not see one another; filters too
        bias: whether each filter adds a learned constant
    Raises: input is not a map of as many dimensions; kernel larger than the padded input; groups do not divide
        channels and filters; pad same with a stride
    """

    filters: Positive
    kernel: Extent
    stride: Extent = 1
    pad: Extent | Literal["same"] = 0
    dilation: Extent = 1
    groups: Positive = 1
    bias: Flag = True

    gradient = Gradient.NEW
    keeps_before_it_runs = True
    operation = Operation.CONVOLUTION
    is_depth_layer = True
    label = "conv"
    dimensions: ClassVar[int]

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind, self.dimensions)
        if isinstance(self.pad, str):  # same
            y = (self.filters, *x[1:])
            for stride in spread(self.stride, self.dimensions):
                require(
                    equal(stride, 1),
                    lambda: LayerError("pad: same needs stride 1", field="pad", hint="give pad as a number", assume=y),
                )
        else:
            y = (self.filters, *slide(x, self.kernel, self.stride, self.pad, self.dilation))
        require_groups(self.groups, x[0], self.filters, y)
        return y

    def parameters(self, x: Shape) -> dict[str, Shape]:
        weight = (self.filters, x[0] // self.groups, *spread(self.kernel, self.dimensions))
        return {"weight": weight, "bias": (self.filters,)} if self.bias else {"weight": weight}

    def ops(self, x: Shape, y: Shape) -> Ops:
        outputs = elements(y)
        return Ops(macs=outputs * self._taps(x), additions=outputs if self.bias else 0)

    def backward_macs(self, x: Shape, y: Shape, *, needs_grad: Sequence[bool], trains: bool) -> Dim:
        return self.ops(x, y).macs * (needs_grad[0] + trains)

    def window(self, x: Shape) -> Window:
        return receptive_window(self.dimensions, self.kernel, self.stride, self.pad, self.dilation)

    def _taps(self, x: Shape) -> Dim:
        return (x[0] // self.groups) * product(spread(self.kernel, self.dimensions))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        read = x
        if self.pad == "same":
            # PyTorch pads one side more than the other by a copy, where what is to be added is odd.
            sides = zip(spread(self.kernel, self.dimensions), spread(self.dilation, self.dimensions), strict=True)
            odd = [dilation * (kernel - 1) % 2 for kernel, dilation in sides]
            if any(odd):
                sizes = whole(size + more for size, more in zip(x.shape[2:], odd, strict=True))
                read = run.new_map((*x.shape[:2], *sizes), x)
        shape = self.batched_output(x)
        y = convolved(run, shape, read)
        run.keep(y, read)
        return y


def convolved(run: Execution, shape: Sizes, read: Tensor) -> Tensor:
    """The output of a convolution, transposed or not."""
    if len(shape) == 3 and read.layout is not None and not read.is_in_order:
        return run.new(shape, read, trains=True)  # PyTorch puts sequences in order first
    y = run.new_map(shape, read, trains=True, as_rows=True)
    # Which of its kernels for volumes runs, and whether that one knows channels last, depends on much else.
    return run.view(y, shape, None) if len(shape) == 5 and read.layout and read.is_channels_last else y


def require_groups(groups: Dim, channels: Dim, filters: Dim, y: Shape) -> None:
    """Raise LayerError unless `groups` divides both the input channels and the filters; `y` is the output in any case.

    >>> require_groups(2, channels=3, filters=4, y=(4, 5, 5))
    Traceback (most recent call last):
    ...
    archcalc.errors.LayerError: error: groups 2 does not divide the 3 input channels
      hint: groups must divide both the input channels and filters
    """

    def error(count: Dim, name: str) -> LayerError:
        return LayerError(
            f"groups {groups} does not divide the {count} {name}",
            field="groups",
            hint="groups must divide both the input channels and filters",
            assume=y,
        )

    require(divides(groups, channels), lambda: error(channels, "input channels"))
    require(divides(groups, filters), lambda: error(filters, "filters"))


class Conv1d(Convolution, kind="conv1d"):
    """1-D convolution (cross-correlation) over channels × length, as of sound or of a text's characters.

    Shape: (C, L) → (filters, L') with L' = (L + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Params: filters · (C / groups) · kernel weights, filters biases
    Ops: one multiply-add per weight and output position, one addition per output for the bias
    Source: torch.nn.Conv1d; Dumoulin and Visin, arXiv:1603.07285

    >>> conv1 = Conv1d(filters=512, kernel=10, stride=5, bias=False)
    >>> x = (1, 16000)
    >>> y = conv1.output(x)
    >>> y, conv1.params(x).total, conv1.ops(x, y).macs
    ((512, 3199), 5120, 16378880)
    """

    kernel: Positive
    stride: Positive = 1
    pad: PadOrSame1d = 0
    dilation: Positive = 1

    dimensions = 1
    torch = _twin("torch.nn.Conv1d", "filters", "groups")


class Conv2d(Convolution, kind="conv"):
    """2-D convolution (cross-correlation) over a map of channels × height × width.

    Shape: (C, H, W) → (filters, H', W') with H' = (H + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Params: filters · (C / groups) · kernel · kernel weights, filters biases
    Ops: one multiply-add per weight and output position, one addition per output for the bias
    Source: torch.nn.Conv2d; Dumoulin and Visin, arXiv:1603.07285

    >>> conv1 = Conv2d(filters=64, kernel=11, stride=4, pad=2)
    >>> x = (3, 227, 227)
    >>> y = conv1.output(x)
    >>> y, conv1.params(x).total, conv1.ops(x, y).macs
    ((64, 56, 56), 23296, 72855552)
    """

    kernel: Size2d
    stride: Size2d = 1
    pad: PadOrSame2d = 0
    dilation: Size2d = 1

    dimensions = 2
    torch = _twin("torch.nn.Conv2d", "filters", "groups")


class Conv3d(Convolution, kind="conv3d"):
    """3-D convolution (cross-correlation) over channels × depth × height × width, as of video or of scans.

    Shape: (C, D, H, W) → (filters, D', H', W') with D' = (D + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Params: filters · (C / groups) · kernel · kernel · kernel weights, filters biases
    Ops: one multiply-add per weight and output position, one addition per output for the bias
    Source: torch.nn.Conv3d; Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks",
        arXiv:1412.0767

    >>> conv1a = Conv3d(filters=64, kernel=3, pad=1)
    >>> x = (3, 16, 112, 112)
    >>> y = conv1a.output(x)
    >>> y, conv1a.params(x).total, conv1a.ops(x, y).macs
    ((64, 16, 112, 112), 5248, 1040449536)
    """

    kernel: Size3d
    stride: Size3d = 1
    pad: PadOrSame3d = 0
    dilation: Size3d = 1

    dimensions = 3
    torch = _twin("torch.nn.Conv3d", "filters", "groups")


class DepthwiseConv2d(Layer, kind="depthwise_conv"):
    """2-D convolution of every channel by itself: groups are the input channels, each with filters of its own.

    Fields:
        kernel: height and width of each filter
        stride: step between two positions of the filter
        pad: zeros added on every side; same keeps the size (stride 1)
        dilation: distance between two taps of the filter
        multiplier: filters for each input channel
        bias: whether each filter adds a learned constant
    Shape: (C, H, W) → (C · multiplier, H', W') with H' = (H + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Params: C · multiplier · kernel · kernel weights, C · multiplier biases
    Ops: one multiply-add per weight and output position, one addition per output for the bias
    Raises: input is not a map; kernel larger than the padded input; pad same with a stride
    Source: torch.nn.Conv2d with groups=in_channels; Howard et al., "MobileNets", arXiv:1704.04861

    >>> conv2 = DepthwiseConv2d(kernel=3, pad=1, bias=False)
    >>> x = (32, 112, 112)
    >>> y = conv2.output(x)
    >>> y, conv2.params(x).total, conv2.ops(x, y).macs
    ((32, 112, 112), 288, 3612672)
    """

    kernel: Size2d
    stride: Size2d = 1
    pad: PadOrSame2d = 0
    dilation: Size2d = 1
    multiplier: Positive = 1
    bias: Flag = True

    gradient = Gradient.NEW
    keeps_before_it_runs = True
    operation = Operation.CONVOLUTION
    is_depth_layer = True
    label = "conv"
    dimensions: ClassVar[int] = 2
    torch = _twin("torch.nn.Conv2d", FromInput(axis=1, times="multiplier"), CHANNELS)

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind)
        return self._grouped(x).output(x)

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return self._grouped(x).parameters(x)

    def ops(self, x: Shape, y: Shape) -> Ops:
        return self._grouped(x).ops(x, y)

    def backward_macs(self, x: Shape, y: Shape, *, needs_grad: Sequence[bool], trains: bool) -> Dim:
        return self._grouped(x).backward_macs(x, y, needs_grad=needs_grad, trains=trains)

    def window(self, x: Shape) -> Window:
        return self._grouped(x).window(x)

    def _grouped(self, x: Shape) -> Conv2d:
        """The convolution with a group for every channel, which is the same."""
        filters, groups = whole([x[0] * self.multiplier, x[0]])  # or what stands for them, as in any field
        return Conv2d(filters, self.kernel, self.stride, self.pad, self.dilation, groups=groups, bias=self.bias)

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return self._grouped(x.shape[1:]).execute(run, x)
