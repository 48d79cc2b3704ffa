"""How many input elements one output sees, followed through the graph dimension by dimension.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill (2019).
"""

from collections.abc import Iterable

import msgspec

from archcalc.layers.arithmetic import Shape
from archcalc.layers.base import AlongAxes, Sight, Window


class Field(msgspec.Struct, frozen=True, gc=False):
    """What outputs see along each spatial dimension of the spec's input, in its elements.

    `size` is what one output sees, `jump` how far two neighbours are apart. `axes` are the axes along which these
    dimensions run by now: None for one that runs along none any more, and None for all where numbers went to places
    that are not followed. `counts` is how many outputs lie along them. What all of them together see follows from
    these, unless `covered` says it. `merged` tells that several axes were laid out as one: then neighbours along an
    axis need not be neighbours in the input.
    """

    size: Shape
    jump: Shape
    counts: Shape
    axes: tuple[int | None, ...] | None
    covered: Shape | None = None
    merged: bool = False

    @property
    def whole(self) -> Shape:
        """What all outputs together see."""
        if self.covered is not None:
            return self.covered
        return tuple([s + (n - 1) * j for s, n, j in zip(self.size, self.counts, self.jump, strict=True)])


class Lens(msgspec.Struct, frozen=True, gc=False):
    """What a layer does to the fields of its input.

    A window lets each dimension grow by so many jumps, with strides (None: all 1); `covers` means that its outputs
    together see what the inputs together saw. Else `sight` says it, or `along` for each axis.
    """

    growth: Shape = ()
    strides: Shape | None = None
    covers: bool = False
    sight: Sight | None = None
    along: AlongAxes | None = None


def start(input: Shape) -> Field | None:
    """The field of the input itself: each element sees one; None for an input without spatial dimensions."""
    spatial = input[1:]
    ones = (1,) * len(spatial)
    return Field(ones, ones, spatial, tuple(range(1, len(input)))) if spatial else None


def lens(window: Window | AlongAxes | Sight, covers: bool = False) -> Lens | None:
    """The lens of a layer's window; None where each output sees just what its own input saw."""
    if isinstance(window, Sight):
        return None if window is Sight.POINT else Lens(sight=window)
    if isinstance(window, AlongAxes):
        return Lens(along=window)
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
        return _seen(field, lens.sight, x, y)
    if lens.along is not None:
        return _along(field, lens.along, x, y)
    if axes is None or field.merged or axes != tuple(range(1, len(lens.growth) + 1)):
        return None
    size = tuple([s + g * j for s, g, j in zip(size, lens.growth, jump, strict=True)])
    if lens.strides is not None:
        jump = tuple([j * s for s, j in zip(lens.strides, jump, strict=True)])
    return Field(size, jump, y[1:], axes, field.whole if lens.covers else None)


def _seen(field: Field, sight: Sight, x: Shape, y: Shape) -> Field | None:
    if sight is Sight.UNKNOWN:
        return None
    if sight is Sight.LAST_AXIS:
        last = len(x) - 1
        return _along(field, AlongAxes(to=(*range(last), None), whole=(last,)), x, y)
    whole = field.whole
    return Field(whole if sight is Sight.WHOLE else field.size, field.jump, field.counts, None, whole)


def _along(field: Field, how: AlongAxes, x: Shape, y: Shape) -> Field | None:
    whole = field.whole
    if field.axes is None:  # which of the axes the map's dimensions are in is not known
        return field if not how.whole or field.size == whole else None
    size = tuple(w if axis in how.whole else s for s, w, axis in zip(field.size, whole, field.axes, strict=True))
    axes = tuple(None if axis is None else how.to[axis] for axis in field.axes)
    merged = field.merged or any(how.to.count(axis) > 1 for axis in axes if axis is not None)
    before = [axis for axis in field.axes if axis is not None]
    now = [axis for axis in axes if axis is not None]
    if merged or len(now) < len(axes):  # what is cut off from here on is not followed: all see this much at the most
        return Field(size, field.jump, field.counts, axes, whole, merged)
    steps = how.steps or (1,) * len(x)
    jump = tuple(j * steps[axis] for j, axis in zip(field.jump, before, strict=True))
    cut = [x[axis] for axis in before] != [y[axis] for axis in now]
    return Field(size, jump, tuple(y[axis] for axis in now), axes, None if cut else field.covered)


def widest(fields: Iterable[Field]) -> Field | None:
    """Of the fields of several inputs, the largest size and jump along each dimension; None where axes differ."""
    first, *others = fields
    size, jump, whole, merged = first.size, first.jump, first.whole, first.merged
    for other in others:
        if other.axes != first.axes:
            return None
        size, jump = tuple(map(max, size, other.size)), tuple(map(max, jump, other.jump))
        whole, merged = tuple(map(max, whole, other.whole)), merged or other.merged
    return Field(size, jump, first.counts, first.axes, whole, merged)
