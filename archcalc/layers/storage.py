"""Where a layer's output lies in memory, and what of its tensors PyTorch keeps for the backward pass."""

from typing import TypeAlias

import msgspec

from archcalc.layers.arithmetic import Dim, Shape

Strides: TypeAlias = tuple[int, ...]
"""For each axis, how many elements lie from one index to the next."""


EVERY = 1 << 30
"""More inputs than any layer has."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """What a layer keeps for the backward pass, besides its parameters and buffers, as PyTorch's autograd does.

    `elements` are further numbers of the activations' dtype for each sample, `batch_elements` for the whole batch;
    `indices` are int64 numbers, and `statistics` numbers of at least float32, for each sample.
    """

    inputs: int = 0
    """How many of the inputs, from the first on."""
    output: bool = False
    elements: Dim = 0
    batch_elements: Dim = 0
    indices: Dim = 0
    statistics: Dim = 0
    crossed: bool = False
    """An input is only kept where another one needs a gradient, as the factors of a product are."""
    apart: int | None = None
    """The inputs are read with so many of their last axes apart and those before as one; None: as they are.

    Where they do not lie so that this is a view, it is a copy that is kept.
    """
    full_precision: bool = False
    """What is kept at less than float32 is another matter, and not known."""


NOTHING = Kept()
INPUTS = Kept(inputs=EVERY)
OUTPUT = Kept(output=True)


def in_order(shape: Shape) -> Strides:
    """The strides of a tensor whose elements lie in order, without gaps.

    >>> in_order((3, 32, 32))
    (1024, 32, 1)
    """
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def like(shape: Shape, strides: Strides | None) -> Strides | None:
    """The strides of a new tensor without gaps whose axes lie in the same order, as elementwise operations make it.

    None stands for axes in order.

    >>> like((3, 4, 5), (1, 15, 3)), like((2, 5), (20, 1))
    ((1, 15, 3), (5, 1))
    """
    if strides is None:
        return None
    made, step = [0] * len(shape), 1
    for axis in sorted(range(len(shape)), key=lambda axis: (strides[axis], -axis)):
        made[axis] = step
        step *= shape[axis]
    return tuple(made)


def reshaped(shape: Shape, strides: Strides, to: Shape) -> Strides | None:
    """The strides of a tensor in another shape where it can share the memory, None where it must be copied.

    An axis of the new shape may run along several old ones only where these lie as one does.

    >>> reshaped((8, 4, 4), (16, 4, 1), (128,)), reshaped((8, 4, 4), (1, 32, 8), (128,))
    ((1,), None)
    >>> reshaped((8, 4, 4), (1, 32, 8), (8, 16))
    (1, 8)
    """
    runs = [[size, stride] for size, stride in zip(shape, strides, strict=True) if size != 1]
    merged: list[list[int]] = []
    for size, stride in runs:
        if merged and merged[-1][1] == size * stride:
            merged[-1] = [merged[-1][0] * size, stride]
        else:
            merged.append([size, stride])
    made, left = [0] * len(to), 1
    for axis in reversed(range(len(to))):
        if to[axis] == 1:
            made[axis] = made[axis + 1] * to[axis + 1] if axis + 1 < len(to) else 1
            continue
        if left == 1:
            left, step = merged.pop()
        if left % to[axis]:
            return None
        made[axis], left, step = step, left // to[axis], step * to[axis]
    return tuple(made)


def rearranged(shape: Shape, strides: Strides, apart: Shape, order: tuple[int, ...], to: Shape) -> Strides | None:
    """The strides after axes were set apart, put in another order, and laid out as `to`; None where that is a copy.

    >>> rearranged((4, 4, 8), (32, 8, 1), (2, 2, 2, 2, 8), (0, 2, 1, 3, 4), (2, 2, 4, 8))
    >>> rearranged((1, 4, 8), (32, 8, 1), (1, 1, 2, 2, 8), (0, 2, 1, 3, 4), (1, 2, 2, 8))
    (32, 16, 8, 1)
    """
    parts = reshaped(shape, strides, apart)
    if parts is None:
        # The parts are then a copy themselves, which a second copy or the output's own memory follows.
        return None
    return reshaped(tuple(apart[axis] for axis in order), tuple(parts[axis] for axis in order), to)
