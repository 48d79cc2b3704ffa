"""Networks of more layers than anybody reads: what is printed stays small, adds up, and says what it leaves out."""

import re
from pathlib import Path

import pytest

from archcalc import analyze
from archcalc.render.grid import MOST_ROWS
from archcalc.render.table import report_grid
from tests.running import measured, piped
from tests.spec.test_hostile import PEAK_MIB
from tests.specs_helper import layers, report


def test_a_table_shows_the_first_rows_and_sums_up_the_rest() -> None:
    found = report(layers("linear: {features: 8, repeat: 20000}", "relu", head="input: [8]"))
    grid = report_grid(found, ("layer", "params"))
    assert len(grid.rows) == MOST_ROWS
    closing = [[cell.text for cell in row] for row in grid.closing]
    assert closing == [["+10000 more", "720.000"], ["+1 hidden", "0.000"], ["total", "1,440.000"]]
    assert grid.notes[0] == "not shown: the layers beyond the first 10,000; json, jsonl, csv and tsv hold all"
    assert grid.notes[1].startswith("* fc1, fc2, fc3 and 19997 more hold 100 % of the memory")


def test_a_table_of_as_many_rows_as_are_shown_is_whole() -> None:
    grid = report_grid(report(layers(f"linear: {{features: 8, repeat: {MOST_ROWS}}}", head="input: [8]")))
    assert (len(grid.rows), len(grid.closing)) == (MOST_ROWS, 1)
    assert not any("not shown" in note for note in grid.notes)


def test_the_rows_before_an_error_say_where_they_end() -> None:
    lines = ["linear: {features: 8, repeat: 10001}", "conv: {filters: 1, kernel: 1}"]
    shown = piped("table", "-", stdin=layers(*lines, head="input: [8]"))
    assert shown.returncode == 2
    assert shown.stdout.splitlines()[-2:] == [
        "the rows before the first error",
        "not shown: the layers beyond the first 10,000; json, jsonl, csv and tsv hold all",
    ]


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_data_hold_all_layers(form: str) -> None:
    text = layers("relu: {repeat: 10500}", head="input: [8]")
    assert len(piped("table", "-", "--format", form, stdin=text).stdout.splitlines()) == 10_501


WIDE = {
    "a chain of different layers": "sequence: {repeat: 3000, layers: [{linear: 8 + i}, {linear: 9 + i}]}",
    "many stages": "sequence: {repeat: 2500, layers: [{linear: 9}, {maxpool: {kernel: 1}}]}",
    "one stage": "sequence: {name: s, repeat: 2500, layers: [{linear: {name: a, features: 8 + i}}, relu]}",
}


@pytest.mark.parametrize("name", WIDE)
def test_a_page_stays_small(name: str, tmp_path: Path) -> None:
    head = "input: [1, 8]" if name == "many stages" else "input: [8]"
    text = layers(WIDE[name].replace("maxpool: {kernel: 1}", "maxpool1d: {kernel: 1}"), head=head)
    file = tmp_path / "net.yaml"
    file.write_text(text)
    shown = piped("report", file)
    assert (shown.returncode, shown.stderr) == (0, "")
    total = len(analyze(str(file)).layers)
    assert len(shown.stdout) < 2_500_000
    assert shown.stdout.count("<tr><td") == 2_000 + 1  # and the total
    assert f"<p>{total - 2000:,} more layers are in the total but not in this table" in shown.stdout
    for picture in re.findall(r"<figure.*?</figure>", shown.stdout, flags=re.DOTALL):
        assert picture.count('class="leaf"') <= 2_000 + 101
        assert picture.count('class="stage"') <= 101
    if name != "many stages":
        assert " lighter layers: " in shown.stdout
    if name == "a chain of different layers":
        assert "<p>Not drawn: it has 6,000 boxes, and the page shows up to 500.</p>" in shown.stdout
    if name == "many stages":
        assert "2,400 lighter stages: " in shown.stdout


SHARES = ("table", "--columns", "share")


@pytest.mark.parametrize("command", [("table",), SHARES, (*SHARES, "--format", "csv"), ("report",)])
def test_a_hundred_thousand_layers_take_no_more_than_input_that_means_harm(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    pytest.importorskip("resource")
    file = tmp_path / "net.yaml"
    file.write_text(layers("linear: {features: 8, repeat: 100000}", head="input: [8]"))
    usage = measured(tmp_path, *command, file)
    assert (usage.code, usage.stderr) == (0, b"")
    assert usage.peak_mib < PEAK_MIB
    assert len(usage.stdout) < 2_500_000


def test_stages_side_by_side_are_cut_too(tmp_path: Path) -> None:
    text = layers(WIDE["many stages"].replace("maxpool: {kernel: 1}", "maxpool1d: {kernel: 1}"), head="input: [1, 8]")
    (tmp_path / "a.yaml").write_text(text)
    shown = piped("report", tmp_path / "a.yaml", tmp_path / "a.yaml")
    assert "not shown: the lines beyond the first 2,000 of 2,500" in shown.stdout
    assert "not shown" not in piped("report", "lenet5", "alexnet", "--own-input").stdout
