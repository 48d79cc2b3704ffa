"""Input that means harm is refused with an error, quickly and in bounded memory."""

import contextlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archcalc import ArchcalcError, analyze, load
from tests.running import measured
from tests.specs_helper import layers, report

pytest.importorskip("resource")

CPU_SECONDS, PEAK_MIB, STDERR_BYTES = 2, 200, 2**20


def doubling(first: str, rule: str, steps: int, last: str) -> str:
    """Vars of which each is made of the one before it by `rule`, and a layer whose features are `last`."""
    steps_text = "".join(f"  v{n + 1}: {rule.replace('V', f'v{n}').replace('W', f'w{n}')}\n" for n in range(steps))
    twins = "".join(f"  w{n + 1}: {rule.replace('V', f'w{n}')}\n" for n in range(steps))
    return f"vars:\n  v0: {first}\n  w0: {first}\n{steps_text}{twins}" + layers(f"linear: {last}", head="input: [8]")


def linear(features: str) -> str:
    return layers(f"linear: {features}", head="input: [8]")


def lines(texts: Iterable[str]) -> str:
    return layers(*texts)


def aliases(levels: int, width: int) -> str:
    first = f"a0: &a0 [{', '.join(['x'] * width)}]\n"
    return first + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * width)}]\n" for n in range(levels))


# Each is written only when its test runs: together they are many megabytes.
def doubling_blocks(depth: int) -> str:
    """Blocks each of which calls the next twice."""
    calls = "".join(f"  b{n}: {{layers: [b{n + 1}, b{n + 1}]}}\n" for n in range(depth))
    return f"input: [3, 8, 8]\nblocks:\n{calls}  b{depth}: {{layers: [relu]}}\nlayers: [b0]\n"


def long_list(*lines: str) -> str:
    """Layers that may read a list of 9,000 numbers as `d`."""
    block = "{params: {x: 1}, layers: [relu]}"
    return layers(*lines, head=f"input: [8]\nvars: {{d: [{'-1, ' * 9_000}]}}\nblocks: {{b: {block}}}")


def left_out(how: str, entries: int, calls: int) -> str:
    """A block of entries that come to no layer, called again and again."""
    block = f"{{layers: [{f'{{relu: {{{how}}}}}, ' * entries}relu]}}"
    return layers(f"b: {{repeat: {calls}}}", head=f"input: [8]\nblocks: {{b: {block}}}")


def block_of_inputs(entry: str) -> str:
    """A block of 15,000 inputs that a layer joins, called by an entry that may name the spec's input as often."""
    names = ", ".join(f"x{n}" for n in range(15_000))
    head = f"input: [8]\nblocks: {{b: {{inputs: [{names}], layers: [{{add: {{from: [{names}]}}}}]}}}}"
    return layers(entry.replace("INPUTS", f"[{'input, ' * 15_000}]"), head=head)


