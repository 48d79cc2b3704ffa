"""What training keeps and what is alive at once, against PyTorch's own tensors: kind by kind, and in networks."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import archcalc
from archcalc.analysis import analyze_graph
from archcalc.errors import LayerError
from archcalc.layers import Layer, kinds
from archcalc.layers.activation import GELU
from archcalc.layers.attention import Attention
from archcalc.layers.conv import Conv2d
from archcalc.layers.core.execution import Execution, MemoryUnknownError, Tensor
from archcalc.layers.core.storage import is_channels_last, like, reshaped
from archcalc.layers.linear import Linear
from archcalc.layers.merge import MatMul
from archcalc.layers.norm import BatchNorm, GroupNorm
from archcalc.layers.pool import MaxPool2d
from archcalc.layers.reshape import Flatten
from tests.layers.strategies import cases, enough
from tests.specs_helper import graph, layers, report

torch = pytest.importorskip("torch")
memory = pytest.importorskip("archcalc.torch_backend.memory")
verify = pytest.importorskip("archcalc.torch_backend.verify")
layer_memory = pytest.importorskip("tests.layers.layer_memory")

LEAST_COMPARED = 15
REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError)
UNKNOWN = {"gru", "rnn"}
"""Kinds of which only the output's layout is known; of an `lstm`, what it keeps is not."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout2d. Received a:UserWarning"),
    pytest.mark.filterwarnings("ignore:input's size at dim=0 does not match num_features:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout option adds dropout:UserWarning"),
]


def compare_many(cls: type[Layer], dtype: str = "float32", phases: tuple[Phase, ...] = tuple(Phase)) -> int:
    """Compare what is said of a kind with what PyTorch does, on inputs of all layouts; how often it was known."""
    compared = 0
    number = torch.long if cls.indices_below else getattr(torch, dtype)

    @settings(enough(cls), phases=phases)
    @given(cases(cls), st.data())
    def compare(case: Any, data: st.DataObject) -> None:
        nonlocal compared
        layer, shapes = case
        batch, training = data.draw(st.sampled_from([1, 2, 3])), data.draw(st.booleans())
        layouts, grads = data.draw(st.sampled_from(list(layer_memory.settings(len(shapes)))))
        try:
            layer.output(*shapes)
        except LayerError:
            return
        tensors = [layer_memory.laid_out((batch, *x), how, number) for x, how in zip(shapes, layouts, strict=True)]
        try:
            expected = layer_memory.predicted(layer, tensors, grads, training)
            found = layer_memory.measured(layer, tensors, grads, training)
        except (MemoryUnknownError, *REFUSALS):  # such as a batch norm of a single value, which only training refuses
            return
        assert expected.of_known(found) == expected, (layer, shapes, layouts, grads, batch, training)
        compared += 1

    compare()
    return compared


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_does_in_memory_what_pytorch_does(kind: str) -> None:
    assert compare_many(kinds()[kind]) >= LEAST_COMPARED


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize(
    "kind", ["attention", "batchnorm", "layernorm", "linear", "rmsnorm", "softmax", "window_attention"]
)
def test_numbers_of_other_widths(kind: str, dtype: str) -> None:
    assert compare_many(kinds()[kind], dtype) >= LEAST_COMPARED


def test_what_is_unknown_is_said_to_be() -> None:
    assert [kind for kind, cls in kinds().items() if cls.execute is Layer.execute] == []
    unknown = {
        kind
        for kind in ("gru", "lstm", "rnn")
        if report(layers(f"{kind}: {{hidden: 3}}", head="input: [5, 4]")).totals.peak_memory_bytes is None
    }
    assert unknown == UNKNOWN


