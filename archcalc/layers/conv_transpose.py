"""Transposed convolutions over maps of one, two and three spatial dimensions."""

from collections.abc import Sequence
from typing import ClassVar

from archcalc.errors import LayerError
from archcalc.layers.conv import convolved, require_groups
from archcalc.layers.core.arithmetic import Dim, Shape, maximum, product, require
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
    Visibility,
    elements,
)
from archcalc.layers.core.execution import Execution, Gradient, MemoryUnknownError, Tensor
from archcalc.layers.core.twin import CHANNELS, TorchTwin
from archcalc.layers.core.window import Extent, per_dimension, require_map, span, spread


def _twin(path: str) -> TorchTwin:
    return TorchTwin(
        path,
        in_channels=CHANNELS,
        out_channels="filters",
        kernel_size="kernel",
        stride="stride",
        padding="pad",
        output_padding="output_pad",
        dilation="dilation",
        groups="groups",
        bias="bias",
    )


class TransposedConvolution(Layer):
    """The transpose of a convolution: every input element adds a multiple of the filter to the outputs it reaches.

    So its multiply-adds go by the positions of its input, not of its output as a convolution's do: at stride 2, that
    is a quarter of them on a map. `pad` crops what they reach, which saves none of them.

    Fields:
        filters: output channels
        kernel: size of each filter along every dimension
        stride: step, in the output, between two neighbours of the input
        pad: outputs cropped on every side, as many as the convolution back would pad
        output_pad: outputs added at the end of every dimension, fewer than stride or dilation
        dilation: distance between two taps of the filter
        groups: channels are split into this many groups that do not see one another; filters too
        bias: whether each filter adds a learned constant
    Raises: input is not a map of as many dimensions; pad leaves nothing of the output; output_pad no smaller than both
        stride and dilation; groups do not divide channels and filters
    """

    filters: Positive
    kernel: Extent
    stride: Extent = 1
    pad: Extent = 0
    output_pad: Extent = 0
    dilation: Extent = 1
    groups: Positive = 1
    bias: Flag = True

    gradient = Gradient.NEW
    keeps_before_it_runs = True
    operation = Operation.CONVOLUTION
    is_depth_layer = True
    label = "conv_transpose"
    dimensions: ClassVar[int]

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind, self.dimensions)
        fields = (self.kernel, self.stride, self.pad, self.output_pad, self.dilation)
        kernel, stride, pad, output_pad, dilation = (spread(field, self.dimensions) for field in fields)
        reached = tuple(
            (size - 1) * s + span(k, d) + o
            for size, k, s, o, d in zip(x[1:], kernel, stride, output_pad, dilation, strict=True)
        )
        y = (self.filters, *(r - 2 * p for r, p in zip(reached, pad, strict=True)))
        for size in y[1:]:
            require(
                size >= 1,
                lambda: LayerError(
                    f"pad {per_dimension(pad)} leaves nothing of the output",
                    field="pad",
                    hint=f"pad ≤ {per_dimension([(r - 1) // 2 for r in reached])}",
                    size_matters=True,
                ),
            )
        steps = tuple(map(maximum, stride, dilation))
        for o, step in zip(output_pad, steps, strict=True):
            require(
                o < step,
                lambda: LayerError(
                    f"output_pad {per_dimension(output_pad)} must be smaller than stride or dilation",
                    field="output_pad",
                    hint=f"output_pad ≤ {per_dimension([step - 1 for step in steps])}",
                    assume=y,
                ),
            )
        require_groups(self.groups, x[0], self.filters, y)
        return y

    def parameters(self, x: Shape) -> dict[str, Shape]:
        weight = (x[0], self.filters // self.groups, *spread(self.kernel, self.dimensions))
        return {"weight": weight, "bias": (self.filters,)} if self.bias else {"weight": weight}

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(
            macs=self.params(x).weights * product(x[1:]),
            additions=elements(y) if self.bias else 0,
        )

    def backward_macs(self, x: Shape, y: Shape, *, needs_grad: Sequence[bool], trains: bool) -> Dim:
        return self.ops(x, y).macs * (needs_grad[0] + trains)

    def window(self, x: Shape) -> Visibility:
        return Visibility.UNKNOWN

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        shape = self.batched_output(x)
        if self.dimensions == 3 and product(shape) < product(x.shape):
            raise MemoryUnknownError  # one of PyTorch's kernels then gives its output the memory that the input takes
        y = convolved(run, shape, x)
        run.keep(y, x)
        return y


class ConvTranspose1d(TransposedConvolution, kind="conv_transpose1d"):
    """1-D transposed convolution over channels × length, as vocoders make sound with.

    Shape: (C, L) → (filters, L') with L' = (L - 1)·stride - 2·pad + dilation·(kernel - 1) + output_pad + 1
    Params: C · (filters / groups) · kernel weights, filters biases
    Ops: one multiply-add per weight and input position, those that pad crops too; one addition per output for the
        bias
    Source: torch.nn.ConvTranspose1d; Dumoulin and Visin, arXiv:1603.07285

    >>> up = ConvTranspose1d(filters=256, kernel=16, stride=8, pad=4)
    >>> x = (512, 100)
    >>> y = up.output(x)
    >>> y, up.params(x).total, up.ops(x, y).macs
    ((256, 800), 2097408, 209715200)
    """

    kernel: Positive
    stride: Positive = 1
    pad: NonNegative = 0
    output_pad: NonNegative = 0
    dilation: Positive = 1

    dimensions = 1
    torch = _twin("torch.nn.ConvTranspose1d")


class ConvTranspose2d(TransposedConvolution, kind="conv_transpose"):
    """2-D transposed convolution over a map of channels × height × width, which it makes larger by its stride.

    Shape: (C, H, W) → (filters, H', W') with H' = (H - 1)·stride - 2·pad + dilation·(kernel - 1) + output_pad + 1
    Params: C · (filters / groups) · kernel · kernel weights, filters biases
    Ops: one multiply-add per weight and input position, those that pad crops too; one addition per output for the
        bias
    Source: torch.nn.ConvTranspose2d; Dumoulin and Visin, arXiv:1603.07285; torch.utils.flop_counter counts alike

    >>> up = ConvTranspose2d(filters=64, kernel=2, stride=2)
    >>> x = (128, 28, 28)
    >>> y = up.output(x)
    >>> y, up.params(x).total, up.ops(x, y).macs
    ((64, 56, 56), 32832, 25690112)
    """

    kernel: Size2d
    stride: Size2d = 1
    pad: Pad2d = 0
    output_pad: Pad2d = 0
    dilation: Size2d = 1

    dimensions = 2
    torch = _twin("torch.nn.ConvTranspose2d")


class ConvTranspose3d(TransposedConvolution, kind="conv_transpose3d"):
    """3-D transposed convolution over channels × depth × height × width, as segmentation of scans has it.

    Shape: (C, D, H, W) → (filters, D', H', W') with
        D' = (D - 1)·stride - 2·pad + dilation·(kernel - 1) + output_pad + 1
    Params: C · (filters / groups) · kernel · kernel · kernel weights, filters biases
    Ops: one multiply-add per weight and input position, those that pad crops too; one addition per output for the
        bias
    Source: torch.nn.ConvTranspose3d; Çiçek et al., "3D U-Net", arXiv:1606.06650

    >>> up = ConvTranspose3d(filters=64, kernel=2, stride=2)
    >>> x = (128, 8, 14, 14)
    >>> y = up.output(x)
    >>> y, up.params(x).total, up.ops(x, y).macs
    ((64, 16, 28, 28), 65600, 102760448)
    """

    kernel: Size3d
    stride: Size3d = 1
    pad: Pad3d = 0
    output_pad: Pad3d = 0
    dilation: Size3d = 1

    dimensions = 3
    torch = _twin("torch.nn.ConvTranspose3d")
