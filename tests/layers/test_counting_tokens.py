"""Norms, activations, and layers on tokens against naive loops: their operations, what they hold, and their values.

The loops say what the rules count; that they do what the layer does, PyTorch says, which makes the same values.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archcalc.errors import LayerError
from archcalc.layers import activation, kinds, piecewise
from archcalc.layers.axiswise import GLU, L2Norm, LogSoftmax, Softmax, Softmin
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.core.base import Ops, elements
from archcalc.layers.embedding import Embedding, TimestepEmbedding
from archcalc.layers.layernorm import LayerNorm, RMSNorm
from archcalc.layers.learned import ClassToken, LayerScale, Parameter, PositionEmbedding
from archcalc.layers.linear import Linear
from archcalc.layers.norm import GroupNorm, InstanceNorm
from archcalc.layers.relative_position import RelativePositionBias
from archcalc.layers.rotary import RotaryEmbedding
from tests.layers import counting_norms as norms
from tests.layers import counting_tokens as tokens
from tests.layers.counting import Tally, every
from tests.layers.counting_numbers import Held, Number, Values, plain
from tests.layers.strategies import Case, cases

torch = pytest.importorskip("torch")
backend = pytest.importorskip("archcalc.torch_backend.layer")

LEAST_COMPARED = 25
MOST_NUMBERS = 400
"""Loops take time."""

LOOPS: dict[type, Callable[[Any, Sizes, Values, Held], Values]] = {
    **dict.fromkeys(tokens.ELEMENTWISE, tokens.elementwise),
    piecewise.PReLU: tokens.prelu,
    Softmax: tokens.softmax,
    Softmin: tokens.softmax,
    LogSoftmax: tokens.softmax,
    L2Norm: tokens.l2norm,
    GLU: tokens.glu,
    LayerNorm: norms.layernorm,
    RMSNorm: norms.rmsnorm,
    GroupNorm: norms.groupnorm,
    InstanceNorm: norms.instancenorm,
    Linear: tokens.linear,
    Embedding: tokens.embed,
    TimestepEmbedding: tokens.waves,
    Parameter: tokens.parameter,
    ClassToken: tokens.class_token,
    PositionEmbedding: tokens.position_embedding,
    LayerScale: tokens.layer_scale,
    RotaryEmbedding: tokens.rope,
    RelativePositionBias: tokens.relative_position_bias,
}


def samples(layer: Any, x: Sizes, seed: int) -> Any:
    """Two samples of random numbers, or indices."""
    numbers = torch.Generator().manual_seed(seed)
    if layer.indices_below:
        return torch.randint(getattr(layer, layer.indices_below), (2, *x), generator=numbers)
    return 2 * torch.randn(2, *x, dtype=torch.float64, generator=numbers)


def module_of(layer: Any, x: Any, seed: int) -> Any:
    """The layer's twin in eval mode, everything that it holds set to numbers far from special ones."""
    module = backend.module_of(layer, [x]).double().eval()
    numbers = torch.Generator().manual_seed(seed)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5, generator=numbers)
    return module


def compare(layer: Any, shape: Sizes, seed: int) -> None:
    x = samples(layer, shape, seed)
    module = module_of(layer, x, seed)
    with torch.no_grad():
        expected = module(x)[0].numpy()
    tally = Tally()
    first = x[0].numpy()
    sample = {place: Number(float(first[place]), tally) for place in every(shape)}
    held = Held({name: tensor.numpy() for name, tensor in module.state_dict().items()}, tally)
    made = LOOPS[type(layer)](layer, shape, sample, held)
    y, params = layer.output(shape), layer.params(shape)
    assert set(made) == set(every(y))
    assert layer.ops(shape, y) == Ops(**tally.ops)
    assert (params.weights, params.biases, params.buffers) == tuple(
        map(len, (tally.weights, tally.biases, tally.buffers))
    )
    for place, number in made.items():
        assert plain(number) == pytest.approx(float(expected[place]), rel=1e-6, abs=1e-9), place


def well_conditioned(layer: Any) -> bool:
    """Whether rounding stays small: not so where a variance that is nearly nothing is divided by."""
    return not hasattr(layer, "eps") or layer.eps is None or layer.eps >= 1e-5


@pytest.mark.parametrize("cls", LOOPS, ids=lambda cls: cls.kind)
def test_a_loop_does_what_the_rules_count_and_what_pytorch_does(cls: Any) -> None:
    compared = 0

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(cases(cls), st.integers(0, 2**32))
    def check(case: Case, seed: int) -> None:
        nonlocal compared
        if fits(case) and well_conditioned(case.layer):
            compare(case.layer, case.inputs[0], seed)
            compared += 1

    check()
    assert compared >= LEAST_COMPARED


def fits(case: Case) -> bool:
    if elements(case.inputs[0]) > MOST_NUMBERS:
        return False
    try:
        case.layer.output(*case.inputs)
    except LayerError:
        return False
    return True


def test_every_activation_has_a_loop() -> None:
    written = {cls for cls in kinds().values() if cls.__module__ in (activation.__name__, piecewise.__name__)}
    assert written == {cls for cls in LOOPS if cls.__module__ in (activation.__name__, piecewise.__name__)}


@pytest.mark.parametrize(
    ("fields", "x", "message"),
    [
        ({"heads": 2}, (5, 6, 7), "relative_position_bias needs a sequence (tokens × features, or tokens), got 5×6×7"),
        ({"heads": 2, "buckets": 3}, (5,), "buckets 3 are too few"),
        ({"heads": 2, "buckets": 1, "bidirectional": False}, (5,), "buckets 1 are too few"),
        (
            {"heads": 2, "max_distance": 8},
            (5,),
            "max_distance 8 leaves no distances to share buckets: the first 8 have one each",
        ),
    ],
)
def test_what_a_relative_position_bias_refuses(fields: dict[str, Any], x: Sizes, message: str) -> None:
    with pytest.raises(LayerError) as raised:
        RelativePositionBias(**fields).output(x)
    assert raised.value.message == message
