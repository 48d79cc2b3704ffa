"""Residual, parallel, sequence, blocks and variants: what they mean, and what is said where they are wrong."""

import pytest

import archcalc
from archcalc.evidence.claim_metrics import Computer
from archcalc.evidence.claim_verdicts import judge
from archcalc.evidence.claims import find_claims
from archcalc.spec.architecture import read
from archcalc.spec.catalogue import find
from archcalc.spec.expand import expand
from archcalc.spec.source import Document
from tests.specs_helper import layers, messages, names, numbers, report

FLAT = layers(
    "conv: {name: a, filters: 4, kernel: 3, pad: 1}",
    "relu: {name: b}",
    "conv: {name: c, filters: 4, kernel: 3, pad: 1}",
    "add: {name: d, from: [c, a]}",
    "conv: {name: e, filters: 2, kernel: 1, from: d}",
    "conv: {name: f, filters: 3, kernel: 1, from: d}",
    "concat: {name: g, from: [e, f, d]}",
)
NESTED = layers(
    "conv: {filters: 4, kernel: 3, pad: 1}",
    "residual: {main: [relu, {conv: {filters: 4, kernel: 3, pad: 1}}]}",
    "parallel: {join: concat, branches: [[{conv: {filters: 2, kernel: 1}}], [{conv: {filters: 3, kernel: 1}}], []]}",
)
BLOCKS = """
input: [3, 8, 8]
vars: {width: 4}
blocks:
  unit:
    params: {filters: null, kernel: 3, pad: kernel // 2}
    layers:
      - conv: {filters: filters, kernel: kernel, pad: pad}
  both:
    params: {a: null}
    layers:
      - parallel:
          join: concat
          branches: [[{unit: {filters: a, kernel: 1}}], [{unit: {filters: a + 1, kernel: 1}}], []]
layers:
  - unit: width
  - residual: {main: [relu, {unit: {filters: width}}]}
  - both: {a: 2}
"""


def test_structures_and_blocks_cost_what_the_flat_spec_costs() -> None:
    assert numbers(FLAT) == numbers(NESTED) == numbers(BLOCKS)


def test_names_are_paths() -> None:
    assert names(NESTED) == ["conv1", "relu1", "conv2", "add2", "conv3", "conv4", "concat4"]
    assert names(BLOCKS) == [
        "unit.conv1",
        "relu",
        "unit_2.conv1",
        "add",
        "both.unit.conv1",
        "both.unit_2.conv1",
        "both.concat",
    ]


REPEATED = """
input: [4, 16, 16]
blocks:
  unit:
    params: {width: null, stride: 1}
    layers: [{conv: {filters: width, kernel: 3, pad: 1, stride: stride}}]
layers:
  - unit: {name: stage, width: 8 * (i + 1), repeat: 3, first: {stride: 2}}
  - conv: {name: skip, from: stage.0, filters: 24, kernel: 1}
  - add: {from: [stage, skip]}
"""


def test_repeat_with_first_and_its_index() -> None:
    rows = report(REPEATED).layers
    assert [row.name for row in rows[:3]] == ["stage.0.conv1", "stage.1.conv1", "stage.2.conv1"]
    assert [row.output for row in rows] == [(8, 8, 8), (16, 8, 8), (24, 8, 8), (24, 8, 8), (24, 8, 8)]


def test_a_repeat_split_by_hand_costs_the_same() -> None:
    by_hand = REPEATED.replace(
        "- unit: {name: stage, width: 8 * (i + 1), repeat: 3, first: {stride: 2}}",
        "- unit: {name: stage0, width: 8, stride: 2}\n  - unit: {name: s1, width: 16}\n"
        "  - unit: {name: stage, width: 24}",
    ).replace("stage.0", "stage0")
    assert numbers(by_hand) == numbers(REPEATED)


def test_a_sequence_names_and_repeats_what_is_in_it() -> None:
    text = layers("sequence: {name: s, repeat: 2, layers: [{conv: {filters: 4 * (i + 1), kernel: 1}}, relu]}")
    assert names(text) == ["s.0.conv1", "s.0.relu1", "s.1.conv1", "s.1.relu1"]
    assert [row.output[0] for row in report(text).layers] == [4, 4, 8, 8]
    unnamed = layers("sequence: {repeat: 2, layers: [{conv: {filters: 4, kernel: 1}}, relu]}")
    assert names(unnamed) == ["conv1", "relu1", "conv2", "relu2"]


def test_when_inside_a_shortcut_leaves_the_identity() -> None:
    text = """
input: [4, 8, 8]
vars: {project: 0}
layers:
  - residual:
      main: [{conv: {filters: 4, kernel: 1}}]
      shortcut: [{conv: {filters: 4, kernel: 1, when: project}}]
"""
    assert names(text) == ["conv1", "add1"]
    assert [row.kind for row in report(text, vars={"project": 1}).layers] == ["conv", "conv", "add"]


def test_from_reaches_out_of_a_structure_and_a_block_has_its_own_input() -> None:
    text = """
input: [3, 8, 8]
blocks:
  dense: {layers: [{conv: {name: c, filters: 2, kernel: 1}}, {concat: {from: [input, c]}}]}
layers:
  - conv: {name: stem, filters: 4, kernel: 1}
  - sequence: {name: body, layers: [relu, {add: {from: [stem, relu]}}]}
  - dense: {repeat: 2, name: d}
  - conv: {from: d.0.c, filters: 1, kernel: 1}
"""
    rows = {row.name: row for row in report(text).layers}
    assert rows["body.add"].inputs == ((4, 8, 8), (4, 8, 8))
    assert rows["d.0.concat1"].output == (6, 8, 8)
    assert rows["d.1.concat1"].output == (8, 8, 8)
    assert rows["conv2"].inputs == ((2, 8, 8),)


