"""How many input elements one output sees, followed through the graph dimension by dimension.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill (2019).
"""

from collections.abc import Iterator, Sequence
from operator import add, mul
from typing import Any, NamedTuple, cast

import msgspec

from archcalc.graph import Graph
from archcalc.graph.nodes import of_the_batch
from archcalc.layers.core.arithmetic import UNKNOWN, Shape, Sizes, is_known, is_plain, whole
from archcalc.layers.core.base import AlongAxes, Visibility, Window


class ReceptiveField(msgspec.Struct, frozen=True, gc=False):
    """What outputs see along each spatial dimension of the spec's input, in its elements.

    `size` is what one output sees, `jump` how far two neighbours are apart. `axes` are the axes along which these
    dimensions run by now: None for one that runs along none any more, and None for all where numbers went to places
    that are not followed. `counts` is how many outputs lie along them. `start` is where what the first output sees
    begins, which padding makes negative; None where windows are irregular. What all of them together see follows from
    these, unless `covered` says it. `merged` says that several axes were laid out as one: then neighbours along an
    axis need not be neighbours in the input.
    """

    size: Sizes
    jump: Sizes
    counts: Sizes
    axes: tuple[int | None, ...] | None
    start: Sizes | None
    covered: Sizes | None = None
    merged: bool = False

    @property
    def whole(self) -> Sizes:
        """What all outputs together see."""
        if self.covered is not None:
            return self.covered
        return tuple([s + (n - 1) * j for s, n, j in zip(self.size, self.counts, self.jump, strict=True)])


class FieldTransform(msgspec.Struct, frozen=True, gc=False):
    """What a layer does to the fields of its input.

    A window over `axes` lets each dimension grow by so many jumps, from `starts` on, with strides (None: all 1); with
    `sees_whole_input`, its outputs together see what the inputs together saw. Else `visibility` says it, or `along`
    for each axis.
    """

    growth: Sizes = ()
    strides: Sizes | None = None
    starts: Sizes = ()
    sees_whole_input: bool = False
    visibility: Visibility | None = None
    along: AlongAxes | None = None
    axes: tuple[int, ...] = ()


def receptive_fields(
    graph: Graph, transforms: Sequence[FieldTransform | None], shapes: Sequence[Sizes], *, in_part: bool = False
) -> Iterator[ReceptiveField | None]:
    """What outputs of each of the first nodes see, which have these transforms and make values of these shapes.

    None where it can no longer be followed, behind an input that has no spatial dimensions, and of what sees several
    inputs. What depends on no input is left out of what it is joined with. With `in_part`, some sizes are no whole
    numbers: None as well where they matter.
    """
    first, once = len(graph.inputs), of_the_batch(graph)
    follow = after_in_part if in_part else after
    sizes = [*[input.shape for input in graph.inputs], *shapes]
    fields = [start(whole(input.shape)) if is_plain(input.shape[1:]) else None for input in graph.inputs]
    sees: list[int | None] = [*range(first)]
    """The only input that each value sees; None if it sees more."""
    unread = [0] * len(sizes)
    for node in graph.nodes[: len(shapes)]:
        for i in node.inputs:
            unread[i] += 1
    for node, how, y in zip(graph.nodes, transforms, shapes, strict=False):
        inputs = node.inputs
        field = fields[inputs[0]]
        if len(inputs) > 1:
            field = _joined_fields(fields, sees, [i for i in inputs if i not in once], how)
        if field is not None and how is not None:
            field = follow(field, how, sizes[inputs[0]], y)  # type: ignore[arg-type]  # whole numbers, or in part
        fields.append(field)
        yield field
        if first > 1:
            seen = {sees[i] for i in inputs if i not in once}
            sees.append(seen.pop() if len(seen) == 1 else None)
        for i in inputs:
            unread[i] -= 1
            if not unread[i]:  # the fields of a million layers would be 200 MB
                fields[i] = None


def _joined_fields(
    fields: Sequence[ReceptiveField | None],
    sees: Sequence[int | None],
    inputs: Sequence[int],
    how: FieldTransform | None,
) -> ReceptiveField | None:
    read = [field for i in inputs if (field := fields[i]) is not None]
    several = len(sees) > 1 and len({sees[i] for i in inputs if i < len(sees)}) > 1
    return None if not read or several or len(read) < len(inputs) else joined(read, how)


