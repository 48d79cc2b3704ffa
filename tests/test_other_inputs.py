"""Shipped architectures at other inputs than their own do what torchvision's do."""

import pytest

from archcalc import analyze, load
from archcalc.spec.expand import expand
from tests.specs_helper import layers, messages, report

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

    graph, problems = expand(load(name), input=(3, 70, 33))
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
        row.name: row.layer.shifts for row in report(windows("shift: 2, map: input")).layers if "shifts" in row.fields
    }
    assert shifts == {f"{block}.roll": (-2, 0), f"{block}.back": (2, 0)}
    assert "windows of 4×4 do not fill a map of 10×4" in messages(windows("shift: 2"))


def test_expressions_know_the_shape_of_the_input() -> None:
    text = layers("conv: {filters: '2 * input[0]', kernel: 3}", "flatten", "linear: sum(input)")
    assert [row.output for row in report(text).layers] == [(6, 6, 6), (216,), (19,)]
    assert report(layers("flatten", "linear: input[1] + 1"), input=(3, 4, 5)).layers[1].output == (5,)
    assert report(layers("linear: input", head="vars: {input: 7}\ninput: [3]")).layers[0].output == (7,)
    assert "index 3 of a list of 3" in messages(layers("linear: input[3]"))
    assert messages(layers("linear: input[2]", head="input: [3, 0, 8]")).count("error") == 1