def test_equal_layers_of_repeated_blocks_are_one_object() -> None:
    graph, _ = expand(archcalc.load("resnet50"))
    by_name = {node.name: node.layer for node in graph.nodes}
    assert by_name["layer3.1.conv2"] is by_name["layer3.5.conv2"]
    assert by_name["layer3.0.conv2"] is not by_name["layer3.1.conv2"]


def test_variants(tmp_path: object) -> None:
    family = "input: [8]\nvars: {n: 1}\nvariants:\n  small: {n: 2}\n  large: {n: 3, input: [9], title: Large}\n"
    spec = read(Document("net.yaml", f"{family}layers: [{{linear: n}}]\n"))
    assert spec.variants.keys() == {"small", "large"}
    large = archcalc.analyze(spec.variant("large"))
    assert (large.architecture, large.title, large.totals.params) == ("large", "Large", 9 * 3 + 3)
    assert archcalc.analyze(spec.variant("small")).totals.params == 8 * 2 + 2


def test_a_family_has_no_silent_default() -> None:
    with pytest.raises(archcalc.SpecError, match="resnet is a family; its variants: resnet18, resnet34"):
        find("resnet")
    with pytest.raises(archcalc.SpecError, match="did you mean resnet50"):
        find("specs/resnet.yaml:resnet5")
    with pytest.raises(archcalc.SpecError, match="has no variants"):
        find("specs/alexnet.yaml:small")
    assert find("specs/resnet.yaml:resnet50").name == "resnet50"


HEAD = """input: [3, 8, 8]
blocks:
  inner: {params: {width: null, kernel: 3}, layers: [{conv: {filters: width, kernel: kernel}}]}
  outer: {params: {width: null}, layers: [{inner: {width: width, kernel: "3 if i < 2 else 7", repeat: 3}}]}
  loop: {layers: [{outer: 3}, loop]}
  a: {layers: [b]}
  b: {layers: [a]}
layers:
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "outer: {name: o, width: 4}",
            "net.yaml:3:86: error: o.inner.2.conv1: kernel 7 does not fit its input of 4×4 (pad 0)\n"
            "  3 |   inner: {params: {width: null, kernel: 3}, layers: [{conv: {filters: width, kernel: kernel}}]}\n"
            "    |                                                                                      ^\n"
            "  hint: pad ≥ 2 or kernel ≤ 4; the size shrank at o.inner.1.conv1 (line 3); "
            "in block inner, called as o.inner.2 in line 4",
        ),
        ("loop", "error: block loop calls itself: loop → loop\n"),
        ("a", "net.yaml:7:16: error: block a calls itself: a → b → a\n"),
        ("inner", "net.yaml:9:5: error: block inner (line 3) needs width\n"),
        ("inner: {width: 3, kernl: 3}", "error: block inner has no parameter 'kernl'\n"),
        ("inner: {width: 3, repeat: 2, first: {stride: 2}}", "error: block inner has no parameter 'stride'\n"),
        ("inner: {width: 3, repeat: 2, first: 2}", "error: first must be a mapping of parameters\n"),
        ("a: 3", "error: block a has no parameters; it takes no value\n"),
        ("relu: {repeat: 2, first: {x: 1}}", "error: only blocks have first\n"),
        ("iner: {width: 3}", "  hint: did you mean inner or linear?"),
        ("inner: {width: 3, repeat: 1e5}\n  - inner: {width: 3}", "error: more than 50,000 blocks\n"),
        ("residual: {mian: []}", "error: residual has no field 'mian'\n"),
        ("residual", "error: residual needs its fields\n"),
        ("residual: {main: []}", "error: main is empty\n"),
        ("parallel: {branches: [[relu], []]}", "error: parallel needs join\n"),
        (
            "parallel: {branches: [[relu]], join: add}",
            "error: branches must be a list of two or more lists",
        ),
        ("parallel: {branches: [[relu], []], join: conct}", "error: join must be one of add, concat, mul"),
        (
            "residual: {main: [{conv: {filters: 4, kernel: 1}}]}",
            "error: add1: add needs inputs of one shape, got 4×8×8 and 3×8×8\n",
        ),
    ],
)
def test_what_is_wrong_in_a_structure(line: str, expected: str) -> None:
    assert expected in messages(f"{HEAD}  - {line}\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("blocks: 3", "blocks must be a mapping"),
        ("blocks: {x: {params: {}}}", "block x must have `layers`"),
        ("blocks: {conv: {layers: [relu]}}", "block conv: a layer kind has this name"),
        ("blocks: {x: {layers: []}}", "layers of block x is empty"),
        ("vars: {n: 1}\nvariants: {small: {m: 2}}", "unknown variable 'm'"),
        ("variants: {small: 3}", "a variant must be a mapping"),
    ],
)
def test_what_is_wrong_in_blocks_and_variants(text: str, expected: str) -> None:
    assert expected in messages(f"input: [3, 8, 8]\n{text}\nlayers: [relu]\n")


def test_an_error_in_a_repeated_block_is_said_once() -> None:
    text = HEAD.replace("kernel: kernel}", "kernel: kernl}") + "  - inner: {width: 3, repeat: 5}\n"
    assert messages(text).count("error:") == 1


def test_shipped_architectures_agree_with_what_torchvision_publishes() -> None:
    computer = Computer()
    verdicts = [judge(claim, computer) for claim in find_claims("torchvision")[0].all_claims()]
    assert len(verdicts) >= 112
    assert [verdict.claim.id for verdict in verdicts if verdict.verdict != "agrees"] == []