BOMBS: dict[str, Callable[[], str]] = {
    "aliases": lambda: aliases(9, 9),
    "aliases as layers": lambda: aliases(9, 9).replace("a9:", "input: [3]\nlayers:"),
    "aliases of mappings": lambda: "a0: &a0 {x: 1}\n"
    + "".join(f"a{n + 1}: &a{n + 1} {{x: *a{n}, y: *a{n}}}\n" for n in range(40)),
    "anchor that contains itself": lambda: "a: &a [*a]\n",
    "anchor that contains itself as a value": lambda: "&a {x: *a}\n",
    "anchor that contains itself as a key": lambda: "&a {*a : 1}\n",
    "repeat": lambda: layers("relu: {repeat: 1e12}"),
    "power": lambda: linear("9**9**9"),
    "negative power": lambda: linear("2**-10**18"),
    "power of a power of a half": lambda: linear("0.5**10**18"),
    "round to powers of ten": lambda: linear("round(5, -10**9)"),
    "text times": lambda: linear("\"'A'*10**9\""),
    "list times": lambda: linear("'len([0]*10**9)'"),
    "attributes": lambda: linear("().__class__.__bases__"),
    "import": lambda: linear("__import__('os').system('x')"),
    "call of a call": lambda: linear("(max)(1)(2)"),
    "lists of lists 10,000 deep": lambda: "a: " + "[" * 10_000,
    "mappings 10,000 deep": lambda: "{a: " * 10_000,
    "blocks 10,000 deep": lambda: "- " * 10_000,
    "keys 10,000 deep": lambda: "? " * 10_000,
    "indentation 1,000 deep": lambda: "".join(" " * n + "a:\n" for n in range(1_000)),
    "parentheses 10,000 deep": lambda: linear("(" * 10_000 + "1" + ")" * 10_000),
    "parentheses 400 deep": lambda: linear("(" * 400 + "1" + ")" * 400),
    "signs 990 deep": lambda: linear("-" * 990 + "x"),
    "long digits": lambda: linear("9" * 5_000),
    "longer digits": lambda: linear("9" * 3_000_000),
    "long exponent": lambda: linear("1e" + "9" * 90),
    "a million and a half ones": lambda: "input: [" + "1," * 1_500_000 + "1]\nlayers: [relu]\n",
    "a list of 150,000 as input": lambda: "input: [[" + "1," * 150_000 + "1]]\nlayers: [relu]\n",
    "a scalar of 3 MB": lambda: f"input: {'x' * 3_000_000}\nlayers: [relu]\n",
    "a kind of 3 MB": lambda: layers("x" * 3_000_000),
    "a tag of 3 MB": lambda: "!" * 3_000_000,
    "an alias of 3 MB": lambda: "a: *" + "a" * 3_000_000,
    "a quoted key of 1,000 characters": lambda: layers(f"'{'k' * 1_000}': 1"),
    "a name of a million characters": lambda: layers(*[f"relu: {{name: {'n' * 1_000_000}}}"] * 2),
    "a name of a million characters in rows": lambda: layers(f"maxpool: {{name: {'n' * 1_000_000}, kernel: 9}}"),
    "from a name of a million characters": lambda: layers(f"relu: {{from: {'n' * 1_000_000}}}"),
    "4 MB of layers": lambda: lines(["relu"] * 460_000),
    "60,000 unknown kinds": lambda: lines(["cnov"] * 60_000),
    "60,000 different unknown kinds": lambda: lines(f"cnov{n}" for n in range(60_000)),
    "60,000 unknown kinds in one line": lambda: f"{{input: [3], layers: [{'cnov, ' * 60_000}]}}",
    "12,000 unknown sources": lambda: lines(f"relu: {{name: a{n}, from: b{n}}}" for n in range(12_000)),
    "50,000 unknown sources of one layer": lambda: layers(f"relu: {{from: [{'b, ' * 50_000}]}}"),
    "40,000 unknown fields of one layer": lambda: layers(f"conv: {{{''.join(f'b{n}: 1, ' for n in range(40_000))}}}"),
    "15,000 names to choose from": lambda: lines(
        [f"relu: {{name: layer{n}}}" for n in range(15_000)] + ["relu: {from: layre}"] * 200
    ),
    "15,000 equal names": lambda: lines(["relu: {name: a}"] * 15_000),
    "45,000 equal keys": lambda: lines(["relu"]) + "a: 1\n" * 45_000,
    "45,000 unknown keys": lambda: lines(["relu"]) + "".join(f"a{n}: 1\n" for n in range(45_000)),
    "5,000 misfits far from what shrank": lambda: lines(
        ["relu"] * 30_000 + ["relu: {name: x}"] + ["conv: {from: x, filters: 1, kernel: 9}"] * 5_000
    ),
    "9,000 unknown variables of 20,000": lambda: layers(
        *(["linear: varaible"] * 9_000),
        head="input: [8]\nvars:\n" + "".join(f"  variable{n}: 1\n" for n in range(12_000)),
    ),
    "doubling numbers": lambda: doubling("10", "V*V", 60, "v60"),
    "doubling sums of lists": lambda: doubling("[1, 1]", "'sum([V, V], [])'", 60, "v60"),
    "doubling lists shown": lambda: doubling("[1, 1]", "[V, V]", 40, "v40"),
    "doubling lists compared": lambda: doubling("[1, 1]", "[V, V]", 40, "1 if v40 == w40 else 0"),
    "doubling lists sought": lambda: doubling("[1, 1]", "[V, V]", 40, "1 if v40 in [w40] else 0"),
    "4,000 long expressions": lambda: layers(*(f"linear: {n}{'+1' * 490}" for n in range(4_000))),
    "a long list summed up in a million layers": lambda: long_list("linear: {features: sum(d) + i, repeat: 1e6}"),
    "a long list compared in a million layers": lambda: long_list("linear: {features: 8 + (i in d), repeat: 1e6}"),
    "a long list in a list in a million layers": lambda: long_list("linear: {features: 'len([d, i])', repeat: 1e6}"),
    "a long list in a million fields": lambda: layers(f"reshape: {{shape: [{'i, ' * 9_000}], repeat: 1e6}}"),
    "a long list in 40,000 calls": lambda: long_list("b: {repeat: 40000, x: max(d)}"),
    "a long expression in a million layers": lambda: linear(f"{{features: 8{'+i' * 400}, repeat: 1e6}}"),
    "10,000 entries that are left out in 49,000 calls": lambda: left_out("when: false", 10_000, 49_000),
    "10,000 entries repeated 0 times in 49,000 calls": lambda: left_out("repeat: 0", 10_000, 49_000),
    "15,000 inputs of a block in 40,000 calls": lambda: block_of_inputs("b: {repeat: 40000, from: INPUTS}"),
    "15,000 inputs of a block that is given one": lambda: block_of_inputs("b"),
    "15,000 inputs of a block that are not there": lambda: block_of_inputs("b: {from: INPUTS}").replace("input,", "q,"),
    "doubling blocks": lambda: doubling_blocks(40),
    "calls 10,000 deep": lambda: "".join(
        [
            "input: [3, 8, 8]\nblocks:\n",
            *(f"  b{n}: {{layers: [b{n + 1}]}}\n" for n in range(10_000)),
            "  b10000: {layers: [relu]}\nlayers: [b0]\n",
        ]
    ),
    "blocks that hold nothing": lambda: "".join(
        [
            "input: [3, 8, 8]\nblocks:\n",
            *(f"  b{n}: {{layers: [{{b{n + 1}: {{repeat: 100}}}}]}}\n" for n in range(9)),
            "  b9: {layers: [{relu: {when: 0 > 1}}]}\nlayers: [b0]\n",
        ]
    ),
    "3 MB of tabs": lambda: "\t" * 3_000_000,
    "3 MB of spaces": lambda: " " * 3_000_000,
    "3 MB of comments": lambda: "#\n" * 1_500_000,
    "3 MB of escapes": lambda: '"' + "\\n" * 1_500_000,
    "3 MB of folded lines": lambda: "a: >\n" + " x\n" * 1_000_000,
    "documents": lambda: "---\n" * 700_000,
    "a control character after others": lambda: "title: " + "é" * 100 + "\x01",
}  # fmt: skip


