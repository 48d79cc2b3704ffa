"""Activations: a function of each element alone; and softmax, over the channels.

Operations are those of the formula in each docstring, per element; a change of sign is free.
"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Shape, require
from archcalc.layers.base import Layer, Ops, Params, Real, elements
from archcalc.layers.twin import Constant, TorchTwin


class Activation(Layer):
    """What all activations share: the shape stays, and each element costs the same.

    A kind's docstring has the sections that differ from these.

    Fields: none
    Shape: as the input
    Params: none
    Raises: nothing
    """

    per_element: ClassVar[Ops]

    def ops(self, x: Shape, y: Shape) -> Ops:
        return self.per_element.times(elements(y))


class ReLU(Activation, kind="relu"):
    """Rectified linear unit: max(0, x).

    Ops: one comparison per element
    Source: torch.nn.ReLU

    >>> ReLU().ops((64, 56, 56), (64, 56, 56)).comparisons
    200704
    """

    per_element = Ops(comparisons=1)
    torch = TorchTwin("torch.nn.ReLU")


class ReLU6(Activation, kind="relu6"):
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
    Params: one weight, the slope
    Ops: one comparison and one multiplication per element
    Source: torch.nn.PReLU; He et al., "Delving Deep into Rectifiers", arXiv:1502.01852

    >>> PReLU().params((64, 56, 56)).total
    1
    """

    init: Real = 0.25

    per_element = Ops(comparisons=1, multiplications=1)
    torch = TorchTwin("torch.nn.PReLU", init="init")

    def params(self, x: Shape) -> Params:
        return Params(weights=1)


class ELU(Activation, kind="elu"):
    """Exponential linear unit: x where x > 0, else alpha · (exp(x) - 1).

    Fields:
        alpha: minus the value for very negative x
    Ops: one comparison, one exp, one addition and one multiplication per element
    Source: torch.nn.ELU; Clevert et al., arXiv:1511.07289

    >>> ELU().ops((10,), (10,)).special
    10
    """

    alpha: Real = 1.0

    per_element = Ops(comparisons=1, special=1, additions=1, multiplications=1)
    torch = TorchTwin("torch.nn.ELU", alpha="alpha")


class SELU(Activation, kind="selu"):
    """Scaled exponential linear unit: scale · (x where x > 0, else alpha · (exp(x) - 1)), both constants fixed.

    Ops: one comparison, one exp, one addition and two multiplications per element
    Source: torch.nn.SELU; Klambauer et al., arXiv:1706.02515

    >>> SELU().ops((10,), (10,)).multiplications
    20
    """

    per_element = Ops(comparisons=1, special=1, additions=1, multiplications=2)
    torch = TorchTwin("torch.nn.SELU")


class GELU(Activation, kind="gelu"):
    """Gaussian error linear unit: x / 2 · (1 + erf(x / √2)), or its approximation by tanh.

    The approximation is x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).

    Fields:
        approximate: none for the exact function, tanh for the approximation
    Ops: per element one erf, one addition and three multiplications; with tanh: one tanh, two additions and six
        multiplications
    Source: torch.nn.GELU; Hendrycks and Gimpel, arXiv:1606.08415

    >>> GELU().ops((10,), (10,)).multiplications, GELU(approximate="tanh").ops((10,), (10,)).multiplications
    (30, 60)
    """

    approximate: Annotated[Literal["none", "tanh"], Meta(description="none or tanh")] = "none"

    per_element = Ops(special=1, additions=1, multiplications=3)
    torch = TorchTwin("torch.nn.GELU", approximate="approximate")

    def ops(self, x: Shape, y: Shape) -> Ops:
        if self.approximate == "tanh":
            return Ops(special=1, additions=2, multiplications=6).times(elements(y))
        return super().ops(x, y)


class SiLU(Activation, kind="silu"):
    """Sigmoid linear unit, also called swish: x / (1 + exp(-x)).

    Ops: one exp, one addition and one division per element
    Source: torch.nn.SiLU; Ramachandran et al., arXiv:1710.05941

    >>> SiLU().ops((10,), (10,)).divisions
    10
    """

    per_element = Ops(special=1, additions=1, divisions=1)
    torch = TorchTwin("torch.nn.SiLU")


class Mish(Activation, kind="mish"):
    """Mish: x · tanh(log(1 + exp(x))).

    Ops: exp, log and tanh, one addition and one multiplication per element
    Source: torch.nn.Mish; Misra, arXiv:1908.08681

    >>> Mish().ops((10,), (10,)).special
    30
    """

    per_element = Ops(special=3, additions=1, multiplications=1)
    torch = TorchTwin("torch.nn.Mish")


class Sigmoid(Activation, kind="sigmoid"):
    """Logistic sigmoid: 1 / (1 + exp(-x)).

    Ops: one exp, one addition and one division per element
    Source: torch.nn.Sigmoid

    >>> Sigmoid().ops((10,), (10,)).special
    10
    """

    per_element = Ops(special=1, additions=1, divisions=1)
    torch = TorchTwin("torch.nn.Sigmoid")


class Tanh(Activation, kind="tanh"):
    """Hyperbolic tangent.

    Ops: one tanh per element
    Source: torch.nn.Tanh

    >>> Tanh().ops((10,), (10,)).special
    10
    """

    per_element = Ops(special=1)
    torch = TorchTwin("torch.nn.Tanh")


class Hardtanh(Activation, kind="hardtanh"):
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


class Softplus(Activation, kind="softplus"):
    """Smooth rectifier: log(1 + exp(x)).

    Ops: exp, log and one addition per element
    Source: torch.nn.Softplus with its default beta of 1

    >>> Softplus().ops((10,), (10,)).special
    20
    """

    per_element = Ops(special=2, additions=1)
    torch = TorchTwin("torch.nn.Softplus")


class Softsign(Activation, kind="softsign"):
    """Softsign: x / (1 + abs(x)).

    Ops: one comparison (for the absolute value), one addition and one division per element
    Source: torch.nn.Softsign

    >>> Softsign().ops((10,), (10,)).divisions
    10
    """

    per_element = Ops(comparisons=1, additions=1, divisions=1)
    torch = TorchTwin("torch.nn.Softsign")


class Softmax(Activation, kind="softmax"):
    """Turns scores into probabilities over the channels: exp(x - max) / sum of exp(x - max).

    Ops: per element one comparison (the maximum), one exp, two additions (less the maximum; the sum), one division
    Source: torch.nn.Softmax(dim=1)

    >>> Softmax().ops((1000,), (1000,)).special
    1000
    """

    per_element = Ops(comparisons=1, special=1, additions=2, divisions=1)
    torch = TorchTwin("torch.nn.Softmax", dim=Constant(1))


class Identity(Activation, kind="identity"):
    """Passes its input on: the place of a layer that a variant leaves out.

    Ops: none
    Source: torch.nn.Identity

    >>> Identity().output((64, 56, 56))
    (64, 56, 56)
    """

    per_element = Ops()
    torch = TorchTwin("torch.nn.Identity")
