"""Convolutions."""

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Dim, Shape, divides, equal, product, require
from archcalc.layers.base import Flag, Layer, Ops, PadOrSame2d, Params, Positive, Size2d, Window, elements
from archcalc.layers.twin import CHANNELS, TorchTwin
from archcalc.layers.window import receptive_window, require_map, slide, spread


class Conv2d(Layer, kind="conv"):
    """2-D convolution (cross-correlation) over a map of channels × height × width.

    Fields:
        filters: output channels
        kernel: height and width of each filter
        stride: step between two positions of the filter
        pad: zeros added on every side; same keeps the size (stride 1)
        dilation: distance between two taps of the filter
        groups: channels are split into this many groups that do not see one another; filters too
        bias: whether each filter adds a learned constant
    Shape: (C, H, W) → (filters, H', W') with H' = (H + 2·pad - dilation·(kernel - 1) - 1) // stride + 1
    Params: filters · (C / groups) · kernel · kernel weights, filters biases
    Ops: one multiply-add per weight and output position, one addition per output for the bias
    Raises: input is not a map; kernel larger than the padded input; groups do not divide channels and filters;
        pad same with a stride
    Source: torch.nn.Conv2d; Dumoulin and Visin, arXiv:1603.07285

    >>> conv1 = Conv2d(filters=64, kernel=11, stride=4, pad=2)
    >>> x = (3, 227, 227)
    >>> y = conv1.output(x)
    >>> y, conv1.params(x).total, conv1.ops(x, y).macs
    ((64, 56, 56), 23296, 72855552)
    """

    filters: Positive
    kernel: Size2d
    stride: Size2d = 1
    pad: PadOrSame2d = 0
    dilation: Size2d = 1
    groups: Positive = 1
    bias: Flag = True

    counted = True
    torch = TorchTwin(
        "torch.nn.Conv2d",
        in_channels=CHANNELS,
        out_channels="filters",
        kernel_size="kernel",
        stride="stride",
        padding="pad",
        dilation="dilation",
        groups="groups",
        bias="bias",
    )

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind)
        if isinstance(self.pad, str):  # same
            y = (self.filters, *x[1:])
            for stride in spread(self.stride, 2):
                require(
                    equal(stride, 1),
                    lambda: LayerError("pad: same needs stride 1", field="pad", hint="give pad as a number", assume=y),
                )
        else:
            y = (self.filters, *slide(x, self.kernel, self.stride, self.pad, self.dilation))
        for count, name in ((x[0], "input channels"), (self.filters, "filters")):
            self._require_groups(count, name, y)
        return y

    def _require_groups(self, count: Dim, name: str, y: Shape) -> None:
        def error() -> LayerError:
            return LayerError(
                f"groups {self.groups} does not divide the {count} {name}",
                field="groups",
                hint="groups must divide both the input channels and filters",
                assume=y,
            )

        require(divides(self.groups, count), error)

    def params(self, x: Shape) -> Params:
        return Params(weights=self.filters * self._taps(x), biases=self.filters if self.bias else 0)

    def ops(self, x: Shape, y: Shape) -> Ops:
        outputs = elements(y)
        return Ops(macs=outputs * self._taps(x), additions=outputs if self.bias else 0)

    def window(self, x: Shape) -> Window:
        return receptive_window(2, self.kernel, self.stride, self.dilation)

    def _taps(self, x: Shape) -> Dim:
        return (x[0] // self.groups) * product(spread(self.kernel, 2))
