"""Naive loops that go through what a layer computes scalar by scalar, and count what they do.

A loop finds the output's size by placing windows, one after the other, for as long as they fit; it counts an operation
where it would do one, and a parameter when it first touches it. Padding is computed with like any other element.
"""

import itertools
import math
from collections import Counter
from collections.abc import Hashable, Iterator
from typing import Any

from archcalc.layers.arithmetic import Shape
from archcalc.layers.conv import Conv2d
from archcalc.layers.linear import Linear
from archcalc.layers.norm import BatchNorm, LocalResponseNorm
from archcalc.layers.pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d


class Tally:
    """What a loop did: operations by name, the parameters it touched, and the output positions it reached."""

    def __init__(self) -> None:
        self.ops: Counter[str] = Counter()
        self.weights: set[Hashable] = set()
        self.biases: set[Hashable] = set()
        self.buffers: set[Hashable] = set()
        self.reached: set[tuple[int, ...]] = set()

    def do(self, *operations: str) -> None:
        self.ops.update(operations)

    @property
    def shape(self) -> Shape:
        """The box that the reached positions fill, without a gap."""
        shape = tuple(len(set(coordinates)) for coordinates in zip(*self.reached, strict=True))
        assert self.reached == set(every(shape))
        return shape


def every(shape: Shape) -> list[tuple[int, ...]]:
    """Every position in a box."""
    positions: list[tuple[int, ...]] = [()]
    for size in shape:
        positions = [(*position, i) for position in positions for i in range(size)]
    return positions


def pair(size: Any) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


def dilations(layer: Any) -> tuple[int, int]:
    return pair(getattr(layer, "dilation", 1))


def taps(start: int, kernel: int, dilation: int) -> list[int]:
    """The places that a window's taps fall on."""
    places = [start]
    while len(places) < kernel:
        places.append(places[-1] + dilation)
    return places


def windows(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1, ceil: bool = False
) -> Iterator[list[int]]:
    """Every window along one dimension, as the places of its taps, from the padding before to the padding after.

    With `ceil`, one more that hangs over where the window a step earlier leaves something uncovered, unless it would
    begin in the padding after.
    """
    edge = size + after
    for start in itertools.count(-before, stride):
        places = taps(start, kernel, dilation)
        fits = places[-1] < edge
        hangs_over = ceil and places[-1] - stride < edge - 1 and start < size
        if not fits and not hangs_over:
            return
        yield places


def window_grid(layer: Any, x: Shape) -> tuple[list[list[int]], ...]:
    """The windows of a convolution or pool, for height and for width."""
    step = layer.kernel if layer.stride is None else layer.stride
    sides = zip(pair(layer.kernel), pair(step), dilations(layer), strict=True)
    ceil = getattr(layer, "ceil", False)
    grid = []
    for axis, (kernel, stride, dilation) in enumerate(sides):
        if layer.pad == "same":  # a zero for every step from the first tap to the last, the odd one after the map
            zeros = taps(0, kernel, dilation)[-1]
            before, after = zeros // 2, zeros - zeros // 2
        else:
            before = after = pair(layer.pad)[axis]
        grid.append(list(windows(x[axis + 1], kernel, stride, before, after, dilation, ceil)))
    return tuple(grid)


