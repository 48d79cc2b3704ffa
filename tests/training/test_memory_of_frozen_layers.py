"""What training keeps where layers are frozen, byte for byte against PyTorch's tensors."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archcalc.analysis import analyze_graph
from archcalc.errors import ArchcalcError
from archcalc.training.memory import training_pass
from archcalc.training.parameters import learned_tensors
from tests.engine.composition import networks
from tests.specs_helper import spec

pytest.importorskip("torch")
training = pytest.importorskip("archcalc.torch_backend.training")

NETWORKS = int(os.environ.get("ARCHCALC_RANDOM_NETWORKS", "100"))
ENOUGH = 0.8

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout2d. Received a:UserWarning"),
    pytest.mark.filterwarnings("ignore:input's size at dim=0 does not match num_features:UserWarning"),
]


def test_random_networks_with_frozen_layers_keep_what_pytorch_keeps() -> None:
    known: list[bool] = []

    @settings(
        max_examples=NETWORKS,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(networks(), st.randoms(use_true_random=False))
    def compare(text: str, random: Any) -> None:
        graph, report = analyze_graph(spec(text), batch=2)
        count = len(graph.nodes)
        frozen = frozenset(random.sample(range(count), random.randint(0, count)))
        try:
            measured = training.measure_saved(graph, device="cpu", batch=2, frozen=frozen)
        except ArchcalcError:
            return
        computed = training_pass(graph, report, learned_tensors(graph, report, frozen)).kept()
        rows = zip(report.layers, computed, measured, strict=True)
        assert [(row.name, a, b) for row, a, b in rows if a not in (None, b)] == [], sorted(frozen)
        known.append(None not in computed)

    compare()
    assert len(known) >= ENOUGH * NETWORKS
    assert sum(known) >= ENOUGH * len(known)
