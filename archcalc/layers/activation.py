"""Activations: a function of each element alone. Those that need no exp or the like are in piecewise.py.

Operations are those of the formula in each docstring, per element, with both branches where it has two; a change of
sign is free.
"""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Shape, require
from archcalc.layers.core.base import Layer, Ops, Real, elements
from archcalc.layers.core.execution import NUMBER, Execution, Gradient, Keeps, Tensor
from archcalc.layers.core.twin import TorchTwin


class Activation(Layer):
    """What all activations share: the shape stays, and each element costs the same.

    A kind's docstring has the sections that differ from these.

    Fields: none
    Shape: as the input
    Params: none
    Raises: nothing
    """

    gradient = Gradient.NEW
    per_element: ClassVar[Ops]
    keeps: ClassVar[Keeps] = Keeps.INPUT

    def ops(self, x: Shape, y: Shape) -> Ops:
        return self.per_element.times(elements(y))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.elementwise(x, keeps=self.keeps)


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


class CELU(Activation, kind="celu"):
    """Continuously differentiable exponential linear unit: x where x > 0, else alpha · (exp(x / alpha) - 1).

    Fields:
        alpha: minus the value for very negative x
    Ops: one comparison, one division, one exp, one addition and one multiplication per element
    Raises: alpha of 0
    Source: torch.nn.CELU; Barron, arXiv:1704.07483

    >>> CELU(alpha=0.5).ops((10,), (10,)).divisions
    10
    """

    alpha: Real = 1.0

    per_element = Ops(comparisons=1, divisions=1, special=1, additions=1, multiplications=1)
    torch = TorchTwin("torch.nn.CELU", alpha="alpha")

    def output(self, x: Shape) -> Shape:
        require(self.alpha != 0, lambda: LayerError("celu divides by alpha, which is 0", field="alpha", assume=x))
        return x


class SELU(Activation, kind="selu"):
    """Scaled exponential linear unit: scale · (x where x > 0, else alpha · (exp(x) - 1)), both constants fixed.

    Ops: one comparison, one exp, one addition and two multiplications per element
    Source: torch.nn.SELU; Klambauer et al., arXiv:1706.02515

    >>> SELU().ops((10,), (10,)).multiplications
    20
    """

    per_element = Ops(comparisons=1, special=1, additions=1, multiplications=2)
    torch = TorchTwin("torch.nn.SELU")


class Sigmoid(Activation, kind="sigmoid"):
    """Logistic sigmoid: 1 / (1 + exp(-x)).

    Ops: one exp, one addition and one division per element
    Source: torch.nn.Sigmoid

    >>> Sigmoid().ops((10,), (10,)).special
    10
    """

    per_element = Ops(special=1, additions=1, divisions=1)
    torch = TorchTwin("torch.nn.Sigmoid")
    keeps = Keeps.OUTPUT


class LogSigmoid(Activation, kind="log_sigmoid"):
    """Logarithm of the logistic sigmoid: -log(1 + exp(-x)).

    Ops: exp, log and one addition per element
    Source: torch.nn.LogSigmoid

    >>> LogSigmoid().ops((10,), (10,)).special
    20
    """

    per_element = Ops(special=2, additions=1)
    torch = TorchTwin("torch.nn.LogSigmoid")

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        y, buffer = run.new(x.shape, x), run.new(x.shape, x)
        run.keep(y, x, buffer)
        return y


class Tanh(Activation, kind="tanh"):
    """Hyperbolic tangent.

    Ops: one tanh per element
    Source: torch.nn.Tanh

    >>> Tanh().ops((10,), (10,)).special
    10
    """

    per_element = Ops(special=1)
    torch = TorchTwin("torch.nn.Tanh")
    keeps = Keeps.OUTPUT


class Tanhshrink(Activation, kind="tanhshrink"):
    """What tanh takes off: x - tanh(x).

    Ops: one tanh and one addition per element
    Source: torch.nn.Tanhshrink

    >>> Tanhshrink().ops((10,), (10,)).additions
    10
    """

    gradient = Gradient.UNKNOWN
    per_element = Ops(special=1, additions=1)
    torch = TorchTwin("torch.nn.Tanhshrink")

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        tanh = run.elementwise(x, keeps=Keeps.OUTPUT)
        return run.elementwise(x, tanh)


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

    gradient = Gradient.UNKNOWN
    per_element = Ops(comparisons=1, additions=1, divisions=1)
    torch = TorchTwin("torch.nn.Softsign")

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        size = run.elementwise(x, keeps=Keeps.INPUT)
        divisor = run.elementwise(size)
        run.free(size)
        return run.elementwise(x, divisor, keeps=Keeps.INPUT)


class Exp(Activation, kind="exp"):
    """Exponential function, as of a learned logarithm of a factor.

    Ops: one exp per element
    Source: torch.exp; Radford et al., arXiv:2103.00020, section 2.3 (the temperature of CLIP)

    >>> Exp().ops((10,), (10,)).special
    10
    """

    per_element = Ops(special=1)
    keeps = Keeps.OUTPUT
    torch = TorchTwin("torch.exp", call="function")


class Scale(Activation, kind="scale"):
    """Multiplies every element by a constant.

    Fields:
        factor: the constant
    Ops: one multiplication per element
    Source: torch.mul; Vaswani et al., arXiv:1706.03762, section 3.4 (embeddings)

    >>> Scale(factor=48).ops((10,), (10,)).multiplications
    10
    """

    factor: Real

    per_element = Ops(multiplications=1)
    torch = TorchTwin("torch.mul", call="function", other="factor")

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.elementwise(x, NUMBER)


class Identity(Activation, kind="identity"):
    """Passes its input on: the place of a layer that a variant leaves out.

    Ops: none
    Source: torch.nn.Identity

    >>> Identity().output((64, 56, 56))
    (64, 56, 56)
    """

    gradient = Gradient.PASSED
    per_element = Ops()
    torch = TorchTwin("torch.nn.Identity")

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return x
