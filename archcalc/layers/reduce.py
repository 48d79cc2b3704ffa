"""Layers that make one number of those along an axis."""

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Shape, require
from archcalc.layers.core.axes import AxisOrAxes, axes_of
from archcalc.layers.core.base import AlongAxes, Flag, Layer, Ops, elements, fmt_shape
from archcalc.layers.core.execution import Execution, Tensor
from archcalc.layers.core.twin import Axis, TorchTwin


class Mean(Layer, kind="mean"):
    """Mean over one axis or several.

    Fields:
        axis: the axis, or a list of axes
        keep: whether they stay, with a size of 1
    Shape: (T, C) with axis 0 → (C,), with keep (1, C)
    Params: none
    Ops: one addition per element of the input, one division per element of the output
    Raises: an input without one of the axes; an axis named twice; all axes, unless they stay
    Source: torch.mean

    >>> Mean(axis=(0, 1)).output((7, 7, 768)), Mean(axis=-1, keep=True).output((49, 768))
    ((768,), (49, 1))
    """

    axis: AxisOrAxes
    keep: Flag = False

    torch = TorchTwin("torch.mean", call="function", dim=Axis("axis"), keepdim="keep")

    def output(self, x: Shape) -> Shape:
        gone = self._axes(x)
        if self.keep:
            return tuple(1 if k in gone else size for k, size in enumerate(x))
        require(
            len(gone) < len(x),
            lambda: LayerError(
                f"mean over all axes of its input of {fmt_shape(x)} would leave only the batch",
                field="axis",
                hint="keep: true leaves them with a size of 1",
            ),
        )
        return tuple(size for k, size in enumerate(x) if k not in gone)

    def _axes(self, x: Shape) -> tuple[int, ...]:
        return axes_of(self.axis if isinstance(self.axis, tuple) else (self.axis,), x)

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(additions=elements(x), divisions=elements(y))

    def window(self, x: Shape) -> AlongAxes:
        gone = self._axes(x)
        if self.keep:
            return AlongAxes(to=tuple(range(len(x))), whole=gone)
        left = [k for k in range(len(x)) if k not in gone]
        return AlongAxes(to=tuple(left.index(k) if k in left else None for k in range(len(x))), whole=gone)

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.new(self.batched_output(x), x)
