"""Errors in what a shipped block or family is given: at the line of its user, and one error for one cause."""

import os

import pytest

from archcalc.analysis import analyze
from archcalc.errors import SpecError
from archcalc.spec.catalogue import find, specs_directory
from tests.specs_helper import layers, messages

BLOCKS = os.path.join(specs_directory(), "standard", "blocks.yaml")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        (
            "patch_embedding: {width: 8, size: 16, from: input}",
            "patch_embedding.patches: kernel 16 does not fit its input of 8×8 (pad 0)",
            "pad ≥ 4 or kernel ≤ 8; in block patch_embedding, called as patch_embedding, at {blocks}:21:55",
        ),
        (
            "squeeze_excitation: {name: se, channels: 9, squeeze: 2, from: input}",
            "se.mul2: mul needs inputs of one shape, or of size 1 where they differ, got 3×8×8 and 9×1×1",
            "inputs: the input, se.sigmoid2 (line 4); in block squeeze_excitation, called as se, at {blocks}:7:9",
        ),
        (  # each of five layers has a width of its own from this one
            "self_attention: {width: 1.5, heads: 3}",
            "linear: features must be a whole number ≥ 1, got 1.5",
            "in block self_attention, called as self_attention, at {blocks}:29:37",
        ),
        (
            "self_attention: {name: all, width: 8, heads: 3, repeat: 3}",
            "all.0.attention: 3 heads do not divide the width 8",
            "inputs: all.0.q (line 4), all.0.k (line 4), all.0.v (line 4); "
            "in block self_attention, called as all.0, at {blocks}:32:45",
        ),
    ],
)
def test_the_call_comes_first_and_has_one_error(line: str, message: str, hint: str) -> None:
    text = layers("reshape: {name: tokens, shape: [24, 8]}", line)
    shown = f"  4 |   - {line}\n    |     ^\n  hint: {hint.format(blocks=BLOCKS)}"
    assert messages(text) == f"net.yaml:4:5: error: {message}\n{shown}"


def test_layers_side_by_side_in_a_block_have_one_error() -> None:
    line = "latent_attention: {width: 8, heads: 2, latent: 4, plain: 4, turned: 3, values: 4}"
    found = messages(layers(line, head="input: [4, 8]"))
    assert found.count("error:") == 1
    assert found.startswith("net.yaml:3:5: error: latent_attention.turned_q: 3 features")


def test_each_call_has_an_error_of_its_own() -> None:
    found = messages(layers("self_attention: {width: 1.5, heads: 3}", "self_attention: {width: 8, heads: -2}"))
    assert [line.partition(" error:")[0] for line in found.splitlines() if "error:" in line] == [
        "net.yaml:3:5:",
        "net.yaml:4:5:",
    ]


def test_a_call_in_a_block_of_ones_own_comes_first() -> None:
    head = "input: [4, 8]\nblocks: {mine: {layers: [{self_attention: {width: 8, heads: 3}}]}}"
    found = messages(layers("mine", head=head))
    assert found.startswith("net.yaml:2:27: error: mine.self_attention.attention: 3 heads do not divide the width 8\n")
    assert found.count("error:") == 1


def test_a_shipped_family_is_blamed_on_the_extends(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "net.yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("name: net\nextends: vgg16\ninput: [3, 16, 16]\n")
    with pytest.raises(SpecError) as caught:
        analyze(find(path))
    vgg = os.path.join(specs_directory(), "vgg.yaml")
    assert str(caught.value) == (
        f"{path}:2:10: error: stage5.pool3: kernel 2 does not fit its input of 1×1 (pad 0)\n"
        "  2 | extends: vgg16\n    |          ^\n"
        "  hint: pad ≥ 1 or kernel ≤ 1; the size shrank at stage4.pool3 (line 2); "
        f"in block stage, called as stage5, at {vgg}:27:18"
    )


def test_a_shipped_spec_itself_is_shown_where_it_is_wrong() -> None:
    with pytest.raises(SpecError) as caught:
        analyze(find("vgg16"), input=(3, 16, 16))
    assert "vgg.yaml:27:18: error: stage5.pool3: kernel 2" in str(caught.value)
    assert str(caught.value).endswith("in block stage, called as stage5 in line 34")


def test_thousands_of_failing_layers_have_one_error() -> None:
    line = "rotary_attention: {width: 6, heads: 2, repeat: 5000}"
    assert messages(layers(line, head="input: [4, 6]")).count("error:") == 1