def start(input: Sizes) -> ReceptiveField | None:
    """The field of the input itself: each element sees one; None for an input without spatial dimensions."""
    spatial = input[1:]
    ones = (1,) * len(spatial)
    return ReceptiveField(ones, ones, spatial, tuple(range(1, len(input))), (0,) * len(spatial)) if spatial else None


def field_transform(window: Window | AlongAxes | Visibility, sees_whole_input: bool = False) -> FieldTransform | None:
    """The transform of a layer's window; None where each output sees just what its own input saw."""
    if isinstance(window, Visibility):
        return None if window is Visibility.POINT else FieldTransform(visibility=window)
    if isinstance(window, AlongAxes):
        return FieldTransform(along=window)
    kernels, strides, starts = zip(*window, strict=True) if window else ((), (), ())
    growth, axes = tuple(kernel - 1 for kernel in kernels), tuple(range(1, len(kernels) + 1))
    return FieldTransform(growth, None if set(strides) == {1} else strides, starts, sees_whole_input, axes=axes)


def after(field: ReceptiveField, transform: FieldTransform, x: Sizes, y: Sizes) -> ReceptiveField | None:
    """The field after a layer that makes `y` of `x`; None where it can no longer be followed.

    >>> two = start((1, 32, 32))
    >>> for size in (30, 28):
    ...     two = after(two, field_transform(((3, 1, 0), (3, 1, 0))), (1, size + 2, size + 2), (1, size, size))
    >>> two.size
    (5, 5)
    """
    size, jump, axes, start = field.size, field.jump, field.axes, field.start
    if transform.visibility is not None:
        return _seen(field, transform.visibility, x, y)
    if transform.along is not None:
        return _along(field, transform.along, x, y)
    if axes is None or field.merged or axes != transform.axes:
        return None
    size = tuple(map(add, size, map(mul, transform.growth, jump)))  # as many as there are axes, each
    if transform.sees_whole_input and any(n % m for n, m in zip(x[1:], y[1:], strict=True)):
        start = None
    elif start is not None:
        start = tuple(map(add, start, map(mul, transform.starts, jump)))
    if transform.strides is not None:
        jump = tuple([j * s for s, j in zip(transform.strides, jump, strict=True)])
    return ReceptiveField(size, jump, y[1:], axes, start, field.whole if transform.sees_whole_input else None)


def after_in_part(field: ReceptiveField, transform: FieldTransform, x: Shape, y: Shape) -> ReceptiveField | None:
    """As `after`, where sizes or numbers of the window are no whole numbers: None where they matter."""
    found = after(field, transform, plain_parts(x), plain_parts(y))
    if found is None:
        return None
    numbers = (*found.size, *found.jump, *found.counts, *(found.start or ()), *(found.covered or ()))
    return found if is_known(numbers) else None


def plain_parts(value: Any) -> Any:
    """A shape or a window whose numbers are UNKNOWN where they are no whole numbers.

    >>> import sympy
    >>> plain_parts((3, sympy.Symbol("h")))
    (3, ?)
    """
    if isinstance(value, AlongAxes):
        return msgspec.structs.replace(value, starts=plain_parts(value.starts))
    if isinstance(value, tuple):
        return tuple(map(plain_parts, value))
    return value if value is None or isinstance(value, int | Visibility) else UNKNOWN


def _seen(field: ReceptiveField, visibility: Visibility, x: Sizes, y: Sizes) -> ReceptiveField | None:
    if visibility is Visibility.UNKNOWN:
        return None
    if visibility is Visibility.LAST_AXIS:
        last = len(x) - 1
        return _along(field, AlongAxes(to=(*range(last), None), whole=(last,)), x, y)
    whole = field.whole
    size = whole if visibility is Visibility.WHOLE else field.size
    return ReceptiveField(size, field.jump, field.counts, None, field.start, whole)


