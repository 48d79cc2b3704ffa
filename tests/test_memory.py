"""What training keeps and what is alive at once, against PyTorch's own tensors: kind by kind, and in networks."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import archcalc
from archcalc.engine import analyze_graph
from archcalc.errors import LayerError
from archcalc.layers import Layer, kinds
from archcalc.layers.activation import GELU
from archcalc.layers.arithmetic import Shape
from archcalc.layers.conv import Conv2d
from archcalc.layers.linear import Linear
from archcalc.layers.norm import BatchNorm
from archcalc.layers.pool import MaxPool2d
from archcalc.layers.reshape import Flatten
from archcalc.layers.storage import INPUTS, NOTHING, OUTPUT, in_order, like, reshaped
from tests.specs_helper import graph, layers, report
from tests.strategies import cases, enough

torch = pytest.importorskip("torch")
backend = pytest.importorskip("archcalc.torch_backend.layer")
memory = pytest.importorskip("archcalc.torch_backend.memory")
verify = pytest.importorskip("archcalc.torch_backend.verify")

BATCH, WIDTH = 2, 4
LEAST_COMPARED = 7
REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError)
UNKNOWN = {"cosine_window_attention", "gru", "lstm", "rnn"}
"""Kinds of which it is not known what they keep."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout2d. Received a:UserWarning"),
    pytest.mark.filterwarnings("ignore:input's size at dim=0 does not match num_features:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout option adds dropout:UserWarning"),
]


class Kept(NamedTuple):
    """What a layer keeps of its inputs and its output, the bytes of all else, and whether its output is a view."""

    inputs: tuple[bool, ...]
    output: bool
    others: int
    is_view: bool


def predicted(layer: Any, inputs: tuple[Shape, ...]) -> Kept | None:
    x, *others = inputs
    y = layer.output(*inputs)
    kept = layer.kept(x, y, *others)
    if kept is None:
        return None
    of_sample = WIDTH * kept.elements + 8 * kept.indices + 4 * kept.statistics
    return Kept(
        tuple(i < kept.inputs for i in range(len(inputs))),
        kept.output,
        BATCH * of_sample + WIDTH * kept.batch_elements,
        layer.view(x, in_order(x), True) is not None,
    )


def storage(tensor: Any) -> int:
    found: int = tensor.untyped_storage()._cdata
    return found


def measured(layer: Layer, inputs: tuple[Shape, ...]) -> Kept:
    indices = layer.indices_below is not None
    tensors = [
        torch.zeros(BATCH, *shape, dtype=torch.long) if indices else torch.rand(BATCH, *shape, requires_grad=True)
        for shape in inputs
    ]
    module = backend.module_of(layer, tensors).train()
    known = {storage(tensor) for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        if storage(tensor) not in known:
            kept[storage(tensor)] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = backend.call(module, tensors, layer.torch.result)
    own = [storage(x) for x in tensors]
    is_view = storage(y) in own
    others = sum(held.nbytes() for key, held in kept.items() if key not in (*own, storage(y)))
    return Kept(tuple(key in kept for key in own), storage(y) in kept and not is_view, others, is_view)


def compare_many(cls: type[Layer]) -> int:
    compared = 0

    @enough(cls)
    @given(cases(cls))
    def compare(case: Any) -> None:
        nonlocal compared
        layer, inputs = case
        try:
            expected = predicted(layer, inputs)
        except LayerError:
            return
        if expected is None:
            return
        try:
            found = measured(layer, inputs)
        except REFUSALS:  # such as a batch norm of a single value, which only training refuses
            return
        assert found == expected, (layer, inputs)
        compared += 1

    compare()
    return compared


@pytest.mark.parametrize("kind", sorted(set(kinds()) - UNKNOWN))
def test_every_kind_keeps_what_pytorch_keeps(kind: str) -> None:
    assert compare_many(kinds()[kind]) >= LEAST_COMPARED


def test_what_is_unknown_is_said_to_be() -> None:
    assert {kind for kind, cls in kinds().items() if cls.keeps is None and cls.kept is Layer.kept} == UNKNOWN


@pytest.mark.parametrize(
    ("cls", "rule", "planted"),
    [
        (Conv2d, "kept", lambda *_: OUTPUT),
        (MaxPool2d, "kept", lambda *_: INPUTS),
        (BatchNorm, "kept", lambda *_: INPUTS),
        (GELU, "keeps", NOTHING),
        (Flatten, "view", lambda *_: None),
    ],
)
def test_a_planted_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch, cls: Any, rule: str, planted: Any) -> None:
    monkeypatch.setattr(cls, rule, planted)
    with pytest.raises(AssertionError):
        compare_many(cls)


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
def test_networks_have_alive_what_pytorch_has(text: str) -> None:
    found = memory.measure_memory(graph(text), device="cpu", batch=2)
    # What a kernel takes for itself shows in networks as small as these: the statistics of norms, indices of pools.
    assert 0 <= found.peak_memory_bytes / report(text, batch=2).totals.peak_memory_bytes - 1 < 0.1


@pytest.mark.parametrize(
    "name",
    ["alexnet", "vgg16", "vgg16_bn", "resnet18", "resnet50", "mobilenet_v2", "densenet121", "inception_v3", "vit_b_16"],
)
def test_shipped_architectures_agree_with_pytorch(name: str) -> None:
    found_graph, found_report = analyze_graph(archcalc.load(name), batch=2)
    found = memory.measure_memory(found_graph, device="cpu", batch=2)
    assert sum(found.saved_for_backward_bytes) == found_report.totals.saved_for_backward_bytes
    assert found.saved_for_backward_bytes == tuple(row.saved_for_backward_bytes for row in found_report.layers)
    assert found.peak_memory_bytes == pytest.approx(found_report.totals.peak_memory_bytes, rel=0.02)


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
    monkeypatch.setattr(Linear, "keeps", OUTPUT)
    found = verify.verify(graph(text), report(text), **settings)
    assert [(layer.row.name, c.figure) for layer in found.layers for c in layer.of("differs")] == [
        ("head", "saved_for_backward_bytes")
    ]
    monkeypatch.setattr(Linear, "workspace", lambda *_: 1000)
    found = verify.verify(graph(text), report(text), **settings)
    assert (found.memory.peak.verdict, found.count("differs"), found.verdict) == ("differs", 2, "differs")


@given(st.data())
def test_strides_are_pytorchs(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    whole = torch.empty([size + data.draw(st.integers(0, 1)) for size in shape])
    for axis, size in enumerate(shape):
        whole = whole.narrow(axis, 0, size)
    x = whole.permute(data.draw(st.permutations(range(len(shape)))))
    to = data.draw(st.permutations([*shape[:-1], 1, shape[-1]]) | st.just([x.numel()]) | st.just([1, x.numel()]))
    try:
        expected = x.view(tuple(to)).stride()
    except RuntimeError:
        expected = None
    found = reshaped(tuple(x.shape), x.stride(), tuple(to))
    assert (found is None) == (expected is None)
    matter = [axis for axis, size in enumerate(to) if size > 1]
    assert found is None or [found[axis] for axis in matter] == [expected[axis] for axis in matter]
    made, relu = like(tuple(x.shape), x.stride()), torch.relu(x).stride()
    assert made is not None
    assert all(a == b for a, b, size in zip(made, relu, x.shape, strict=True) if size > 1)
