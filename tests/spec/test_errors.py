"""What people read when a spec is wrong: the whole text, with the caret where the mistake is."""

from textwrap import dedent

import pytest

from tests.specs_helper import layers, messages, report, spec

SPACES = "check indentation, brackets and colons around here"


def says(text: str, expected: str) -> None:
    assert messages(text) == dedent(expected).strip("\n")


def complains(line: str, caret: str, message: str, hint: str | None, *before: str) -> None:
    """The spec of layers `before` and then `line` has one problem there; the caret is under the last `caret`."""
    number, shown = 3 + len(before), f"  - {line}"
    column = shown.rindex(caret)
    lines = [
        f"net.yaml:{number}:{column + 1}: error: {message}",
        f"  {number} | {shown}",
        f"    | {' ' * column}^",
        *([f"  hint: {hint}"] if hint else []),
    ]
    assert messages(layers(*before, line)) == "\n".join(lines)


def test_unknown_kind() -> None:
    says(
        layers("relu", "cnov: {filters: 4, kernel: 3}"),
        """
        net.yaml:4:5: error: unknown kind 'cnov'
          4 |   - cnov: {filters: 4, kernel: 3}
            |     ^
          hint: did you mean conv or conv3d or conv1d?
        """,
    )


def test_kernel_larger_than_its_input() -> None:
    says(
        layers(
            "maxpool: {name: half, kernel: 2}", "maxpool: {name: quarter, kernel: 2}", "conv: {filters: 4, kernel: 3}"
        ),
        """
        net.yaml:5:32: error: conv1: kernel 3 does not fit its input of 2×2 (pad 0)
          5 |   - conv: {filters: 4, kernel: 3}
            |                                ^
          hint: pad ≥ 1 or kernel ≤ 2; the size shrank at quarter (line 4)
        """,
    )


PAD = "must be a whole number ≥ 0, or [height, width]"
WHOLE = "must be a whole number ≥ 1"
SIZE = f"{WHOLE}, or [height, width]"
CONV_FIELDS = "filters, kernel, stride, pad, dilation, groups, bias, name, from, repeat, when, train_only, tied"
OWN_NAME = "every layer needs a unique name"
TWICE = "duplicate key 'filters' (first in line 4)"
TAG = "tag 'tag:yaml.org,2002:float' is not part of the spec language"
UNDIVIDED = "does not divide the"
GROUPS = "groups must divide both the input channels and filters"