def dealt(count: int, groups: int) -> list[list[int]]:
    """Channels dealt out to groups in equal runs."""
    return [[i for i in range(count) if i * groups // count == group] for group in range(groups)]


def convolve(layer: Conv2d, x: Shape) -> Tally:
    tally = Tally()
    rows, columns = window_grid(layer, x)
    for channels, filters in zip(dealt(x[0], layer.groups), dealt(layer.filters, layer.groups), strict=True):
        for f in filters:
            for i, row in enumerate(rows):
                for j, column in enumerate(columns):
                    tally.reached.add((f, i, j))
                    for c in channels:
                        for ky, _ in enumerate(row):
                            for kx, _ in enumerate(column):
                                tally.weights.add((f, c, ky, kx))
                                tally.do("macs")
                    if layer.bias:
                        tally.biases.add(f)
                        tally.do("additions")
    return tally


def multiply(layer: Linear, x: Shape) -> Tally:
    tally = Tally()
    for output in range(layer.features):
        tally.reached.add((output,))
        for feature in range(x[0]):
            tally.weights.add((output, feature))
            tally.do("macs")
        if layer.bias:
            tally.biases.add(output)
            tally.do("additions")
    return tally


def pool(layer: MaxPool2d | AvgPool2d, x: Shape) -> Tally:
    tally = Tally()
    rows, columns = window_grid(layer, x)
    for c in range(x[0]):
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                tally.reached.add((c, i, j))
                for _ in row:
                    for _ in column:
                        tally.do("comparisons" if isinstance(layer, MaxPool2d) else "additions")
                if isinstance(layer, AvgPool2d):
                    tally.do("divisions")
    return tally


def adaptive_windows(size: int, outputs: int) -> list[range]:
    return [range(math.floor(i * size / outputs), math.ceil((i + 1) * size / outputs)) for i in range(outputs)]


def adaptive_pool(layer: AdaptiveAvgPool2d | GlobalAvgPool2d, x: Shape) -> Tally:
    tally = Tally()
    height, width = pair(layer.size if isinstance(layer, AdaptiveAvgPool2d) else 1)
    for c in range(x[0]):
        for i, row in enumerate(adaptive_windows(x[1], height)):
            for j, column in enumerate(adaptive_windows(x[2], width)):
                tally.reached.add((c, i, j))
                for _ in row:
                    for _ in column:
                        tally.do("additions")
                tally.do("divisions")
    return tally


def normalise_batch(layer: BatchNorm, x: Shape) -> Tally:
    tally = Tally()
    for c in range(x[0]):
        tally.buffers |= {("mean", c), ("variance", c)}
        tally.do("additions", "special", "divisions")  # scale = gamma / sqrt(variance + eps), or 1 / …
        tally.do("multiplications")  # mean · scale
        if layer.affine:
            tally.weights.add(c)
            tally.biases.add(c)
            tally.do("additions")  # shift = beta - mean · scale; without beta only a sign changes, which is free
        for position in every(x[1:]):
            tally.reached.add((c, *position))
            tally.do("multiplications", "additions")
    tally.buffers.add("batches seen")  # kept, though eval mode never reads it
    return tally


def normalise_neighbours(layer: LocalResponseNorm, x: Shape) -> Tally:
    tally = Tally()
    for position in every(x):
        tally.reached.add(position)
        tally.do("multiplications")  # its square, which its neighbours use too
        for _ in range(layer.size):
            tally.do("additions")
        tally.do("divisions", "multiplications", "additions")  # k + alpha · mean
        tally.do("special", "divisions")  # x / (…) ** beta
    return tally


def softmax(x: Shape) -> Tally:
    tally = Tally()
    for position in every(x[1:]):
        for c in range(x[0]):
            tally.reached.add((c, *position))
            tally.do("comparisons")  # the maximum, from minus infinity
            tally.do("additions", "special")  # exp(x - max)
            tally.do("additions")  # their sum, from zero
            tally.do("divisions")
    return tally


def rectify(x: Shape) -> Tally:
    tally = Tally()
    for position in every(x):
        tally.reached.add(position)
        tally.do("comparisons")
    return tally


def add(x: Shape, *others: Shape) -> Tally:
    tally = Tally()
    for position in every(x):
        tally.reached.add(position)
        for _ in others:
            tally.do("additions")
    return tally


def scale(x: Shape, *others: Shape) -> Tally:
    """A size of 1 is read again at every position along its dimension."""
    tally = Tally()
    longest = tuple(max(sizes) for sizes in zip(x, *others, strict=True))
    for position in every(longest):
        assert all(p < size or size == 1 for shape in others for p, size in zip(position, shape, strict=True))
        tally.reached.add(position)
        for _ in others:
            tally.do("multiplications")
    return tally


def concatenate(*inputs: Shape) -> Tally:
    tally = Tally()
    channels = 0
    for shape in inputs:
        for _ in range(shape[0]):
            tally.reached |= {(channels, *position) for position in every(shape[1:])}
            channels += 1
    return tally
