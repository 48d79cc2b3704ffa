"""Conventions price tallies that are kept: by traits that kinds declare, whatever file the kinds live in."""

import json
import re
import shutil
from pathlib import Path

import pytest

from archcalc import Report, SettingError, analyze
from archcalc.engine.conventions import CONVENTIONS, Convention, Work
from archcalc.layers.core.arithmetic import Dim, product
from archcalc.layers.core.base import Operation
from tests.running import ROOT, python

COMMANDS = (
    ("table", "alexnet", "--all", "--json"),
    ("table", "bert-base"),
    ("compare", "alexnet", "vgg16", "--by", "stage"),
    ("kinds", "--json"),
    ("kinds", "linear"),
)
WITHOUT_KINDS = ("arithmetic", "axes", "base", "execution", "storage", "twin", "window")
"""Files of layers/ that hold no kinds."""


def test_a_report_is_priced_anew_without_analysing_anew() -> None:
    for name in ("alexnet", "bert-base", "mobilenet_v2"):
        for own in CONVENTIONS:
            report = analyze(name, batch=3, convention=own)
            for other in CONVENTIONS:
                expected = analyze(name, batch=3, convention=other)
                assert report.flops(other) == expected.totals.flops
                assert [row.flops_by(other) for row in report.layers] == [row.flops for row in expected.layers]


def test_the_tally_is_of_the_whole_batch_and_stands_in_json() -> None:
    one, five = (analyze("alexnet", batch=batch).layer("pool1") for batch in (1, 5))
    assert one.ops is not None
    assert five.ops == one.ops.times(5)
    assert five.to_dict()["ops"] == {
        "macs": 0,
        "additions": 0,
        "multiplications": 0,
        "divisions": 0,
        "comparisons": 5 * 64 * 27 * 27 * 9,
        "special": 0,
    }


def test_a_report_that_was_written_can_be_priced_one_of_an_earlier_version_cannot() -> None:
    report = analyze("alexnet", batch=2)
    data = json.loads(json.dumps(report.to_dict()))
    assert Report.from_dict(data) == report
    assert Report.from_dict(data).flops("torch") == report.flops("torch")
    for row in data["layers"]:
        del row["ops"]
    earlier = Report.from_dict(data)
    assert earlier.totals == report.totals
    assert earlier.flops("torch") is None
    assert earlier.layer("conv1").flops_by("torch") is None


def test_a_report_of_before_a_kind_gained_a_field_is_read() -> None:
    report = analyze("alexnet")
    data = json.loads(json.dumps(report.to_dict()))
    for row in data["layers"]:
        row["fields"].pop("dilation", None)
    assert Report.from_dict(data) == report


def test_a_convention_may_price_by_a_function_of_shapes_fields_and_tally() -> None:
    def with_biases(work: Work) -> Dim | None:
        """A multiply-add is one, and so is a bias added to an element of the output."""
        if work.ops is None:
            return None
        return work.ops.macs + work.samples * product(work.output) * getattr(work.layer, "bias", False)

    convention = Convention("biased", "1 FLOP = one multiply-add or bias", "a test", price=with_biases)
    report = analyze("alexnet", batch=2)
    conv = report.layer("conv1")
    assert conv.macs is not None
    assert conv.flops_by(convention) == conv.macs + 2 * 64 * 56 * 56
    assert report.layer("pool1").flops_by(convention) == 0
    assert report.flops(convention) == sum(row.flops_by(convention) or 0 for row in report.layers)


def test_weights_go_by_what_a_kind_declares() -> None:
    convention = Convention("odd", "", "a test", {"macs": 1}, {Operation.POOLING: {"comparisons": 7}})
    report = analyze("alexnet")
    assert report.layer("pool1").flops_by(convention) == 7 * 64 * 27 * 27 * 9
    assert report.layer("relu1").flops_by(convention) == 0


def test_an_unknown_convention_is_refused() -> None:
    with pytest.raises(SettingError, match="unknown convention 'lectur'"):
        analyze("alexnet").flops("lectur")


def test_what_the_files_of_kinds_are_called_changes_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "archcalc", tmp_path / "archcalc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    layers = tmp_path / "archcalc" / "layers"
    names = sorted(path.stem for path in layers.glob("[a-z]*.py") if path.stem not in WITHOUT_KINDS)
    renamed = {name: f"kinds{len(names) - place}_{name}" for place, name in enumerate(names)}
    assert {"pool", "conv", "attention"} <= renamed.keys()

    def new(found: re.Match[str]) -> str:
        return found[1] + renamed.get(found[2], found[2])

    for path in (tmp_path / "archcalc").rglob("*.py"):
        text = re.sub(r"(archcalc\.layers\.)(\w+)", new, path.read_text(encoding="utf-8"))
        if path == layers / "__init__.py":
            text = re.sub(r'(?m)^(    ")(\w+)(?=": )', new, text)
            text = text.replace("for family in FAMILIES:", "for family in reversed(FAMILIES):")
            assert "reversed" in text
        path.write_text(text, encoding="utf-8")
    for name, other in renamed.items():
        (layers / f"{name}.py").rename(layers / f"{other}.py")
    assert str(tmp_path) in python("-c", "import archcalc; print(archcalc.__file__)", cwd=tmp_path).stdout
    for command in COMMANDS:
        there = python("-m", "archcalc", *command, cwd=tmp_path)
        assert (there.returncode, there.stderr) == (0, "")
        assert there.stdout == python("-m", "archcalc", *command, cwd=ROOT).stdout
