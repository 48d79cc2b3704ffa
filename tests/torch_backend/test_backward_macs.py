"""The multiply-adds of the backward pass, layer by layer, against PyTorch's own counter."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archcalc.analysis import analyze_graph
from archcalc.errors import ArchcalcError
from archcalc.graph import Graph
from archcalc.layers import kinds
from archcalc.layers.attention import Attention
from archcalc.layers.conv import Convolution
from archcalc.layers.core.base import Layer
from archcalc.layers.linear import Linear
from archcalc.layers.merge import MatMul
from archcalc.layers.recurrent import Recurrent
from archcalc.layers.window_attention import OfWindows
from archcalc.training.backward import backward_macs, forward_macs, gradients
from archcalc.training.parameters import learned_tensors
from tests.engine.composition import networks
from tests.layers.strategies import cases
from tests.specs_helper import layers, spec

torch = pytest.importorskip("torch")
training = pytest.importorskip("archcalc.torch_backend.training")

NAMED = (
    "alexnet",
    "vgg16",
    "resnet50",
    "mobilenet_v2",
    "densenet121",
    "vit_b_16",
    "swin_t",
    "swin_v2_t",
    "convnext_tiny",
    "gpt2",
    "googlenet",
    "t5-small",
    "lstm-lm-small",
)
NETWORKS = int(os.environ.get("ARCHCALC_RANDOM_NETWORKS", "40"))
ENOUGH = 0.8
BATCH = 2
AT_ONCE = settings(max_examples=50, deadline=None, derandomize=True, phases=[Phase.generate])

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout2d. Received a:UserWarning"),
    pytest.mark.filterwarnings("ignore:input's size at dim=0 does not match num_features:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout option adds dropout:UserWarning"),
]


def computed(graph: Graph, report: Any, frozen: frozenset[int] = frozenset()) -> list[tuple[str, Any, Any]]:
    found = gradients(graph, learned_tensors(graph, report, frozen))
    rows = zip(report.layers, found, strict=True)
    return [(row.name, forward_macs(row), backward_macs(row, one)) for row, one in rows]


def compare(graph: Graph, report: Any, frozen: frozenset[int] = frozenset(), device: str = "meta") -> int:
    """Compare every layer; the multiply-adds of the backward pass."""
    batch = report.settings.batch
    forward, backward = training.count_macs(graph, device=device, batch=batch, frozen=frozen)
    measured = [(row.name, *macs) for row, *macs in zip(report.layers, forward, backward, strict=True)]
    assert computed(graph, report, frozen) == measured
    return sum(backward)


@pytest.mark.parametrize("name", NAMED)
def test_the_backward_pass_takes_what_pytorch_counts(name: str) -> None:
    assert compare(*analyze_graph(name, batch=BATCH)) > 0


@pytest.mark.parametrize("name", ["resnet18", "gpt2", "googlenet"])
def test_frozen_layers_have_no_gradients_of_their_weights(name: str) -> None:
    graph, report = analyze_graph(name, batch=BATCH)
    whole = compare(graph, report)
    half = frozenset(range(len(graph.nodes) // 2))
    scattered = frozenset(range(0, len(graph.nodes), 3))
    assert compare(graph, report, half) < whole
    assert compare(graph, report, scattered) < whole
    assert compare(graph, report, frozenset(range(len(graph.nodes)))) == 0


def test_tied_weights_are_frozen_with_the_layer_that_holds_them() -> None:
    text = layers(
        "embedding: {name: words, vocabulary: 11, features: 6}",
        "linear: {name: hidden, features: 6}",
        "linear: {name: out, features: 11, tied: words}",
        head="input: [5]",
    )
    graph, report = analyze_graph(spec(text))
    per_layer = [backward for _, _, backward in computed(graph, report)]
    assert per_layer == [0, 2 * 5 * 36, 2 * 5 * 66]
    compare(graph, report)
    compare(graph, report, frozenset({0}))
    assert [backward for _, _, backward in computed(graph, report, frozenset({0}))] == [0, 5 * 36, 5 * 66]
    compare(graph, report, frozenset({1}))
    compare(graph, report, frozenset({2}))
    compare(graph, report, frozenset({0, 1}))


@pytest.mark.parametrize("cls", [cls for cls in kinds().values() if cls.backward_macs is not Layer.backward_macs])
def test_every_kind_that_multiplies_matrices_in_both_directions(cls: type[Layer]) -> None:
    compared = 0

    @AT_ONCE
    @given(cases(cls), st.data())
    def compare_case(case: Any, data: st.DataObject) -> None:
        nonlocal compared
        layer, shapes = case
        needs = data.draw(st.lists(st.booleans(), min_size=len(shapes), max_size=len(shapes)))
        trains = data.draw(st.booleans())
        try:
            output = layer.output(*shapes)
            with torch.device("meta"):
                tensors = [
                    torch.randn(BATCH, *shape).requires_grad_(need) for shape, need in zip(shapes, needs, strict=True)
                ]
                found = training.backward_of(layer, tensors, trains)
        except (ArchcalcError, RuntimeError, ValueError, AssertionError, IndexError):
            return
        learned = trains and bool(layer.parameters(*shapes))
        expected = 2 * BATCH * layer.backward_macs(*shapes, output, needs_grad=needs, trains=learned)
        assert found == (expected if learned or any(needs) else 0), (layer, shapes, needs, trains)
        compared += 1

    compare_case()
    assert compared >= 10


def test_kinds_that_say_nothing_have_no_products() -> None:
    multiplying = []

    def look(cls: type[Layer]) -> None:
        @settings(AT_ONCE, max_examples=20)
        @given(cases(cls))
        def look_at(case: Any) -> None:
            try:
                output = case.layer.output(*case.inputs)
            except ArchcalcError:
                return
            ops = case.layer.ops(*case.inputs, output)
            if ops is None or ops.macs:
                multiplying.append(case)

        look_at()

    for cls in kinds().values():
        if cls.backward_macs is Layer.backward_macs:
            look(cls)
    assert multiplying == []


def test_random_networks_take_what_pytorch_counts() -> None:
    ran = 0

    @settings(
        max_examples=NETWORKS,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(networks(), st.randoms(use_true_random=False), st.booleans())
    def compare_one(text: str, random: Any, all_train: bool) -> None:
        nonlocal ran
        graph, report = analyze_graph(spec(text), batch=BATCH)
        count = len(graph.nodes)
        frozen = frozenset() if all_train else frozenset(random.sample(range(count), random.randint(0, count)))
        try:
            training.count_macs(graph, device="meta", batch=BATCH, frozen=frozen)
        except ArchcalcError:
            return
        compare(graph, report, frozen)
        ran += 1

    compare_one()
    assert ran >= ENOUGH * NETWORKS


@pytest.mark.parametrize("cls", [Convolution, Linear, MatMul, Attention, OfWindows, Recurrent])
def test_a_planted_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch, cls: Any) -> None:
    right = cls.backward_macs

    def wrong(self: Any, *shapes: Any, needs_grad: Any, trains: bool) -> Any:
        return right(self, *shapes, needs_grad=(True,) * len(needs_grad), trains=trains)

    monkeypatch.setattr(cls, "backward_macs", wrong)
    kind = next(kind for kind, one in kinds().items() if issubclass(one, cls))
    with pytest.raises(AssertionError):
        test_every_kind_that_multiplies_matrices_in_both_directions(kinds()[kind])


def test_grouped_convolutions_are_counted_as_so_many_small_ones() -> None:
    """Two views of one layer: PyTorch's own counter, uncorrected, on one convolution for each group."""
    text = layers("conv: {name: a, filters: 8, kernel: 3, groups: 4}", head="input: [8, 6, 6]")
    parts = layers(
        *[f"slice: {{name: s{i}, axis: 0, start: {2 * i}, stop: {2 * i + 2}, from: input}}" for i in range(4)],
        *[f"conv: {{name: c{i}, filters: 2, kernel: 3, from: s{i}}}" for i in range(4)],
        head="input: [8, 6, 6]",
    )
    whole, apart = analyze_graph(spec(text)), analyze_graph(spec(parts))
    forward, backward = training.count_macs(apart[0], device="meta")
    assert (sum(forward), sum(backward)) == (whole[1].totals.macs, compare(*whole))
