"""The rules of layers with windows, in one, two and three dimensions, against naive loops."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from archcalc.errors import LayerError
from archcalc.layers import Layer
from archcalc.layers.adaptive_pool import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    AdaptivePool,
    GlobalAvgPool,
    GlobalMaxPool,
)
from archcalc.layers.conv import Conv1d, Conv2d, Conv3d, Convolution, DepthwiseConv2d
from archcalc.layers.conv_transpose import (
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    TransposedConvolution,
)
from archcalc.layers.core.arithmetic import Sizes, whole
from archcalc.layers.core.base import Ops
from archcalc.layers.pool import (
    AvgPool,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    MaxPool,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
)
from tests.layers.counting import agree
from tests.layers.counting_windows import (
    adaptive_pool,
    adaptive_windows,
    convolve,
    each,
    interpolate,
    pool,
    scatter,
    window_grid,
)
from tests.layers.crafted_windows import upsamples
from tests.layers.strategies import Case

COUNTED = settings(max_examples=150, deadline=None)
LONGEST = {1: 12, 2: 6, 3: 3}
"""By the number of dimensions, the largest size along each: loops take time."""


def sizes(n: int, low: int, high: int) -> SearchStrategy[Any]:
    one = st.integers(low, high)
    return one if n == 1 else one | st.tuples(*[one] * n)


@st.composite
def layers(draw: DrawFn, /, *classes: Any, channels: int = 4, **fields: Any) -> Case:
    """A layer of one of these classes and a map for it; a field is a strategy, or the bounds of a size."""
    cls = draw(st.sampled_from(classes))
    n = cls.dimensions
    values = {k: draw(sizes(n, *field) if isinstance(field, tuple) else field) for k, field in fields.items()}
    x = draw(st.tuples(st.integers(1, channels), *[st.integers(1, LONGEST[n])] * n))
    return Case(cls(**values), (x,))


def refused(layer: Layer, x: Sizes) -> None:
    with pytest.raises(LayerError):
        layer.output(x)


FILTERS: dict[str, Any] = {"filters": st.sampled_from([1, 2, 4, 6]), "kernel": (1, 3), "bias": st.booleans()}
SLIDING: dict[str, Any] = {"stride": (1, 3), "pad": (0, 2)}
GROUPED: dict[str, Any] = {"groups": st.sampled_from([1, 1, 2, 3])}
ALL_CONVOLUTIONS = (Conv1d, Conv2d, Conv3d)
CONVOLUTIONS = layers(*ALL_CONVOLUTIONS, **FILTERS, **SLIDING, **GROUPED, dilation=(1, 2), channels=6)
SAME_CONVOLUTIONS = layers(*ALL_CONVOLUTIONS, **FILTERS, pad=st.just("same"), dilation=(1, 3))


@COUNTED
@given(CONVOLUTIONS | SAME_CONVOLUTIONS)
def test_convolutions(case: tuple[Convolution, tuple[Sizes]]) -> None:
    layer, (x,) = case
    if all(window_grid(layer, x)) and x[0] % layer.groups == layer.filters % layer.groups == 0:
        agree(convolve(layer, x), layer, x)
    else:
        refused(layer, x)


PER_CHANNEL: dict[str, Any] = {
    "kernel": (1, 3),
    "dilation": (1, 2),
    "multiplier": st.integers(1, 3),
    "bias": st.booleans(),
}


@COUNTED
@given(layers(DepthwiseConv2d, **PER_CHANNEL, **SLIDING) | layers(DepthwiseConv2d, **PER_CHANNEL, pad=st.just("same")))
def test_depthwise_convolutions(case: tuple[DepthwiseConv2d, tuple[Sizes]]) -> None:
    layer, (x,) = case
    if all(window_grid(layer, x)):
        agree(convolve(layer, x), layer, x)
    else:
        refused(layer, x)


@COUNTED
@given(
    layers(
        ConvTranspose1d,
        ConvTranspose2d,
        ConvTranspose3d,
        **FILTERS,
        **SLIDING,
        **GROUPED,
        output_pad=(0, 1),
        dilation=(1, 2),
    )
)
def test_transposed_convolutions(case: tuple[TransposedConvolution, tuple[Sizes]]) -> None:
    layer, (x,) = case
    n = layer.dimensions
    longer = zip(each(layer.output_pad, n), each(layer.stride, n), each(layer.dilation, n), strict=True)
    fits = all(more < stride or more < dilation for more, stride, dilation in longer)
    if not fits or x[0] % layer.groups or layer.filters % layer.groups:
        refused(layer, x)
        return
    tally = scatter(layer, x)
    if tally.reached:
        agree(tally, layer, x)
    else:
        refused(layer, x)


POOLS: dict[str, Any] = {"kernel": (1, 4), "pad": (0, 2), "ceil": st.booleans()}
MAX_POOLS = (MaxPool1d, MaxPool2d, MaxPool3d)
AVG_POOLS = (AvgPool1d, AvgPool2d, AvgPool3d)


@COUNTED
@given(
    layers(*MAX_POOLS, **POOLS, dilation=(1, 2))
    | layers(*MAX_POOLS, **POOLS, stride=(1, 4))
    | layers(*AVG_POOLS, **POOLS, stride=(1, 4), count_include_pad=st.booleans())
    | layers(*AVG_POOLS, **POOLS)
)
def test_pools(case: tuple[MaxPool | AvgPool, tuple[Sizes]]) -> None:
    layer, (x,) = case
    kernel = each(layer.kernel, layer.dimensions)
    pads_well = all(p + p <= k for p, k in zip(each(layer.pad, layer.dimensions), kernel, strict=True))
    too_large = isinstance(layer, AvgPool3d) and any(k > size for k, size in zip(kernel, x[1:], strict=True))
    if pads_well and not too_large and all(window_grid(layer, x)):
        agree(pool(layer, x), layer, x)
    else:
        refused(layer, x)


ADAPTIVE_POOLS = (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)


@COUNTED
@given(layers(*ADAPTIVE_POOLS, size=(1, 6)))
def test_adaptive_pools(case: tuple[AdaptivePool, tuple[Sizes]]) -> None:
    layer, (x,) = case
    agree(adaptive_pool(layer, x), layer, x)
    for size, outputs, (kernel, stride, _) in zip(x[1:], whole(layer.output(x))[1:], layer.window(x), strict=True):
        found = adaptive_windows(size, outputs)
        assert kernel == max(map(len, found))
        if size % outputs == 0:  # else the steps differ from one another
            assert {b[0] - a[0] for a, b in itertools.pairwise(found)} <= {stride}


@COUNTED
@given(layers(*ADAPTIVE_POOLS, size=st.just(1)))
def test_global_pools(case: Case) -> None:
    (x,) = case.inputs
    for layer in (GlobalAvgPool(), GlobalMaxPool()):
        agree(adaptive_pool(layer, x), layer, x)


def element(*position: int) -> float:
    """Some input, without a pattern that interpolation might hide."""
    return math.sin(sum(7**i * (p + 1) for i, p in enumerate(position)))


@COUNTED
@given(upsamples(most=4))
def test_interpolation(case: Case) -> None:
    torch = pytest.importorskip("torch")
    layer: Any = case.layer
    (x,) = case.inputs
    tally, found = interpolate(layer, x, element)
    agree(tally, layer, x)
    tensor = torch.tensor([element(*p) for p in itertools.product(*map(range, x))], dtype=torch.float64).view(1, *x)
    expected = torch.nn.Upsample(**layer.torch.values(layer, [tensor]))(tensor)[0]
    assert [found[p] for p in sorted(found)] == pytest.approx(expected.flatten().tolist(), abs=1e-9)


def test_a_transposed_convolution_works_on_its_input() -> None:
    # A U-Net's first step up. Over output positions, as other tools count, it would be four times as much.
    layer = ConvTranspose2d(filters=512, kernel=2, stride=2, bias=False)
    assert layer.ops((1024, 28, 28), layer.output((1024, 28, 28))) == Ops(macs=1024 * 28 * 28 * 512 * 2 * 2)


@pytest.mark.parametrize(
    ("layer", "x", "message", "hint"),
    [
        (Conv1d(4, 3), (3, 8, 8), "conv1d needs an input of channels × length, got 3×8×8", "[1, 16000]"),
        (Conv3d(4, 3), (3, 8, 8), "conv3d needs an input of channels × depth × height × width, got 3×8×8", "[3, 16"),
        (DepthwiseConv2d(3), (8,), "depthwise_conv needs an input of channels × height × width, got 8", "[3, 224"),
        (GlobalMaxPool(), (8,), "global_maxpool needs a map of one to three dimensions, such as", "[3, 224"),
        (Conv2d(4, 7), (3, 5, 3), "kernel 7 does not fit its input of 5×3 (pad 0)", "pad ≥ [1, 2] or kernel ≤ [5, 3]"),
        (Conv2d(4, (7, 1)), (3, 5, 3), "kernel 7×1 does not fit", "pad ≥ [1, 0] or kernel ≤ [5, 3]"),
        (Conv1d(4, 3, dilation=3), (3, 5), "kernel 3, spanning 7 with its dilation, does", "pad ≥ 1 or span ≤ 5"),
        (MaxPool2d(9), (3, 4, 4), "kernel 9 does not fit its input of 4×4 (pad 0)", "pad ≥ 3 or kernel ≤ 4"),
        (MaxPool1d(2, dilation=8), (3, 4), "kernel 2, spanning 9 with its dilation, does not fit", "span ≤ 4"),
        (MaxPool2d((2, 4), pad=2), (3, 9, 9), "pad 2 is more than half of the kernel", "pad ≤ [1, 2]"),
        (AvgPool3d(3, pad=1), (3, 2, 8, 8), "kernel 3 is larger than its input of 2×8×8", "kernel ≤ [2, 8, 8]"),
        (ConvTranspose2d(4, 3, pad=4), (3, 5, 5), "pad 4 leaves no output", "pad ≤ 3"),
        (ConvTranspose1d(4, 3, output_pad=2, stride=2), (3, 5), "output_pad 2 must be smaller", "output_pad ≤ 1"),
    ],
)
def test_what_does_not_fit_is_said_with_a_way_out(layer: Layer, x: Sizes, message: str, hint: str) -> None:
    with pytest.raises(LayerError) as caught:
        layer.output(x)
    assert caught.value.message.startswith(message)
    assert hint in str(caught.value.hint)
