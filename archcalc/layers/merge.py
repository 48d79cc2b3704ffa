"""Layers that make one tensor of several."""

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Shape, equal, maximum, require
from archcalc.layers.base import NO_OPS, Layer, Ops, elements, fmt_shape, kinds
from archcalc.layers.twin import Constant, TorchTwin


class Add(Layer, kind="add"):
    """Adds its inputs element by element, as a residual connection does.

    Fields: none
    Shape: that of every input
    Params: none
    Ops: one addition per output element and further input
    Raises: inputs of different shapes
    Source: torch.add

    >>> Add().output((64, 56, 56), (64, 56, 56))
    (64, 56, 56)
    """

    arity = (2, None)
    torch = TorchTwin("torch.add", call="fold")

    def output(self, x: Shape, *others: Shape) -> Shape:
        for other in others:
            _require_same(self.kind, x, other, skip_axis=None)
        return x

    def ops(self, x: Shape, y: Shape, *others: Shape) -> Ops:
        return Ops(additions=len(others) * elements(y))


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
        y = x
        for other in others:
            y = self._stretched(y, other)
        return y

    def _stretched(self, x: Shape, other: Shape) -> Shape:
        def error() -> LayerError:
            return LayerError(
                f"mul needs inputs of one shape, or of size 1 where they differ, "
                f"got {fmt_shape(x)} and {fmt_shape(other)}",
                field="from",
            )

        require(len(x) == len(other), error)
        for a, b in zip(x, other, strict=True):
            require(equal(a, b) | equal(a, 1) | equal(b, 1), error)
        return tuple(maximum(a, b) for a, b in zip(x, other, strict=True))

    def ops(self, x: Shape, y: Shape, *others: Shape) -> Ops:
        return Ops(multiplications=len(others) * elements(y))


class Concat(Layer, kind="concat"):
    """Stacks its inputs along the channels.

    Fields: none
    Shape: (C1, H, W), (C2, H, W), … → (C1 + C2 + …, H, W); of flat inputs (N1,), (N2,), … → (N1 + N2 + …,)
    Params: none
    Ops: none
    Raises: inputs that differ in anything but their channels
    Source: torch.cat

    >>> Concat().output((64, 28, 28), (128, 28, 28))
    (192, 28, 28)
    """

    arity = (2, None)
    torch = TorchTwin("torch.cat", call="list", dim=Constant(1))

    def output(self, x: Shape, *others: Shape) -> Shape:
        for other in others:
            _require_same(self.kind, x, other, skip_axis=0)
        return (x[0] + sum(other[0] for other in others), *x[1:])

    def ops(self, x: Shape, y: Shape, *others: Shape) -> Ops:
        return NO_OPS


def joins() -> dict[str, type[Layer]]:
    """The kinds that join several inputs into one, by name."""
    return {kind: cls for kind, cls in kinds().items() if cls.arity[1] is None}


def _require_same(kind: str, x: Shape, other: Shape, skip_axis: int | None) -> None:
    def error() -> LayerError:
        what = "inputs of one shape" if skip_axis is None else "inputs that differ in their channels alone"
        return LayerError(
            f"{kind} needs {what}, got {fmt_shape(x)} and {fmt_shape(other)}",
            field="from",
            hint="a 1×1 conv with the same stride and filters makes a shortcut fit" if skip_axis is None else None,
        )

    require(len(x) == len(other), error)
    for axis, (a, b) in enumerate(zip(x, other, strict=True)):
        if axis != skip_axis:
            require(equal(a, b), error)
