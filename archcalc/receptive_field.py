"""How many input elements one output sees, followed through the graph dimension by dimension.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill (2019).
"""

from collections.abc import Iterable

import msgspec

from archcalc.layers.arithmetic import Shape
from archcalc.layers.base import Moved, Sight, Window


class Field(msgspec.Struct, frozen=True, gc=False):
    """What outputs see along each spatial dimension of the spec's input, in its elements.

    `size` is what one output sees, `jump` how far two neighbours are apart. `axes` are the axes along which these
    dimensions run by now (None where they no longer run along axes), and `counts` how many outputs lie along them. What
    all of them together see follows from these, unless `covered` says it.
    """

    size: Shape
    jump: Shape
    counts: Shape
    axes: tuple[int, ...] | None
    covered: Shape | None = None

    @property
    def whole(self) -> Shape:
        """What all outputs together see."""
        if self.covered is not None:
            return self.covered
        return tuple([s + (n - 1) * j for s, n, j in zip(self.size, self.counts, self.jump, strict=True)])


class Lens(msgspec.Struct, frozen=True, gc=False):
    """What a layer does to the fields of its input.

    A window lets each dimension grow by so many jumps, with strides (None: all 1); `covers` means that its outputs
    together see what the inputs together saw. Else `sight` says it, or `order`, how axes have moved.
    """

    growth: Shape = ()
    strides: Shape | None = None
    covers: bool = False
    sight: Sight | None = None
    order: tuple[int, ...] | None = None


def start(input: Shape) -> Field | None:
    """The field of the input itself: each element sees one; None for an input without spatial dimensions."""
    spatial = input[1:]
    ones = (1,) * len(spatial)
    return Field(ones, ones, spatial, tuple(range(1, len(input)))) if spatial else None


def lens(window: Window | Moved | Sight, covers: bool = False) -> Lens | None:
    """The lens of a layer's window; None where each output sees just what its own input saw."""
    if isinstance(window, Sight):
        return None if window is Sight.POINT else Lens(sight=window)
    if isinstance(window, Moved):
        return Lens(order=window.order)
    strides = tuple(stride for _, stride in window)
    return Lens(tuple(kernel - 1 for kernel, _ in window), None if set(strides) == {1} else strides, covers)


def after(field: Field, lens: Lens, x: Shape, y: Shape) -> Field | None:
    """The field after a layer that makes `y` of `x`; None where it can no longer be followed.

    >>> two = start((1, 32, 32))
    >>> for size in (30, 28):
    ...     two = after(two, lens(((3, 1), (3, 1))), (1, size + 2, size + 2), (1, size, size))
    >>> two.size
    (5, 5)
    """
    size, jump, axes = field.size, field.jump, field.axes
    if lens.sight is not None:
        return _seen(field, lens.sight, len(x))
    if lens.order is not None:
        moved = None if axes is None else tuple([lens.order.index(axis) for axis in axes])
        return Field(size, jump, field.counts, moved, field.covered)
    if axes is None or axes != tuple(range(1, len(lens.growth) + 1)):
        return None
    size = tuple([s + g * j for s, g, j in zip(size, lens.growth, jump, strict=True)])
    if lens.strides is not None:
        jump = tuple([j * s for s, j in zip(lens.strides, jump, strict=True)])
    return Field(size, jump, y[1:], axes, field.whole if lens.covers else None)


def _seen(field: Field, sight: Sight, rank: int) -> Field | None:
    if sight is Sight.UNKNOWN or (sight is Sight.LAST_AXIS and field.axes is not None and rank - 1 in field.axes):
        return None
    if sight is Sight.LAST_AXIS:
        return field
    whole = field.whole
    return Field(whole if sight is Sight.WHOLE else field.size, field.jump, field.counts, None, whole)


def widest(fields: Iterable[Field]) -> Field | None:
    """Of the fields of several inputs, the largest size and jump along each dimension; None where axes differ."""
    first, *others = fields
    size, jump, whole = first.size, first.jump, first.whole
    for other in others:
        if other.axes != first.axes:
            return None
        size, jump = tuple(map(max, size, other.size)), tuple(map(max, jump, other.jump))
        whole = tuple(map(max, whole, other.whole))
    return Field(size, jump, first.counts, first.axes, whole)
