"""A spec that extends another, and blocks that every spec may call."""

from pathlib import Path

import pytest

import archcalc
from archcalc.errors import SpecError
from archcalc.spec.standard import standard_blocks
from tests.specs_helper import messages, names, report

BASE = """
input: [3, 8, 8]
vars: {width: 4, classes: 10}
blocks: {unit: {layers: [{conv: {filters: width, kernel: 3, pad: 1}}]}}
layers:
  - unit: {name: stem}
  - sequence: {layers: [{unit: {name: inner}}]}
  - flatten
  - linear: {name: head, features: classes}
variants: {small: {width: 2}}
"""


def extending(tmp_path: Path, text: str, name: str = "mine.yaml") -> str:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)


def rows(path: str) -> list[tuple[str, int]]:
    return [(row.name, row.params) for row in archcalc.analyze(archcalc.load(path)).layers]


def test_it_takes_over_all_and_adds(tmp_path: Path) -> None:
    path = extending(tmp_path, "extends: base.yaml:small\nvars: {classes: 5}\nlayers: [softmax]")
    assert rows(path) == [
        ("stem.conv1", 3 * 2 * 9 + 2),
        ("inner.conv1", 2 * 2 * 9 + 2),
        ("flatten", 0),
        ("head", 2 * 64 * 5 + 5),
        ("softmax1", 0),
    ]


def test_it_replaces_vars_blocks_input_and_layers(tmp_path: Path) -> None:
    text = """
extends: base.yaml:small
input: [1, 4, 4]
blocks: {unit: {layers: [relu]}}
replace:
  inner: [{conv: {filters: 3, kernel: 1}}, relu]
  head: [{linear: 7}]
"""
    assert rows(extending(tmp_path, text)) == [
        ("stem.relu", 0),
        ("inner.conv1", 6),
        ("inner.relu1", 0),
        ("flatten", 0),
        ("head", 48 * 7 + 7),
    ]


def test_an_empty_list_leaves_a_layer_out(tmp_path: Path) -> None:
    path = extending(tmp_path, "extends: base.yaml:small\nreplace: {head: []}")
    assert [name for name, _ in rows(path)] == ["stem.conv1", "inner.conv1", "flatten"]


def test_variants_of_a_spec_that_extends_one(tmp_path: Path) -> None:
    path = extending(tmp_path, "extends: base.yaml:small\nvariants: {a: {classes: 3}, b: {width: 1}}")
    assert dict(rows(f"{path}:a"))["head"] == 2 * 64 * 3 + 3
    assert dict(rows(f"{path}:b"))["head"] == 64 * 10 + 10


def test_a_shipped_one_can_be_extended(tmp_path: Path) -> None:
    path = extending(tmp_path, "extends: resnet18\nvars: {classes: 10}")
    full = archcalc.analyze(archcalc.load("resnet18")).totals.params
    assert archcalc.analyze(archcalc.load(path)).totals.params == full - 990 * 513


def test_the_folder_that_the_command_runs_in_is_no_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plain").write_text(BASE)
    (tmp_path / "mine.yaml").write_text("extends: plain\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match="no architecture or file named 'plain'"):
        archcalc.load("mine.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: base.yml", ":1:10: error: {folder}/base.yml cannot be read: No such file or directory"),
        ("extends: base.yaml", ":1:10: error: base is a family; its variants: small"),
        ("extends: resnet19", ":1:10: error: no architecture or file named 'resnet19'"),
        ("extends: [a]", ":1:10: error: extends must be a name or a file"),
        ("extends: mine.yaml", ":1:10: error: extends itself: {folder}/mine.yaml → {folder}/mine.yaml"),
        (
            "extends: base.yaml:small\nreplace: {haed: []}",
            ":2:11: error: replace: the extended spec has no layer named 'haed'",
        ),
        (
            "extends: base.yaml:small\nvariants: {a: {widht: 3}}",
            ":2:23: error: unknown variable 'widht'",
        ),
        (
            "input: [3]\nlayers: [relu]\nreplace: {head: [relu]}",
            ":3:1: error: replace needs `extends`",
        ),
    ],
)
def test_what_is_wrong_with_it(tmp_path: Path, text: str, expected: str) -> None:
    path = extending(tmp_path, text)
    variant = ":a" if "variants" in text else ""
    with pytest.raises(SpecError) as caught:
        archcalc.load(path + variant)
    assert f"{path}{expected.format(folder=tmp_path)}" in str(caught.value)


def test_an_error_in_the_base_shows_its_file(tmp_path: Path) -> None:
    path = extending(tmp_path, "extends: base.yaml:small\ninput: [3]")
    with pytest.raises(SpecError) as caught:
        archcalc.analyze(archcalc.load(path))
    assert f"{tmp_path}/base.yaml:4:27: error: stem.conv1: conv needs an input of" in str(caught.value)
    assert "in block unit, called as stem in line 6" in str(caught.value)


def test_standard_blocks_are_called_like_a_kind() -> None:
    found = report("input: [32, 8, 8]\nlayers:\n  - squeeze_excitation: {channels: 32, squeeze: 4}")
    assert [row.name for row in found.layers] == [
        f"squeeze_excitation.{name}" for name in ("pool", "squeeze", "relu1", "excite", "sigmoid2", "mul2")
    ]
    assert found.totals.params == 32 * 4 + 4 + 4 * 32 + 32
    assert {row.line for row in found.layers} == {3}


