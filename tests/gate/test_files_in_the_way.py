"""Configurations that are no files, outputs that are inputs, and reports that contradict themselves."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archcalc import Report, SettingError, analyze
from tests.running import piped
from tests.specs_helper import layers

NET = layers("linear: {name: a, features: 4}", head="input: [3]")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.yaml").write_text(NET)
    return tmp_path


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("nowhere.toml"),
        lambda path: path.symlink_to(path.name),
        lambda path: path.mkdir(),
        lambda path: os.mkfifo(path),
    ],
    ids=["a dangling link", "a circular link", "a folder", "a FIFO"],
)
@pytest.mark.parametrize("name", ["archcalc.toml", "pyproject.toml"])
def test_a_configuration_that_is_no_file_is_not_passed_over(
    folder: Path, make: Callable[[Path], Any], name: str
) -> None:
    make(folder / name)
    found = piped("check", "net.yaml", cwd=folder)
    assert (found.returncode, f"{name} is not a file" in found.stderr) == (2, True)


@pytest.mark.parametrize(
    "command",
    [
        ("check", "net.yaml", "--output-file", "net.yaml"),
        ("check", ".", "--output-file", "net.yaml"),
        ("table", "net.yaml", "-o", "link.yaml"),
        ("table", "net.yaml", "--json", "-o", "./net.yaml"),
        ("fold", "net.yaml", "-o", "net.yaml"),
        ("compare", "alexnet", "net.yaml", "--json", "-o", "net.yaml"),
        ("diff", "net.yaml", "--compare-to", "before.json", "--json", "-o", "before.json"),
        ("report", "net.yaml", "-o", "net.yaml"),
    ],
)
def test_a_file_that_is_read_is_not_replaced(folder: Path, command: tuple[str, ...]) -> None:
    (folder / "link.yaml").symlink_to("net.yaml")
    (folder / "before.json").write_text(json.dumps(analyze(folder / "net.yaml").to_dict()))
    before = {path.name: path.read_text() for path in folder.iterdir()}
    found = piped(*command, cwd=folder)
    assert (found.returncode, "would be replaced, and is read here" in found.stderr) == (2, True)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_a_report_may_be_written_again(folder: Path) -> None:
    for _ in range(2):
        assert (
            piped("check", ".", "--output-file", "report.json", "--output-format", "json", cwd=folder).returncode == 0
        )


def twice(report: dict[str, Any]) -> None:
    report["layers"].append({**report["layers"][0]})


def heavier(report: dict[str, Any]) -> None:
    report["layers"][0]["params"] = 10**9


def with_another(report: dict[str, Any]) -> None:
    report["layers"].append({**report["layers"][0], "name": "b"})


def of_nothing(report: dict[str, Any]) -> None:
    report["totals"] = []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (twice, "the report has two layers named 'a'"),
        (heavier, "totals.params is 16, the layers make 1000000000"),
        (with_another, "totals.params is 16, the layers make 32"),
        (of_nothing, "totals must be an object, got a list"),
    ],
)
def test_a_report_that_contradicts_itself_is_no_baseline(
    folder: Path, change: Callable[[Any], None], message: str
) -> None:
    report = analyze(folder / "net.yaml").to_dict()
    assert Report.from_dict(report).totals.params == 16
    change(report)
    with pytest.raises(SettingError, match=message):
        Report.from_dict(report)


def test_a_name_that_is_a_book(folder: Path) -> None:
    (folder / "net.yaml").write_text(layers(f"linear: {{name: {'n' * 10_001}, features: 4}}", head="input: [3]"))
    found = piped("table", "net.yaml", cwd=folder)
    assert (found.returncode, "a name has 10,001 characters" in found.stderr) == (2, True)
