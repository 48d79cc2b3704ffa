"""Networks of several ends: what no layer reads is an output, too."""

import json
from pathlib import Path

import pytest

import archcalc
from archcalc import Report
from tests.running import piped
from tests.specs_helper import layers, report, spec

TEXT = layers(
    "conv: {name: trunk, filters: 4, kernel: 1}",
    "relu: {name: boxes}",
    "sigmoid: {name: classes, from: trunk}",
    "global_avgpool: {name: last, from: trunk}",
)


def test_they_are_told(tmp_path: Path) -> None:
    path = tmp_path / "ends.yaml"
    path.write_text(TEXT, encoding="utf-8")
    assert "outputs: boxes 4×8×8, classes 4×8×8, last 4×1×1" in piped("table", path).stdout
    plain = json.loads(piped("table", path, "--json").stdout)
    assert plain["further_outputs"] == ["boxes", "classes"]
    assert [output.name for output in Report.from_dict(plain).outputs] == ["boxes", "classes", "last"]
    del plain["outputs"]  # as an earlier version wrote it
    assert [output.name for output in Report.from_dict(plain).outputs] == ["boxes", "classes", "last"]
    drawn = piped("graph", path, "--format", "dot").stdout
    assert all(name in drawn for name in ("boxes", "classes", "last"))


def test_a_chain_has_none() -> None:
    assert [output.name for output in report(layers("relu", "relu")).outputs] == ["relu_2"]


def test_to_torch_gives_them_all() -> None:
    torch = pytest.importorskip("torch")
    model = archcalc.to_torch(spec(TEXT)).eval()
    outputs = model(torch.zeros(2, 3, 8, 8))
    assert [tuple(y.shape) for y in outputs] == [(2, 4, 8, 8), (2, 4, 8, 8), (2, 4, 1, 1)]


def test_what_compare_prints_is_a_limit_that_holds(tmp_path: Path) -> None:
    for name in ("alexnet", "resnet50"):
        printed = piped("compare", name, "vgg16").stdout
        memory = next(line for line in printed.splitlines() if line.startswith("memory "))
        figure = " ".join(memory.split()[1:3])
        # Rounded to three digits, it is at most half a step below the figure.
        number, unit = figure.split()
        rounded_up = f"{float(number) * 1.005:.4f} {unit}"
        assert piped("check", name, "--max", f"memory={rounded_up}").returncode == 0
        assert piped("check", name, "--max", f"memory={float(number) * 0.99:.4f} {unit}").returncode == 1
