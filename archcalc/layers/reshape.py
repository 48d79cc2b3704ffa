"""Layers that give the numbers of a tensor another shape, or its axes another order, without computing any."""

from typing import Annotated

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Shape, divides, equal, product, require
from archcalc.layers.core.axes import AxisList, axes_of, axis_of
from archcalc.layers.core.base import MAX_RANK, STRUCTURAL, AlongAxes, AxisIndex, Layer, Visibility, elements, fmt_shape
from archcalc.layers.core.execution import Execution, Gradient, Tensor
from archcalc.layers.core.twin import Axis, Order, TorchTwin, WithBatch

Sizes = Annotated[
    tuple[Annotated[int, Meta(ge=-1)], ...],
    Meta(
        min_length=1,
        max_length=MAX_RANK,
        description="a list of whole numbers ≥ 1, and -1 for one that follows from the others",
        extra=STRUCTURAL,
    ),
]


class Rearrangement(Layer):
    """What kinds share that compute nothing.

    Params: none
    """

    has_number = False


class Flatten(Rearrangement, kind="flatten"):
    """Lays axes out as one: all of them, or those from one on.

    Fields:
        start: the first of the axes that become one
    Shape: (C, H, W) → (C · H · W,), with start 1 (C, H · W)
    Ops: none
    Raises: an input without axis `start`
    Source: torch.nn.Flatten

    >>> Flatten().output((256, 6, 6)), Flatten(start=1).output((768, 14, 14))
    ((9216,), (768, 196))
    """

    start: AxisIndex = 0

    gradient = Gradient.PASSED
    torch = TorchTwin("torch.nn.Flatten", start_dim=Axis("start"))

    def output(self, x: Shape) -> Shape:
        start = axis_of(self.start, x, "start")
        return (*x[:start], product(x[start:]))

    def window(self, x: Shape) -> AlongAxes:
        start = axis_of(self.start, x, "start")
        return AlongAxes(to=tuple(min(k, start) for k in range(len(x))))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        shape = self.batched_output(x)
        return x if shape == x.shape else run.reshaped(x, shape)


