import json
from pathlib import Path
from typing import Any

import pytest

from archcalc import SettingError, load
from archcalc.spec.composer import resolve
from tests.running import piped
from tests.specs_helper import layers, messages, names, numbers, report, spec

Shapes = list[tuple[int, ...]]


def outputs(text: str, **settings: Any) -> Shapes:
    return [row.output for row in report(text, **settings).layers]


def filters(number: str, head: str = "input: [3, 8, 8]") -> Any:
    """What a convolution's filters come to when the spec says `number`."""
    return report(layers(f"conv: {{filters: {number}, kernel: 1}}", head=head)).layers[0].output[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("no", "yes", "on", "off", "y", "n", "No", "tRue", "nULL", "none", "nan", "inf")),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("010", 10),
        ("+7", 7),
        ("-0", 0),
        ("0x10", 16),
        ("0xfF", 255),
        ("0o17", 15),
        ("0b11", "0b11"),
        ("-0x10", "-0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2001-01-01", "2001-01-01"),
        ("1e6", 1_000_000),
        ("1E3", 1000),
        ("25e-1", 2.5),
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("+.5e1", 5),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("1.2.3", "1.2.3"),
        ("e5", "e5"),
        (".", "."),
        ("-", "-"),
        ("٣", "٣"),
    ],
)
def test_plain_text_means_what_yaml_1_2_says(text: str, value: object) -> None:
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_not_a_number() -> None:
    number = resolve(".nan")
    assert isinstance(number, float)
    assert number != number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10),
        ("0x10", 16),
        ("1e3", 1000),
        ("2.5e1", 25),
        ("'64'", 64),
        ('"4 * 16"', 64),
        ("4 * 16", 64),
        ("8 / 2", 4),
    ],
)
def test_numbers_in_fields(text: str, value: int) -> None:
    # Quoted or not, text is an expression.
    assert filters(text) == value


def test_powers_of_ten_are_whole_numbers_up_to_the_limit() -> None:
    assert [filters(f"1e{n}") for n in (15, 16, 17, 18)] == [10**15, 10**16, 10**17, 10**18]


@pytest.mark.parametrize("text", ["64.0", "1.5", "no", "yes", "''", "~", "[1]", "{}", "true", "'010'"])
def test_what_is_no_whole_number(text: str) -> None:
    messages(layers(f"conv: {{filters: {text}, kernel: 1}}"))


def test_words_of_yaml_1_1_are_no_flags() -> None:
    assert "unknown variable 'no'" in messages(layers("conv: {filters: 1, kernel: 1, bias: no}"))
    assert report(layers("conv: {filters: 1, kernel: 1, bias: false}")).layers[0].params == 3
    assert report(layers("conv: {filters: 1, kernel: 1, bias: 1 > 2}")).layers[0].params == 3


def test_json() -> None:
    body = {"title": "\U0001f600 é", "input": [3, 8, 8], "layers": [{"conv": {"filters": 4, "kernel": 3}}, "relu"]}
    for text in (json.dumps(body), json.dumps(body, ensure_ascii=False), json.dumps(body, indent="\t")):
        assert spec(text).title == "\U0001f600 é"
        assert outputs(text) == [(4, 6, 6), (4, 6, 6)]


def test_an_escaped_backslash_begins_no_pair_of_surrogates() -> None:
    assert spec('{"title": "\\\\ud83d", "input": [3], "layers": ["relu"]}').title == "\\ud83d"


def test_anchors_and_aliases() -> None:
    text = layers("conv: &c {filters: 4, kernel: 3}", "conv: *c", "maxpool: &two 2", "conv: {filters: *two, kernel: 1}")
    assert outputs(text) == [(4, 6, 6), (4, 4, 4), (4, 2, 2), (2, 2, 2)]
    # An error in what an alias stands for is at its anchor, where it can be mended.
    broken = layers("conv: &c {filters: 0, kernel: 1}", "conv: *c")
    assert messages(broken).count("net.yaml:3:24: error") == 1


def test_an_expression_that_yaml_takes_for_its_own_brackets_needs_quotes() -> None:
    # Inside of {…} YAML reads `[` and `,` as its own. That is no fault of the reader's, so the hint says what to do.
    head = "vars: {sizes: [1, 2]}\ninput: [3, 8, 8]"
    for number in ("sizes[1]", "max(1, 2)"):
        assert filters(f"'{number}'", head=head) == 2
        assert outputs(layers(f"conv:\n      filters: {number}\n      kernel: 1", head=head)) == [(2, 8, 8)]
        assert "quote" in messages(layers(f"conv: {{filters: {number}, kernel: 1}}", head=head))


