"""Naive loops over windows, in any number of dimensions, that count what they do.

A loop finds the output's size by placing windows, one after the other, for as long as they fit. Padding is computed
with like any other element.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from archcalc.layers.adaptive_pool import AdaptiveAvgPool, AdaptivePool, GlobalAvgPool, GlobalPool
from archcalc.layers.conv import Convolution, DepthwiseConv2d
from archcalc.layers.conv_transpose import TransposedConvolution
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.pool import AvgPool, MaxPool
from archcalc.layers.upsample import Upsample
from tests.layers.counting import Tally, every


def each(size: Any, n: int) -> tuple[int, ...]:
    """A number for each of `n` dimensions."""
    return size if isinstance(size, tuple) else (size,) * n


def dilations(layer: Any, n: int) -> tuple[int, ...]:
    return each(getattr(layer, "dilation", 1), n)


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


def window_grid(layer: Any, x: Sizes) -> tuple[list[list[int]], ...]:
    """The windows of a convolution or pool, dimension by dimension."""
    n = len(x) - 1
    step = layer.kernel if layer.stride is None else layer.stride
    sides = zip(x[1:], each(layer.kernel, n), each(step, n), dilations(layer, n), strict=True)
    grid = []
    for axis, (size, kernel, stride, dilation) in enumerate(sides):
        if layer.pad == "same":  # a zero for every step from the first tap to the last, the odd one after the map
            zeros = taps(0, kernel, dilation)[-1]
            before, after = zeros // 2, zeros - zeros // 2
        else:
            before = after = each(layer.pad, n)[axis]
        grid.append(list(windows(size, kernel, stride, before, after, dilation, getattr(layer, "ceil", False))))
    return tuple(grid)


def placed(grid: tuple[list[list[int]], ...]) -> Iterator[tuple[tuple[int, ...], list[tuple[int, ...]]]]:
    """Every window in all dimensions: its position, and the places of its taps."""
    for position in every(tuple(map(len, grid))):
        yield position, list(itertools.product(*(side[i] for side, i in zip(grid, position, strict=True))))


def dealt(count: int, groups: int) -> list[list[int]]:
    """Channels dealt out to groups in equal runs."""
    return [[i for i in range(count) if i * groups // count == group] for group in range(groups)]


def convolve(layer: Convolution | DepthwiseConv2d, x: Sizes) -> Tally:
    tally = Tally()
    grid = window_grid(layer, x)
    for f, channels in filters_of(layer, x):
        for position, places in placed(grid):
            tally.reached.add((f, *position))
            for c in channels:
                for tap, _ in enumerate(places):
                    tally.weights.add((f, c, tap))
                    tally.do("macs")
            if layer.bias:
                tally.biases.add(f)
                tally.do("additions")
    return tally


def filters_of(layer: Convolution | DepthwiseConv2d, x: Sizes) -> Iterator[tuple[int, list[int]]]:
    """Every filter, and the channels that it sees."""
    if isinstance(layer, DepthwiseConv2d):
        yield from enumerate([c] for c in range(x[0]) for _ in range(layer.multiplier))
    else:
        for channels, filters in zip(dealt(x[0], layer.groups), dealt(layer.filters, layer.groups), strict=True):
            yield from ((f, channels) for f in filters)


def scatter(layer: TransposedConvolution, x: Sizes) -> Tally:
    """A transposed convolution: every input element goes through every tap, which may land where pad crops.

    The outputs are those that the places between the two crops hold, landed on or not.
    """
    tally = Tally()
    n = len(x) - 1
    kernel, stride = each(layer.kernel, n), each(layer.stride, n)
    landed: set[tuple[int, ...]] = set()
    for channels, filters in zip(dealt(x[0], layer.groups), dealt(layer.filters, layer.groups), strict=True):
        for c, f in itertools.product(channels, filters):
            for position in every(x[1:]):
                starts = (i * s for i, s in zip(position, stride, strict=True))
                reaches = map(taps, starts, kernel, dilations(layer, n))
                for tap, place in enumerate(itertools.product(*reaches)):
                    tally.weights.add((c, f, tap))
                    tally.do("macs")
                    landed.add(place)
    ends = (max(places) + 1 for places in zip(*landed, strict=True))
    crops, longer = each(layer.pad, n), each(layer.output_pad, n)
    kept = tuple(len(range(crop, end - crop + more)) for end, crop, more in zip(ends, crops, longer, strict=True))
    for output in every((layer.filters, *kept)):
        tally.reached.add(output)
        if layer.bias:
            tally.biases.add(output[0])
            tally.do("additions")
    return tally


def pool(layer: MaxPool | AvgPool, x: Sizes) -> Tally:
    tally = Tally()
    grid = window_grid(layer, x)
    for c in range(x[0]):
        for position, places in placed(grid):
            tally.reached.add((c, *position))
            for _ in places:
                tally.do("comparisons" if isinstance(layer, MaxPool) else "additions")
            if isinstance(layer, AvgPool):
                tally.do("divisions")
    return tally


def adaptive_windows(size: int, outputs: int) -> list[list[int]]:
    """Every window along one dimension, as the places that it holds."""
    starts = (math.floor(i * size / outputs) for i in range(outputs))
    ends = (math.ceil((i + 1) * size / outputs) for i in range(outputs))
    return [list(range(start, end)) for start, end in zip(starts, ends, strict=True)]


def adaptive_pool(layer: AdaptivePool | GlobalPool, x: Sizes) -> Tally:
    tally = Tally()
    n = len(x) - 1
    sizes = each(layer.size if isinstance(layer, AdaptivePool) else 1, n)
    grid = tuple(map(adaptive_windows, x[1:], sizes))
    takes_mean = isinstance(layer, AdaptiveAvgPool | GlobalAvgPool)
    for c in range(x[0]):
        for position, places in placed(grid):
            tally.reached.add((c, *position))
            for _ in places:
                tally.do("additions" if takes_mean else "comparisons")
            if takes_mean:
                tally.do("divisions")
    return tally


def around(mode: str, size: int, outputs: int, align_corners: bool) -> list[list[tuple[int, float]]]:
    """For every output along one dimension, the places that it weighs and their weights, as PyTorch chooses them.

    Beyond an edge stands the element at the edge, which then is weighed twice.
    """
    if mode == "nearest":
        return [[(i * size // outputs, 1.0)] for i in range(outputs)]
    found = []
    for i in range(outputs):
        stretched = i * (size - 1) / max(outputs - 1, 1) if align_corners else (i + 0.5) * size / outputs - 0.5
        place = stretched if mode == "bicubic" else max(stretched, 0.0)
        left = math.floor(place)
        reach = (-1, 0, 1, 2) if mode == "bicubic" else (0, 1)
        curve = cubic if mode == "bicubic" else lambda distance: 1 - distance
        found.append([(min(max(left + k, 0), size - 1), curve(abs(left + k - place))) for k in reach])
    return found


def cubic(distance: float, a: float = -0.75) -> float:
    """Keys's cubic convolution kernel, with the parameter that PyTorch gives it."""
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    return a * (distance**3 - 5 * distance**2 + 8 * distance - 4)


def interpolate(layer: Upsample, x: Sizes, value: Callable[..., float]) -> tuple[Tally, dict[tuple[int, ...], float]]:
    """What it did, and the output: `value(c, i, …)` is the input's element there."""
    tally = Tally()
    n = len(x) - 1
    if layer.size is None:
        outputs = tuple(size * factor for size, factor in zip(x[1:], each(layer.scale, n), strict=True))
    else:
        outputs = each(layer.size, n)
    sides = [around(layer.mode, size, m, layer.align_corners) for size, m in zip(x[1:], outputs, strict=True)]
    result = {}
    for c, *position in every((x[0], *outputs)):
        reached = (c, *position)
        tally.reached.add(reached)
        for taps in itertools.product(*(side[i] for side, i in zip(sides, position, strict=True))):
            element = value(c, *(place for place, _ in taps))
            if layer.mode == "nearest":
                result[reached] = element
                continue
            weighed = element * math.prod(weight for _, weight in taps)  # the weights' product is known beforehand
            tally.do("multiplications")
            if reached in result:
                weighed += result[reached]
                tally.do("additions")
            result[reached] = weighed
    return tally, result
