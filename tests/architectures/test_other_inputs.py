"""Shipped architectures at other inputs than their own do what torchvision's do."""

import json
import pickle

import pytest

from archcalc import Report, SettingError, analyze, load
from archcalc.analysis import analyze_graph
from archcalc.spec.ends import UNNAMED
from archcalc.spec.expand import expand
from tests.running import piped
from tests.specs_helper import graph, layers, messages, report

SWIN = [
    ("swin_t", (224, 224), 4_490_566_656),
    ("swin_t", (256, 256), 7_345_441_536),
    ("swin_t", (230, 230), 6_780_498_048),
    ("swin_t", (256, 300), 8_230_480_128),
    ("swin_t", (28, 224), 1_124_438_016),
    ("swin_t", (33, 33), 518_717_184),
    ("swin_b", (230, 230), 23_413_081_600),
    ("swin_v2_t", (256, 256), 5_939_690_496),
    ("swin_v2_t", (224, 224), 4_938_464_256),
    ("swin_v2_t", (230, 230), 5_460_905_472),
    ("swin_v2_t", (256, 300), 7_691_959_296),
    ("swin_v2_b", (33, 33), 2_143_219_712),
]
"""Multiply-adds that torch.utils.flop_counter finds in torchvision's models on the meta device."""


@pytest.mark.parametrize(("name", "size", "macs"), SWIN)
def test_windows_are_padded_as_in_torchvision(name: str, size: tuple[int, int], macs: int) -> None:
    found = analyze(name, input=(3, *size)).totals
    assert (found.macs, found.params) == (macs, analyze(name).totals.params)


@pytest.mark.parametrize("name", ["swin_t", "swin_v2_t"])
def test_pytorch_agrees_where_windows_are_padded(name: str) -> None:
    pytest.importorskip("torch")
    from archcalc.torch_backend.verify import verify

    graph, problems = expand(load(name), input={UNNAMED: (3, 70, 33)})
    assert not problems
    assert {"pad", "slice", "roll"} < {node.layer.kind for node in graph.nodes}
    found = verify(graph, analyze(name, input=(3, 70, 33), batch=2), device="meta", memory=True)
    assert (found.verdict, found.count("differs")) == ("agrees", 0)


def windows(call: str) -> str:
    return layers(f"shifted_window_attention: {{width: 8, heads: 2, window: 4, {call}}}", head="input: [10, 4, 8]")


def test_the_window_block_pads_the_map_that_it_is_told_of() -> None:
    rows = {row.name: row.output for row in report(windows("shift: 2, map: [10, 4]")).layers}
    block = "shifted_window_attention"
    assert rows[f"{block}.pad"] == (12, 4, 8)
    assert rows[f"{block}.rows"] == (10, 4, 8)
    assert f"{block}.columns" not in rows
    shifts = {
        row.name: row.fields["shifts"]
        for row in report(windows("shift: 2, map: input")).layers
        if "shifts" in row.fields
    }
    assert shifts == {f"{block}.roll": (-2, 0), f"{block}.back": (2, 0)}
    assert "windows of 4×4 do not fill a map of 10×4" in messages(windows("shift: 2"))


def test_expressions_know_the_shape_of_the_input() -> None:
    text = layers("conv: {filters: '2 * input[0]', kernel: 3}", "flatten", "linear: sum(input)")
    assert [row.output for row in report(text).layers] == [(6, 6, 6), (216,), (19,)]
    assert report(layers("flatten", "linear: input[1] + 1"), input=(3, 4, 5)).layers[1].output == (5,)
    assert report(layers("linear: input", head="vars: {input: 7}\ninput: [3]")).layers[0].output == (7,)
    assert "index 3 is out of range for a list of 3" in messages(layers("linear: input[3]"))
    assert messages(layers("linear: input[2]", head="input: [3, 0, 8]")).count("error") == 1


INPUT = (3, 256, 256)
TOO_LARGE = "kernel 5 does not fit its input of 4×4 (pad 0)"


