"""archcalc compare and chart: side by side, equal where equal, and bars as long as the figures say."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archcalc
from archcalc.comparison.compare import compare
from archcalc.comparison.grouping import BY, aligned, kinds_of
from archcalc.engine.figures import LECTURE, METRICS
from archcalc.engine.stages import stages
from archcalc.render.charts.bars import bars, blocks
from tests.running import on_terminal, piped, python
from tests.specs_helper import layers, report

SMALL = layers("conv: {filters: 4, kernel: 3}", "relu", "maxpool: 2", "flatten", "linear: 2")
LARGE = layers(
    "conv: {filters: 8, kernel: 3}", "relu", "conv: {filters: 8, kernel: 1}", "maxpool: 2", "flatten", "linear: 2"
)
NAMED = layers(
    "conv: {name: a.b.c, filters: 2, kernel: 1}",
    "relu: {name: a.r}",
    "conv: {name: mid, filters: 2, kernel: 1}",
    "relu: {name: z.r}",
)
UNKNOWN = layers("lstm: {hidden: 3}", "linear: 2", head="input: [4, 5]")
texts = st.sampled_from([SMALL, LARGE, NAMED, UNKNOWN])


@given(texts, st.sampled_from(BY))
@settings(deadline=None)
def test_an_architecture_is_once_itself(text: str, by: Any) -> None:
    found = compare([report(text), report(text)], by)
    for metric in METRICS:
        first, second = found.totals(metric)
        assert first == second
        assert found.ratios(metric) == [None if not first else Fraction(1)] * 2
    for line in found.lines:
        assert line.groups[0] == line.groups[1]


@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(BY))
@settings(deadline=None)
def test_the_groups_hold_every_row_once_and_add_up(several: list[str], by: Any) -> None:
    reports = [report(text) for text in several]
    found = compare(reports, by)
    for i, one in enumerate(reports):
        rows = [row.name for line in found.lines for row in line.groups[i]]
        assert sorted(rows) == sorted(row.name for row in one.layers)
    for metric in LECTURE:
        sums = [sum(found.figures(line, metric)[i] or 0 for line in found.lines) for i in range(len(reports))]
        assert sums == found.totals(metric)


def test_the_groups_of_one_architecture() -> None:
    assert [(group.name, [row.name for row in group.rows]) for group in stages(report(NAMED).layers)] == [
        ("a", ["a.b.c", "a.r"]),
        ("mid", ["mid"]),
        ("z", ["z.r"]),
    ]
    assert [group.name for group in kinds_of(report(SMALL))] == ["conv", "relu", "maxpool", "flatten", "linear"]
    assert [group.name for group in stages(archcalc.analyze("vgg16").layers)][-2:] == ["stage5", "head"]


def test_layers_that_belong_together_stand_in_one_line() -> None:
    lines = aligned([report(SMALL), report(LARGE)], "layer")
    assert [tuple(rows[0].name if rows else None for rows in line.groups) for line in lines] == [
        ("conv1", "conv1"),
        ("relu1", "relu1"),
        (None, "conv2"),
        ("pool1", "pool2"),
        ("flatten", "flatten"),
        ("fc2", "fc3"),
    ]


def test_much_bigger() -> None:
    """The lecture's slide: VGG-16 has 138 M parameters, 2.3 times AlexNet's 61 M."""
    found = json.loads(piped("compare", "alexnet", "vgg16", "--own-input", "--json").stdout)
    assert [a["name"] for a in found["architectures"]] == ["alexnet", "vgg16"]
    assert found["totals"]["params"] == [61100840, 138357544]
    assert round(found["ratios"]["params"][1], 1) == 2.3
    assert round(found["ratios"]["macs"][1], 1) == 21.6
    assert found["totals"]["depth"] == [8, 16]
    text = piped("compare", "alexnet", "vgg16").stdout
    assert "input 3×227×227 for all" in text
    assert re.search(r"params +61.1 M +138 M +2.26×", text)


def test_depth_is_what_the_names_say() -> None:
    names = ["vgg11", "vgg19_bn", "resnet18", "resnet50", "resnet152", "preresnet101", "densenet121", "densenet201"]
    found = {name: archcalc.analyze(archcalc.load(name)).totals.depth for name in [*names, "googlenet", "alexnet"]}
    assert found == {**{name: int(re.findall(r"\d+", name)[0]) for name in names}, "googlenet": 22, "alexnet": 8}


def test_what_is_unknown_stays_unknown(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(UNKNOWN, encoding="utf-8")
    found = json.loads(piped("compare", path, path, "--json").stdout)
    assert found["totals"]["saved"] == found["ratios"]["saved"] == [None, None]
    assert re.search(r"saved for backward +\? +\? +\?", piped("compare", path, path).stdout)


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "markdown", "latex", "html"])
def test_all_formats(form: str) -> None:
    result = piped("compare", "alexnet", "lenet5", "--own-input", "--format", form)
    assert (result.returncode, result.stderr) == (0, "")
    assert "lenet5" in result.stdout
    assert ("61100840" if form in ("jsonl", "csv", "tsv") else "61.1 M") in result.stdout


def test_many_stand_one_below_the_other_and_fit() -> None:
    shown = on_terminal("compare", "alexnet", "vgg16", "resnet50", "googlenet", "densenet121", columns=80, NO_COLOR="1")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(map(len, plain.splitlines())) <= 80
    assert "5 architectures" in shown
    assert "not shown for lack of room" in shown


def test_errors_of_all_specs_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(layers("linaer: 3"), encoding="utf-8")
    result = piped("compare", "alexnet", "a.yaml", "b.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert ("a.yaml:3:5: error" in result.stderr, "b.yaml:3:5: error" in result.stderr) == (True, True)
    result = piped("compare", "lenet5", "alexnet")
    assert result.returncode == 2
    assert "--own-input uses each spec's own" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", "alexnet"), "give at least two architectures"),
        (("compare", "alexnet", "vgg16", "--bars", "--json"), "--bars cannot be combined with json"),
        (("compare", "alexnet", "vgg16", "--input", "3x9x9", "--own-input"), "cannot be combined"),
        (("chart",), "give at least one architecture"),
        (("chart", "alexnet", "-o", "x.gif"), "x.gif: not a picture format"),
        (("chart", "alexnet", "--scatter", "flops:params"), "--scatter needs a picture file"),
        (("chart", "alexnet", "--scatter", "flops", "-o", "x.svg"), "is not X:Y"),
        (("chart", "alexnet", "--scatter", "flops:parms", "-o", "x.svg"), "did you mean params?"),
        (("chart", "lstm-lm-small", "--scatter", "saved:params", "-o", "x.svg"), "saved for backward is unknown"),
    ],
)
def test_what_is_asked_wrongly(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    result = piped(*arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_bars_are_as_long_as_the_figures() -> None:
    drawn = bars(compare([report(SMALL), report(LARGE)], "layer"), "params", 80)
    lengths = {(bar.label.split()[0], bar.architecture): len(bar.length.rstrip()) for bar in drawn if bar.length}
    params = {row.name: row.params for row in report(LARGE).layers}
    longest = max(lengths.values())
    assert lengths["fc2", 0] == longest * 74 // 146 + (longest * 74 % 146 > 0) or lengths["fc2", 0] <= longest
    assert max(params.values()) == params["conv1"]
    assert all(blocks(value, 100, 10).count("█") == value // 10 for value in range(0, 101, 10))
    text = piped("chart", "alexnet", "vgg16", "--by", "stage", "--metric", "params").stdout
    assert max(map(len, text.splitlines()[2:])) <= 80
    assert text.splitlines()[2] == "params by stage: alexnet 61.1 M, vgg16 138 M"


def test_a_terminal_sees_colours() -> None:
    assert "\x1b[38" in on_terminal("chart", "lenet5", columns=80, COLORTERM="truecolor")
    assert "\x1b[38" not in on_terminal("chart", "lenet5", columns=80, NO_COLOR="1")


@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "html"])
def test_pictures(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("matplotlib")
    path, again = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    for where in (path, again):
        result = piped("chart", "alexnet", "lenet5", "--own-input", "-o", where)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert path.read_bytes() == again.read_bytes()
    beginnings = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "html": b"<!doctype html>"}
    assert path.read_bytes().startswith(beginnings[ending])
    if ending in ("svg", "html"):
        text = path.read_text(encoding="utf-8")
        assert all(word in text for word in ("params (M)", "memory (MiB)", "alexnet: 61.1 M", "stage1", "head"))


def test_the_bars_of_a_picture_are_as_long_as_the_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    from archcalc.render.charts import picture

    drawn: list[Any] = []
    monkeypatch.setattr(picture, "_saved", lambda fig, _: drawn.append(fig))
    found = compare([archcalc.analyze(archcalc.load("alexnet"))], "layer")
    picture.bar_picture(found, ("params",), "", "svg")
    (axis,) = drawn[0].axes
    assert axis.get_xlim()[0] == 0
    widths = [bar.get_width() for bar in axis.containers[0]]
    shown = [row for row in found.reports[0].layers if row.params]
    assert widths == [pytest.approx(row.params / 10**6) for row in shown]


def test_a_scatter_is_labelled_and_no_label_meets_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    from archcalc.render.charts import picture

    names = ["vgg11", "vgg13", "vgg16", "vgg19", "resnet18", "resnet34", "resnet50", "mobilenet_v2", "$x$"]
    reports = [archcalc.analyze(archcalc.load(name)) for name in names[:-1]]
    drawn: list[Any] = []
    monkeypatch.setattr(picture, "_saved", lambda fig, _: drawn.append(fig))
    picture.scatter_picture(reports, METRICS["flops"], METRICS["params"], "caption", "svg")
    (axis,) = drawn[0].axes
    assert [text.get_text() for text in axis.texts] == names[:-1]
    assert (axis.get_xscale(), axis.get_yscale()) == ("log", "log")
    boxes = [text.get_window_extent() for text in axis.texts if text.arrow_patch is None]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path) -> None:
    program = "import sys; sys.modules['matplotlib'] = None\nfrom archcalc.cli import main\nmain(sys.argv[1:])"
    result = python("-c", program, "chart", "lenet5", "-o", tmp_path / "x.svg")
    assert (result.returncode, result.stdout) == (2, "")
    assert 'hint: pip install "archcalc[plot]"' in result.stderr
    assert not list(tmp_path.iterdir())
