"""How many input elements one output sees, followed through the graph dimension by dimension.

Source: Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill (2019).
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from archcalc.layers.arithmetic import Shape
from archcalc.layers.base import WHOLE, Window


class Field(msgspec.Struct, frozen=True, gc=False):
    """What outputs see along each spatial dimension, in input elements.

    `size` is what one output sees, `jump` how far two neighbours are apart. `output` is the shape that they make up;
    what all of them together see follows from these three, unless `covered` says it.
    """

    size: Shape
    jump: Shape
    output: Shape
    covered: Shape | None = None

    @property
    def whole(self) -> Shape:
        """What all outputs together see."""
        if self.covered is not None:
            return self.covered
        return tuple([s + (n - 1) * j for s, n, j in zip(self.size, self.output[1:], self.jump, strict=True)])


class Lens(msgspec.Struct, frozen=True, gc=False):
    """What a layer does to the fields of its input: by how many jumps each grows, and the strides (None: all 1).

    `covers`: the outputs together see what the inputs together saw; `is_whole`: so does each of them.
    """

    growth: Shape
    strides: Shape | None
    covers: bool = False
    is_whole: bool = False


def start(input: Shape) -> Field | None:
    """The field of the input itself: each element sees one; None for an input without spatial dimensions."""
    spatial = input[1:]
    ones = (1,) * len(spatial)
    return Field(ones, ones, input) if spatial else None


def lens(window: Window | Literal["whole"], covers: bool = False) -> Lens | None:
    """The lens of a layer's window; None where each output sees just what its own input saw."""
    if window == WHOLE:
        return Lens((), None, is_whole=True)
    if not window:
        return None
    strides = tuple(stride for _, stride in window)
    return Lens(tuple(kernel - 1 for kernel, _ in window), None if set(strides) == {1} else strides, covers)


def after(field: Field, lens: Lens, output: Shape) -> Field:
    """The field after a layer.

    >>> two = start((1, 32, 32))
    >>> for _ in range(2):
    ...     two = after(two, lens(((3, 1), (3, 1))), (1, 30, 30))
    >>> two.size
    (5, 5)
    """
    size, jump = field.size, field.jump
    if lens.is_whole:
        return Field(field.whole, jump, output, field.whole)
    size = tuple([s + g * j for s, g, j in zip(size, lens.growth, jump, strict=True)])
    if lens.strides is not None:
        jump = tuple([j * s for s, j in zip(lens.strides, jump, strict=True)])
    return Field(size, jump, output, field.whole if lens.covers else None)


def widest(fields: Iterable[Field]) -> Field:
    """Of the fields of several inputs, the largest size and jump along each dimension."""
    fields = tuple(fields)
    size = tuple(map(max, *(field.size for field in fields)))
    jump = tuple(map(max, *(field.jump for field in fields)))
    return Field(size, jump, fields[0].output, tuple(map(max, *(field.whole for field in fields))))
