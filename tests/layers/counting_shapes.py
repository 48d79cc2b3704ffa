"""Naive loops that move every number of a tensor to its new place, one by one, or count what is computed with it.

A loop over places gives for each place of the output the place in the input that its number comes from, None where
it comes from none. The output's shape is the box that these places fill.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.merge import Concat
from archcalc.layers.padding import Pad
from archcalc.layers.reduce import Mean
from archcalc.layers.reshape import Flatten, Permute, Reshape, Squeeze, Transpose, Unsqueeze
from archcalc.layers.shuffle import (
    ChannelShuffle,
    PixelShuffle,
    PixelUnshuffle,
    Roll,
    Tile,
    WindowPartition,
    WindowReverse,
)
from archcalc.layers.slicing import Chunk, Crop, Slice, Split
from tests.layers.counting import Tally, every
from tests.layers.counting_attention import pair
from tests.layers.counting_windows import dealt

Place: TypeAlias = tuple[int, ...]
Moves: TypeAlias = dict[Place, Place | None]


def flatten(layer: Flatten, x: Sizes) -> Moves:
    moves: Moves = {}
    laid: Counter[Place] = Counter()
    for place in every(x):
        row = place[: list(range(len(x)))[layer.start]]
        moves[*row, laid[row]] = place
        laid[row] += 1
    return moves


def reshape(layer: Reshape, x: Sizes) -> Moves:
    numbers, free = every(x), 1
    while len(places := every(tuple(free if size == -1 else size for size in layer.shape))) < len(numbers):
        free += 1
    return dict(zip(places, numbers, strict=True))


def permute(layer: Permute, x: Sizes) -> Moves:
    return {tuple(place[axis] for axis in layer.order): place for place in every(x)}


def transpose(layer: Transpose, x: Sizes) -> Moves:
    moves: Moves = {}
    for place in every(x):
        to = list(place)
        to[layer.a], to[layer.b] = place[layer.b], place[layer.a]
        moves[tuple(to)] = place
    return moves


def unsqueeze(layer: Unsqueeze, x: Sizes) -> Moves:
    moves: Moves = {}
    for place in every(x):
        to: list[int | None] = [None] * (len(x) + 1)
        to[layer.axis] = 0
        rest = iter(place)
        moves[tuple(next(rest) if at is None else at for at in to)] = place
    return moves


def squeeze(layer: Squeeze, x: Sizes) -> Moves:
    moves: Moves = {}
    for place in every(x):
        to = list(place)
        assert to.pop(layer.axis) == 0
        moves[tuple(to)] = place
    return moves


def kept(axis: int, places: list[int], x: Sizes) -> Moves:
    """What is left when only some places along an axis are taken, in this order."""
    moves: Moves = {}
    for place in every(x):
        if place[axis] in places:
            to = list(place)
            to[axis] = places.index(place[axis])
            moves[tuple(to)] = place
    return moves


def take(layer: Slice, x: Sizes) -> Moves:
    return kept(layer.axis, list(range(x[layer.axis]))[layer.start : layer.stop : layer.step], x)


def chunk(layer: Chunk, x: Sizes) -> Moves:
    places, length = list(range(x[layer.axis])), 1
    while length * layer.chunks < len(places):
        length += 1
    pieces = [places[start : start + length] for start in range(0, len(places), length)]
    return kept(layer.axis, pieces[layer.index], x)


def split(layer: Split, x: Sizes) -> Moves:
    places = list(range(x[layer.axis]))
    pieces = [[places.pop(0) for _ in range(size)] for size in layer.sizes]
    assert not places
    return kept(layer.axis, pieces[layer.index], x)


def crop(layer: Crop, x: Sizes) -> Moves:
    left = [list(range(size)) for size in x[1:]]
    for places, size in zip(left, pair(layer.size), strict=True):
        while len(places) > size:
            places.pop()
            if len(places) > size:
                places.pop(0)
    rows, columns = left
    return {
        (c, i, j): (c, row, column)
        for c in range(x[0])
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
    }


def pad(layer: Pad, x: Sizes) -> Moves:
    sides = list(layer.pad) if isinstance(layer.pad, tuple) else [layer.pad] * 2 * (len(x) - 1)
    lines: list[list[int | None]] = [list(range(size)) for size in x]
    for line, size in zip(reversed(lines), reversed(x), strict=True):
        if sides:
            before, after = sides.pop(0), sides.pop(0)
            inside = list(range(size))
            front: dict[str, list[int | None]] = {
                "constant": [None] * before,
                "replicate": [0] * before,
                "reflect": [*inside[before:0:-1]],
                "circular": [*inside[size - before :]],
            }
            behind: dict[str, list[int | None]] = {
                "constant": [None] * after,
                "replicate": [size - 1] * after,
                "reflect": [*inside[::-1][1 : after + 1]],
                "circular": [*inside[:after]],
            }
            line[:] = [*front[layer.mode], *inside, *behind[layer.mode]]
    moves: Moves = {}
    for place in every(tuple(map(len, lines))):
        source = [there for line, at in zip(lines, place, strict=True) if (there := line[at]) is not None]
        moves[place] = tuple(source) if len(source) == len(x) else None
    return moves


def tile(layer: Tile, x: Sizes) -> Moves:
    moves: Moves = {}
    for place in every(x):
        for time in range(layer.times):
            to = list(place)
            to[layer.axis] += time * x[layer.axis]
            moves[tuple(to)] = place
    return moves


def roll(layer: Roll, x: Sizes) -> Moves:
    moves: Moves = {}
    for place in every(x):
        to = list(place)
        for shift, axis in zip(layer.shifts, layer.axes, strict=True):
            for _ in range(abs(shift)):  # one step after the other
                to[axis] += 1 if shift > 0 else -1
                to[axis] = 0 if to[axis] == x[axis] else x[axis] - 1 if to[axis] < 0 else to[axis]
        moves[tuple(to)] = place
    return moves


def pixel_shuffle(layer: PixelShuffle, x: Sizes) -> Moves:
    moves: Moves = {}
    channels, factor = list(range(x[0])), layer.factor
    c = 0
    while channels:
        for down in range(factor):
            for right in range(factor):
                channel = channels.pop(0)
                for i in range(x[1]):
                    for j in range(x[2]):
                        moves[c, i * factor + down, j * factor + right] = (channel, i, j)
        c += 1
    return moves


def pixel_unshuffle(layer: PixelUnshuffle, x: Sizes) -> Moves:
    moves: Moves = {}
    channel = 0
    for c in range(x[0]):
        for down in range(layer.factor):
            for right in range(layer.factor):
                for i, row in enumerate(range(down, x[1], layer.factor)):
                    for j, column in enumerate(range(right, x[2], layer.factor)):
                        moves[channel, i, j] = (c, row, column)
                channel += 1
    return moves


def channel_shuffle(layer: ChannelShuffle, x: Sizes) -> Moves:
    hands = dealt(x[0], layer.groups)
    order = []
    while any(hands):
        order += [hand.pop(0) for hand in hands]
    return {(c, *place): (channel, *place) for c, channel in enumerate(order) for place in every(x[1:])}


def window_partition(layer: WindowPartition, x: Sizes) -> Moves:
    def cut(size: int, length: int) -> list[list[int]]:
        places, windows = list(range(size)), size // length
        if layer.dilated:
            return [places[first::windows] for first in range(windows)]
        return [places[length * n : length * (n + 1)] for n in range(windows)]

    moves: Moves = {}
    h, w = pair(layer.size)
    for i, rows in enumerate(cut(x[0], h)):
        for j, columns in enumerate(cut(x[1], w)):
            token = 0
            for row in rows:
                for column in columns:
                    for c in range(x[2]):
                        moves[i, j, token, c] = (row, column, c)
                    token += 1
    return moves


def window_reverse(layer: WindowReverse, x: Sizes) -> Moves:
    moves: Moves = {}
    h, w = pair(layer.size)
    rows, columns = x[:2]
    for i, j, _, c in every((rows, columns, 1, x[3])):
        for a in range(h):
            for b in range(w):
                to = (i + a * rows, j + b * columns) if layer.dilated else (i * h + a, j * w + b)
                moves[*to, c] = (i, j, a * w + b, c)
    return moves


def stay(layer: Any, x: Sizes) -> Moves:
    return {place: place for place in every(x)}


MOVES: dict[str, Callable[[Any, Sizes], Moves]] = {
    "dropout2d": stay,
    "flatten": flatten,
    "reshape": reshape,
    "permute": permute,
    "transpose": transpose,
    "unsqueeze": unsqueeze,
    "squeeze": squeeze,
    "slice": take,
    "chunk": chunk,
    "split": split,
    "crop": crop,
    "pad": pad,
    "roll": roll,
    "tile": tile,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
    "window_partition": window_partition,
    "window_reverse": window_reverse,
}


def average(layer: Mean, x: Sizes) -> Tally:
    tally = Tally()
    axes = layer.axis if isinstance(layer.axis, tuple) else (layer.axis,)
    averaged = {list(range(len(x)))[axis] for axis in axes}
    for place in every(x):
        left = tuple(0 if k in averaged else at for k, at in enumerate(place))
        to = left if layer.keep else tuple(at for k, at in enumerate(place) if k not in averaged)
        tally.do("additions")  # to the sum, from zero
        if to not in tally.reached:
            tally.reached.add(to)
            tally.do("divisions")
    return tally


def subtract(x: Sizes) -> Tally:
    tally = Tally()
    for place in every(x):
        tally.reached.add(place)
        tally.do("additions")
    return tally


def add_stretched(*inputs: Sizes) -> Tally:
    tally = Tally()
    longest = tuple(max(sizes) for sizes in zip(*inputs, strict=True))
    for place in every(longest):
        assert all(at < size or size == 1 for shape in inputs for at, size in zip(place, shape, strict=True))
        tally.reached.add(place)
        for _ in inputs[1:]:
            tally.do("additions")
    return tally


def multiply_matrices(x: Sizes, other: Sizes) -> Tally:
    tally = Tally()
    for which in every(x[:-2]):
        for row in range(x[-2]):
            for column in range(other[-1]):
                tally.reached.add((*which, row, column))
                for k, _ in zip(range(x[-1]), range(other[-2]), strict=True):
                    assert k < x[-1]
                    tally.do("macs")
    return tally


def stack(layer: Concat, *inputs: Sizes) -> dict[Place, tuple[int, Place]]:
    """For each place of the output, the input that its number comes from, and the place in that."""
    moves: dict[Place, tuple[int, Place]] = {}
    beyond = 0
    for which, shape in enumerate(inputs):
        for place in every(shape):
            to = list(place)
            to[layer.axis] += beyond
            moves[tuple(to)] = (which, place)
        beyond = 1 + max(to[layer.axis] for to in moves)
    return moves
