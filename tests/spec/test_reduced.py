"""Copies that are smaller than the architecture: what a spec says of them, and when `verify` runs one."""

import json
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.analysis import analyze_graph
from archcalc.api import smaller_copy
from archcalc.spec.architecture import Architecture
from tests.running import python
from tests.specs_helper import layers, messages, spec

torch = pytest.importorskip("torch")
backend = pytest.importorskip("archcalc.torch_backend.verify")

DEEP = layers(
    "linear: {name: fc, features: width, repeat: depth}",
    head="vars: {depth: 300, width: 8}\nreduced: {depth: 2, width: 4}\ninput: [3]",
)


def verified(architecture: Architecture, **settings: Any) -> list[Any]:
    graph, report = analyze_graph(architecture, batch=2, vars=settings.get("vars"))
    copy = smaller_copy(architecture, report, settings.pop("vars", None) or {})
    found: list[Any] = backend.verify_as_it_fits(graph, report, copy, **settings)
    return found


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU the copy fits, the whole does not."""
    monkeypatch.setattr(backend, "free_memory", lambda device: None if device == "meta" else 40_000)
    monkeypatch.setattr(backend, "chosen_device", lambda device: "cpu" if device == "auto" else device)


@pytest.mark.usefixtures("little_memory")
def test_what_does_not_fit_runs_whole_without_data_and_smaller_with_data() -> None:
    whole, copy = verified(spec(DEEP), memory=True)
    assert (whole.device, len(whole.layers), whole.verdict, whole.reduced) == ("meta", 300, "agrees", {})
    assert whole.note.endswith("run on the meta device, without data")
    assert (copy.device, len(copy.layers), copy.verdict, copy.note) == ("cpu", 2, "agrees", "")
    assert copy.reduced == copy.to_dict(all_layers=False)["reduced"] == {"depth": 2, "width": 4}
    assert copy.name == "net, depth 2, width 4"
    assert copy.report.totals.params == 4 * 3 + 4 + 4 * 4 + 4
    assert copy.figures == 6 * 2 + 1


@pytest.mark.usefixtures("little_memory")
def test_vars_that_are_set_stay_and_shapes_alone_need_no_copy() -> None:
    _, copy = verified(spec(DEEP), memory=True, vars={"depth": 250})
    assert (copy.device, copy.reduced, len(copy.layers)) == ("cpu", {"width": 4}, 250)
    assert len(verified(spec(DEEP))) == 1
    assert len(verified(spec(DEEP), memory=True, vars={"depth": 250, "width": 9})) == 1
    assert len(verified(spec(DEEP), memory=True, device="meta")) == 1


def test_what_fits_runs_whole() -> None:
    (whole,) = verified(spec(DEEP), memory=True)
    assert (whole.device, len(whole.layers)) == ("cpu", 300)


def test_the_output_says_how_each_was_run() -> None:
    code = (
        "import archcalc.torch_backend.verify as backend, sys; from archcalc.cli import main; "
        "backend.free_memory = lambda device: None if device == 'meta' else 40_000; main(sys.argv[1:])"
    )
    found = python("-c", code, "verify", "-", "--memory", "--json", stdin=DEEP)
    runs = json.loads(found.stdout)
    assert [(run["device"], run["reduced"], run["verdict"]) for run in runs["architectures"]] == [
        ("meta", {}, "agrees"),
        ("cpu", {"depth": 2, "width": 4}, "agrees"),
    ]
    assert (runs["summary"]["architectures"], runs["summary"]["reduced"]) == (1, 1)
    table = python("-c", code, "verify", "-", "--memory", stdin=DEEP)
    assert (found.returncode, table.returncode) == (0, 0)
    assert "stdin, depth 2, width 4" in table.stdout
    assert "run on the meta device, without data" in table.stdout


@pytest.mark.parametrize(
    ("reduced", "message"),
    [
        ("{dpeth: 2}", "unknown variable 'dpeth'"),
        ("{depth: 0}", "reduced depth must be a whole number ≥ 1"),
        ("{depth: [2]}", "reduced depth must be a whole number ≥ 1"),
        ("{depth: width}", "reduced depth must be a whole number ≥ 1"),
        ("2", "reduced must be a mapping of names to values"),
    ],
)
def test_messages(reduced: str, message: str) -> None:
    assert message in messages(DEEP.replace("{depth: 2, width: 4}", reduced))


def test_a_spec_that_extends_another_has_its_copy_too(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    (tmp_path / "base.yaml").write_text(DEEP, encoding="utf-8")
    own.write_text("extends: base.yaml\nreduced: {depth: 3}\n", encoding="utf-8")
    assert archcalc.load(own).reduced_vars == {"depth": 3, "width": 4}
    own.write_text("extends: base.yaml\nreduced: {heads: 3}\n", encoding="utf-8")
    with pytest.raises(archcalc.SpecError, match="unknown variable 'heads'"):
        archcalc.load(own)


def test_on_the_meta_device_attention_takes_other_steps() -> None:
    text = layers(
        "linear: {name: q, features: 4}",
        "attention: {heads: 2, from: [q, q, q]}",
        "linear: 3",
        head="input: [5, 4]",
    )
    (found,) = verified(spec(text), memory=True, device="meta")
    reasons = {comparison.reason for comparison in found.comparisons() if comparison.verdict == "not checkable"}
    assert found.verdict == "agrees"
    assert reasons == {"the meta device runs attention step by step, the CPU as one operation"}
