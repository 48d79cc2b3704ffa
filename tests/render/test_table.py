"""The table: golden files, the lecture's cells, narrow terminals, and every format."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path

import pytest

import archcalc
from archcalc.render.columns import (
    COSTS,
    DEFAULT,
    EXACT_UNITS,
    LARGE_UNITS,
    LECTURE_UNITS,
    Units,
    choose,
    default_columns,
)
from archcalc.render.formats.text import plain
from archcalc.render.table import fitted_grid, report_grid
from tests.running import on_terminal, piped
from tests.specs_helper import report as spec_report

GOLDEN = Path(__file__).parent / "golden"
PEOPLE_READ = (
    "alexnet",
    "bert-base",
    "googlenet",
    "lenet5",
    "llama3-8b",
    "mobilenet_v2",
    "resnet50",
    "swin_t",
    "unet",
    "vgg16",
)
"""The tables that are kept as they are printed; the figures of all are in tests/architectures/figures.tsv."""
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def same_as_golden(name: str, text: str, *, update: bool) -> None:
    path = GOLDEN / name
    if update:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{path} differs; `pytest --update-golden` writes it anew"


@pytest.mark.parametrize("name", PEOPLE_READ)
def test_golden_table(name: str, update_golden: bool) -> None:
    report = archcalc.analyze(archcalc.load(name))
    same_as_golden(f"{name}.txt", plain(report_grid(report)), update=update_golden)


@pytest.mark.parametrize(
    ("file", "arguments"),
    [
        ("alexnet-exact.txt", ["--exact", "--all"]),
        (
            "alexnet-torch.txt",
            ["--convention", "torch", "--batch", "8", "--dtype", "float16", "--columns", "+macs,share"],
        ),
        ("lenet5.json", ["--json"]),
        ("lenet5.jsonl", ["--format", "jsonl"]),
        ("lenet5.csv", ["--format", "csv", "--columns", "layer,kind,line,memory,params,flops,share,receptive_field"]),
        ("lenet5.tsv", ["--format", "tsv"]),
        ("lenet5.md", ["--format", "markdown"]),
        ("lenet5.tex", ["--format", "latex"]),
        ("lenet5.html", ["--format", "html"]),
    ],
)
def test_golden_output(file: str, arguments: list[str], update_golden: bool) -> None:
    result = piped("table", file.split(".")[0].removesuffix("-exact").removesuffix("-torch"), *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    same_as_golden(file, result.stdout, update=update_golden)


def test_json_is_exact_and_holds_all_layers() -> None:
    report = json.loads(piped("table", "alexnet", "--json").stdout)
    layers = {layer["name"]: layer for layer in report["layers"]}
    assert report["schema_version"] == 1
    settings = {"input": [3, 227, 227], "inputs": {"input": [3, 227, 227]}, "batch": 1, "dtype": "float32"}
    assert report["settings"] == {**settings, "convention": "lecture"}
    assert report["totals"]["params"] == 61_100_840
    assert report["totals"]["complete"] is True
    assert "relu1" in layers
    conv1 = layers["conv1"]
    assert (conv1["memory_bytes"], conv1["params"], conv1["flops"]) == (802_816, 23_296, 72_855_552)
    assert (conv1["kind"], conv1["inputs"], conv1["output"]) == ("conv", [[3, 227, 227]], [64, 56, 56])
    assert conv1["receptive_field"] == [11, 11]
    assert conv1["fields"]["filters"] == 64
    assert layers["pool1"]["flops"] == 419_904
    assert (layers["fc6"]["params"], layers["fc6"]["flops"]) == (37_752_832, 37_748_736)
    assert layers["conv4"]["flops"] == 149_520_384


# The multiply-adds of convolutions and linear layers, from the lecture's network and Simonyan and Zisserman's.
@pytest.mark.parametrize(
    ("name", "params", "macs"),
    [
        ("vgg16", 138_357_544, 15_470_264_320),
        ("vgg16-lecture", 137_767_464, 13_620_576_256),
        ("vgg11", 132_863_336, 7_609_090_048),
        ("vgg13", 133_047_848, 11_308_466_176),
        ("vgg19", 143_667_240, 19_632_062_464),
        ("alexnet-2012", 60_965_224, None),
        ("alexnet", 61_100_840, None),
        ("zfnet", 62_357_608, None),
        ("lenet5", 61_706, 416_520),
    ],
)
def test_published_totals(name: str, params: int, macs: int | None) -> None:
    totals = archcalc.analyze(archcalc.load(name)).totals
    assert totals.params == params
    assert macs in (None, totals.macs)


def test_settings_scale_as_they_should() -> None:
    arch = archcalc.load("alexnet")
    one, eight = archcalc.analyze(arch), archcalc.analyze(arch, batch=8, dtype="float16", convention="torch")
    assert eight.totals.memory_bytes == one.totals.memory_bytes * 8 // 2
    assert eight.totals.macs == one.totals.macs * 8
    assert eight.totals.flops == 2 * eight.totals.macs
    assert eight.totals.params == one.totals.params
    assert archcalc.analyze(arch, vars={"classes": 10}).layer("fc8").output == (10,)
    assert archcalc.analyze(arch, input=(3, 224, 224)).layer("conv1").output == (64, 55, 55)


@pytest.mark.parametrize("columns", [80, 60, 40])
@pytest.mark.parametrize("name", ["alexnet", "vgg16", "lenet5", "alexnet-2012"])
def test_a_terminal_never_cuts_or_wraps_a_number(name: str, columns: int) -> None:
    shown = ESCAPES.sub("", on_terminal("table", name, columns=columns))
    report = archcalc.analyze(archcalc.load(name))
    grid, gap = fitted_grid(report, columns, choose(None), units=LECTURE_UNITS, hide=True)
    assert all(len(line) <= columns for line in shown.splitlines())
    assert shown == plain(grid, gap, columns).replace("-" * grid.width(gap), "─" * grid.width(gap))
    total = next(line for line in shown.splitlines() if line.startswith("total"))
    figures = [text.replace(",", "") for text in total.split()[1:]]
    exact = (report.totals.memory_bytes, report.totals.params, report.totals.flops)
    units = ((1024, 1024**2), (10**3, 10**6), (10**6, 10**9))
    for text, value, worth in zip(figures, exact, units, strict=True):
        precision = 0.5 * 10.0 ** -len(text.partition(".")[2])
        assert any(abs(float(text) - value / unit) <= precision for unit in worth)


@pytest.mark.parametrize("units", [LECTURE_UNITS, LARGE_UNITS, EXACT_UNITS], ids=["lecture", "large", "exact"])
@pytest.mark.parametrize("name", archcalc.names())
def test_no_cell_is_off_by_more_than_its_last_digit(name: str, units: Units) -> None:
    report = archcalc.analyze(archcalc.load(name))
    costs = [cost for cost in COSTS if cost != "buffers" or report.totals.buffers]
    grid = report_grid(report, tuple(costs), units=units, hide=False)
    for row, cells in zip(report.layers, grid.rows, strict=True):
        for cost, cell in zip(costs, cells, strict=True):
            value = COSTS[cost][0].of_row(row)
            assert (value is None) == (cell.text == "?")
            if value is not None:
                assert_says(cell.text, value, units[cost].worth)


def assert_says(text: str, value: int, worth: int) -> None:
    """That a figure is printed to within half of its last digit, and not as 0 unless it is 0."""
    number = text.removeprefix("<").replace(",", "")
    last_digit = Fraction(worth, 10 ** len(number.partition(".")[2]))
    if text.startswith("<"):
        assert 0 < value < Fraction(number) * worth
    else:
        assert 2 * abs(Fraction(number) * worth - value) <= last_digit
        assert (Fraction(number) == 0) == (value == 0)


TOKENS = "input: [16]\nlayers: [{embedding: {vocabulary: 9, features: 8}}, layernorm, {linear: 4}]\n"


@pytest.mark.parametrize(
    "layers",
    [
        "[{conv: {filters: 8, kernel: 3}}, {flatten: {start: 1}}, transpose, {linear: 4}]",
        "[{conv: {filters: 8, kernel: 4, stride: 4}}, {permute: [1, 2, 0]}, {layernorm: 1}]",
        "[{conv: {filters: 8, kernel: 3, pad: 1}}, {mean: 0}]",
        "[{permute: [1, 2, 0]}, {window_partition: 4}]",
        "[{reshape: [3, 1024]}, {lstm: 8}]",
    ],
)
def test_tensors_that_are_no_maps_are_shown_whole(layers: str) -> None:
    for spec in (TOKENS, f"input: [3, 32, 32]\nlayers: {layers}\n"):
        columns = default_columns(spec_report(spec))
        assert columns[:2] == ("layer", "input")
        assert columns[-4:] == ("output", "memory", "params", "flops")
        assert "output_channels" not in columns


@pytest.mark.parametrize(
    "layers",
    [
        "[{conv: {filters: 8, kernel: 3}}, {slice: {axis: 1, stop: 9}}, {crop: 1}, flatten, {linear: 4}]",
        "[{mean: [1, 2]}, {linear: 4}, layernorm, {softmax: 0}]",
        "[{channel_shuffle: 3}, {pixel_unshuffle: 2}, {pixel_shuffle: 2}, {conv_transpose: {filters: 2, kernel: 2}}]",
    ],
)
def test_maps_and_flat_tensors_have_the_lectures_columns(layers: str) -> None:
    assert default_columns(spec_report(f"input: [3, 32, 32]\nlayers: {layers}\n")) == DEFAULT


def test_the_default_columns_stay_those_of_the_network_beside_others() -> None:
    result = piped("table", "-", "--format", "markdown", "--columns", "+kind", stdin=TOKENS)
    header = next(line for line in result.stdout.splitlines() if line.startswith("| layer"))
    names = [cell.split()[0] for cell in header.strip("|").split("|")]
    assert names == ["layer", "input", "output", "memory", "params", "FLOPs", "kind"]


def test_wide_keeps_everything_on_a_narrow_terminal() -> None:
    shown = ESCAPES.sub("", on_terminal("table", "alexnet", "--wide", columns=40))
    assert "37,753*" in shown
    assert "filters" in shown


def test_a_narrow_terminal_says_what_it_leaves_out() -> None:
    shown = " ".join(ESCAPES.sub("", on_terminal("table", "alexnet", columns=50)).split())
    assert "not shown for lack of room:" in shown
    assert "--wide shows all" in shown


def test_colour_is_for_terminals_without_no_color() -> None:
    assert "\x1b[1;33m" in on_terminal("table", "alexnet", columns=100)
    assert "\x1b[1;33m" not in on_terminal("table", "alexnet", columns=100, NO_COLOR="1")
    assert "33m" not in on_terminal("table", "alexnet", columns=100, NO_COLOR="1")
    assert "\x1b" not in piped("table", "alexnet").stdout


def test_csv_figures_add_up_to_the_totals() -> None:
    rows = list(csv.DictReader(piped("table", "vgg16", "--format", "csv").stdout.splitlines()))
    totals = archcalc.analyze(archcalc.load("vgg16")).totals
    assert sum(int(row["params"]) for row in rows) == totals.params
    assert sum(int(row["memory_bytes"]) for row in rows) == totals.memory_bytes
    assert sum(int(row["flops"]) for row in rows) == totals.flops


def test_printed_columns_add_up_to_the_printed_total() -> None:
    lines = [line.replace("*", "") for line in piped("table", "alexnet", "--exact").stdout.splitlines()]
    figures = [[int(x.replace(",", "")) for x in line.split()[-3:]] for line in lines if re.search(r" [\d,]+$", line)]
    *rows, total = figures
    assert [sum(column) for column in zip(*rows, strict=True)] == total


def test_html_is_well_formed_and_escapes_names() -> None:
    spec = 'input: [4]\nlayers:\n  - linear: {name: "<script>alert(1)</script>|&", features: 2}\n'
    html = piped("table", "-", "--format", "html", stdin=spec).stdout
    ET.fromstring(f"<div>{html}</div>")
    assert "<script>" not in html
    assert "\\|" in piped("table", "-", "--format", "markdown", stdin=spec).stdout
    latex = piped(
        "table", "-", "--format", "latex", stdin="input: [4]\nlayers:\n  - linear: {name: a_b%, features: 2}\n"
    )
    assert r"a\_b\%" in latex.stdout


def test_a_spreadsheet_gets_no_formula() -> None:
    spec = "input: [4]\nlayers:\n  - linear: {name: '=1+1', features: 2}\n"
    assert "'=1+1" in piped("table", "-", "--format", "csv", stdin=spec).stdout


def test_output_file_takes_its_format_from_its_ending(tmp_path: Path) -> None:
    for ending, beginning in (
        (".json", "{"),
        (".csv", "layer,"),
        (".md", "### "),
        (".txt", "LeNet-5"),
        (".tex", "% LeNet"),
    ):
        path = tmp_path / f"table{ending}"
        assert piped("table", "lenet5", "-o", str(path)).stdout == ""
        assert path.read_text(encoding="utf-8").startswith(beginning)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        f"table{e}" for e in (".json", ".csv", ".md", ".txt", ".tex")
    )


def test_nothing_is_written_half(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text("before")
    bad = tmp_path / "bad.yaml"
    bad.write_text("input: [3, 5, 5]\nlayers:\n  - conv: {filters: 4, kernel: 7}\n")
    result = piped("table", str(bad), "-o", str(path))
    assert (result.returncode, result.stdout) == (2, "")
    assert path.read_text() == "before"
    missing = piped("table", "lenet5", "-o", str(tmp_path / "no" / "table.json"))
    assert missing.returncode == 2
    assert missing.stderr.startswith("error: cannot write ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--columns", "layer,param"], "error: unknown column 'param'\n  hint: did you mean params?\n"),
        (
            ["--json", "--format", "csv"],
            "error: --json and --format csv cannot be combined\n  hint: give one of them\n",
        ),
        (["--json", "--columns", "layer"], "error: --columns cannot be combined with json"),
        (["--set", "class=3"], "error: alexnet has no variable 'class'\n  hint: did you mean classes?\n"),
        (["--set", "classes"], "'classes' is not var=value"),
        (["--set", "classes=x.y"], "attribute access is not part of the spec language"),
        (["--input", "3x0x5"], "'3x0x5' is not a shape"),
        (["--batch", "0"], "0 is not in the range"),
        (["--dtype", "float12"], "'float12' is not one of"),
        (["--nonsense"], "No such option"),
    ],
)
def test_bad_usage_exits_with_2_and_says_why(arguments: list[str], message: str) -> None:
    result = piped("table", "alexnet", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_options_work_together() -> None:
    arguments = ["--input", "3,224,224", "--batch", "2", "--set", "classes=2*5", "--dtype", "int8"]
    report = json.loads(piped("table", "alexnet", *arguments, "--json").stdout)
    assert report["settings"] == {
        "input": [3, 224, 224],
        "inputs": {"input": [3, 224, 224]},
        "batch": 2,
        "dtype": "int8",
        "convention": "lecture",
        "vars": {"classes": 10},
    }
    assert report["layers"][-1]["memory_bytes"] == 2 * 10


def test_a_report_cannot_be_changed() -> None:
    report = archcalc.analyze(archcalc.load("lenet5"))
    with pytest.raises(AttributeError):
        report.layers[0].params = 0  # type: ignore[misc]
    with pytest.raises(KeyError):
        report.layer("conv99")
