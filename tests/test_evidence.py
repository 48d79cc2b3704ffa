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
    for architecture in json.loads(path.read_text(encoding="utf-8"))["architectures"]:
        report = archcalc.analyze(archcalc.load(architecture["name"]))
        assert architecture["figures"] == 5 * len(report.layers), architecture["name"]
        assert architecture["input"] == list(report.settings.input)
