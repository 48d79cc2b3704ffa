"""Attention and recurrent layers against naive loops, and their twins against PyTorch's own and against the papers."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings

from archcalc.errors import LayerError
from archcalc.layers.attention import Attention
from archcalc.layers.recurrent import GRU, LSTM, RNN
from tests.layers.counting import agree
from tests.layers.counting_attention import attend, attend_in_windows, recur
from tests.layers.crafted_attention import cases
from tests.layers.strategies import Case

torch = pytest.importorskip("torch")
twins = pytest.importorskip("archcalc.torch_backend.twins.attention")
COUNTED = settings(max_examples=80, deadline=None)


@COUNTED
@given(cases["attention"])
def test_attention(case: Case) -> None:
    agree(attend(case.layer, *case.inputs), case.layer, *case.inputs)  # type: ignore[arg-type]  # it is an Attention


@pytest.mark.parametrize("kind", ["window_attention", "cosine_window_attention"])
def test_attention_in_windows(kind: str) -> None:
    @COUNTED
    @given(cases[kind])
    def compare(case: Case) -> None:
        agree(attend_in_windows(case.layer, case.inputs[0]), case.layer, *case.inputs)  # type: ignore[arg-type]  # the same

    compare()


@pytest.mark.parametrize("cls", [RNN, LSTM, GRU])
def test_recurrent_layers(cls: Any) -> None:
    @COUNTED
    @given(cases[cls.kind])
    def compare(case: Case) -> None:
        agree(recur(case.layer, case.inputs[0]), case.layer, *case.inputs)  # type: ignore[arg-type]  # the same

    compare()


def test_its_twin_is_multihead_attention() -> None:
    own = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    x, others = torch.randn(2, 5, 12), torch.randn(2, 7, 12)
    (wq, wk, wv), (bq, bk, bv) = own.in_proj_weight.chunk(3), torch.randn(36).chunk(3)
    own.in_proj_bias.data = torch.cat([bq, bk, bv])
    expected, _ = own(x, others, others)
    q, k, v = x @ wq.T + bq, others @ wk.T + bk, others @ wv.T + bv
    assert torch.allclose(own.out_proj(twins.Attention(3)(q, k, v)), expected, atol=1e-6)


def test_heads_of_keys_are_shared_in_order() -> None:
    q, k, v = torch.randn(2, 5, 12), torch.randn(2, 7, 6), torch.randn(2, 7, 6)
    found = twins.Attention(4, 2)(q, k, v)
    for head, column in ((0, 0), (1, 0), (2, 3), (3, 3)):
        one = twins.Attention(1)(
            q[..., 3 * head : 3 * head + 3], k[..., column : column + 3], v[..., column : column + 3]
        )
        assert torch.allclose(found[..., 3 * head : 3 * head + 3], one, atol=1e-6)


@pytest.mark.parametrize("is_biased", [False, True])
@pytest.mark.parametrize(("window", "softcap"), [(None, None), (3, None), (None, 0.7), (3, 0.7)])
def test_scores_are_scaled_bounded_biased_and_hidden_one_by_one(
    window: int | None, softcap: float | None, is_biased: bool
) -> None:
    q, k, v = torch.randn(2, 6, 12), torch.randn(2, 6, 6), torch.randn(2, 6, 4)
    bias = torch.randn(2, 4, 6, 6) if is_biased else None
    found = twins.Attention(4, 2, causal=True, sliding_window=window, scale=0.9, softcap=softcap)(q, k, v, bias)
    for sample, token, head in itertools.product(range(2), range(6), range(4)):
        seen = range(token + 1) if window is None else range(max(0, token - window + 1), token + 1)
        keys, values = slice(3 * (head // 2), 3 * (head // 2) + 3), slice(2 * (head // 2), 2 * (head // 2) + 2)
        scores = [0.9 * float(q[sample, token, 3 * head : 3 * head + 3] @ k[sample, t, keys]) for t in seen]
        if softcap is not None:
            scores = [softcap * math.tanh(score / softcap) for score in scores]
        if bias is not None:
            scores = [score + float(bias[sample, head, token, t]) for score, t in zip(scores, seen, strict=True)]
        weights = [math.exp(score) for score in scores]
        expected = sum(w * v[sample, t, values] for w, t in zip(weights, seen, strict=True)) / sum(weights)
        assert torch.allclose(found[sample, token, 2 * head : 2 * head + 2], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["WindowAttention", "CosineWindowAttention"])
@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (1, 2)])
def test_windows_attend_to_what_is_near_in_the_unrolled_map(name: str, shift: tuple[int, int]) -> None:
    """Pair by pair on the map itself: two places meet if they are in one window and the roll tore nothing apart."""
    (height, width), (rows, columns), heads, d = (2, 3), (2, 2), 2, 4
    layer = getattr(twins, name)(heads, (height, width), shift)
    map_ = torch.randn(3, rows * height, columns * width, heads * d)
    rolled = torch.roll(map_, (-shift[0], -shift[1]), (1, 2))
    cut = rolled.unflatten(2, (columns, width)).unflatten(1, (rows, height)).permute(1, 3, 0, 2, 4, 5)
    x = cut.permute(2, 0, 1, 3, 4, 5).flatten(3, 4)
    found = layer(x, 2 * x, 3 * x)[0]
    for row, column, token in itertools.product(range(rows), range(columns), range(height * width)):
        places = [(row * height + t // width, column * width + t % width) for t in range(height * width)]
        near = [is_near(places[token], place, map_.shape[1:3], shift) for place in places]
        for head in range(heads):
            part = slice(head * d, (head + 1) * d)
            weights = [
                math.exp(
                    score(layer, x[0, row, column, token, part], 2 * x[0, row, column, t, part], head, token, t, width)
                )
                if near[t]
                else 0.0
                for t in range(height * width)
            ]
            expected = sum(w * 3 * x[0, row, column, t, part] for t, w in enumerate(weights)) / sum(weights)
            assert torch.allclose(found[row, column, token, part], expected, atol=1e-4)


def is_near(a: tuple[int, int], b: tuple[int, int], size: Any, shift: tuple[int, int]) -> bool:
    """Whether two places of a rolled map of one window lie on the same side of the seam where its ends meet."""
    return all((p >= n - by) == (q >= n - by) for p, q, n, by in zip(a, b, size, shift, strict=True))


def score(layer: Any, q: Any, k: Any, head: int, a: int, b: int, width: int) -> float:
    place = (a // width - b // width + layer.size[0] - 1) * (2 * layer.size[1] - 1)
    place += a % width - b % width + layer.size[1] - 1
    with torch.no_grad():
        if hasattr(layer, "offset_weight"):
            return float(q @ k / math.sqrt(len(q)) + layer.offset_weight[place, head])
        down, across = a // width - b // width, a % width - b % width
        logs = [
            math.copysign(math.log2(1 + abs(8 * by / max(side - 1, 1))) / 3, by)
            for by, side in ((down, layer.size[0]), (across, layer.size[1]))
        ]
        bias = 16 * torch.sigmoid(layer.network(torch.tensor(logs)))[head]
        scale = min(float(layer.scale[head].exp()), 100.0)
        return float(q @ k / (q.norm() * k.norm()) * scale + bias)


def test_messages() -> None:
    from tests.specs_helper import layers, messages

    text = layers("attention: {heads: 4, from: [input, input, input]}", head="input: [5, 6]")
    assert "4 heads do not divide the width 6" in messages(text)
    text = layers("attention: {heads: 2, from: [input, input]}", head="input: [5, 6]")
    assert "attention needs three or four inputs, got 2" in messages(text)
    assert "name them: `from: [a, b, c]`" in messages(text)
    text = layers("lstm: 5", head="input: [5]")
    assert "lstm needs an input of steps × features, got 5" in messages(text)
    with pytest.raises(LayerError, match="adds its fourth input to scores of 2×5×6, got 2×6×5"):
        Attention(heads=2).output((5, 4), (6, 4), (6, 4), (2, 6, 5))
    with pytest.raises(LayerError, match="adds its fourth input to scores of 2×5×6, got 5×6"):
        Attention(heads=2).output((5, 4), (6, 4), (6, 4), (5, 6))
    with pytest.raises(Exception, match="as many keys as values"):
        Attention(heads=1).output((5, 4), (6, 4), (7, 4))
