"""The README's tour, run as it stands: commands in a shell, Python as doctests."""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import ROOT, environment

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[tuple[str, str]]:
    """Each command of a console block with what it is said to print."""
    found: list[tuple[str, str]] = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:], ""))
        elif line.startswith("> "):
            found[-1] = (found[-1][0] + line[2:], "")
        else:
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def matches(printed: str, expected: str) -> bool:
    """Whether the output is the expected one, `...` lines standing for any."""
    pattern = ".*?".join(re.escape(part) for part in re.split(r"^\.\.\.\n", expected, flags=re.MULTILINE))
    return re.fullmatch(pattern, printed, flags=re.DOTALL) is not None


def run_tour(text: str, folder: Path) -> None:
    """Run the commands of a text one after another in a folder, and compare what they print."""
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    previous = 0
    for command, expected in [command for block in blocks("console", text) for command in commands(block)]:
        result = subprocess.run(
            ["bash", "-c", command.replace("$?", str(previous))],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            cwd=folder,
            env=environment(PATH=beside),
        )
        previous = result.returncode
        assert matches(result.stdout, expected), f"$ {command}\n{result.stdout}\nis not\n{expected}"


def test_the_tour_prints_what_it_says(tmp_path: Path) -> None:
    assert len([command for block in blocks("console") for command in commands(block)]) >= 10
    run_tour(README, tmp_path)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_pages_print_what_they_say(page: Path, tmp_path: Path) -> None:
    for spec in (ROOT / "docs").glob("*.yaml"):
        shutil.copy(spec, tmp_path)
    run_tour(page.read_text(encoding="utf-8"), tmp_path)


def test_a_tour_that_lies_is_caught() -> None:
    assert matches("a\nb\nc\n", "a\n...\nc\n")
    assert not matches("a\nb\nc\n", "a\n...\nd\n")


def test_the_python_of_the_tour() -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for block in blocks("pycon"):
        runner.run(parser.get_doctest(block, {}, "README", "README.md", 0))
    assert runner.summarize(verbose=False).attempted >= 5
    assert runner.summarize(verbose=False).failed == 0


def test_the_picture_is_the_table_of_today() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("make_pictures", ROOT / "docs" / "make_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    words = [re.findall(r">([^<>]+)</text>", svg) for svg in (pictures.table_svg("alexnet"), _committed_picture())]
    assert words[0] == words[1]


def _committed_picture() -> str:
    return (ROOT / "docs" / "table.svg").read_text(encoding="utf-8")
