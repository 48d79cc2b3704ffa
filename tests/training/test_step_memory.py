"""What a training step has alive, byte for byte against PyTorch's tensors, with frozen layers and checkpoints."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archcalc.analysis import analyze_graph
from archcalc.errors import ArchcalcError
from archcalc.layers.conv import Convolution
from archcalc.layers.core.execution import Gradient
from archcalc.layers.linear import Linear
from archcalc.layers.merge import Concat
from archcalc.training.checkpointing import segments_of
from archcalc.training.cost import training_cost
from archcalc.training.report import TrainingReport
from tests.engine.composition import networks
from tests.specs_helper import layers, spec

pytest.importorskip("torch")
training = pytest.importorskip("archcalc.torch_backend.training")

NETWORKS = int(os.environ.get("ARCHCALC_RANDOM_NETWORKS", "60"))
ENOUGH = 0.8
EXACT = 0.1
"""Of how many random networks, which hold many kinds, the most at once is exact at the least."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout2d. Received a:UserWarning"),
    pytest.mark.filterwarnings("ignore:input's size at dim=0 does not match num_features:UserWarning"),
]

RESIDUAL = layers(
    "conv: {name: stem, filters: 8, kernel: 3, pad: 1}",
    "conv: {name: b.conv1, filters: 8, kernel: 3, pad: 1, bias: false}",
    "batchnorm: {name: b.bn}",
    "relu: {name: b.relu}",
    "conv: {name: b.conv2, filters: 8, kernel: 3, pad: 1}",
    "add: {name: b.add, from: [b.conv2, stem]}",
    "relu: {name: after}",
    "conv: {name: c.conv1, filters: 8, kernel: 3, pad: 1}",
    "concat: {name: c.both, from: [c.conv1, after]}",
    "flatten",
    "linear: {name: fc, features: 10}",
    head="input: [3, 16, 16]",
)


def compare(network: Any, batch: int = 2, checkpoint: str = "none", frozen: tuple[str, ...] = ()) -> TrainingReport:
    """Compare what is alive between the passes, and the most at once, or that this is no more than there is."""
    graph, report = analyze_graph(network, batch=batch)
    names = [node.name for node in graph.nodes]
    stays = frozenset(names.index(name) for name in frozen)
    segments = segments_of(graph, checkpoint)
    held, most = training.measure_step(graph, device="cpu", batch=batch, frozen=stays, segments=segments)
    found = training_cost(graph, report, checkpoint=checkpoint, frozen=frozen)
    assert found.held_bytes in (None, held)
    assert found.peak_step_bytes == most if found.peak_is_exact else found.peak_step_bytes <= most
    return found


@pytest.mark.parametrize("frozen", [(), ("stem",), ("stem", "b.conv1", "b.bn"), ("b.bn", "fc"), ("b.conv2",)])
@pytest.mark.parametrize("checkpoint", ["none", "blocks", "b.conv1,b.bn,b.relu", "stem"])
def test_a_residual_network(frozen: tuple[str, ...], checkpoint: str) -> None:
    found = compare(spec(RESIDUAL), checkpoint=checkpoint, frozen=frozen)
    assert found.held_bytes is not None
    assert found.peak_is_exact or checkpoint != "none"


@pytest.mark.parametrize("name", ["lenet5", "mnasnet0_5"])
def test_named_networks_are_exact(name: str) -> None:
    assert compare(name).peak_is_exact


@pytest.mark.parametrize("checkpoint", ["none", "blocks"])
def test_transformers(checkpoint: str) -> None:
    text = layers(
        "embedding: {name: words, vocabulary: 20, features: 16}",
        "position_embedding: {name: positions}",
        "layernorm: {name: l.0.ln}",
        "linear: {name: l.0.q, features: 16}",
        "linear: {name: l.0.k, features: 16, from: l.0.ln}",
        "linear: {name: l.0.v, features: 16, from: l.0.ln}",
        "attention: {name: l.0.attention, heads: 2, from: [l.0.q, l.0.k, l.0.v]}",
        "linear: {name: l.0.out, features: 16}",
        "add: {name: l.0.add, from: [l.0.out, positions]}",
        "gelu: {name: l.1.gelu}",
        "linear: {name: head, features: 20, tied: words}",
        head="input: [12]",
    )
    found = compare(spec(text), checkpoint=checkpoint)
    assert found.peak_is_exact == (checkpoint == "none")


def test_random_networks() -> None:
    exact: list[bool] = []

    @settings(
        max_examples=NETWORKS,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(networks(), st.randoms(use_true_random=False), st.booleans())
    def compare_one(text: str, random: Any, some_frozen: bool) -> None:
        graph, _ = analyze_graph(spec(text))
        names = [node.name for node in graph.nodes]
        frozen = tuple(random.sample(names, random.randint(0, len(names)))) if some_frozen else ()
        try:
            found = compare(spec(text), frozen=frozen)
        except ArchcalcError:
            return
        exact.append(found.peak_is_exact)

    compare_one()
    assert len(exact) >= ENOUGH * NETWORKS
    assert sum(exact) >= EXACT * len(exact)


@pytest.mark.parametrize(
    ("cls", "planted"), [(Convolution, Gradient.PASSED), (Linear, Gradient.PASSED), (Concat, Gradient.NEW)]
)
def test_a_planted_wrong_rule_is_caught(monkeypatch: pytest.MonkeyPatch, cls: Any, planted: Gradient) -> None:
    monkeypatch.setattr(cls, "gradient", planted)
    with pytest.raises(AssertionError):
        compare(spec(RESIDUAL), frozen=("fc",))
