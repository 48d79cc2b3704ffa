"""The rules of layers against naive loops, and receptive fields against a trace from one output to its inputs."""

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import archcalc
from archcalc.errors import LayerError
from archcalc.layers import Layer
from archcalc.layers.arithmetic import Shape
from archcalc.layers.axiswise import Softmax
from archcalc.layers.base import Ops
from archcalc.layers.conv import Conv2d
from archcalc.layers.linear import Linear
from archcalc.layers.merge import Add, Concat, Mul
from archcalc.layers.norm import BatchNorm, LocalResponseNorm
from archcalc.layers.piecewise import ReLU
from archcalc.layers.pool import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d
from archcalc.layers.reshape import Flatten
from archcalc.report import Report
from archcalc.spec.architecture import read
from archcalc.spec.source import Document
from tests.counting import (
    Tally,
    adaptive_pool,
    adaptive_windows,
    add,
    concatenate,
    convolve,
    dilations,
    multiply,
    normalise_batch,
    normalise_neighbours,
    pair,
    pool,
    rectify,
    scale,
    softmax,
    taps,
    window_grid,
)

COUNTED = settings(max_examples=120, deadline=None)


def agree(tally: Tally, layer: Any, *inputs: Shape) -> None:
    x, *others = inputs
    y = layer.output(*inputs)
    assert y == tally.shape
    params = layer.params(x)
    assert (params.weights, params.biases) == (len(tally.weights), len(tally.biases))
    assert params.buffers == len(tally.buffers)
    assert layer.ops(x, y, *others) == Ops(**tally.ops)


def sizes(low: int, high: int) -> SearchStrategy[Any]:
    one = st.integers(low, high)
    return one | st.tuples(one, one)


def shapes(channels: int = 4, spatial: int = 7) -> SearchStrategy[Shape]:
    side = st.integers(1, spatial)
    return st.tuples(st.integers(1, channels), side, side)


ANY_SHAPE: SearchStrategy[Shape] = shapes() | st.tuples(st.integers(1, 40))
CONVOLUTIONS = st.builds(
    Conv2d,
    filters=st.sampled_from([1, 2, 4, 6]),
    kernel=sizes(1, 3),
    stride=sizes(1, 3),
    pad=sizes(0, 2),
    dilation=st.just(1) | sizes(1, 3),
    groups=st.sampled_from([1, 2, 3]),
    bias=st.booleans(),
)
SAME_CONVOLUTIONS = st.builds(
    Conv2d, filters=st.integers(1, 3), kernel=sizes(1, 4), pad=st.just("same"), dilation=sizes(1, 3)
)
POOLS = {"kernel": sizes(1, 4), "stride": st.none() | sizes(1, 4), "pad": sizes(0, 2), "ceil": st.booleans()}


@COUNTED
@given(CONVOLUTIONS | SAME_CONVOLUTIONS, shapes(channels=6))
def test_convolutions(layer: Conv2d, x: Shape) -> None:
    fits = all(window_grid(layer, x)) and x[0] % layer.groups == layer.filters % layer.groups == 0
    if fits:
        agree(convolve(layer, x), layer, x)
    else:
        with pytest.raises(LayerError):
            layer.output(x)


@COUNTED
@given(st.builds(MaxPool2d, dilation=st.just(1) | sizes(1, 3), **POOLS) | st.builds(AvgPool2d, **POOLS), shapes())
def test_pools(layer: MaxPool2d | AvgPool2d, x: Shape) -> None:
    reaches = (taps(1, k, d)[-1] for k, d in zip(pair(layer.kernel), dilations(layer), strict=True))
    pads_well = all(pad + pad <= reach for pad, reach in zip(pair(layer.pad), reaches, strict=True))
    if pads_well and all(window_grid(layer, x)):
        agree(pool(layer, x), layer, x)
    else:
        with pytest.raises(LayerError):
            layer.output(x)


@COUNTED
@given(st.builds(AdaptiveAvgPool2d, size=sizes(1, 9)), shapes(spatial=12))
def test_adaptive_pools(layer: AdaptiveAvgPool2d, x: Shape) -> None:
    agree(adaptive_pool(GlobalAvgPool2d(), x), GlobalAvgPool2d(), x)
    agree(adaptive_pool(layer, x), layer, x)
    for size, outputs, (kernel, stride) in zip(x[1:], layer.output(x)[1:], layer.window(x), strict=True):
        found = adaptive_windows(size, outputs)
        assert kernel == max(map(len, found))
        if size % outputs == 0:  # else the steps differ from one another
            assert {b.start - a.start for a, b in itertools.pairwise(found)} <= {stride}