def test_a_block_of_ones_own_goes_before_a_standard_one() -> None:
    text = "input: [32, 8, 8]\nblocks: {squeeze_excitation: {layers: [relu]}}\nlayers: [squeeze_excitation]"
    assert names(text) == ["squeeze_excitation.relu"]


def test_an_error_in_a_standard_block_names_the_call() -> None:
    text = "input: [32]\nlayers:\n  - squeeze_excitation: 32"
    assert "blocks.yaml:" in messages(text)
    assert "in block squeeze_excitation, called as squeeze_excitation, at " in messages(text)
    missing = messages("input: [32]\nlayers:\n  - squeeze_excitation")
    assert missing.startswith("net.yaml:3:5: error: block squeeze_excitation (")


def test_every_standard_block_says_what_it_is() -> None:
    for block in standard_blocks().values():
        assert block.title, block.name


TWO_INPUTS = """
input: [4, 8, 8]
blocks:
  up:
    params: {filters: null}
    inputs: [below, skip]
    layers:
      - conv: {filters: filters, kernel: 1}
      - concat: {from: [conv1, skip]}
      - concat: {from: [concat1, below, input]}
layers:
  - conv: {name: a, filters: 2, kernel: 1}
  - conv: {name: b, filters: 3, kernel: 1}
  - up: {filters: 5, from: [b, a]}
  - add: {from: [up, up]}
"""


def test_a_block_of_several_inputs() -> None:
    found = report(TWO_INPUTS)
    assert [(row.name, row.output[0]) for row in found.layers[2:]] == [
        ("up.conv1", 5),
        ("up.concat1", 7),
        ("up.concat1_2", 13),
        ("add2", 13),
    ]


def test_repetitions_of_it_read_the_same_others() -> None:
    text = TWO_INPUTS.replace("- up: {", "- up: {repeat: 2, ")
    assert [row.output[0] for row in report(text).layers[2:]] == [5, 7, 13, 5, 7, 33, 33]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("up: {filters: 5}", "up needs two inputs\n"),
        ("up: {filters: 5, from: [a, b, a]}", "up needs two inputs, got 3"),
        ("up: {filters: 5, from: [a, c]}", "from: no layer named 'c'"),
    ],
)
def test_the_wrong_number_of_inputs(call: str, message: str) -> None:
    text = TWO_INPUTS.replace("up: {filters: 5, from: [b, a]}", call)
    assert message in messages(text)
    assert "name them: `from: [below, skip]`" in messages(text) or "no layer" in message


def test_inputs_of_a_block_must_be_names() -> None:
    for wrong in ("[below, below]", "[[a], b]", "[]"):
        text = TWO_INPUTS.replace("[below, skip]", wrong)
        assert "inputs must be a list of different names" in messages(text)


def test_self_attention_with_fewer_heads_of_keys_and_a_mask() -> None:
    found = report("input: [5, 12]\nlayers:\n  - self_attention: {width: 12, heads: 6, kv_heads: 2, causal: true}")
    assert [(row.name, row.output, row.params) for row in found.layers] == [
        ("self_attention.q", (5, 12), 12 * 12 + 12),
        ("self_attention.k", (5, 4), 12 * 4 + 4),
        ("self_attention.v", (5, 4), 12 * 4 + 4),
        ("self_attention.attention", (5, 12), 0),
        ("self_attention.out", (5, 12), 12 * 12 + 12),
    ]
    assert found.layers[3].macs == 2 * 5 * 5 * 12


def test_cross_attention_reads_two_sequences() -> None:
    text = """
input: [7, 12]
layers:
  - slice: {name: few, axis: 0, stop: 3}
  - cross_attention: {name: cross, width: 12, heads: 4, bias: false, from: [few, input]}
"""
    found = report(text)
    assert [(row.output, row.params) for row in found.layers[1:]] == [
        ((3, 12), 144),
        ((7, 12), 144),
        ((7, 12), 144),
        ((3, 12), 0),
        ((3, 12), 144),
    ]
    assert found.layers[4].macs == 2 * 3 * 7 * 12


def test_patches_become_tokens() -> None:
    found = report("input: [3, 32, 48]\nlayers: [{patch_embedding: {width: 8}}, class_token, position_embedding]")
    assert [row.output for row in found.layers] == [(8, 2, 3), (8, 6), (6, 8), (7, 8), (7, 8)]
    assert [row.params for row in found.layers] == [3 * 8 * 256 + 8, 0, 0, 8, 56]


def test_windows_that_are_shifted_come_back_to_their_place() -> None:
    block = "shifted_window_attention: {width: 6, heads: 2, window: 4, shift: SHIFT}"
    for shift, rows in (("0", 7), ("2", 9)):
        found = report(f"input: [8, 12, 6]\nlayers:\n  - {block.replace('SHIFT', shift)}")
        assert len(found.layers) == rows
        assert found.layers[-1].output == (8, 12, 6)
        assert found.totals.macs == 4 * 96 * 36 + 2 * 96 * 16 * 6
