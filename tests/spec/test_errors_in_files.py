"""What people read when a file as a whole is wrong, and what a command does about it."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from archcalc import SpecError, load
from tests.running import piped, python
from tests.specs_helper import layers, messages

INDENTATION = "check indentation, brackets and colons around here"
INPUT = "add `input:`, the input's shape without the batch: [channels, height, width] or [features]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "error: net.yaml is empty\n  hint: a spec needs at least `input:` and `layers:`"),
        ("# nothing\n", "error: net.yaml is empty\n  hint: a spec needs at least `input:` and `layers:`"),
        (
            "- a\n",
            "net.yaml:1:1: error: a spec must be a mapping, not a single value or list\n  1 | - a\n    | ^\n"
            "  hint: a spec begins with keys such as `input:` and `layers:`",
        ),
        ("layers: [relu]", f"net.yaml:1:1: error: 'input' is missing\n  1 | layers: [relu]\n    | ^\n  hint: {INPUT}"),
        (
            "input: [3]",
            "net.yaml:1:1: error: 'layers' is missing\n  1 | input: [3]\n    | ^\n"
            "  hint: add `layers:`, the layers in order",
        ),
        (
            "input: [3]\nlayers: relu",
            "net.yaml:2:9: error: layers must be a list\n  2 | layers: relu\n    |         ^\n"
            "  hint: begin each layer with `- `",
        ),
        (
            "input: [3]\nlayers: []",
            "net.yaml:2:9: error: layers is empty\n  2 | layers: []\n    |         ^\n"
            "  hint: add at least one layer, such as `- relu`",
        ),
        (
            layers("conv:\n    filters: 4\n    kernel: 3"),
            "net.yaml:4:5: error: unexpected key 'filters' beside 'conv'\n  4 |     filters: 4\n    |     ^\n"
            "  hint: indent the fields below `conv:`, or write {...}; each layer begins with its own `- `",
        ),
        (
            layers("relu: {when: false}", "relu: {when: 1 > 2}"),
            "net.yaml:1:1: error: no layer is left: every `when` is false with these vars\n"
            "  1 | input: [3, 8, 8]\n    | ^",
        ),
        (
            layers("relu\n---\na: 1"),
            "net.yaml:4:1: error: a second YAML document; a spec must be one\n  4 | ---\n    | ^\n"
            "  hint: remove the `---` line and what follows it",
        ),
        (
            "input: [3]\nlayers:\n\t- relu\n",
            "net.yaml:3:1: error: not valid YAML: found character that cannot start any token (while scanning for the "
            "next token)\n  3 |  - relu\n    | ^\n  hint: indent with spaces: YAML allows no tabs",
        ),
        (
            "a: [1, 2\nb: ]\n",
            "net.yaml:2:2: error: not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence)\n"
            f"  2 | b: ]\n    |  ^\n  hint: {INDENTATION}",
        ),
        (
            "title: äöü\ninput: 音\x01\n",
            "net.yaml:2:9: error: not valid YAML: character #x0001 is not allowed\n  2 | input: 音 \n    |         ^",
        ),
        ("a: &a [*a]", "net.yaml:1:8: error: alias *a contains itself\n  1 | a: &a [*a]\n    |        ^"),
    ],
)
def test_the_spec_as_a_whole(text: str, expected: str) -> None:
    assert messages(text) == expected


def unreadable(what: str | Path) -> str:
    with pytest.raises(SpecError) as caught:
        load(str(what))
    return str(caught.value)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_bytes(b"\x7fELF\0\0")
    assert unreadable(file) == f"error: {file} is a binary file, not a spec"
    file.write_bytes("title: é\n".encode("latin-1"))
    assert unreadable(file) == f"error: {file} is not UTF-8 text (byte 7)\n  hint: save it as UTF-8"
    file.write_bytes("title: é\n".encode("utf-16"))
    assert unreadable(file) == f"error: {file} is a binary file, not a spec"


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_bytes(b"\xef\xbb\xbfinputt: [3]\nlayers: [relu]\n")
    assert f"{file}:1:1: error: unknown key 'inputt'\n  1 | inputt: [3]\n    | ^\n" in unreadable(file)


def test_a_folder(tmp_path: Path) -> None:
    assert unreadable(tmp_path) == f"error: {tmp_path} is a directory, not a spec\n  hint: name a YAML or JSON file"
    (tmp_path / "b.yaml").touch()
    (tmp_path / "a.json").touch()
    assert unreadable(tmp_path).endswith(f"\n  hint: name a file in it, such as {tmp_path / 'a.json'}")


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", denied)
    assert unreadable(tmp_path).startswith(f"error: {tmp_path} is a directory, not a spec")


def test_a_missing_file(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    assert unreadable(file) == f"error: {file} cannot be read: No such file or directory"


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(file: object, *rest: Any) -> Any:
        if str(file).endswith("net.yaml"):
            raise PermissionError(13, "Permission denied")
        return unpatched(file, *rest)

    unpatched: Any = open
    monkeypatch.setattr("builtins.open", denied)
    found = unreadable(tmp_path / "net.yaml")
    monkeypatch.undo()
    assert found == f"error: {tmp_path / 'net.yaml'} cannot be read: permission denied"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_no_permission_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.touch(mode=0)
    assert unreadable(file) == f"error: {file} cannot be read: permission denied"


def test_no_such_architecture() -> None:
    found = unreadable("alexnett")
    assert found.startswith("error: no architecture or file named 'alexnett'\n  hint: did you mean alexnet?")
    assert re.search(r"hint: shipped: alexnet, .*; a file needs its ending or a slash$", unreadable("xyzzy"))
    assert "\x1b" not in unreadable("\x1b[31m")


def test_a_command_prints_the_errors_to_stderr_and_exits_with_2(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(layers("cnov: 3"))
    for arguments in (("table", file), ("table", file, "--json"), ("table", "xyzzy"), ("table", tmp_path), ("tabel",)):
        process = piped(*arguments)
        assert process.returncode == 2
        assert process.stdout == ""
        assert "rror: " in process.stderr
        assert "Traceback" not in process.stderr
    assert piped("table", file).stderr.startswith(f"{file}:3:5: error: unknown kind 'cnov'\n  3 |   - cnov: 3\n")


def test_standard_input_has_a_name_in_messages() -> None:
    process = piped("table", "-", stdin=layers("cnov: 3"))
    assert process.returncode == 2
    assert process.stderr.startswith("<stdin>:3:5: error: unknown kind 'cnov'\n")
    assert piped("table", "-", stdin="").stderr.startswith("error: <stdin> is empty\n")


def test_rows_before_a_shape_error_are_printed(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(layers("conv: {name: stem, filters: 4, kernel: 3}", "conv: {name: deep, filters: 4, kernel: 9}"))
    process = piped("table", file)
    assert process.returncode == 2
    assert "stem" in process.stdout
    assert "deep" not in process.stdout
    assert process.stderr == (
        f"{file}:4:44: error: deep: kernel 9 does not fit its input of 6×6 (pad 0)\n"
        f"  4 |   - conv: {{name: deep, filters: 4, kernel: 9}}\n    |{' ' * 44}^\n"
        "  hint: pad ≥ 2 or kernel ≤ 6; the size shrank at stem (line 3)\n"
    )
    for form in ("json", "jsonl", "csv", "tsv"):
        process = piped("table", file, "--format", form)
        assert (process.returncode, process.stdout) == (2, "")


def test_an_internal_error_is_no_traceback() -> None:
    broken = "import archcalc.analysis, archcalc.cli\narchcalc.analysis.expand = lambda *_, **__: 1 // 0\n"
    process = python("-c", broken + "archcalc.cli.main(['table', 'alexnet'])")
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr == (
        "archcalc: internal error: ZeroDivisionError: integer division or modulo by zero\n"
        "  This is a bug in archcalc: please report it with the spec and the command.\n"
    )


def test_an_internal_error_prints_no_control_characters() -> None:
    broken = "import archcalc.analysis, archcalc.cli\ndef fail(*_, **__): raise ValueError('\\x1b[31m')\n"
    process = python("-c", broken + "archcalc.analysis.expand = fail\narchcalc.cli.main(['table', 'alexnet'])")
    assert process.returncode == 2
    assert "\x1b" not in process.stderr


def test_control_characters_reach_no_terminal(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    name = '"a\\e[31mb\\u202e"'
    file.write_text(f"title: {name}\n" + layers(f"conv: {{name: {name}, filters: 1, kernel: 1}}", "linear: 3"))
    process = piped("table", file)
    assert process.returncode == 2
    for output in (process.stdout, process.stderr):
        assert "\x1b" not in output
        assert "\u202e" not in output


@pytest.mark.skipif(os.name != "posix", reason="other systems pass text")
def test_arguments_that_are_no_text() -> None:
    for arguments in (["table", b"\xff"], ["table", "alexnet", "--set", b"classes=\xff"]):
        code = f"import os, archcalc.cli; archcalc.cli.main([os.fsdecode(a) for a in {arguments!r}])"
        process = python("-c", code)
        assert process.returncode == 2
        assert "internal error" not in process.stderr
