"""How the elements of a tensor are laid out in memory: strides, views and the layouts that PyTorch chooses for results.

Shapes and strides here are of whole tensors, the batch first. Strides count elements, not bytes.
"""

from collections.abc import Sequence
from typing import TypeAlias

from archcalc.layers.core.arithmetic import Sizes

Strides: TypeAlias = tuple[int, ...]
"""For each axis, how many elements are between one index and the next."""


def in_order(shape: Sizes) -> Strides:
    """The strides of a tensor whose elements follow one another without gaps.

    >>> in_order((3, 32, 32))
    (1024, 32, 1)
    """
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def channels_last(shape: Sizes) -> Strides:
    """The strides of a batch of maps whose channels are next to one another.

    >>> channels_last((2, 3, 4, 5))
    (60, 1, 15, 3)
    """
    batch, channels, *spatial = shape
    _, *others, _ = in_order((batch, *spatial, channels))
    return (in_order((batch, *spatial, channels))[0], 1, *others)


def is_in_order(shape: Sizes, strides: Strides) -> bool:
    """Whether the elements follow one another without gaps; strides along axes of size 1 do not matter.

    >>> is_in_order((2, 1, 3), (3, 99, 1)), is_in_order((2, 3), (1, 2))
    (True, False)
    """
    return all(size == 1 or given == due for size, given, due in zip(shape, strides, in_order(shape), strict=True))


def is_channels_last(shape: Sizes, strides: Strides) -> bool:
    """Whether PyTorch takes a tensor of rank 4 or 5 for maps with their channels last, going by the strides alone.

    Layouts that could be either, such as those of maps of 1×1, count as channels first.

    >>> is_channels_last((2, 3, 4, 5), (60, 1, 15, 3)), is_channels_last((2, 3, 1, 1), (3, 1, 1, 1))
    (True, False)
    """
    rank = len(shape)
    if rank not in (4, 5) or strides[1] == 0:
        return False
    least = 0
    for axis in (1, *range(rank - 1, 1, -1), 0):
        if shape[axis] == 0 or strides[axis] < least or (axis == 0 and least == strides[1]):
            return False
        least = strides[axis] * (shape[axis] if shape[axis] > 1 else 1)
    return True


def is_dense(shape: Sizes, strides: Strides) -> bool:
    """Whether the axes, in some order, are without gaps and overlaps.

    >>> is_dense((3, 2), (1, 3)), is_dense((3, 2), (4, 1)), is_dense((3, 2), (0, 1))
    (True, False, False)
    """
    due = 1
    for size, stride in sorted(zip(shape, strides, strict=True), key=lambda axis: (axis[0] < 2, axis[1])):
        if size < 2:
            break
        if stride != due:
            return False
        due *= size
    return True


def like(shape: Sizes, *operands: tuple[Sizes, Strides]) -> Strides:
    """The strides of what PyTorch makes of operands element by element; each is broadcast to `shape`.

    The axes of the result are in the order in which those of the operands are, the first one that tells them apart
    first (`TensorIterator` in PyTorch's sources).

    >>> like((3, 4, 5), ((3, 4, 5), (1, 15, 3))), like((2, 5), ((2, 5), (20, 1)))
    ((1, 15, 3), (5, 1))
    """
    if all(own == shape for own, _ in operands):
        if all(is_in_order(*operand) for operand in operands):
            return in_order(shape)
        if len(shape) == 4 and all(is_packed_channels_last(*operand) for operand in operands):
            return channels_last(shape)
        first = operands[0][1]
        if is_dense(shape, first) and all(strides == first for _, strides in operands):
            return first
    spread = [_broadcast(shape, *operand) for operand in operands]
    order = list(range(len(shape) - 1, -1, -1))
    for i in range(1, len(order)):
        at = i
        for before in range(i - 1, -1, -1):
            swap = _compared(shape, spread, order[before], order[at])
            if swap < 0:
                break
            if swap > 0:
                order[before], order[at] = order[at], order[before]
                at = before
    made, step = [0] * len(shape), 1
    for axis in order:
        made[axis] = step
        step *= shape[axis]
    return tuple(made)


def is_packed_channels_last(shape: Sizes, strides: Strides) -> bool:
    """Whether the elements of maps follow one another without gaps, channels last.

    >>> is_packed_channels_last((2, 3, 1, 1), (3, 1, 1, 1)), is_packed_channels_last((2, 3, 4, 5), (60, 20, 5, 1))
    (True, False)
    """
    if len(shape) not in (4, 5):
        return False
    due = channels_last(shape)
    return all(size == 1 or given == d for size, given, d in zip(shape, strides, due, strict=True))


def _broadcast(shape: Sizes, own: Sizes, strides: Strides) -> Strides:
    """Strides for the axes of `shape`, 0 along those that are repeated."""
    new = len(shape) - len(own)
    return (
        *(0,) * new,
        *(0 if size == 1 != whole else s for size, whole, s in zip(own, shape[new:], strides, strict=True)),
    )


def _compared(shape: Sizes, operands: Sequence[Strides], a: int, b: int) -> int:
    """Positive where axis a must come behind axis b, negative where it is right before it, 0 where none tells."""
    for strides in operands:
        if strides[a] == 0 or strides[b] == 0:
            continue
        if strides[a] != strides[b]:
            return 1 if strides[a] > strides[b] else -1
        if shape[a] > shape[b]:
            return 1
    return 0


def reshaped(shape: Sizes, strides: Strides, to: Sizes) -> Strides | None:
    """The strides of a tensor in another shape where it can share the memory, None where it must be copied.

    An axis of the new shape may run along several old ones only where these are laid out as one.

    >>> reshaped((8, 4, 4), (16, 4, 1), (128,)), reshaped((8, 4, 4), (1, 32, 8), (128,))
    ((1,), None)
    >>> reshaped((8, 4, 4), (1, 32, 8), (8, 16))
    (1, 8)
    """
    made = [0] * len(to)
    view = len(to) - 1
    run, base = 1, strides[-1]
    for axis in reversed(range(len(shape))):
        run *= shape[axis]
        if axis and (shape[axis - 1] == 1 or strides[axis - 1] == run * base):
            continue
        step = 1
        while view >= 0 and (step < run or to[view] == 1):
            made[view] = step * base
            step *= to[view]
            view -= 1
        if step != run:
            return None
        if axis:
            run, base = 1, strides[axis - 1]
    return tuple(made) if view == -1 else None
