"""Cases of the kinds that rearrange, cut and join tensors, whose fields must suit the shapes of their inputs.

Every strategy draws what may not fit as well, where that is a near miss. Whether it fits, the rules and PyTorch say.
"""

import itertools

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from archcalc.layers.core.arithmetic import Shape
from archcalc.layers.merge import Add, Concat, MatMul, Sub
from archcalc.layers.padding import Pad
from archcalc.layers.reduce import Mean
from archcalc.layers.reshape import Permute, Reshape, Squeeze
from archcalc.layers.shuffle import (
    ChannelShuffle,
    PixelShuffle,
    PixelUnshuffle,
    Roll,
    Tile,
    WindowPartition,
    WindowReverse,
)
from archcalc.layers.slicing import Crop, Split
from tests.layers.strategies import CRAFTED, Case

_SIDE = st.integers(1, 7)
_COUNT = st.integers(1, 4)
_PAIR = st.tuples(_COUNT, _COUNT)


def _axes(x: Shape) -> st.SearchStrategy[list[int]]:
    """All axes in an order, each from the front or from the end."""
    rank = len(x)
    signs = st.lists(st.sampled_from((0, rank)), min_size=rank, max_size=rank)
    return st.builds(
        lambda axes, back: [axis - b for axis, b in zip(axes, back, strict=True)], st.permutations(range(rank)), signs
    )


_SHAPES = st.lists(_SIDE, min_size=1, max_size=4).map(tuple)


@st.composite
def _permuted(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    return Case(Permute(order=tuple(draw(_axes(x)))), (x,))


@st.composite
def _reshaped(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    factors = [factor for size in x for factor in ((2, size // 2) if size % 2 == 0 else (size,))]
    cuts = sorted(draw(st.sets(st.integers(1, len(factors)), max_size=3)) | {0, len(factors)})
    shape = [1] * (len(cuts) - 1)
    for k, (first, last) in enumerate(itertools.pairwise(cuts)):
        for factor in factors[first:last]:
            shape[k] *= factor
    for k in draw(st.sets(st.integers(0, len(shape) - 1), max_size=1)):
        shape[k] = -1
    return Case(Reshape(shape=tuple(shape)), (x,))


@st.composite
def _squeezed(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    axis = draw(st.integers(0, len(x)))
    return Case(Squeeze(axis=axis - draw(st.sampled_from((0, len(x) + 1)))), ((*x[:axis], 1, *x[axis:]),))


@st.composite
def _split(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    axis = draw(st.integers(0, len(x) - 1))
    sizes = draw(st.lists(_COUNT, min_size=1, max_size=4))
    layer = Split(sizes=tuple(sizes), index=draw(st.integers(0, len(sizes) - 1)), axis=axis)
    return Case(layer, ((*x[:axis], sum(sizes), *x[axis + 1 :]),))


@st.composite
def _padded(draw: DrawFn) -> Case:
    x = draw(st.lists(st.integers(2, 6), min_size=1, max_size=4).map(tuple))
    mode = draw(st.sampled_from(("constant", "reflect", "replicate", "circular")))
    axes = draw(st.sampled_from((len(x) - 1, len(x) - 1, len(x), 1)))
    sides = draw(st.lists(st.integers(0, 4), min_size=2 * axes, max_size=2 * axes))
    return Case(msgspec.convert({"pad": tuple(sides) if sides else 1, "mode": mode}, Pad), (x,))


@st.composite
def _tiled(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    return Case(Tile(axis=draw(_axes(x))[0], times=draw(_COUNT)), (x,))


@st.composite
def _rolled(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    axes = draw(_axes(x))[: draw(st.integers(1, len(x)))]
    shifts = draw(st.lists(st.integers(-9, 9), min_size=len(axes), max_size=len(axes)))
    return Case(Roll(shifts=tuple(shifts), axes=tuple(axes)), (x,))


@st.composite
def _averaged(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    axes = draw(_axes(x))[: draw(st.integers(1, len(x)))]
    return Case(Mean(axis=tuple(axes), keep=draw(st.booleans())), (x,))


@st.composite
def _in_windows(draw: DrawFn, *, reverse: bool) -> Case:
    (h, w), (rows, columns), channels = draw(_PAIR), draw(_PAIR), draw(_COUNT)
    dilated = draw(st.booleans())
    if reverse:
        return Case(WindowReverse(size=(h, w), dilated=dilated), ((rows, columns, h * w, channels),))
    return Case(WindowPartition(size=(h, w), dilated=dilated), ((h * rows, w * columns, channels),))


@st.composite
def _multiplied(draw: DrawFn) -> Case:
    before, (rows, between), columns = draw(st.lists(_COUNT, max_size=2)), draw(_PAIR), draw(_COUNT)
    return Case(MatMul(), ((*before, rows, between), (*before, between, columns)))


@st.composite
def _stretched(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    ones = st.tuples(*(st.sampled_from((1, size)) for size in x))
    return Case(Add(broadcast=True), tuple(draw(st.lists(ones, min_size=2, max_size=4))))


@st.composite
def _stacked(draw: DrawFn) -> Case:
    x = draw(_SHAPES)
    axis = draw(st.integers(0, len(x) - 1))
    sizes = draw(st.lists(_COUNT, min_size=2, max_size=4))
    layer = Concat(axis=axis - draw(st.sampled_from((0, len(x)))))
    return Case(layer, tuple((*x[:axis], size, *x[axis + 1 :]) for size in sizes))


CRAFTED |= {
    "reshape": _reshaped(),
    "permute": _permuted(),
    "squeeze": _squeezed(),
    "split": _split(),
    "pad": _padded(),
    "crop": st.builds(
        lambda size, rest, c: Case(Crop(size=size), ((c, size[0] + rest[0], size[1] + rest[1]),)),
        _PAIR,
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        _COUNT,
    ),
    "roll": _rolled(),
    "tile": _tiled(),
    "pixel_shuffle": st.builds(
        lambda factor, c, size: Case(PixelShuffle(factor=factor), ((c * factor * factor, *size),)),
        _COUNT,
        _COUNT,
        _PAIR,
    ),
    "pixel_unshuffle": st.builds(
        lambda factor, c, size: Case(PixelUnshuffle(factor=factor), ((c, size[0] * factor, size[1] * factor),)),
        _COUNT,
        _COUNT,
        _PAIR,
    ),
    "channel_shuffle": st.builds(
        lambda groups, c, size: Case(ChannelShuffle(groups=groups), ((c * groups, *size),)), _COUNT, _COUNT, _PAIR
    ),
    "window_partition": _in_windows(reverse=False),
    "window_reverse": _in_windows(reverse=True),
    "mean": _averaged(),
    "matmul": _multiplied(),
    "sub": _SHAPES.map(lambda x: Case(Sub(), (x, x))),
    "add": _stretched(),
    "concat": _stacked(),
}