def _along(field: ReceptiveField, how: AlongAxes, x: Sizes, y: Sizes) -> ReceptiveField | None:
    whole = field.whole
    if field.axes is None:  # which of the axes the map's dimensions are in is not known
        return field if not how.whole or field.size == whole else None
    size = tuple(w if axis in how.whole else s for s, w, axis in zip(field.size, whole, field.axes, strict=True))
    axes = tuple(None if axis is None else how.to[axis] for axis in field.axes)
    merged = field.merged or any(how.to.count(axis) > 1 for axis in axes if axis is not None)
    before = [axis for axis in field.axes if axis is not None]
    now = [axis for axis in axes if axis is not None]
    if merged or len(now) < len(axes):  # what is cut off from here on is not followed: all see this much at the most
        is_moved = how.steps is not None or any(how.starts or ())
        return ReceptiveField(size, field.jump, field.counts, axes, None if is_moved else field.start, whole, merged)
    steps = how.steps or (1,) * len(x)
    jump = tuple(j * steps[axis] for j, axis in zip(field.jump, before, strict=True))
    starts = cast("Sizes", how.starts or (0,) * len(x))
    start = field.start and tuple(s + starts[a] * j for s, j, a in zip(field.start, field.jump, before, strict=True))
    cut = [x[axis] for axis in before] != [y[axis] for axis in now]
    return ReceptiveField(size, jump, tuple(y[axis] for axis in now), axes, start, None if cut else field.covered)


class _Span(NamedTuple):
    """What the outputs of one input of a join see along a dimension: the first of them, all of them, and the jump."""

    start: int
    size: int
    whole: int
    jump: int
    outputs: int

    @property
    def moving(self) -> int:
        """How much further the next output sees: 0 where all see the same, such as where there is just one."""
        return 0 if self.size == self.whole else self.jump

    def holds(self, other: "_Span") -> bool:
        """Whether each output sees all that the outputs of another see together."""
        return not self.moving and self.start <= other.start and other.start + other.whole <= self.start + self.size


def joined(fields: Sequence[ReceptiveField], transform: FieldTransform | None) -> ReceptiveField | None:
    """The field of what reads several inputs at the same place: all that any of them sees, None where not known.

    That is one window which slides over the input where the windows of all of them move alike, and everything where
    one of them sees everything anyway.

    >>> one = start((1, 32))
    >>> narrow, wide = (after(one, field_transform(((k, 1, -p),)), (1, 32), (1, 30)) for k, p in ((3, 0), (5, 4)))
    >>> joined([narrow, wide], None)
    ReceptiveField(size=(7,), jump=(1,), counts=(30,), axes=(1,), start=(-4,), covered=None, merged=False)
    """
    first = fields[0]
    stacked = None if transform is None or transform.along is None else transform.along.stacked
    if stacked is not None and any(field.axes is None or field.merged or stacked in field.axes for field in fields):
        return first if first.axes is None and first.size == first.whole and set(fields) == {first} else None
    if all(field is first for field in fields):
        return first
    followed = first.axes is not None and all(field.axes == first.axes for field in fields)
    if any(field.merged for field in fields) and any(field.counts != first.counts for field in fields):
        followed = False
    found = []
    for k in range(len(first.size)):
        spans = _spans(fields, k)
        union = None if spans is None else _union(spans, followed)
        if union is None:
            return None
        found.append(union)
    start, size, whole, jump, counts = (tuple(values) for values in zip(*found, strict=True))
    axes = first.axes if followed else None
    covered = None if followed and all(field.covered is None for field in fields) else whole
    return ReceptiveField(size, jump, counts, axes, start, covered, any(field.merged for field in fields))


def _spans(fields: Sequence[ReceptiveField], k: int) -> list[_Span] | None:
    """Along dimension k, what each input's outputs see; None where one's windows are irregular."""
    found = [
        _Span(field.start[k], field.size[k], field.whole[k], field.jump[k], field.counts[k])
        for field in fields
        if field.start is not None
    ]
    return found if len(found) == len(fields) else None


def _union(spans: Sequence[_Span], followed: bool) -> _Span | None:
    """What any of several inputs sees along one dimension; `followed` says that the order of their outputs is known.

    None where what windows of unlike jumps see together is another size at every place.
    """
    first = spans[0]
    start, outputs = min(span.start for span in spans), max(span.outputs for span in spans)
    alike = all((span.jump, span.outputs) == (first.jump, first.outputs) for span in spans)
    if followed and (alike or len({span.moving for span in spans}) == 1):
        size = max(span.start + span.size for span in spans) - start
        whole = max(span.start + span.whole for span in spans) - start
        return _Span(start, size, whole, first.jump if alike else first.moving, outputs)
    for span in spans:
        if all(map(span.holds, spans)):
            return span._replace(jump=0, outputs=outputs)
    return None
