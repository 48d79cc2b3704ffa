"""The rules of layers against naive loops, and receptive fields against a trace from one output to its inputs."""

import json
from typing import Any

import msgspec
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

import archcalc
from archcalc.engine.report import Report
from archcalc.errors import SpecError
from archcalc.layers import Layer
from archcalc.layers.adaptive_pool import AdaptiveAvgPool2d, GlobalAvgPool
from archcalc.layers.axiswise import Softmax
from archcalc.layers.conv import Conv2d
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.linear import Linear
from archcalc.layers.merge import Add, Concat, Mul
from archcalc.layers.norm import BatchNorm, LocalResponseNorm
from archcalc.layers.piecewise import ReLU
from archcalc.layers.pool import AvgPool2d, MaxPool2d
from archcalc.layers.reshape import Flatten
from archcalc.spec.architecture import read
from archcalc.spec.source import Document
from tests.layers.counting import (
    add,
    agree,
    concatenate,
    multiply,
    normalise_batch,
    normalise_neighbours,
    rectify,
    scale,
    softmax,
)
from tests.layers.counting_windows import dilations, each, taps

COUNTED = settings(max_examples=120, deadline=None)


def shapes(channels: int = 4, spatial: int = 7) -> SearchStrategy[Sizes]:
    side = st.integers(1, spatial)
    return st.tuples(st.integers(1, channels), side, side)


ANY_SHAPE: SearchStrategy[Sizes] = shapes() | st.tuples(st.integers(1, 40))


@COUNTED
@given(st.builds(Linear, features=st.integers(1, 9), bias=st.booleans()), st.integers(1, 40))
def test_linear(layer: Linear, features: int) -> None:
    agree(multiply(layer, (features,)), layer, (features,))


@COUNTED
@given(st.builds(BatchNorm, affine=st.booleans()), ANY_SHAPE)
def test_batch_normalisation(layer: BatchNorm, x: Sizes) -> None:
    agree(normalise_batch(layer, x), layer, x)


@COUNTED
@given(st.builds(LocalResponseNorm, size=st.integers(1, 6)), shapes())
def test_local_response_normalisation(layer: LocalResponseNorm, x: Sizes) -> None:
    agree(normalise_neighbours(layer, x), layer, x)


@COUNTED
@given(ANY_SHAPE)
def test_activations(x: Sizes) -> None:
    agree(rectify(x), ReLU(), x)
    agree(softmax(x), Softmax(), x)


@COUNTED
@given(shapes(), st.lists(st.integers(1, 5), min_size=1, max_size=3))
def test_merges(x: Sizes, channels: list[int]) -> None:
    agree(add(x, *[x] * len(channels)), Add(), x, *[x] * len(channels))
    gates = [(x[0], *(1 for _ in x[1:])) for _ in channels]
    agree(scale(x, *gates), Mul(), x, *gates)
    inputs = [x, *((c, *x[1:]) for c in channels)]
    agree(concatenate(*inputs), Concat(), *inputs)


def sizes(low: int, high: int) -> SearchStrategy[Any]:
    one = st.integers(low, high)
    return one | st.tuples(one, one)


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
            kernel, dilation = each(layer.kernel, 2)[axis], dilations(layer, 2)[axis]
            stride = each(layer.kernel if layer.stride is None else layer.stride, 2)[axis]
            pad = each(layer.pad, 2)[axis]
            seen = {place for output in seen for place in taps(output * stride - pad, kernel, dilation)}
    return max(seen) - min(seen) + 1


def fitting(*chain: Layer) -> Report:
    """The report on a chain; one that shrinks its map too far is no case."""
    try:
        return analyzed(*chain)
    except SpecError:
        reject()


@COUNTED
@given(CHAINS, st.integers(0, 9))
def test_receptive_field_of_a_chain(chain: list[Layer], output: int) -> None:
    for i, row in enumerate(fitting(*chain).layers):
        assert row.receptive_field == (traced(chain[: i + 1], {output}, 0), traced(chain[: i + 1], {output}, 1))


@COUNTED
@given(CHAINS)
def test_a_layer_that_sees_all_outputs_sees_what_they_see(chain: list[Layer]) -> None:
    last = fitting(*chain).layers[-1].output
    expected = tuple(traced(chain, set(range(last[axis + 1])), axis) for axis in (0, 1))
    assert analyzed(*chain, GlobalAvgPool()).layers[-1].receptive_field == expected
    assert analyzed(*chain, Flatten(), Linear(features=2)).layers[-1].receptive_field == expected


def test_what_sees_all_of_an_adaptive_pool_sees_the_whole_input() -> None:
    # 7 does not divide 120: windows overlap, but together they see each element of the input and nothing beyond.
    for last in ([Flatten(), Linear(features=2)], [GlobalAvgPool()]):
        assert analyzed(AdaptiveAvgPool2d(size=7), *last).layers[-1].receptive_field == (INPUT_SIDE, INPUT_SIDE)


def test_two_convolutions_of_three_see_five() -> None:
    conv = Conv2d(filters=1, kernel=3)
    assert [row.receptive_field for row in analyzed(conv, conv).layers] == [(3, 3), (5, 5)]
