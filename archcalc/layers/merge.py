"""Layers that make one tensor of several."""

from collections.abc import Sequence

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, equal, maximum, require
from archcalc.layers.core.axes import axis_of, resized
from archcalc.layers.core.base import AlongAxes, AxisIndex, Flag, Layer, Ops, Visibility, elements, fmt_shape
from archcalc.layers.core.execution import Execution, Gradient, Tensor
from archcalc.layers.core.twin import Axis, TorchTwin


class Add(Layer, kind="add"):
    """Adds its inputs element by element, as a residual connection does.

    Fields:
        broadcast: whether a size of 1 stands for every position along its dimension, as in mul
    Shape: that of every input; with broadcast the larger size of the inputs along each dimension
    Params: none
    Ops: one addition per output element and further input
    Raises: inputs of different shapes; with broadcast, of different rank, or of sizes that differ where neither is 1
    Source: torch.add

    >>> Add().output((64, 56, 56), (64, 56, 56))
    (64, 56, 56)
    >>> Add(broadcast=True).output((197, 768), (1, 768))
    (197, 768)
    """

    broadcast: Flag = False

    gradient = Gradient.PASSED
    arity = (2, None)
    torch = TorchTwin("torch.add", call="fold")

    def output(self, x: Shape, *others: Shape) -> Shape:
        if self.broadcast:
            return _stretched(self.kind, x, *others)
        for other in others:
            _require_same(self.kind, x, other)
        return x

    def ops(self, *inputs_and_output: Shape) -> Ops:
        *inputs, y = inputs_and_output
        return Ops(additions=(len(inputs) - 1) * elements(y))

    def execute(self, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
        return run.folded(run.elementwise, x, *others)


class Sub(Layer, kind="sub"):
    """Subtracts its second input from its first, element by element.

    Fields: none
    Shape: that of both inputs
    Params: none
    Ops: one addition per element: a change of sign is free
    Raises: inputs of different shapes
    Source: torch.sub

    >>> Sub().ops((64, 56, 56), (64, 56, 56), (64, 56, 56)).additions
    200704
    """

    arity = (2, 2)
    torch = TorchTwin("torch.sub", call="function")

    def output(self, a: Shape, b: Shape) -> Shape:
        _require_same(self.kind, a, b)
        return a

    def ops(self, a: Shape, b: Shape, y: Shape) -> Ops:
        return Ops(additions=elements(y))

    def execute(self, run: Execution, a: Tensor, b: Tensor) -> Tensor:
        return run.elementwise(a, b)


class Mul(Layer, kind="mul"):
    """Multiplies its inputs element by element; a size of 1 stands for every position along its dimension.

    So a gate of (C, 1, 1) scales each channel of a map (C, H, W), as squeeze-and-excitation does.

    Fields: none
    Shape: the larger size of the inputs along each dimension
    Params: none
    Ops: one multiplication per output element and further input
    Raises: inputs of different rank, or of sizes that differ where neither is 1
    Source: torch.mul; Hu et al., "Squeeze-and-Excitation Networks", arXiv:1709.01507

    >>> Mul().output((64, 56, 56), (64, 1, 1))
    (64, 56, 56)
    """

    arity = (2, None)
    torch = TorchTwin("torch.mul", call="fold")

    def output(self, x: Shape, *others: Shape) -> Shape:
        return _stretched(self.kind, x, *others)

    def ops(self, *inputs_and_output: Shape) -> Ops:
        *inputs, y = inputs_and_output
        return Ops(multiplications=(len(inputs) - 1) * elements(y))

    def execute(self, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
        return run.folded(run.product, x, *others)


class MatMul(Layer, kind="matmul"):
    """Multiplies its first input by its second, as matrices; axes before the last two count them.

    Fields: none
    Shape: (…, M, K) and (…, K, N) → (…, M, N)
    Params: none
    Ops: one multiply-add for each of the K products of an output element
    Raises: inputs with fewer than two axes, of different rank, with another number of columns than rows, or that
        differ in the axes before
    Source: torch.matmul

    >>> MatMul().output((8, 196, 64), (8, 64, 196)), MatMul().ops((2, 3), (3, 5), (2, 5)).macs
    ((8, 196, 196), 30)
    """

    gradient = Gradient.NEW
    keeps_before_it_runs = True
    arity = (2, 2)
    torch = TorchTwin("torch.matmul", call="function")

    def output(self, a: Shape, b: Shape) -> Shape:
        def error() -> LayerError:
            return LayerError(
                f"matmul needs inputs of (…, M, K) and (…, K, N), got {fmt_shape(a)} and {fmt_shape(b)}",
                field="from",
                hint="transpose and permute bring the axes into this order",
            )

        require(len(a) == len(b) >= 2, error)
        for size, other in zip((*a[:-2], a[-1]), b[:-1], strict=True):
            require(equal(size, other), error)
        return (*a[:-1], b[-1])

    def ops(self, a: Shape, b: Shape, y: Shape) -> Ops:
        return Ops(macs=elements(y) * a[-1])

    def backward_macs(self, a: Shape, b: Shape, y: Shape, *, needs_grad: Sequence[bool], trains: bool) -> Dim:
        return self.ops(a, b, y).macs * sum(needs_grad[:2])

    def window(self, a: Shape, b: Shape) -> Visibility:
        return Visibility.UNKNOWN

    def execute(self, run: Execution, a: Tensor, b: Tensor) -> Tensor:
        return run.matmul(a, b)


class Concat(Layer, kind="concat"):
    """Stacks its inputs along an axis, the channels unless it says otherwise.

    Fields:
        axis: the axis
    Shape: (C1, H, W), (C2, H, W), … → (C1 + C2 + …, H, W); of flat inputs (N1,), (N2,), … → (N1 + N2 + …,)
    Params: none
    Ops: none
    Raises: inputs that differ in anything but their sizes along the axis; inputs without it
    Source: torch.cat

    >>> Concat().output((64, 28, 28), (128, 28, 28)), Concat(axis=-1).output((14, 14, 96), (14, 14, 32))
    ((192, 28, 28), (14, 14, 128))
    """

    axis: AxisIndex = 0

    gradient = Gradient.PASSED
    arity = (2, None)
    torch = TorchTwin("torch.cat", call="list", dim=Axis("axis"))

    def output(self, x: Shape, *others: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        for other in others:
            _require_same(self.kind, x, other, but_along=axis)
        return resized(x, axis, x[axis] + sum(other[axis] for other in others))

    def window(self, x: Shape, *others: Shape) -> AlongAxes:
        return AlongAxes(to=tuple(range(len(x))), stacked=axis_of(self.axis, x))

    def execute(self, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
        return run.concatenated([x, *others], axis_of(self.axis, x.shape[1:]) + 1)


def _require_same(kind: str, x: Shape, other: Shape, but_along: int | None = None) -> None:
    def error() -> LayerError:
        same = "inputs of one shape"
        if but_along is not None:
            same = (
                f"inputs that differ in their {'channels' if but_along == 0 else f'sizes along axis {but_along}'} alone"
            )
        return LayerError(
            f"{kind} needs {same}, got {fmt_shape(x)} and {fmt_shape(other)}",
            field="from",
            hint="a 1×1 conv with the same stride and filters makes a shortcut fit" if but_along is None else None,
        )

    require(len(x) == len(other), error)
    for axis, (a, b) in enumerate(zip(x, other, strict=True)):
        if axis != but_along:
            require(equal(a, b), error)


def _stretched(kind: str, x: Shape, *others: Shape) -> Shape:
    """The shape of inputs that are computed with together, where a size of 1 stretches to that of the others."""
    y = x
    for other in others:

        def error(y: Shape = y, other: Shape = other) -> LayerError:
            return LayerError(
                f"{kind} needs inputs of one shape, or of size 1 where they differ, "
                f"got {fmt_shape(y)} and {fmt_shape(other)}",
                field="from",
            )

        require(len(y) == len(other), error)
        for a, b in zip(y, other, strict=True):
            require(equal(a, b) | equal(a, 1) | equal(b, 1), error)
        y = tuple(maximum(a, b) for a, b in zip(y, other, strict=True))
    return y