@COUNTED
@given(st.builds(Linear, features=st.integers(1, 9), bias=st.booleans()), st.integers(1, 40))
def test_linear(layer: Linear, features: int) -> None:
    agree(multiply(layer, (features,)), layer, (features,))


@COUNTED
@given(st.builds(BatchNorm, affine=st.booleans()), ANY_SHAPE)
def test_batch_normalisation(layer: BatchNorm, x: Shape) -> None:
    agree(normalise_batch(layer, x), layer, x)


@COUNTED
@given(st.builds(LocalResponseNorm, size=st.integers(1, 6)), shapes())
def test_local_response_normalisation(layer: LocalResponseNorm, x: Shape) -> None:
    agree(normalise_neighbours(layer, x), layer, x)


@COUNTED
@given(ANY_SHAPE)
def test_activations(x: Shape) -> None:
    agree(rectify(x), ReLU(), x)
    agree(softmax(x), Softmax(), x)


@COUNTED
@given(shapes(), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_merges(x: Shape, channels: list[int]) -> None:
    agree(add(x, *[x] * len(channels)), Add(), x, *[x] * len(channels))
    gates = [(x[0], *(1 for _ in x[1:])) for _ in channels]
    agree(scale(x, *gates), Mul(), x, *gates)
    inputs = [x, *((c, *x[1:]) for c in channels)]
    agree(concatenate(*inputs), Concat(), *inputs)


INPUT_SIDE = 120  # larger than what any chain below sees, so that no window misses
CHAINED = {"kernel": sizes(1, 3), "stride": sizes(1, 2)}
CHAINS = st.lists(
    st.builds(Conv2d, filters=st.just(1), pad=sizes(0, 2), dilation=sizes(1, 3), **CHAINED)
    | st.builds(MaxPool2d, dilation=sizes(1, 3), **CHAINED)
    | st.builds(AvgPool2d, **CHAINED)
    | st.just(MaxPool2d(kernel=(3, 2), pad=1))
    | st.just(ReLU()),
    min_size=1,
    max_size=4,
)


def analyzed(*layers: Layer) -> Report:
    lines = [f"input: [1, {INPUT_SIDE}, {INPUT_SIDE}]", "layers:"]
    for layer in layers:
        fields = {name: value for name, value in msgspec.structs.asdict(layer).items() if value is not None}
        lines.append(f"  - {layer.kind}: {json.dumps(fields)}" if fields else f"  - {layer.kind}")
    return archcalc.analyze(read(Document("chain.yaml", "\n".join(lines))))


def traced(chain: list[Any], outputs: set[int], axis: int) -> int:
    """From the first to the last input that these outputs depend on, in an input without end."""
    seen = outputs
    for layer in reversed(chain):
        if not isinstance(layer, ReLU):
            kernel, dilation = pair(layer.kernel)[axis], dilations(layer)[axis]
            stride = pair(layer.kernel if layer.stride is None else layer.stride)[axis]
            pad = pair(layer.pad)[axis]
            seen = {place for output in seen for place in taps(output * stride - pad, kernel, dilation)}
    return max(seen) - min(seen) + 1


@COUNTED
@given(CHAINS, st.integers(0, 9))
def test_receptive_field_of_a_chain(chain: list[Layer], output: int) -> None:
    for i, row in enumerate(analyzed(*chain).layers):
        assert row.receptive_field == (traced(chain[: i + 1], {output}, 0), traced(chain[: i + 1], {output}, 1))


@COUNTED
@given(CHAINS)
def test_a_layer_that_sees_all_outputs_sees_what_they_see(chain: list[Layer]) -> None:
    last = analyzed(*chain).layers[-1].output
    expected = tuple(traced(chain, set(range(last[axis + 1])), axis) for axis in (0, 1))
    assert analyzed(*chain, GlobalAvgPool2d()).layers[-1].receptive_field == expected
    assert analyzed(*chain, Flatten(), Linear(features=2)).layers[-1].receptive_field == expected


def test_what_sees_all_of_an_adaptive_pool_sees_the_whole_input() -> None:
    # 7 does not divide 120: windows overlap, but together they see each element of the input and nothing beyond.
    for last in ([Flatten(), Linear(features=2)], [GlobalAvgPool2d()]):
        assert analyzed(AdaptiveAvgPool2d(size=7), *last).layers[-1].receptive_field == (INPUT_SIDE, INPUT_SIDE)


def test_two_convolutions_of_three_see_five() -> None:
    conv = Conv2d(filters=1, kernel=3)
    assert [row.receptive_field for row in analyzed(conv, conv).layers] == [(3, 3), (5, 5)]
