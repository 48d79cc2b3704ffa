"""Activations along an axis: softmax and its kin and lengths over all numbers along it, gates over pairs of them."""

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, divides, product, require
from archcalc.layers.core.axes import axis_of, resized
from archcalc.layers.core.base import AxisIndex, Layer, NonNegativeReal, Ops, Visibility, Window, elements, fmt_shape
from archcalc.layers.core.execution import Execution, Gradient, Keeps, Tensor
from archcalc.layers.core.twin import Axis, TorchTwin


class AlongAxis(Layer):
    """What activations along an axis share.

    Fields:
        axis: the axis along which it works: 0 is the first after the batch (the channels), -1 the last
    Shape: as the input
    Params: none
    Raises: an axis that the input does not have
    """

    axis: AxisIndex = 0

    def output(self, x: Shape) -> Shape:
        axis_of(self.axis, x)
        return x

    def window(self, x: Shape) -> Window | Visibility:
        axis = axis_of(self.axis, x)
        if len(x) == 1:
            return Visibility.WHOLE
        if axis == len(x) - 1:
            return Visibility.LAST_AXIS
        return ((1, 1, 0),) * (len(x) - 1) if axis == 0 else Visibility.UNKNOWN

    def lines(self, x: Shape) -> Dim:
        """How many lines of numbers run along the axis."""
        axis = axis_of(self.axis, x)
        return product((*x[:axis], *x[axis + 1 :]))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        y = run.new(x.shape, x)
        run.keep(y, y)
        return y


class Softmax(AlongAxis, kind="softmax"):
    """Turns scores into probabilities: exp(x - max) / sum of exp(x - max), along an axis.

    Ops: per element one comparison (the maximum), one exp, two additions (less the maximum; the sum), one division
    Source: torch.nn.Softmax

    >>> Softmax().ops((1000,), (1000,)).special
    1000
    """

    gradient = Gradient.NEW
    torch = TorchTwin("torch.nn.Softmax", dim=Axis("axis"))

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(comparisons=1, special=1, additions=2, divisions=1).times(elements(x))


class Softmin(AlongAxis, kind="softmin"):
    """Turns costs into probabilities: the softmax of -x, along an axis.

    Ops: per element one comparison (the minimum), one exp, two additions (the minimum less it; the sum), one division
    Source: torch.nn.Softmin

    >>> Softmin().ops((1000,), (1000,)).special
    1000
    """

    torch = TorchTwin("torch.nn.Softmin", dim=Axis("axis"))

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(comparisons=1, special=1, additions=2, divisions=1).times(elements(x))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return super().execute(run, run.elementwise(x))


class LogSoftmax(AlongAxis, kind="log_softmax"):
    """Logarithm of the softmax: x - max - log(sum of exp(x - max)), along an axis.

    Ops: per element one comparison (the maximum), one exp and three additions (less the maximum; the sum; less the
        logarithm); one log for each line along the axis
    Source: torch.nn.LogSoftmax

    >>> LogSoftmax().ops((1000,), (1000,)).special
    1001
    """

    gradient = Gradient.NEW
    torch = TorchTwin("torch.nn.LogSoftmax", dim=Axis("axis"))

    def ops(self, x: Shape, y: Shape) -> Ops:
        n = elements(x)
        return Ops(comparisons=n, special=n + self.lines(x), additions=3 * n)


class L2Norm(AlongAxis, kind="l2norm"):
    """Divides the numbers along an axis by the root of the sum of their squares, so that they have length 1.

    A layer_scale behind it gives each channel a learned length, as SSD does.

    Fields:
        axis: the axis along which it works: 0 is the first after the batch (the channels), -1 the last
        eps: the least that it divides by
    Ops: per line of n numbers n multiplications, n additions and one square root (length), one comparison (with eps)
        and n divisions
    Source: torch.nn.functional.normalize; Liu et al., "ParseNet", arXiv:1506.04579

    >>> L2Norm().ops((512, 38, 38), (512, 38, 38)).special, L2Norm(axis=-1).ops((512,), (512,)).divisions
    (1444, 512)
    """

    eps: NonNegativeReal = 1e-12

    torch = TorchTwin("torch.nn.functional.normalize", call="function", dim=Axis("axis"), eps="eps")

    def ops(self, x: Shape, y: Shape) -> Ops:
        n, lines = elements(x), self.lines(x)
        return Ops(multiplications=n, additions=n, divisions=n, comparisons=lines, special=lines)

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        axis = axis_of(self.axis, x.shape[1:]) + 1
        length = run.new(resized(x.shape, axis, 1), x)
        run.keep(length, x, length)
        divisor = run.elementwise(length, keeps=Keeps.INPUT)
        run.free(length)
        strides = divisor.strides if x.shape[axis] == 1 else resized(divisor.strides, axis, 0)
        y = run.elementwise(x, run.view(divisor, x.shape, strides), keeps=Keeps.INPUT)
        run.free(divisor)
        return y


class GLU(AlongAxis, kind="glu"):
    """Gated linear unit: the first half along an axis, each number times the sigmoid of its partner in the second.

    Of a first half a and a second half b it makes a / (1 + exp(-b)).

    Shape: (C, H, W) → (C / 2, H, W), or half of another axis
    Ops: one exp, one addition and one division per output element
    Raises: an axis that the input does not have, or of odd size
    Source: torch.nn.GLU; Dauphin et al., arXiv:1612.08083

    >>> GLU().output((64, 56, 56)), GLU(axis=-1).output((197, 768))
    ((32, 56, 56), (197, 384))
    """

    torch = TorchTwin("torch.nn.GLU", dim=Axis("axis"))

    def output(self, x: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        require(
            divides(2, x[axis]),
            lambda: LayerError(
                f"glu halves axis {axis} of its input of {fmt_shape(x)}, but {x[axis]} is odd",
                field="axis",
                hint="let the layer before it make twice what glu shall give",
            ),
        )
        return (*x[:axis], x[axis] // 2, *x[axis + 1 :])

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(special=1, additions=1, divisions=1).times(elements(y))

    def window(self, x: Shape) -> Window | Visibility:
        return Visibility.UNKNOWN if len(x) == 1 else super().window(x)  # two places of a row, not all of it

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        half = run.view(x, self.batched_output(x), x.layout)
        y = run.elementwise(half, half)
        run.keep(y, x)
        return y