class Reshape(Rearrangement, kind="reshape"):
    """Gives the numbers of a tensor another shape, in the order in which they lie.

    Fields:
        shape: the sizes of the output's axes; -1 for one that follows from the others
    Shape: any → shape
    Ops: none
    Raises: a shape that holds more or fewer numbers than the input, has a 0, or has more than one -1
    Source: torch.reshape

    >>> Reshape(shape=(3, -1, 196)).output((768, 14, 14))
    (3, 256, 196)
    """

    shape: Sizes

    gradient = Gradient.PASSED
    torch = TorchTwin("torch.reshape", call="function", shape=WithBatch("shape"))

    def output(self, x: Shape) -> Shape:
        wanted, free = list(self.shape), self.shape.count(-1)
        held, named = elements(x), product(size for size in wanted if size != -1)

        def error(what: str) -> LayerError:
            return LayerError(f"shape {wanted} {what}", field="shape")

        require(0 not in wanted, lambda: error("has a 0, which would leave nothing"))
        require(free <= 1, lambda: error("has more than one -1"))
        require(
            divides(named, held) if free else equal(named, held),
            lambda: error(
                f"does not fit its input of {fmt_shape(x)}: "
                f"{held} numbers, which {f'{named} does not divide' if free else f'are not {named}'}"
            ),
        )
        return tuple(held // named if size == -1 else size for size in wanted)

    def window(self, x: Shape) -> Visibility:
        return Visibility.SCATTERED

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.reshaped(x, self.batched_output(x))


class Permute(Rearrangement, kind="permute"):
    """Puts the axes of a tensor in another order.

    Fields:
        order: for each axis of the output, the axis of the input that it is
    Shape: (C, H, W) with order [1, 2, 0] → (H, W, C)
    Ops: none
    Raises: an order that does not name every axis of the input once
    Source: torch.permute

    >>> Permute(order=(1, 2, 0)).output((96, 56, 28))
    (56, 28, 96)
    """

    order: AxisList

    gradient = Gradient.PASSED
    torch = TorchTwin("torch.permute", call="function", dims=Order("order"))

    def output(self, x: Shape) -> Shape:
        require(
            len(self.order) == len(x),
            lambda: LayerError(
                f"order {list(self.order)} does not name every axis of its input of {fmt_shape(x)}",
                field="order",
                hint=f"the {len(x)} axes are {', '.join(map(str, range(len(x))))}",
            ),
        )
        return tuple(x[axis] for axis in axes_of(self.order, x, "order"))

    def window(self, x: Shape) -> AlongAxes:
        return _moved(axes_of(self.order, x, "order"))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.permuted(x, (0, *(axis + 1 for axis in axes_of(self.order, x.shape[1:], "order"))))


class Transpose(Rearrangement, kind="transpose"):
    """Swaps two axes.

    Fields:
        a: one of them
        b: the other
    Shape: (C, N) → (N, C); all other axes as in the input
    Ops: none
    Raises: an input without one of the axes
    Source: torch.transpose

    >>> Transpose().output((768, 196)), Transpose(a=-1, b=-2).output((8, 196, 64))
    ((196, 768), (8, 64, 196))
    """

    a: AxisIndex = 0
    b: AxisIndex = 1

    gradient = Gradient.PASSED
    torch = TorchTwin("torch.transpose", call="function", dim0=Axis("a"), dim1=Axis("b"))

    def output(self, x: Shape) -> Shape:
        return tuple(x[axis] for axis in self._order(x))

    def _order(self, x: Shape) -> tuple[int, ...]:
        a, b = axis_of(self.a, x, "a"), axis_of(self.b, x, "b")
        order = list(range(len(x)))
        order[a], order[b] = b, a
        return tuple(order)

    def window(self, x: Shape) -> AlongAxes:
        return _moved(self._order(x))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.permuted(x, (0, *(axis + 1 for axis in self._order(x.shape[1:]))))


class Unsqueeze(Rearrangement, kind="unsqueeze"):
    """Puts in a new axis of size 1.

    Fields:
        axis: the axis of the output that is new
    Shape: (N,) with axis 0 → (1, N)
    Ops: none
    Raises: an axis that the output cannot have
    Source: torch.unsqueeze

    >>> Unsqueeze(axis=0).output((80,)), Unsqueeze(axis=-1).output((80,))
    ((1, 80), (80, 1))
    """

    axis: AxisIndex

    gradient = Gradient.PASSED
    torch = TorchTwin("torch.unsqueeze", call="function", dim=Axis("axis"))

    def output(self, x: Shape) -> Shape:
        axis = self._place(x)
        return (*x[:axis], 1, *x[axis:])

    def _place(self, x: Shape) -> int:
        places = len(x) + 1
        require(
            -places <= self.axis < places,
            lambda: LayerError(
                f"axis {self.axis} is no place for a new axis in its input of {fmt_shape(x)}",
                field="axis",
                hint=f"0 is before the first axis, {len(x)} or -1 behind the last",
            ),
        )
        return self.axis % places

    def window(self, x: Shape) -> AlongAxes:
        axis = self._place(x)
        return AlongAxes(to=tuple(k + (k >= axis) for k in range(len(x))))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        axis = self._place(x.shape[1:]) + 1
        shape, layout = (*x.shape[:axis], 1, *x.shape[axis:]), x.layout
        if layout is not None:
            step = x.shape[axis] * layout[axis] if axis < len(x.shape) else 1
            layout = (*layout[:axis], step, *layout[axis:])
        return run.view(x, shape, layout)


class Squeeze(Rearrangement, kind="squeeze"):
    """Leaves out an axis of size 1.

    Fields:
        axis: the axis that is left out
    Shape: (1, N) with axis 0 → (N,)
    Ops: none
    Raises: an axis of another size, or the only one
    Source: torch.squeeze

    >>> Squeeze(axis=-1).output((1280, 1))
    (1280,)
    """

    axis: AxisIndex

    gradient = Gradient.PASSED
    torch = TorchTwin("torch.squeeze", call="function", dim=Axis("axis"))

    def output(self, x: Shape) -> Shape:
        axis = axis_of(self.axis, x)
        require(
            equal(x[axis], 1),
            lambda: LayerError(
                f"axis {self.axis} of its input of {fmt_shape(x)} has a size of {x[axis]}, not 1", field="axis"
            ),
        )
        require(len(x) > 1, lambda: LayerError("squeeze would leave no axis but the batch", assume=x))
        return (*x[:axis], *x[axis + 1 :])

    def window(self, x: Shape) -> AlongAxes:
        axis = axis_of(self.axis, x)
        return AlongAxes(to=tuple(None if k == axis else k - (k > axis) for k in range(len(x))))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        axis = axis_of(self.axis, x.shape[1:]) + 1
        layout = x.layout and (*x.layout[:axis], *x.layout[axis + 1 :])
        return run.view(x, (*x.shape[:axis], *x.shape[axis + 1 :]), layout)


def _moved(order: tuple[int, ...]) -> AlongAxes:
    """Where each axis of the input goes, if axis k of the output is axis `order[k]` of it."""
    return AlongAxes(to=tuple(map(order.index, range(len(order)))))
