"""A training step of PyTorch against every figure."""

import pytest

from archcalc.analysis import analyze_graph
from archcalc.layers.linear import Linear
from archcalc.training.optimizers import OPTIMIZERS

pytest.importorskip("torch")
backend = pytest.importorskip("archcalc.torch_backend.verify_training")


@pytest.mark.parametrize("checkpoint", ["none", "blocks"])
def test_all_figures_agree(checkpoint: str) -> None:
    graph, report = analyze_graph("resnet18", batch=2, input=(3, 64, 64))
    found = backend.verify_training(graph, report, device="cpu", checkpoint=checkpoint)
    assert found.verdict == "agrees"
    assert found.count("not checkable") == (0 if checkpoint == "none" else 1)
    assert {f"optimizer_bytes of {one}" for one in OPTIMIZERS} < {c.figure for c in found.whole}


def test_without_data_only_memory_of_activations_is_open() -> None:
    found = backend.verify_training(*analyze_graph("gpt2"), device="meta")
    assert found.verdict == "agrees"
    open_ = {c.figure for _, c in found.comparisons() if c.verdict == "not checkable"}
    assert open_ == {"gradient_bytes", "held_bytes", "peak_step_bytes", "optimizer_bytes of adafactor"}


def test_a_planted_wrong_rule_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Linear, "backward_macs", lambda self, x, y, **_: 2 * self.ops(x, y).macs + 1)
    found = backend.verify_training(*analyze_graph("lenet5", batch=2), device="cpu")
    assert (found.verdict, found.count("differs")) == ("differs", 2)
