"""What changed between two reports: nothing between equal ones, and the other way round the mirror image."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archcalc.comparison.diff import Delta, ReportDiff, diff, paired
from archcalc.engine.report import Report
from archcalc.render.diff import comment, layers_grid, totals_grid
from tests.running import ROOT, piped
from tests.specs_helper import layers, report

LINES = (
    "conv: {filters: 4, kernel: 3, pad: 1}",
    "conv: {filters: 6, kernel: 1}",
    "relu",
    "batchnorm",
    "dropout",
    "conv: {name: a, filters: 4, kernel: 1}",
    "conv: {name: b, filters: 5, kernel: 1}",
)
unnamed = st.lists(st.sampled_from(LINES[:5]), min_size=1, max_size=7)
nets = st.tuples(unnamed, st.sets(st.sampled_from(LINES[5:]))).map(lambda parts: layers(*parts[0], *sorted(parts[1])))


def kinds(found: ReportDiff) -> list[tuple[str, str]]:
    return [(change.kind, change.name) for change in found.layers]


@given(nets)
@settings(max_examples=50, deadline=None)
def test_a_spec_does_not_differ_from_itself(text: str) -> None:
    found = diff("net", report(text), report(text))
    assert (found.kind, found.layers) == ("same", ())
    assert all(delta.change in (0, None) for delta in found.metrics.values())


@given(nets, nets)
@settings(max_examples=200, deadline=None)
def test_the_other_way_round_is_the_mirror_image(a: str, b: str) -> None:
    there, back = diff("net", report(a), report(b)), diff("net", report(b), report(a))
    mirrored = {(change.after and change.after.name, change.before and change.before.name) for change in back.layers}
    assert {
        (change.before and change.before.name, change.after and change.after.name) for change in there.layers
    } == mirrored
    assert {name: (d.after, d.before) for name, d in back.metrics.items()} == {
        name: (d.before, d.after) for name, d in there.metrics.items()
    }


@given(nets, nets)
@settings(max_examples=100, deadline=None)
def test_every_layer_is_in_one_pair_and_the_costs_add_up(a: str, b: str) -> None:
    before, after = report(a), report(b)
    pairs = paired(before.layers, after.layers)
    assert sorted(old.name for old, _ in pairs if old) == sorted(row.name for row in before.layers)
    assert [new.name for _, new in pairs if new] == [row.name for row in after.layers]
    found = diff("net", before, after)
    for name in ("params", "macs", "flops", "memory"):
        assert sum(change.costs[name].change or 0 for change in found.layers) == found.metrics[name].change


def test_a_layer_put_in_between_is_the_only_one_that_changed() -> None:
    old = layers(*["conv: {filters: 4, kernel: 3, pad: 1}", "relu"] * 3)
    new = layers(
        "conv: {filters: 4, kernel: 3, pad: 1}",
        "relu",
        "batchnorm",
        *["conv: {filters: 4, kernel: 3, pad: 1}", "relu"] * 2,
    )
    assert kinds(diff("net", report(old), report(new))) == [("added", "bn1")]
    wider = layers(
        *["conv: {filters: 4, kernel: 3, pad: 1}", "relu"] * 2,
        "conv: {filters: 4, kernel: 1}",
        *["conv: {filters: 4, kernel: 3, pad: 1}", "relu"],
    )
    assert kinds(diff("net", report(old), report(wider))) == [
        ("added", "conv3"),
        ("renamed", "conv3 → conv4"),
        ("renamed", "relu3 → relu4"),
    ]


def test_changed_fields_and_costs_are_told() -> None:
    old = layers("conv: {name: a, filters: 4, kernel: 3}", "conv: {name: b, filters: 4, kernel: 1}", "relu: {name: c}")
    new = layers("conv: {name: a, filters: 8, kernel: 3}", "conv: {name: b, filters: 4, kernel: 1}")
    a, b, c = diff("net", report(old), report(new)).layers
    assert a.fields == {"filters": (4, 8), "output": ((4, 6, 6), (8, 6, 6))}
    assert a.costs["params"] == Delta(4 * 28, 8 * 28)
    assert (b.fields, b.costs["params"].change) == ({}, 16)
    assert (c.kind, c.costs["memory"].change) == ("removed", -576)


def test_reports_come_back_from_json() -> None:
    found = report(
        layers("conv: {name: a, filters: 4, kernel: [3, 1]}", "pad: [1, 0]", "gelu: tanh", "flatten", "linear: 2")
    )
    again = Report.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.layers == tuple(found.layers)
    assert (again.settings, again.totals) == (found.settings, found.totals)


@pytest.mark.parametrize(
    "text", ["{}", "[]", "3", '{"schema_version": 99}', "nonsense", '{"schema_version": 1, "layers": 3}']
)
def test_what_is_no_report_is_an_error(tmp_path: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path / "report.json"  # type: ignore[operator]  # a path
    path.write_text(text)
    result = piped("diff", "lenet5", "--compare-to", path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {path}")
    assert "Traceback" not in result.stderr


def test_a_report_kept_as_json_is_compared_with(tmp_path: pytest.TempPathFactory) -> None:
    path = tmp_path / "report.json"  # type: ignore[operator]  # a path
    path.write_text(piped("table", "lenet5", "--json").stdout)
    same = piped("diff", "lenet5", "--compare-to", path)
    assert (same.returncode, same.stderr) == (0, "")
    assert "no spec changed its cost" in same.stdout
    changed = piped("diff", "lenet5", "--compare-to", path, "--set", "classes=20", "--json")
    found = json.loads(changed.stdout)
    (spec,) = found["specs"]
    assert found["notes"] == [f"{path} was computed at vars none, this at classes=20"]
    assert spec["metrics"]["params"]["change"] == 10 * 85
    assert [layer["after"] for layer in spec["layers"]] == ["output"]


def test_a_comment_is_never_too_long_and_the_important_comes_first() -> None:
    small, large = report(layers("linear: 2", head="input: [4]")), report(layers("linear: 200", head="input: [4]"))
    hostile = report(layers('conv: {name: "<b>|`x`\\n@all", filters: 4, kernel: 1}'))
    other = report(layers('conv: {name: "<b>|`x`\\n@all", filters: 5, kernel: 1}'))
    diffs = [diff(f"models/{'x' * 300}{i}.yaml", small, large) for i in range(300)]
    text = comment([diff("<script>`a`|@b", hostile, other), *diffs], "caption")
    assert len(text) <= 65_000
    assert text.index("script") < text.index("models/")
    assert "<script>" not in text.replace("``` <script", "")
    assert "left out here for lack of room" in text or "more specs changed" in text
    assert len(comment(diffs * 20, "c" * 100_000)) <= 65_000
    assert "No spec changed" in comment([], "caption")


def test_the_grids_fit_and_tell_the_sign() -> None:
    old, new = report(layers("conv: {filters: 4, kernel: 3}", "relu")), report(layers("conv: {filters: 2, kernel: 3}"))
    found = diff("net", old, new)
    totals, changes = totals_grid(found, ""), layers_grid(found)
    assert [row[3].text for row in totals.rows if row[0].text == "params"] == ["-56"]
    assert [row[0].text for row in changes.rows] == ["~", "-"]
    assert "filters 4 → 2" in changes.rows[0][2].text


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="there are no open files as paths")
def test_what_comes_through_a_pipe_is_a_spec() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"input: [8]\nlayers:\n  - linear: {name: a, features: 4}\n")
    os.close(writer)
    command = [sys.executable, "-m", "archcalc", "diff", f"/dev/fd/{reader}", "-", "--json"]
    text = "input: [8]\nlayers:\n  - linear: {name: a, features: 8}\n"
    found = subprocess.run(
        command, input=text, capture_output=True, text=True, pass_fds=[reader], cwd=ROOT, check=False
    )
    assert (found.returncode, found.stderr) == (0, "")
    (one,) = json.loads(found.stdout)["specs"]
    assert one["change"] == "changed"


def test_a_single_pipe_is_in_no_repository() -> None:
    found = piped("diff", "-", stdin="input: [8]\nlayers: [relu]\n")
    assert (found.returncode, "is not in a git repository" in found.stderr) == (2, True)
