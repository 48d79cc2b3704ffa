"""The committed evidence speaks of the architectures that are shipped, and of nothing that differs."""

import json
from pathlib import Path

import pytest

import archcalc

EVIDENCE = sorted((Path(__file__).parent / "evidence").glob("*.json"))


def test_there_is_evidence_of_a_run() -> None:
    assert EVIDENCE


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: path.stem)
def test_every_shipped_architecture_agrees_with_pytorch(path: Path) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert {a["name"] for a in found["architectures"]} == set(archcalc.names())
    assert {a["verdict"] for a in found["architectures"]} == {"agrees"}
    assert found["summary"]["differ"] == 0
    assert found["environment"].keys() >= {"device", "device_name", "torch"}
    assert found["date"]


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: path.stem)
def test_it_is_of_the_figures_that_archcalc_computes_now(path: Path) -> None:
    """A spec that has changed since needs a new run: the number of its figures would no longer be the same."""
    found = json.loads(path.read_text(encoding="utf-8"))
    for architecture in found["architectures"]:
        report = archcalc.analyze(archcalc.load(architecture["name"]), batch=found["settings"]["batch"])
        memory = architecture.get("memory")
        layers = len(report.layers)
        assert architecture["figures"] == (5 * layers if memory is None else 6 * layers + 1), architecture["name"]
        assert architecture["input"] == list(report.settings.input)
        if memory is not None:
            saved = report.totals.saved_for_backward_bytes
            assert saved in (None, memory["measured_saved_for_backward_bytes"])
            assert memory["peak_memory_bytes"]["computed"] == report.totals.peak_memory_bytes
