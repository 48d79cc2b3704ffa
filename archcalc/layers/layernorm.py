"""Normalisation over the last axes, by statistics of the input itself, which norm.py says how to count."""

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, product, require
from archcalc.layers.core.base import AxisCount, Flag, Layer, NonNegativeReal, Ops, Visibility, elements, fmt_shape
from archcalc.layers.core.execution import Execution, Gradient, Keeps, Tensor
from archcalc.layers.core.twin import LastSizes, TorchTwin
from archcalc.layers.norm import by_statistics


class LastAxesNorm(Layer):
    """What normalisations over the last axes share.

    Shape: as the input
    Raises: axes left out for a map; more axes than the input has
    """

    axes: AxisCount | None = None

    def output(self, x: Shape) -> Shape:
        rank = len(x)
        require(
            self.axes is not None or rank <= 2,
            lambda: LayerError(
                f"{self.kind} of {fmt_shape(x)} needs to know over how many of the last axes",
                hint=f"`axes: 1` where channels are last, `axes: {rank}` for the whole map",
                assume=x,
            ),
        )
        require(
            (self.axes or 1) <= rank,
            lambda: LayerError(
                f"axes {self.axes} is more than its input of {fmt_shape(x)} has",
                field="axes",
                hint=f"axes ≤ {rank}",
                assume=x,
            ),
        )
        return x

    def window(self, x: Shape) -> Visibility:
        count = len(self.normalised(x))
        if count == len(x):
            return Visibility.WHOLE
        return Visibility.LAST_AXIS if count == 1 else Visibility.UNKNOWN

    def normalised(self, x: Shape) -> Shape:
        """The sizes of the axes that are normalised over."""
        return x[-(self.axes or 1) :]

    def groups(self, x: Shape) -> Dim:
        """How many groups of numbers are normalised apart: one for each place along the axes before."""
        return product(x[: -(self.axes or 1)])


class LayerNorm(LastAxesNorm, kind="layernorm"):
    """Layer normalisation: less the mean, divided by the standard deviation, both over the last axes.

    For a sequence (T, C) that is over the features of each token. A map must say what it is over.

    Fields:
        axes: how many of the last axes are normalised over; 1 where left out
        eps: added to the variance
        affine: whether a scale is learned for each place along these axes, and a shift with bias
        bias: whether a shift is learned as well
    Params: with n the product of the last axes' sizes, n weights and n biases (none without affine)
    Ops: per group of n numbers n additions and one division (mean), 2·n additions, n multiplications and one division
        (variance), one addition, one square root and one division (factor), n multiplications; per element one
        multiplication (scale) if affine and one addition (shift) if bias as well
    Source: torch.nn.LayerNorm; Ba, Kiros and Hinton, arXiv:1607.06450

    >>> ln = LayerNorm()
    >>> ln.params((197, 768)).total, ln.ops((197, 768), (197, 768)).special
    (1536, 197)
    """

    eps: NonNegativeReal = 1e-5
    affine: Flag = True
    bias: Flag = True

    gradient = Gradient.NEW
    label = "ln"
    torch = TorchTwin(
        "torch.nn.LayerNorm",
        normalized_shape=LastSizes("axes"),
        eps="eps",
        elementwise_affine="affine",
        bias="bias",
    )

    def parameters(self, x: Shape) -> dict[str, Shape]:
        names = ("weight", "bias") if self.bias else ("weight",)
        return dict.fromkeys(names, self.normalised(x)) if self.affine else {}

    def ops(self, x: Shape, y: Shape) -> Ops:
        return by_statistics(self.groups(x), elements(y), self.affine, self.affine and self.bias)

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        y = run.new(x.shape, x, trains=self.affine)
        groups = (*x.shape[: -(self.axes or 1)],)
        run.keep(y, x, run.new(groups), run.new(groups))
        return y


class RMSNorm(LastAxesNorm, kind="rmsnorm"):
    """Root-mean-square normalisation: each number divided by the root of the mean square over the last axes.

    Fields:
        axes: how many of the last axes are normalised over; 1 where left out
        eps: added to the mean square; where left out, the smallest step of the input's type at 1
        affine: whether a scale is learned for each place along these axes
    Params: as many weights as the product of the last axes' sizes (none without affine)
    Ops: per group of n numbers n multiplications, n additions and one division (mean square), one addition, one square
        root and one division (factor), n multiplications; per element one multiplication (scale) if affine
    Source: torch.nn.RMSNorm; Zhang and Sennrich, arXiv:1910.07467

    >>> rms = RMSNorm(eps=1e-6)
    >>> rms.params((2048, 4096)).total, rms.ops((2048, 4096), (2048, 4096)).special
    (4096, 2048)
    """

    eps: NonNegativeReal | None = None
    affine: Flag = True

    label = "rms"
    torch = TorchTwin("torch.nn.RMSNorm", normalized_shape=LastSizes("axes"), eps="eps", elementwise_affine="affine")

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {"weight": self.normalised(x)} if self.affine else {}

    def ops(self, x: Shape, y: Shape) -> Ops:
        groups, outputs = self.groups(x), elements(y)
        return Ops(
            additions=outputs + groups,
            multiplications=(3 if self.affine else 2) * outputs,
            divisions=2 * groups,
            special=groups,
        )

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        precise = x if x.width == run.statistics_width else run.cast(x, run.statistics_width)
        squares = run.elementwise(precise, keeps=Keeps.INPUT)
        mean = run.new((*x.shape[: -(self.axes or 1)], *[1] * (self.axes or 1)), squares, width=squares.width)
        factor = run.elementwise(mean, keeps=Keeps.OUTPUT)
        run.free(squares, mean)
        y = run.product(precise, factor)
        if self.affine:
            weight = run.parameter(self.normalised(x.shape[1:]))
            y, normal = run.product(y, weight), y
            run.free(normal)
        scaled, y = y, run.contiguous_as(x, y)
        if y is not scaled:
            run.free(scaled)
        if precise is x:
            return y
        run.free(factor, precise)
        return run.cast(y, x.width)
