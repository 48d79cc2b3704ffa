"""Cases of attention and recurrent kinds whose inputs suit one another and the fields."""

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from archcalc.layers.attention import Attention
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.recurrent import GRU, LSTM, RNN, Recurrent
from archcalc.layers.window_attention import CosineWindowAttention, WindowAttention
from tests.layers.strategies import CRAFTED, Case

small = st.integers(1, 3)


@st.composite
def attentions(draw: DrawFn) -> Case:
    kv_heads, shared, width, value_width = draw(st.tuples(small, small, small, small))
    heads, groups = kv_heads * shared, tuple(draw(st.lists(small, max_size=2)))
    tokens, others = draw(small), draw(small)
    given = kv_heads if shared > 1 or draw(st.booleans()) else None
    causal = draw(st.booleans())
    layer = Attention(
        heads=heads,
        kv_heads=given,
        causal=causal,
        sliding_window=draw(st.none() | small) if causal else None,
        scale=draw(st.none() | st.just(0.25)),
        softcap=draw(st.none() | st.just(50.0)),
    )
    queries, keys = (*groups, tokens, heads * width), (*groups, others, kv_heads * width)
    biases = [(*groups, heads, tokens, others)] if draw(st.booleans()) else []
    return Case(layer, (queries, keys, (*groups, others, kv_heads * value_width), *biases))


@st.composite
def attentions_in_windows(draw: DrawFn, cls: type[WindowAttention | CosineWindowAttention]) -> Case:
    heads, width, height = draw(small), draw(small), draw(small)
    size = draw(st.just(height) | st.tuples(st.just(height), small))
    sides = size if isinstance(size, tuple) else (size, size)
    shift = draw(st.just(0) | st.tuples(*(st.integers(0, side - 1) for side in sides)))
    x: Sizes = (draw(small), draw(small), sides[0] * sides[1], heads * width)
    layer = cls(heads=heads, size=size, shift=shift)
    if isinstance(layer, CosineWindowAttention):
        layer = msgspec.structs.replace(layer, hidden=draw(small))
    return Case(layer, (x, x, x))


@st.composite
def recurrents(draw: DrawFn, cls: type[Recurrent]) -> Case:
    layer = cls(hidden=draw(small), layers=draw(small), bidirectional=draw(st.booleans()), bias=draw(st.booleans()))
    if isinstance(layer, RNN) and draw(st.booleans()):
        layer = msgspec.structs.replace(layer, nonlinearity="relu")
    return Case(layer, (draw(st.tuples(small, small)),))


cases: dict[str, SearchStrategy[Case]] = {
    "attention": attentions(),
    "window_attention": attentions_in_windows(WindowAttention),
    "cosine_window_attention": attentions_in_windows(CosineWindowAttention),
    "rnn": recurrents(RNN),
    "lstm": recurrents(LSTM),
    "gru": recurrents(GRU),
}
CRAFTED.update(cases)
