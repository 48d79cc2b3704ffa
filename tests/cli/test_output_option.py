"""What `-o` takes is the same for every command: `-`, a name that is empty, endings that stand for no format."""

import json
from pathlib import Path

import pytest

from tests.running import ROOT, piped

SPEC = str(ROOT / "specs" / "lenet5.yaml")
ENDINGS = {
    ("table", SPEC): ".json .jsonl .csv .tsv .md .tex .html .htm .txt, or --format",
    ("compare", SPEC, SPEC): ".json .jsonl .csv .tsv .md .tex .html .htm .txt, or --format",
    ("list",): ".json .jsonl .csv .tsv .md .tex .html .htm .txt, or --format",
    ("kinds",): ".json .jsonl .csv .tsv .md .tex .html .htm .txt, or --format",
    ("rules",): ".json .jsonl .csv .tsv .md .tex .html .htm .txt, or --format",
    ("diff", SPEC, SPEC): ".json .txt .md, or --format",
    ("graph", SPEC): ".mmd .mermaid .dot .gv .svg .png, or --format",
    ("fold", SPEC): ".yaml .yml .json .txt, or --format",
    ("show", SPEC): ".yaml .yml .txt",
    ("show", SPEC, "--flat"): ".yaml .yml .txt",
    ("schema",): ".json",
    ("report", SPEC): ".html .htm",
    ("reproduce", "diffusers"): ".json .txt, or --json",
    ("devices",): ".json .jsonl .csv .tsv .md .tex .html .htm .txt, or --format",
    ("roofline", SPEC, "--on", "t4"): ".json .jsonl .csv .tsv .md .tex .html .htm .txt, or --format",
    ("fits", SPEC, "--on", "t4"): ".json .md .tex .html .htm .txt, or --format",
    ("training", SPEC): ".json .md .tex .html .htm .txt, or --format",
    ("verify", SPEC): ".json .txt, or --json",
    ("bench", SPEC): ".json .txt, or --json",
}
WITHOUT_TORCH = [command for command in ENDINGS if command[0] not in ("verify", "bench")]


def words(command: tuple[str, ...]) -> str:
    return " ".join(part for part in command if part != SPEC)


@pytest.mark.parametrize("command", ENDINGS, ids=words)
def test_an_ending_that_stands_for_no_format_is_refused(command: tuple[str, ...], tmp_path: Path) -> None:
    result = piped(*command, "-o", "out.xlsx", cwd=tmp_path)
    message = f"error: out.xlsx: unknown ending .xlsx\n  hint: use {ENDINGS[command]}\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [*ENDINGS, ("chart", SPEC)], ids=words)
def test_an_empty_name_is_no_file(command: tuple[str, ...]) -> None:
    result = piped(*command, "-o", "")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.endswith("'-o': the file name is empty; - is standard output\n")


@pytest.mark.parametrize("command", [*WITHOUT_TORCH, ("chart", SPEC)], ids=words)
def test_a_dash_is_standard_output(command: tuple[str, ...], tmp_path: Path) -> None:
    result, plain = piped(*command, "-o", "-", cwd=tmp_path), piped(*command, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (plain.returncode, plain.stdout) != (2, "")
    assert list(tmp_path.iterdir()) == []


def test_check_writes_to_standard_output_as_well(tmp_path: Path) -> None:
    assert piped("check", SPEC, "--output-file", "-", cwd=tmp_path).stdout == piped("check", SPEC, cwd=tmp_path).stdout
    assert "the file name is empty" in piped("check", SPEC, "--output-file", "").stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("table", SPEC), ("diff", SPEC, SPEC), ("fold", SPEC), ("reproduce", "lecture")])
def test_endings_are_read_in_any_case(command: tuple[str, ...], tmp_path: Path) -> None:
    piped(*command, "-o", "out.JSON", cwd=tmp_path)
    assert isinstance(json.loads((tmp_path / "out.JSON").read_text()), dict)


def test_a_format_that_is_given_goes_with_any_ending(tmp_path: Path) -> None:
    for name in ("out.pdf", "out.v2", "out"):
        assert piped("table", SPEC, "--format", "csv", "-o", name, cwd=tmp_path).returncode == 0
        assert (tmp_path / name).read_text().startswith("layer,")


def test_a_spec_in_json_is_shown_in_a_file_of_that_ending(tmp_path: Path) -> None:
    text = '{"input": [3], "layers": ["relu"]}\n'
    (tmp_path / "net.json").write_text(text)
    assert piped("show", "net.json", "-o", "copy.json", cwd=tmp_path).returncode == 0
    assert (tmp_path / "copy.json").read_text() == text
    assert piped("show", "net.json", "--flat", "-o", "flat.json", cwd=tmp_path).returncode == 2
