"""Activations in pieces: a function of each element alone, made of comparisons and a little arithmetic.

Operations are those of the formula in each docstring, per element, with both branches where it has two.
"""

from archcalc.errors import LayerError
from archcalc.layers.activation import Activation
from archcalc.layers.core.arithmetic import Shape, require
from archcalc.layers.core.base import Flag, NonNegativeReal, Ops, ParameterRole, Real
from archcalc.layers.core.execution import Execution, Keeps, Tensor
from archcalc.layers.core.twin import OneOrEach, TorchTwin


class ReLU(Activation, kind="relu"):
    """Rectified linear unit: max(0, x).

    Ops: one comparison per element
    Source: torch.nn.ReLU

    >>> ReLU().ops((64, 56, 56), (64, 56, 56)).comparisons
    200704
    """

    per_element = Ops(comparisons=1)
    torch = TorchTwin("torch.nn.ReLU")
    keeps = Keeps.OUTPUT


class Clamped(Activation):
    """What PyTorch computes by cutting off both ends."""

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        y = run.new_like(x, x)
        run.keep(y, x)
        return y


class ReLU6(Clamped, kind="relu6"):
    """Rectified linear unit cut at six: min(max(0, x), 6).

    Ops: two comparisons per element
    Source: torch.nn.ReLU6

    >>> ReLU6().ops((10,), (10,)).comparisons
    20
    """

    per_element = Ops(comparisons=2)
    torch = TorchTwin("torch.nn.ReLU6")


class LeakyReLU(Activation, kind="leaky_relu"):
    """Leaky rectified linear unit: x where x > 0, else slope · x.

    Fields:
        slope: factor of the negative side
    Ops: one comparison and one multiplication per element
    Source: torch.nn.LeakyReLU

    >>> LeakyReLU(slope=0.1).ops((10,), (10,)).multiplications
    10
    """

    slope: Real = 0.01

    per_element = Ops(comparisons=1, multiplications=1)
    torch = TorchTwin("torch.nn.LeakyReLU", negative_slope="slope")


class PReLU(Activation, kind="prelu"):
    """Leaky rectified linear unit with a learned slope.

    Fields:
        init: the slope that training starts from
        per_channel: whether each channel has a slope of its own
    Params: one weight, the slope; with per_channel C weights
    Ops: one comparison and one multiplication per element
    Source: torch.nn.PReLU; He et al., "Delving Deep into Rectifiers", arXiv:1502.01852

    >>> PReLU().params((64, 56, 56)).total, PReLU(per_channel=True).params((64, 56, 56)).total
    (1, 64)
    """

    init: Real = 0.25
    per_channel: Flag = False

    learns = ParameterRole.SCALE
    per_element = Ops(comparisons=1, multiplications=1)
    torch = TorchTwin("torch.nn.PReLU", num_parameters=OneOrEach("per_channel", axis=1), init="init")

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {"weight": (x[0] if self.per_channel else 1,)}

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        slopes = run.parameter((1, *self.parameters(x.shape[1:])["weight"], *[1] * (len(x.shape) - 2)))
        y = run.new_like(x, x, slopes)
        run.keep(y, x)
        return y


class RReLU(Activation, kind="rrelu"):
    """Leaky rectified linear unit whose slope is drawn at random from low … high while training.

    In eval mode, which is what is counted, the slope is their mean: x where x > 0, else x · (low + high) / 2.

    Fields:
        low: the smallest slope
        high: the largest slope
    Ops: one comparison and one multiplication per element; the slope is a constant
    Raises: low above high
    Source: torch.nn.RReLU; Xu et al., arXiv:1505.00853

    >>> RReLU().ops((10,), (10,)).multiplications
    10
    """

    low: Real = 1 / 8
    high: Real = 1 / 3

    per_element = Ops(comparisons=1, multiplications=1)
    torch = TorchTwin("torch.nn.RReLU", lower="low", upper="high")

    def output(self, x: Shape) -> Shape:
        require(
            self.low <= self.high,
            lambda: LayerError(f"low {self.low:g} is above high {self.high:g}", field="low", assume=x),
        )
        return x

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        noise = run.new(x.shape)
        y = run.new(x.shape, x)
        run.keep(y, x, noise)
        return y


class Threshold(Activation, kind="threshold"):
    """Cuts off what does not pass a threshold: x where x > threshold, else value.

    Fields:
        threshold: what x must pass
        value: the output where it does not
    Ops: one comparison per element
    Source: torch.nn.Threshold

    >>> Threshold(threshold=0.1, value=20).ops((10,), (10,)).comparisons
    10
    """

    threshold: Real
    value: Real

    per_element = Ops(comparisons=1)
    torch = TorchTwin("torch.nn.Threshold", threshold="threshold", value="value")


class Hardtanh(Clamped, kind="hardtanh"):
    """Piecewise linear tanh: x cut to low … high.

    Fields:
        low: the smallest output
        high: the largest output
    Ops: two comparisons per element
    Raises: low not below high
    Source: torch.nn.Hardtanh

    >>> Hardtanh().ops((10,), (10,)).comparisons
    20
    """

    low: Real = -1.0
    high: Real = 1.0

    per_element = Ops(comparisons=2)
    torch = TorchTwin("torch.nn.Hardtanh", min_val="low", max_val="high")

    def output(self, x: Shape) -> Shape:
        require(
            self.low < self.high,
            lambda: LayerError(f"low {self.low:g} is not below high {self.high:g}", field="low", assume=x),
        )
        return x


class Hardsigmoid(Activation, kind="hardsigmoid"):
    """Piecewise linear sigmoid: min(max(0, x + 3), 6) / 6.

    Ops: one addition, two comparisons and one division per element
    Source: torch.nn.Hardsigmoid

    >>> Hardsigmoid().ops((10,), (10,)).divisions
    10
    """

    per_element = Ops(additions=1, comparisons=2, divisions=1)
    torch = TorchTwin("torch.nn.Hardsigmoid")


class Hardswish(Activation, kind="hardswish"):
    """Piecewise linear swish: x · min(max(0, x + 3), 6) / 6.

    Ops: one addition, two comparisons, one multiplication and one division per element
    Source: torch.nn.Hardswish; Howard et al., "Searching for MobileNetV3", arXiv:1905.02244

    >>> Hardswish().ops((10,), (10,)).multiplications
    10
    """

    per_element = Ops(additions=1, comparisons=2, multiplications=1, divisions=1)
    torch = TorchTwin("torch.nn.Hardswish")


class Hardshrink(Activation, kind="hardshrink"):
    """Sets small values to zero: x where x > threshold or x < -threshold, else 0.

    Fields:
        threshold: up to which values are small
    Ops: two comparisons per element
    Source: torch.nn.Hardshrink

    >>> Hardshrink().ops((10,), (10,)).comparisons
    20
    """

    threshold: Real = 0.5

    per_element = Ops(comparisons=2)
    torch = TorchTwin("torch.nn.Hardshrink", lambd="threshold")


class Softshrink(Activation, kind="softshrink"):
    """Shrinks values towards zero: x - threshold where x > threshold, x + threshold where x < -threshold, else 0.

    Fields:
        threshold: how far they are drawn
    Ops: two comparisons and two additions per element, both branches being computed
    Source: torch.nn.Softshrink

    >>> Softshrink().ops((10,), (10,)).additions
    20
    """

    threshold: NonNegativeReal = 0.5

    per_element = Ops(comparisons=2, additions=2)
    torch = TorchTwin("torch.nn.Softshrink", lambd="threshold")