@pytest.mark.parametrize(
    ("line", "caret", "message", "hint"),
    [
        ("xyzzy", "xyzzy", "unknown kind 'xyzzy'", "`archcalc kinds` lists all kinds"),
        ("maxpool: {kernel: 2, strde: 1}", "strde", "maxpool has no field 'strde'", "did you mean stride?"),
        ("conv: {filters: 4, kernel: 3, zz: 1}", "zz", "conv has no field 'zz'", f"fields of conv: {CONV_FIELDS}"),
        ("relu: 3", "3", "relu has no fields; it takes no value", "write `- relu`"),
        ("conv: {filters: 4, kernel: 1.5}", "1.5", f"conv: kernel {SIZE}, got 1.5", None),
        ("conv: {filters: true, kernel: 3}", "true", f"conv: filters {WHOLE}, got true", None),
        ("conv: {filters: [1, 2], kernel: 3}", "[", f"conv: filters {WHOLE}, got [1, 2]", None),
        ("conv: {filters: 4, kernel: 3, bias: 1}", "1", "conv: bias must be true or false, got 1", None),
        ("conv: {filters: 4, kernel: {a: 1}}", "{a", "expected a value, got a mapping", None),
        ("conv: {filters: 4}", "conv", "conv needs kernel", "such as conv: {kernel: …}"),
        ("conv", "conv", "conv needs filters and kernel", "such as conv: {filters: …, kernel: …}"),
        ("conv: {filters: 4, kernel: 0}", "0", f"conv: kernel {SIZE}, got 0", None),
        ("conv: {filters: 4, kernel: [3, 3, 3]}", "[", f"conv: kernel {SIZE}, got [3, 3, 3]", None),
        ("maxpool: {kernel: 3, pad: -1}", "-1", f"maxpool: pad {PAD}, got -1", None),
        ("dropout: 1.5", "1.5", "dropout: p must be a number from 0 to 1, got 1.5", None),
        ("conv: {filters: 4, kernel: 1, groups: 2}", "2", f"conv1: groups 2 {UNDIVIDED} 3 input channels", GROUPS),
        ("conv: {filters: 4, kernel: 1, groups: 3}", "3", f"conv1: groups 3 {UNDIVIDED} 4 filters", GROUPS),
        ("maxpool: 9", "9", "pool: kernel 9 does not fit its input of 8×8 (pad 0)", "pad ≥ 1 or kernel ≤ 8"),
        (
            "linear: 10",
            "linear",
            "fc1: linear needs a flat input or a sequence (tokens × features), got 3×8×8",
            "put `- flatten` before it (or global_avgpool and flatten); "
            "or give it `channels_last: true` where the last axis holds the features",
        ),
        ("conv: {filters: 4 * wdth, kernel: 1}", "wdth", "'4 * wdth': unknown variable 'wdth'", "known here: input"),
        ("linear: 4 +* 2", "* 2", "'4 +* 2': not an arithmetic expression", None),
        ("linear: '4 +* 2'", "'4", "'4 +* 2': not an arithmetic expression", None),
        ("linear: 8 // 0", "8", "'8 // 0': division by zero", None),
        ("relu: {from: stme}", "stme", "from: no layer named 'stme'", "did you mean stem?"),
        ("relu: {from: xyzzy}", "xyzzy", "from: no layer named 'xyzzy'", "known: input, stem"),
        ("relu: {name: stem}", "stem", "duplicate name 'stem' (first in line 3)", OWN_NAME),
        ("relu: {name: input}", "input", "the name 'input' is an input's", "choose another name"),
        ("relu: {name: [a]}", "[a]", "name must be text", None),
        ("relu: {name: ''}", "''", "name must be text", None),
        ("relu: {name: null}", "null", "name must be text", None),
        ("add", "add", "add needs two or more inputs", "name them: `from: [a, b]`"),
        ("add: {from: stem}", "stem", "add needs two or more inputs", "name them: `from: [a, b]`"),
        ("relu: {from: [stem, input]}", "[", "relu takes one input, got 2", "join them first with add or concat"),
        ("add: {from: [stem, stem], repeat: 2}", "[", "add cannot be repeated: it takes several inputs", None),
        ("relu: {repeat: -1}", "-1", "repeat must be a whole number ≥ 0, got -1", None),
        ("relu: {repeat: 1.5}", "1.5", "repeat must be a whole number ≥ 0, got 1.5", None),
        ("relu: {repeat: 1e12}", "1e12", "more than 1,000,000 layers", None),
        ("relu: {when: 1.5}", "1.5", "when must be a condition, got 1.5", "such as `when: depth > 18`"),
        ("dropout: .nan", ".nan", "number .nan is out of range", "numbers go up to 10^18"),
        ("dropout: -.inf", "-.inf", "number -.inf is out of range", "numbers go up to 10^18"),
        ("linear: 1e999", "1e999", "number 1e999 is out of range", "numbers go up to 10^18"),
        ("dropout: !!float 1", "!!", TAG, "remove the tag"),
        ("relu: *x", "*x", "alias *x has no anchor", None),
        ("conv: {filters: 4, kernel: 1, filters: 5}", "filters", TWICE, "remove one of them"),
        (
            "7",
            "7",
            "a layer must be a kind, or a kind with its fields",
            "such as `- relu` or `- linear: {features: 10}`",
        ),
        ("linear: 1: 2", ": 2", "not valid YAML: mapping values are not allowed in this context", SPACES),
        (
            "'\\e[31m': 1".replace("'", '"'),
            '"\\e',
            "unknown kind '\\x1b[31m'",
            "`archcalc kinds` lists all kinds",
        ),
    ],
)  # fmt: skip
def test_message_caret_and_hint(line: str, caret: str, message: str, hint: str | None) -> None:
    complains(line, caret, message, hint, "relu: {name: stem}")