def test_a_branch_that_is_too_large_for_its_input_does_not_stop_eval_mode() -> None:
    report = analyze("inception_v3", input=INPUT)
    assert (report.totals.macs, report.totals.params) == (3_849_597_280, 27_161_264)  # as torchvision's
    assert report.totals.saved_for_backward_bytes is None
    rows = {row.name: row for row in report.layers if row.train_only}
    assert {name: row.misfit for name, row in rows.items() if row.misfit} == {"aux.conv2.conv1": TOO_LARGE}
    plain = {name: row.to_dict() for name, row in rows.items()}
    assert plain["aux.conv2.conv1"]["inputs"] == [[128, 4, 4]]
    assert plain["aux.conv2.conv1"]["output"] == plain["aux.conv2.relu1"]["output"] == [768, None, None]
    assert plain["aux.pool_2"]["output"] == [768, 1, 1]
    assert {name: row.params for name, row in rows.items() if row.params} == {
        row.name: row.params for row in analyze("inception_v3").layers if row.train_only and row.params
    }
    unknown = ["aux.conv2.conv1", "aux.conv2.bn1", "aux.conv2.relu1", "aux.flatten", "aux.fc"]
    assert [row.name for row in report.layers if row.saved_for_backward_bytes is None] == unknown
    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))).to_dict() == report.to_dict()
    assert pickle.loads(pickle.dumps(report)) == report


def test_the_table_warns_of_a_branch_that_is_too_large() -> None:
    shown = piped("table", "inception_v3", "--input", "3x256x256")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"warning: training fails at this input: aux.conv2.conv1: {TOO_LARGE}; eval mode skips it" in shown.stdout
    row = next(line for line in shown.stdout.splitlines() if line.startswith("aux.conv2.conv1"))
    assert row.split() == ["aux.conv2.conv1", "128", "4", "768", "5", "1", "0", "768", "?", "0", "2,458*", "0"]
    assert "warning" not in piped("table", "inception_v3").stdout


def test_pytorch_agrees_in_eval_mode_and_fails_in_training() -> None:
    pytest.importorskip("torch")
    from archcalc.torch_backend.verify import verify

    graph, report = analyze_graph("inception_v3", input=INPUT)
    found = verify(graph, report, device="meta")
    assert (found.verdict, found.checked) == ("agrees", found.figures - 10)
    failed = verify(graph, report, device="meta", train=True)
    assert failed.verdict == "could not run"
    assert failed.failure.startswith("aux.conv2.conv1: PyTorch failed")


def test_pytorch_refusing_what_archcalc_takes_in_training_alone_is_no_misfit(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from archcalc.torch_backend.build import RefusalError, build

    wide = graph(layers("conv: {filters: 2, kernel: 9, train_only: true}", "relu"))
    assert build(wide)
    monkeypatch.setattr(type(wide.nodes[0].layer), "output", lambda _, x: x)
    with pytest.raises(RefusalError):
        build(wide)


def test_a_branch_whose_parameters_depend_on_the_missing_size_is_an_error() -> None:
    branch = ["conv: {filters: 4, kernel: 9}", "flatten", "linear: 2"]
    text = layers(f"sequence: {{train_only: true, layers: [{', '.join(f'{{{line}}}' for line in branch)}]}}", "relu")
    text = text.replace("{flatten}", "flatten")
    said = messages(text)
    assert said.count("error: ") == 1
    assert "conv1: kernel 9 does not fit its input of 8×8 (pad 0)" in said
    assert report(text.replace("kernel: 9", "kernel: 8")).layers[2].params == 10


def test_what_is_wrong_whatever_the_size_is_an_error_in_training_alone_too() -> None:
    assert "groups 2" in messages(layers("conv: {filters: 4, kernel: 3, groups: 2, train_only: true}", "relu"))
    assert "does not fit" in messages(layers("conv: {filters: 4, kernel: 9}", "relu"))


def test_a_report_read_again_keeps_its_title_and_has_layers() -> None:
    made = analyze("lenet5").to_dict()
    assert Report.from_dict(made).title == load("lenet5").title != "lenet5"
    older = {key: value for key, value in made.items() if key != "title"}
    for row in older["layers"]:
        del row["misfit"]
    assert Report.from_dict(older).title == "lenet5"
    with pytest.raises(SettingError, match="the report has no layers"):
        Report.from_dict({**made, "layers": []})