def test_vars_are_computed_from_earlier_ones_and_overridden() -> None:
    head = "vars: {width: 8, double: 2 * width, sizes: [1, double, 2 + 1]}\ninput: [3, 8, 8]"
    text = layers("conv: {filters: double, kernel: 'sizes[2]'}", head=head)
    assert outputs(text) == [(16, 6, 6)]
    assert outputs(text, vars={"width": 5}) == [(10, 6, 6)]
    assert outputs(text, vars={"double": 7}) == [(7, 6, 6)]
    assert outputs(text, vars={"sizes": (0, 0, 5)}) == [(16, 4, 4)]


def test_an_override_of_no_variable() -> None:
    with pytest.raises(SettingError) as caught:
        report(layers("relu", head="vars: {width: 8}\ninput: [3]"), vars={"widht": 1})
    assert str(caught.value) == "error: net has no variable 'widht'\n  hint: did you mean width?"
    with pytest.raises(SettingError, match="it has no vars"):
        report(layers("relu"), vars={"width": 1})


def test_vars_and_input_overridden_on_the_command_line() -> None:
    text = layers("flatten", "linear: n", head="vars: {n: 1, m: 2 * n}\ninput: [1, m]")
    row = json.loads(piped("table", "-", "--json", "--set", "n=2+3", stdin=text).stdout)["layers"][-1]
    assert row["output"] == [5]
    assert row["inputs"] == [[10]]
    row = json.loads(piped("table", "-", "--json", "--input", "3x4x5", stdin=text).stdout)["layers"][0]
    assert row["inputs"] == [[3, 4, 5]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("depths[1]", 5),
        ("depths[-1]", 7),
        ("len(depths)", 3),
        ("sum(depths)", 15),
        ("max(depths)", 7),
        ("min(3, 4)", 3),
        ("ceil(7 / 2)", 4),
        ("floor(7 / 2)", 3),
        ("round(0.3 * 10)", 3),
        ("sqrt(16)", 4),
        ("abs(-4)", 4),
        ("divisible(33 * 0.75, 8)", 24),
        ("4 if depths[0] > 2 else 8", 4),
        ("4 if 5 in depths and not 4 in depths else 8", 4),
    ],
)
def test_lists_and_functions(text: str, value: int) -> None:
    assert filters(f"'{text}'", head="vars: {depths: [3, 5, 7]}\ninput: [3, 8, 8]") == value


def test_input() -> None:
    assert report("vars: {n: 4}\ninput: [n - 1, 2 * n, '8']\nlayers: [relu]").settings.input == (3, 8, 8)
    assert report("vars: {n: [3, 8, 8]}\ninput: n\nlayers: [relu]").settings.input == (3, 8, 8)
    assert report("input: 10\nlayers: [relu]").settings.input == (10,)
    assert report(layers("relu"), input=(1, 2)).settings.input == (1, 2)


def test_repeat() -> None:
    text = layers("conv: {name: c, filters: 4 * (i + 1), kernel: 1, repeat: 3}", "relu")
    assert names(text) == ["c.0", "c.1", "c.2", "relu3"]
    assert outputs(text) == [(4, 8, 8), (8, 8, 8), (12, 8, 8), (12, 8, 8)]
    assert names(layers("conv: {filters: 1, kernel: 1, repeat: 2}")) == ["conv1", "conv2"]
    assert names(layers("relu: {name: a, repeat: 0}", "relu: {name: b}")) == ["b"]
    assert names(layers("relu: {name: a, repeat: 1}")) == ["a.0"]
    # Outside of a repetition, `i` is a variable like any other.
    head = "vars: {i: 7}\ninput: [3, 8, 8]"
    assert outputs(layers("conv: {filters: i, kernel: 1}", head=head)) == [(7, 8, 8)]
    assert "unknown variable 'i'" in messages(layers("conv: {filters: i + 1, kernel: 1}"))