def test_from_a_later_layer() -> None:
    says(
        layers("relu: {from: b}", "relu: {name: b}"),
        """
        net.yaml:3:18: error: from: 'b' is defined later, in line 4
          3 |   - relu: {from: b}
            |                  ^
          hint: a layer can only read earlier layers
        """,
    )


def test_from_itself_and_from_a_layer_left_out_do_not_come_later() -> None:
    for lines in (
        ("relu: {name: b, from: b}",),
        ("relu: {name: b, when: false}", "relu: {from: b}"),
        ("relu: {name: b, repeat: 0}", "relu: {from: b}"),
    ):
        assert "comes later" not in messages(layers(*lines))


def test_what_follows_from_an_error_is_not_another() -> None:
    for lines in (
        ("relu99: {name: a}", "relu: {from: a}"),
        ("relu: {name: a, repeat: -1}", "relu: {from: a}"),
        ("relu: {name: a, when: 1.5}", "relu: {from: a}"),
        ("conv: {name: a, filters: 0, kernel: 1}", "relu: {from: a}"),
        ("linear: {name: a, features: 1}", "conv: {from: a, filters: 1, kernel: 3}"),
    ):
        assert messages(layers(*lines)).count("error:") <= 2
        assert "net.yaml:4:18: error: from" not in messages(layers(*lines))
    assert messages("layers:\n  - conv: {filters: 1, kernel: 3}\n").count("error:") == 1


def test_add_of_unequal_shapes() -> None:
    complains(
        "add: {from: [a, b]}",
        "[a",
        "add2: add needs inputs of one shape, got 4×6×6 and 5×4×4",
        "inputs: a (line 3), b (line 4); a 1×1 conv with the same stride and filters makes a shortcut fit",
        "conv: {name: a, filters: 4, kernel: 3}",
        "conv: {name: b, filters: 5, kernel: 3}",
    )


def test_variables() -> None:
    head = "vars: {classes: 10, next: latr, later: 1}\ninput: [8]"
    says(
        layers("linear: 4 * clases", head=head),
        """
        net.yaml:1:27: error: 'latr': unknown variable 'latr'
          1 | vars: {classes: 10, next: latr, later: 1}
            |                           ^
          hint: known here: classes
        net.yaml:4:17: error: '4 * clases': unknown variable 'clases'
          4 |   - linear: 4 * clases
            |                 ^
          hint: did you mean classes?
        """,
    )
    # There are vars, though none before this one.
    assert "the spec has no vars" not in messages(layers("relu", head="vars: {a: b, b: 1}\ninput: [8]"))


def test_all_errors_of_a_file_at_once_by_line() -> None:
    text = """\
        inptu: [3]
        input: [3, 0, 8]
        vars: {a: 1 +* 2}
        layers:
          - cnov: 3
          - conv: {filters: -4, kernl: 3}
          - linear: a * b
          - relu: {from: nowhere}
          - relu: {name: x, name: y}
          - maxpool: {kernel: 2, pad: [1, 2, 3], stride: 0}
        """
    problems = messages(dedent(text)).splitlines()
    assert [line for line in problems if line.startswith("net.yaml")] == [
        "net.yaml:1:1: error: unknown key 'inptu'",
        "net.yaml:2:8: error: input must be a list of whole numbers ≥ 1, got [3, 0, 8]",
        "net.yaml:3:14: error: '1 +* 2': not an arithmetic expression",
        "net.yaml:5:5: error: unknown kind 'cnov'",
        "net.yaml:6:5: error: conv needs kernel",
        "net.yaml:6:21: error: conv: filters must be a whole number ≥ 1, got -4",
        "net.yaml:6:25: error: conv has no field 'kernl'",
        "net.yaml:7:17: error: 'a * b': unknown variable 'b'",
        "net.yaml:8:18: error: from: no layer named 'nowhere'",
        "net.yaml:9:21: error: duplicate key 'name' (first in line 9)",
        "net.yaml:10:31: error: maxpool: pad must be a whole number ≥ 0, or [height, width], got [1, 2, 3]",
        "net.yaml:10:50: error: maxpool: stride must be a whole number ≥ 1, or [height, width], got 0",
    ]


