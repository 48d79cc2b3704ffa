"""The committed evidence speaks of the architectures that are shipped, and of nothing that differs."""

import json
from pathlib import Path
from typing import Any

import pytest

import archcalc

EVIDENCE = sorted(Path(__file__).parent.glob("*.json"))
of_each_run = pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_there_is_evidence_of_a_run() -> None:
    assert EVIDENCE


@of_each_run
def test_every_shipped_architecture_agrees_with_pytorch(path: Path) -> None:
    found = read(path)
    assert {a["name"] for a in found["architectures"] if not a["reduced"]} == set(archcalc.names())
    assert {a["verdict"] for a in found["architectures"]} == {"agrees"}
    assert found["summary"]["differ"] == 0
    assert found["environment"].keys() >= {"device", "device_name", "torch"}
    assert found["date"]


@of_each_run
def test_of_what_ran_without_data_a_smaller_copy_ran_with_data(path: Path) -> None:
    found = read(path)["architectures"]
    without_data = {a["name"]: a["note"] for a in found if a["device"] == "meta"}
    copies = {a["name"]: a for a in found if a["reduced"]}
    assert without_data.keys() == copies.keys()
    assert all(note.endswith("run on the meta device, without data") for note in without_data.values())
    for name, copy in copies.items():
        assert copy["reduced"] == archcalc.load(name).reduced_vars
        assert copy["memory"]["peak_memory_bytes"]["verdict"] == "agrees"


@of_each_run
def test_it_is_of_the_figures_that_archcalc_computes_now(path: Path) -> None:
    """A spec that has changed since needs a new run: the number of its figures would no longer be the same."""
    found = read(path)
    for architecture in found["architectures"]:
        name, memory = architecture["name"], architecture["memory"]
        report = archcalc.analyze(name, batch=found["settings"]["batch"], vars=architecture["reduced"])
        layers = len(report.layers)
        assert architecture["figures"] == (5 * layers if memory is None else 6 * layers + 1), name
        assert architecture["input"] == list(report.settings.input)
        if memory is None:
            continue
        assert memory["peak_memory_bytes"]["computed"] == report.totals.peak_memory_bytes
        if architecture["device"] != "meta":  # which may run other kernels than the CPU
            saved = report.totals.saved_for_backward_bytes
            assert saved in (None, memory["measured_saved_for_backward_bytes"]), name