def test_when() -> None:
    head = "vars: {depth: 18, bottle: false}\ninput: [3]"
    lines = ("relu: {name: a, when: depth > 18}", "relu: {name: b, when: not bottle}", "relu: {name: c, when: bottle}")
    assert names(layers(*lines, head=head)) == ["b"]
    assert [r.name for r in report(layers(*lines, head=head), vars={"depth": 50, "bottle": True}).layers] == ["a", "c"]


def test_from() -> None:
    lines = (
        "conv: {name: a, filters: 4, kernel: 1}",
        "conv: {name: b, filters: 2, kernel: 1, repeat: 2}",
        "conv: {name: c, filters: 5, kernel: 1, from: a}",
        "concat: {from: [input, a, b, b.0, c]}",
        "relu: {from: input}",
        "relu: {from: [b]}",
        "add: {from: [b, b.0]}",
        "relu: {from: concat4}",
    )
    rows = report(layers(*lines)).layers
    assert [row.output[0] for row in rows] == [4, 2, 2, 5, 16, 3, 2, 2, 16]
    assert rows[4].inputs == ((3, 8, 8), (4, 8, 8), (2, 8, 8), (2, 8, 8), (5, 8, 8))


def test_no_two_rows_have_one_name() -> None:
    # They are refused, as any two entries of one name are.
    assert "duplicate name" in messages(layers("relu: {name: a, repeat: 2}", "relu: {name: a.0}"))
    assert "duplicate name" in messages(layers("relu: {name: a.0}", "relu: {name: a, repeat: 2}"))


def test_automatic_names_are_those_of_the_lecture() -> None:
    rows = report(load("alexnet").text).layers
    found = " ".join(row.name for row in rows if row.kind not in ("relu", "dropout"))
    assert found == "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 flatten fc6 fc7 fc8"


def test_automatic_names_give_way_to_given_ones() -> None:
    conv = "filters: 1, kernel: 1"
    assert names(layers(f"conv: {{{conv}}}", f"conv: {{name: conv1, {conv}}}", f"conv: {{{conv}}}")) == [
        "conv1_2",
        "conv1",
        "conv3",
    ]
    assert names(layers("relu", "relu", "relu: {name: relu_2}", "relu")) == ["relu", "relu_3", "relu_2", "relu_4"]
    # A layer with a name of its own counts all the same.
    assert names(layers(f"conv: {{name: stem, {conv}}}", f"conv: {{{conv}}}", "relu")) == ["stem", "conv2", "relu2"]


def test_short_forms() -> None:
    assert numbers(layers("maxpool: 2")) == numbers(layers("maxpool: {kernel: 2}"))
    assert numbers(layers("maxpool: [2, 4]")) == numbers(layers("maxpool: {kernel: [2, 4]}"))
    assert numbers(layers("relu")) == numbers(layers("relu:")) == numbers(layers("relu: {}"))
    assert outputs(layers("maxpool: {kernel: [2, 4]}")) == [(3, 4, 2)]
    assert outputs(layers("conv: {filters: 1, kernel: [3, 1], stride: [1, 2], pad: [1, 0]}")) == [(1, 8, 4)]
    assert outputs(layers("conv: {filters: 1, kernel: 5, pad: same}")) == [(1, 8, 8)]
    assert outputs(layers("conv: {filters: 1, kernel: 4, pad: same, dilation: 2}")) == [(1, 8, 8)]


def test_lines_of_rows_are_those_of_the_entries() -> None:
    head = "input: [3, 8, 8]\n"
    text = layers("relu # one", "\n    conv:\n      filters: 1\n      kernel: 1", "relu: {repeat: 2}", head=head)
    assert [row.line for row in report(text).layers] == [4, 6, 9, 9]
    assert [row.line for row in report(text.replace("\n", "\r\n")).layers] == [4, 6, 9, 9]


def test_receptive_fields() -> None:
    first, second = report(layers(*["conv: {filters: 1, kernel: 3}"] * 2)).layers
    assert (first.receptive_field, second.receptive_field) == ((3, 3), (5, 5))
    assert report(load("alexnet").text).layer("pool5").receptive_field == (195, 195)


def test_a_spec_without_a_name_is_called_after_its_file(tmp_path: Path) -> None:
    file = tmp_path / "my.net.yaml"
    file.write_text(layers("relu"))
    assert (load(str(file)).name, load(str(file)).title) == ("my.net", "my.net")
    file.write_text("name: other\ntitle: 1\n" + layers("relu"))
    assert (load(str(file)).name, load(str(file)).title) == ("other", "1")
