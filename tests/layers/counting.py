"""Naive loops that go through what a layer computes scalar by scalar, and count what they do.

A loop counts an operation where it would do one, and a parameter when it first touches it. Those of layers that have
windows are in `tests.layers.counting_windows`.
"""

from collections import Counter
from collections.abc import Hashable
from typing import Any

from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.core.base import Ops
from archcalc.layers.linear import Linear
from archcalc.layers.norm import BatchNorm, LocalResponseNorm


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
    def shape(self) -> Sizes:
        """The box that the reached positions fill, without a gap."""
        shape = tuple(len(set(coordinates)) for coordinates in zip(*self.reached, strict=True))
        assert self.reached == set(every(shape))
        return shape


def agree(tally: Tally, layer: Any, *inputs: Sizes) -> None:
    """A layer's rules say what a loop did."""
    y = layer.output(*inputs)
    assert y == tally.shape
    params = layer.params(*inputs)
    assert (params.weights, params.biases) == (len(tally.weights), len(tally.biases))
    assert params.buffers == len(tally.buffers)
    assert layer.ops(*inputs, y) == Ops(**tally.ops)


def every(shape: Sizes) -> list[tuple[int, ...]]:
    """Every position in a box."""
    positions: list[tuple[int, ...]] = [()]
    for size in shape:
        positions = [(*position, i) for position in positions for i in range(size)]
    return positions


def multiply(layer: Linear, x: Sizes) -> Tally:
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


def normalise_batch(layer: BatchNorm, x: Sizes) -> Tally:
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


def normalise_neighbours(layer: LocalResponseNorm, x: Sizes) -> Tally:
    tally = Tally()
    for position in every(x):
        tally.reached.add(position)
        tally.do("multiplications")  # its square, which its neighbours use too
        for _ in range(layer.size):
            tally.do("additions")
        tally.do("divisions", "multiplications", "additions")  # k + alpha · mean
        tally.do("special", "divisions")  # x / (…) ** beta
    return tally


def softmax(x: Sizes) -> Tally:
    tally = Tally()
    for position in every(x[1:]):
        for c in range(x[0]):
            tally.reached.add((c, *position))
            tally.do("comparisons")  # the maximum, from minus infinity
            tally.do("additions", "special")  # exp(x - max)
            tally.do("additions")  # their sum, from zero
            tally.do("divisions")
    return tally


def rectify(x: Sizes) -> Tally:
    tally = Tally()
    for position in every(x):
        tally.reached.add(position)
        tally.do("comparisons")
    return tally


def add(x: Sizes, *others: Sizes) -> Tally:
    tally = Tally()
    for position in every(x):
        tally.reached.add(position)
        for _ in others:
            tally.do("additions")
    return tally


def scale(x: Sizes, *others: Sizes) -> Tally:
    """A size of 1 is read again at every position along its dimension."""
    tally = Tally()
    longest = tuple(max(sizes) for sizes in zip(x, *others, strict=True))
    for position in every(longest):
        assert all(p < size or size == 1 for shape in others for p, size in zip(position, shape, strict=True))
        tally.reached.add(position)
        for _ in others:
            tally.do("multiplications")
    return tally


def concatenate(*inputs: Sizes) -> Tally:
    tally = Tally()
    channels = 0
    for shape in inputs:
        for _ in range(shape[0]):
            tally.reached |= {(channels, *position) for position in every(shape[1:])}
            channels += 1
    return tally
