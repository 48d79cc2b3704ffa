"""Networks that PyTorch runs in eval mode alone, or not at all: what is said of their memory, and what is checked."""

import json
from pathlib import Path

import pytest

from archcalc.analysis import analyze_graph
from archcalc.engine.figures import SAVED
from tests.running import piped
from tests.specs_helper import graph, layers, report

verify = pytest.importorskip("archcalc.torch_backend.verify")

TOO_LARGE = layers(
    "conv: {filters: 4, kernel: 3}",
    "conv: {name: aux, filters: 4, kernel: 9, train_only: true}",
    "relu: {from: conv1}",
    head="input: [3, 8, 8]",
)
CHANNELS_OF_ONE_NUMBER = "more than 1 value per channel when training"
TRAINING_FAILS = {
    "a branch that runs in training alone is too large": (TOO_LARGE, "aux: PyTorch failed: Calculated padded"),
    "a batch norm of one number for each channel": (
        layers("global_avgpool", "batchnorm: {name: norm}", "relu"),
        f"norm: PyTorch failed: Expected {CHANNELS_OF_ONE_NUMBER}",
    ),
    "a batch norm that may divide by 0": (
        layers("batchnorm: {name: norm, eps: 0}", "relu"),
        "norm: PyTorch failed: batch_norm eps must be positive during training",
    ),
    "an instance norm of one number for each channel": (
        layers("global_avgpool", "instancenorm: {name: norm, track: true}", "relu"),
        "norm: PyTorch failed: Expected more than 1 spatial element when training",
    ),
}


@pytest.mark.parametrize(("text", "failure"), TRAINING_FAILS.values(), ids=TRAINING_FAILS)
def test_figures_of_eval_mode_are_checked_where_training_fails(text: str, failure: str) -> None:
    computed = report(text)
    assert computed.totals.peak_memory_bytes is not None
    assert computed.totals.saved_for_backward_bytes is None
    found = verify.verify(graph(text), computed, device="cpu", memory=True)
    assert (found.verdict, found.failure, found.memory.peak.verdict) == ("agrees", "", "agrees")
    assert found.memory.measured_saved_bytes is None
    kept = [c for layer in found.layers for c in layer.comparisons if c.figure == SAVED.field]
    assert len(kept) == len(computed.layers)
    assert {(c.verdict, c.measured) for c in kept} == {("not checkable", None)}
    assert {c.reason[: len(failure) + 21] for c in kept} == {f"training mode fails: {failure}"}


def test_verify_says_why_training_was_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(TOO_LARGE)
    ran = piped("verify", str(path), "--memory", "--device", "cpu")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (
        "not checkable, saved_for_backward_bytes: training mode fails: aux: PyTorch failed: Calculated " in ran.stdout
    )
    assert ran.stdout.endswith("agrees ×1; 15 of 19 figures checked (78.9 %)\n")
    ran = piped("verify", str(path), "--memory", "--device", "cpu", "--json")
    (found,) = json.loads(ran.stdout)["architectures"]
    assert found["memory"]["measured_saved_for_backward_bytes"] is None
    assert found["memory"]["peak_memory_bytes"]["verdict"] == "agrees"


NEVER_RUN = {
    "a group norm of one number for each group, of one sample": (
        layers("groupnorm: {name: norm, groups: 4}", head="input: [4]"),
        "could not run",
        CHANNELS_OF_ONE_NUMBER,
    ),
    "local response norms of maps whose axes lie apart": (
        layers("conv3d: {filters: 4, kernel: 1}", "permute: [0, 3, 2, 1]", "lrn: 3", head="input: [2, 3, 4, 5]"),
        "differs",
        "view size is not compatible",
    ),
}


@pytest.mark.parametrize(("text", "verdict", "failure"), NEVER_RUN.values(), ids=NEVER_RUN)
def test_memory_of_what_pytorch_refuses_is_unknown(text: str, verdict: str, failure: str) -> None:
    computed = report(text)
    assert (computed.totals.peak_memory_bytes, computed.totals.saved_for_backward_bytes) == (None, None)
    found = verify.verify(graph(text), computed, device="cpu", memory=True)
    assert (found.verdict, found.checked) == (verdict, 0)
    assert failure in found.failure


def test_a_group_norm_of_one_number_for_each_group_runs_with_several_samples() -> None:
    text = layers("groupnorm: 4", head="input: [4]")
    assert report(text, batch=2).totals.peak_memory_bytes == 128
    assert verify.verify(graph(text), report(text, batch=2), device="cpu", memory=True).verdict == "agrees"


def test_the_heads_of_inception_do_not_stop_its_memory() -> None:
    found_graph, computed = analyze_graph("inception_v3", input=(3, 256, 256))
    found = verify.verify(found_graph, computed, device="cpu", memory=True)
    assert (found.verdict, found.memory.peak.verdict) == ("agrees", "agrees")
    assert found.memory.peak.computed == found.memory.peak.measured
