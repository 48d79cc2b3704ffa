"""Names of files that are not UTF-8: every command gives the exit code of other names, in every format."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from archcalc.cli.check import FORMATS as CHECK_FORMATS
from archcalc.cli.options import FORMATS as TABLE_FORMATS
from tests.git_repository import Repo
from tests.running import environment

NET = b"input: [9]\nlayers:\n  - linear: 3\n  - relu\n"  # 30 parameters
NAME, BROKEN = b"n\xe9t \xff.yaml", b"br\xf8ken.yaml"
SPELLED = r"n\xe9t \xff.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> bytes:
    where = os.fsencode(tmp_path)
    try:
        write(os.path.join(where, NAME), NET)
    except OSError:
        pytest.skip("this file system takes no such names")
    write(os.path.join(where, BROKEN), NET.replace(b"relu", b"rleu"))
    return where


def write(path: bytes, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def run(folder: bytes, *arguments: str | bytes) -> tuple[int, bytes]:
    """The exit code, and what was printed or is in the file `out`."""
    line = [sys.executable, "-m", "archcalc", *arguments]
    result = subprocess.run(line, cwd=folder, env=environment(), capture_output=True, timeout=120)
    assert b"Traceback" not in result.stderr
    assert b"internal error" not in result.stderr + result.stdout
    out = os.path.join(folder, b"out")
    if not os.path.exists(out):
        return result.returncode, result.stdout
    with open(out, "rb") as file:
        return result.returncode, file.read()


@pytest.mark.parametrize("to_file", [False, True])
@pytest.mark.parametrize("form", CHECK_FORMATS)
@pytest.mark.parametrize(
    ("names", "limit", "code"),
    [((NAME,), "max=params=30", 0), ((NAME,), "warn=params=29", 0), ((NAME,), "max=params=29", 1), ((BROKEN,), "", 2)],
    ids=["fine", "warning", "over", "broken"],
)
def test_check(folder: bytes, names: tuple[bytes, ...], limit: str, code: int, form: str, to_file: bool) -> None:
    limits = (f"--{limit}",) if limit else ()
    output = ("--output-file", "out") if to_file else ()
    found, text = run(folder, "check", *names, *limits, "--output-format", form, *output)
    assert found == code
    text.decode("utf-8")
    if form in ("json", "gitlab", "sarif"):
        json.loads(text)
    if form == "junit":
        ElementTree.fromstring(text)
    if form in ("text", "github", "gitlab", "json", "junit") and names == (NAME,) and b"AC" in text:
        assert SPELLED in text.decode().replace(r"\\", "\\")


@pytest.mark.parametrize("form", TABLE_FORMATS)
def test_table(folder: bytes, form: str) -> None:
    code, text = run(folder, "table", NAME, "--format", form, "-o", "out")
    assert code == 0
    assert b"fc1" in text
    assert run(folder, "table", BROKEN, "--format", form)[0] == 2
    if form == "json":
        assert json.loads(text)["architecture"] == r"n\xe9t \xff"


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", NAME),
        ("show", "--flat", NAME),
        ("fold", NAME),
        ("graph", NAME),
        ("report", NAME, "-o", "out"),
        ("chart", NAME),
        ("compare", NAME, NAME, "--json"),
        ("diff", NAME, NAME, "--format", "markdown"),
        ("budget", "init", NAME),
        ("check", "."),
    ],
    ids=str,
)
def test_other_commands(folder: bytes, arguments: tuple[str | bytes, ...]) -> None:
    os.unlink(os.path.join(folder, BROKEN))
    code, _ = run(folder, *arguments)
    assert code == 0


def test_what_no_configuration_can_hold_is_an_error(folder: bytes) -> None:
    code, text = run(folder, "budget", "init", NAME, "--into", "archcalc.toml")
    assert (code, text) == (2, b"")
    assert not os.path.exists(os.path.join(folder, b"archcalc.toml"))


def test_a_saved_report_is_the_base_of_its_spec(folder: bytes) -> None:
    assert run(folder, "table", NAME, "--json", "-o", "report.json")[0] == 0
    assert run(folder, "check", NAME, "--max-increase", "params=0%", "--compare-to", "report.json")[0] == 0
    write(os.path.join(folder, NAME), NET.replace(b"3", b"4"))
    assert run(folder, "check", NAME, "--max-increase", "params=0%", "--compare-to", "report.json")[0] == 1


def test_in_git(folder: bytes, tmp_path: Path) -> None:
    repo = Repo(tmp_path)
    os.unlink(os.path.join(folder, BROKEN))
    repo.commit()
    write(os.path.join(folder, NAME), NET.replace(b"3", b"4"))
    for form in ("table", "json", "markdown"):
        code, text = run(folder, "diff", "--format", form)
        assert code == 0
        assert SPELLED.encode() in text.replace(b"\\\\", b"\\")
    for form in CHECK_FORMATS:
        assert run(folder, "check", NAME, "--max-increase", "params=1%", "--output-format", form)[0] == 1
    write(os.path.join(folder, b"archcalc.toml"), b'[budgets."n*.yaml"]\nparams = 40\n')
    assert run(folder, "check")[0] == 0