def test_several_shape_errors_at_once() -> None:
    wide = (
        "conv: {name: a, filters: 4, kernel: 9, from: input}",
        "conv: {name: b, filters: 4, kernel: 10, from: input}",
    )
    found = messages(layers(*wide, "relu: {from: a}"))
    assert [line[:16] for line in found.splitlines() if "error:" in line] == ["net.yaml:3:41: e", "net.yaml:4:41: e"]


def test_an_entry_that_is_no_layer_is_one_problem() -> None:
    for line in ("[relu]", "3", "", "'': 3", "''"):
        found = messages(layers("relu", line))
        assert found.startswith("net.yaml:4:"), line
        assert found.count("error:") == 1


def test_a_long_line_is_cut_around_the_caret() -> None:
    line = "conv: {" + "filters: 1, kernel: 1, " + " " * 300 + "zz: 1" + " " * 300 + "}"
    _, excerpt, caret, _ = messages(layers(line)).splitlines()
    assert len(excerpt) < 110
    assert excerpt[caret.index("^") :].startswith("zz: 1")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_those_that_yaml_counts(end: str) -> None:
    text = f"# one{end}input: [3, 8, 8]{end}layers:{end}  - cnov: 3{end}  - relu{end}"
    assert messages(text).startswith("net.yaml:4:5: error: unknown kind 'cnov'\n  4 |   - cnov: 3\n    |     ^\n")
    assert messages(f"# one{end}input: [3{end}").splitlines()[:2] == [
        "net.yaml:2:8: error: not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence)",
        "  2 | input: [3",
    ]
    bad = messages(f"# one{end}a: 1{end}b: \x01{end}")
    assert bad.startswith(
        "net.yaml:3:4: error: not valid YAML: character #x0001 is not allowed\n  3 | b:  \n    |    ^"
    )


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
def test_what_ended_a_line_in_yaml_1_1_is_a_character(character: str) -> None:
    text = f"# one{character}# of the same line\ntitle: a{character}b # {character}\ninput: [{character}, {{5]\n"
    assert messages(text).startswith("net.yaml:3:14: error: not valid YAML: did not find expected ',' or '}'")
    whole = f'title: a{character}b\ue000\ninput: [3]\nlayers: [relu: {{name: "{character}"}}, cnov]\n'
    assert messages(whole).startswith("net.yaml:3:29: error: unknown kind 'cnov'")
    loaded = report(whole.replace(", cnov", ""))
    assert (loaded.title, loaded.layers[0].name) == (f"a{character}b\ue000", character)


@pytest.mark.parametrize("separator", ["\x1c", "\x1d", "\x1e", "\x0b", "\x0c"])
def test_what_python_takes_for_a_line_and_yaml_does_not(separator: str) -> None:
    text = f"# one\ntitle: a{separator}b\ninput: [3]"
    code = ord(separator)
    assert messages(text).startswith(
        f"net.yaml:2:9: error: not valid YAML: character #x{code:04x} is not allowed\n  2 | title: a b\n    |         ^"
    )


def test_columns_count_characters() -> None:
    complains("conv: {name: größe, filters: 0, kernel: 1}", "0", f"conv: filters {WHOLE}, got 0", None)
    complains("linear: größe", "größe", "'größe': unknown variable 'größe'", "known here: input")
    # Of a JSON text, too, where two escapes are one character.
    text = '{"title": "\\ud83d\\ude00", "input": [3], "layers": ["cnov"]}'
    column = text.index("cnov")  # counted from 1, that of the quote before it
    assert messages(text).startswith(f"net.yaml:1:{column}: error: unknown kind")


def test_control_characters_are_never_printed_raw() -> None:
    for line in (
        'relu: {name: "\\e[31m", repeat: -1}',
        '"\\e[31m"',
        'conv: {"\\e": 1}',
        'linear: "\\e"',
        'relu: {from: "\\e"}',
    ):
        assert "\x1b" not in messages(layers('linear: {name: "a\\e[31m", features: 3}', line))
        assert spec(layers(line)).text