def keeps_output(_: Any, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
    y = run.elementwise(x)
    run.keep(y, y)
    return y


def copies(layer: Any, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
    return run.new((x.shape[0], *layer.output(x.shape[1:])), x)


def reads_any_layout(layer: Any, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
    y = run.new((*x.shape[:-1], layer.output(x.shape[1:])[-1]), x, trains=True)
    run.keep(y, x)
    return y


def keeps_input(_: Any, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
    y = run.new_map(x.shape, x, trains=True)
    run.keep(y, x, run.new((x.shape[0], 1)), run.new((x.shape[0], 1)))
    return y


def shares_nothing(layer: Any, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
    y = run.new((x.shape[0], *layer.output(x.shape[1:], *[other.shape[1:] for other in others])), x, *others)
    run.keep(y, x, *others, y)
    return y


@pytest.mark.parametrize(
    ("cls", "planted"),
    [
        (Conv2d, keeps_output),
        (MaxPool2d, copies),
        (BatchNorm, keeps_output),
        (GELU, copies),
        (Flatten, copies),
        (Linear, reads_any_layout),
        (GroupNorm, keeps_input),
        (MatMul, shares_nothing),
        (Attention, shares_nothing),
    ],
)
def test_a_planted_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch, cls: Any, planted: Any) -> None:
    monkeypatch.setattr(cls, "execute", planted)
    with pytest.raises(AssertionError):
        compare_many(cls, phases=(Phase.generate,))  # a smaller case of a planted fault tells nothing


NETWORKS = {
    "what two layers keep is there once": layers(
        "conv: {name: a, filters: 4, kernel: 1}",
        "relu",
        "conv: {filters: 4, kernel: 1}",
        "conv: {from: relu1, filters: 2, kernel: 1}",
    ),
    "without parameters before it nothing is kept": layers(
        "relu", "avgpool: 2", "conv: {filters: 2, kernel: 1}", "relu"
    ),
    "a view keeps the whole": layers(
        "conv: {filters: 6, kernel: 1}",
        "chunk: {name: left, chunks: 2, index: 0}",
        "sigmoid: {name: gate}",
        "slice: {name: right, from: conv1, axis: 0, start: 3}",
        "mul: {from: [gate, right]}",
        "batchnorm",
    ),
    "tokens of a map lie apart": layers(
        "conv: {filters: 6, kernel: 2, stride: 2}",
        "flatten: {start: 1}",
        "transpose",
        "linear: 5",
        "gelu",
        "linear: 3",
        "layernorm",
    ),
    "a permuted map is kept in a copy": layers(
        "conv: {filters: 6, kernel: 1}", "permute: [1, 2, 0]", "relu", "flatten", "linear: 3", "softmax: 0"
    ),
    "a map with its channels last": layers(
        "conv: {filters: 6, kernel: 1}",
        "permute: [1, 2, 0]",
        "layernorm: 1",
        "linear: {features: 7, channels_last: true}",
        "hardswish",
        "permute: [2, 0, 1]",
        "groupnorm: 1",
        "dropout",
        "global_maxpool",
        "flatten",
    ),
    "a piece of a sequence": layers(
        "linear: {name: a, features: 6}",
        "slice: {axis: 0, stop: 3}",
        "linear: 4",
        "flatten",
        "linear: 2",
        head="input: [5, 4]",
    ),
    "a product with what needs no gradient": layers(
        "linear: {name: a, features: 4}", "mul: {from: [a, input]}", "linear: 2", head="input: [4]"
    ),
    "queries, keys and values of one tensor": layers(
        "linear: {name: a, features: 24}",
        "chunk: {name: q, from: a, chunks: 3, index: 0, axis: -1}",
        "chunk: {name: k, from: a, chunks: 3, index: 1, axis: -1}",
        "chunk: {name: v, from: a, chunks: 3, index: 2, axis: -1}",
        "attention: {from: [q, k, v], heads: 2}",
        "linear: 3",
        head="input: [5, 4]",
    ),
    "windows": layers(
        "conv: {filters: 8, kernel: 1}",
        "permute: [1, 2, 0]",
        "window_partition: {name: w, size: 4}",
        "window_attention: {from: [w, w, w], heads: 2, size: 4}",
        "window_reverse: 4",
        "flatten",
    ),
    "turned and bounded": layers(
        "embedding: {vocabulary: 11, features: 12}",
        "scale: {name: scaled, factor: 3}",
        "linear: {name: q, features: 16}",
        "rope: {name: a, heads: 4}",
        "linear: {name: k, features: 8, from: scaled}",
        "rope: {name: b, heads: 2, skip: 2, pairs: neighbours}",
        "linear: {name: v, features: 6, from: scaled}",
        "attention: {heads: 4, kv_heads: 2, causal: true, sliding_window: 3, softcap: 5, from: [a, b, v]}",
        "tile: {axis: -1, times: 2}",
        "linear: 3",
        head="input: [9]",
    ),
    "biases of scores that two layers share": layers(
        "relative_position_bias: {name: bias, heads: 2, bidirectional: false, from: input}",
        "embedding: {name: words, vocabulary: 11, features: 8, from: input}",
        "linear: {name: q, features: 8}",
        "attention: {name: a, heads: 2, causal: true, scale: 1, from: [q, q, q, bias]}",
        "linear: {name: r, features: 8}",
        "attention: {heads: 2, from: [r, r, a, bias]}",
        "linear: 3",
        head="input: [9]",
    ),
    "a sliding window": layers(
        "linear: {name: q, features: 8}",
        "attention: {heads: 2, causal: true, sliding_window: 3, from: [q, q, q]}",
        "linear: 3",
        head="input: [9, 4]",
    ),
    "indices": layers(
        "embedding: {vocabulary: 11, features: 4}", "position_embedding", "rmsnorm", "linear: 3", head="input: [5]"
    ),
    "sums of numbers around a pool": layers("conv: {filters: 4, kernel: 3}", "lrn: 5", "avgpool: 2", "relu6"),
}


@pytest.mark.parametrize("text", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("batch", [1, 3])
def test_networks_keep_what_pytorch_keeps(text: str, batch: int) -> None:
    found = memory.measure_memory(graph(text), device="cpu", batch=batch)
    expected = report(text, batch=batch)
    rows = {row.name: row.saved_for_backward_bytes for row in expected.layers}
    assert dict(zip(rows, found.saved_for_backward_bytes, strict=True)) == rows


@pytest.mark.parametrize("text", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("batch", [1, 2])
def test_networks_have_alive_what_pytorch_has(text: str, batch: int) -> None:
    found = memory.measure_memory(graph(text), device="cpu", batch=batch)
    assert found.peak_memory_bytes == report(text, batch=batch).totals.peak_memory_bytes


@pytest.mark.parametrize(
    "name",
    [
        "alexnet",
        "vgg16",
        "vgg16_bn",
        "resnet18",
        "resnet50",
        "mobilenet_v2",
        "densenet121",
        "inception_v3",
        "vit_b_16",
        "swin_v2_t",
    ],
)
def test_shipped_architectures_agree_with_pytorch(name: str) -> None:
    found_graph, found_report = analyze_graph(archcalc.load(name), batch=2)
    found = memory.measure_memory(found_graph, device="cpu", batch=2)
    assert sum(found.saved_for_backward_bytes) == found_report.totals.saved_for_backward_bytes
    assert found.saved_for_backward_bytes == tuple(row.saved_for_backward_bytes for row in found_report.layers)
    assert found.peak_memory_bytes == found_report.totals.peak_memory_bytes


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_dtypes(dtype: str) -> None:
    text = layers(
        "conv: {filters: 4, kernel: 1}",
        "batchnorm",
        "relu",
        "maxpool: 2",
        "flatten: 1",
        "transpose",
        "layernorm: {name: n}",
    )
    text += "  - attention: {from: [n, n, n], heads: 1}\n  - dropout\n  - linear: 3\n"
    found = memory.measure_memory(graph(text), device="cpu", batch=2, dtype=dtype)
    kept = [row.saved_for_backward_bytes for row in report(text, batch=2, dtype=dtype).layers]
    assert list(found.saved_for_backward_bytes) == kept
    assert report(text, dtype="int8").totals.saved_for_backward_bytes is None


def test_a_wrong_prediction_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    text = layers("conv: {filters: 4, kernel: 1}", "relu", "flatten", "linear: {name: head, features: 2}")
    settings = {"device": "cpu", "memory": True}
    assert verify.verify(graph(text), report(text), **settings).verdict == "agrees"
    monkeypatch.setattr(Linear, "execute", keeps_its_output)
    found = verify.verify(graph(text), report(text), **settings)
    assert [(layer.row.name, c.figure) for layer in found.layers for c in layer.of("differs")] == [
        ("head", "saved_for_backward_bytes")
    ]
    monkeypatch.setattr(Linear, "execute", takes_more)
    found = verify.verify(graph(text), report(text), **settings)
    assert (found.memory.peak.verdict, found.count("differs"), found.verdict) == ("differs", 1, "differs")


def keeps_its_output(_: Any, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
    y = run.new((x.shape[0], 2), x, trains=True)
    run.keep(y, y)
    return y


def takes_more(_: Any, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
    y = run.new((x.shape[0], 2), x, trains=True)
    run.free(run.new((1000,)))
    run.keep(y, x)
    return y


@given(st.data())
def test_strides_are_pytorchs(data: st.DataObject) -> None:
    x = drawn(data)
    shape = tuple(x.shape)
    to = data.draw(st.permutations([*shape[:-1], 1, shape[-1]]) | st.just([x.numel()]) | st.just([1, x.numel()]))
    try:
        expected = x.view(tuple(to)).stride()
    except RuntimeError:
        expected = None
    assert reshaped(shape, x.stride(), tuple(to)) == expected
    assert like(shape, (shape, x.stride())) == torch.relu(x).stride()
    if len(shape) == 4:
        suggested = torch._prims_common.suggest_memory_format(x)
        assert is_channels_last(shape, x.stride()) == (suggested == torch.channels_last)
    other = drawn(data, [size if data.draw(st.booleans()) else 1 for size in shape])
    total = x + other
    operands = ((tuple(t.shape), t.stride()) for t in (x, other))
    assert like(tuple(total.shape), *operands) == total.stride()


def drawn(data: st.DataObject, shape: list[int] | None = None) -> Any:
    """A tensor whose axes are in any order, some of them with gaps, and sometimes one that is repeated."""
    if shape is None:
        shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    order = data.draw(st.permutations(range(len(shape))))
    x = torch.empty([shape[axis] + data.draw(st.integers(0, 1)) for axis in order])
    for place, axis in enumerate(order):
        x = x.narrow(place, 0, shape[axis])
    x = x.permute([order.index(axis) for axis in range(len(shape))])
    if data.draw(st.integers(0, 9)) == 0:
        x = x.narrow(data.draw(st.integers(0, len(shape) - 1)), 0, 1).expand(shape)
    return x