def refused(tmp_path: Path, *arguments: str | Path) -> bytes:
    """What is printed about input that is refused within the limits. Processor time does not depend on other work."""
    usage = measured(tmp_path, "table", *arguments)
    assert usage.code == 2
    assert b"Traceback" not in usage.stderr
    assert b"internal error" not in usage.stderr
    assert b"rror: " in usage.stderr
    assert usage.cpu_seconds < CPU_SECONDS
    assert usage.peak_mib < PEAK_MIB
    assert len(usage.stderr) < STDERR_BYTES
    assert len(usage.stdout) < STDERR_BYTES
    return usage.stderr


@pytest.mark.parametrize("name", BOMBS)
def test_bomb(name: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.yaml"
    file.write_text(BOMBS[name](), encoding="utf-8")
    refused(tmp_path, file)


def test_a_file_of_one_line_of_100_mb(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    with file.open("wb") as stream:
        stream.write(b"input: [3]")
        stream.truncate(100 * 2**20)
    assert b"is larger than 4 MiB" in refused(tmp_path, file)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_device_without_end(tmp_path: Path) -> None:
    assert b"is larger than 4 MiB" in refused(tmp_path, "/dev/zero")


def test_a_bomb_on_the_command_line(tmp_path: Path) -> None:
    for value in ("9**9**9", "round(5, -10**9)", "[" * 10_000, "a" * 100_000, "().__class__"):
        refused(tmp_path, "alexnet", "--set", f"classes={value}")


def test_the_measure_sees_what_goes_over_it(tmp_path: Path) -> None:
    usage = measured(tmp_path, "table", "alexnet")
    assert usage.code == 0
    assert 5 < usage.peak_mib < 100
    assert 0 < usage.cpu_seconds < 1


def tried(text: str) -> None:
    """Whatever the text is: a report, or an error for its user."""
    shown = ""
    try:
        report(text)
    except ArchcalcError as error:
        shown = str(error)
    assert "\x1b" not in shown


@given(st.text(max_size=100))
@example("\ufeff")
@example("\x00")
@example("\x1b")
@example("é\x1b")
@example("\ud800")
@example("a: \u2028b: 1\x85c")
@example("%YAML 9.9\n---\na: 1")
@example("{[a]: 1}")
@example("? \n: ")
@example('{"a": "\\ud83d"}')
def test_nothing_but_user_errors_comes_out_of_any_text(text: str) -> None:
    tried(text)


@given(st.binary(max_size=100))
@example(b"\xff\xfea\0")
@example(b"\xef\xbb\xbf")
def test_nothing_but_user_errors_comes_out_of_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(data)
    with contextlib.suppress(ArchcalcError):
        analyze(load(str(file)))


_PIECES = [
    *[
        "input: ",
        "layers: ",
        "vars: ",
        "\n",
        "\n  - ",
        "- ",
        ": ",
        ", ",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "#",
        "&a ",
        "*a",
        "!!str ",
        "<<: ",
        "---\n",
        "? ",
        "> ",
        "\t",
        "null",
        "~",
        "~: 1",
    ],
    *[
        "relu",
        "conv",
        "conv: ",
        "linear: ",
        "add: ",
        "name: ",
        "from: ",
        "repeat: ",
        "when: ",
        "filters: ",
        "kernel: ",
        "a",
        "i",
        "1",
        "0",
        "-1",
        "1.5",
        "1e9",
        ".nan",
    ],
]


@given(st.lists(st.sampled_from(_PIECES), max_size=40).map("".join))
def test_nothing_but_user_errors_comes_out_of_words_of_the_language(text: str) -> None:
    tried(text)


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10**19),
    st.floats(),
    st.sampled_from(["a", "b", "input", "same", "i", "1 + n", ""]),
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abn"), inner)
)
_fields = st.dictionaries(
    st.sampled_from(
        ["name", "from", "repeat", "when", "filters", "kernel", "stride", "pad", "groups", "features", "p"]
    ),
    st.one_of(st.integers(0, 4), _values),
    max_size=5,
)
_kinds = st.sampled_from(["conv", "linear", "maxpool", "relu", "flatten", "add", "concat", "dropout", "x", ""])
_entry = st.one_of(_kinds, st.dictionaries(_kinds, st.one_of(_fields, _values), max_size=2), _values)


@given(
    st.fixed_dictionaries(
        {"input": st.just([3, 8, 8]) | _values, "layers": st.lists(_entry, max_size=6) | _values},
        optional={
            "vars": st.dictionaries(st.sampled_from("abn"), _values) | _values,
            "name": _values,
            "title": _values,
        },
    )
)
def test_nothing_but_user_errors_comes_out_of_a_spec_of_any_values(body: dict[str, object]) -> None:
    # A repetition may be large without being wrong.
    text = json.dumps(body)
    if not any(digits in text for digits in ("000", "9999")):
        tried(text)
