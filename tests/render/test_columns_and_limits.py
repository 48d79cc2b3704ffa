"""Columns that say what they cannot know, shares of less than all, and charts and comparisons of too many layers."""

import csv
import io
from pathlib import Path

import pytest

from archcalc.render.grid import MOST_ROWS
from archcalc.units import percent
from tests.running import piped
from tests.specs_helper import layers

OF_MAPS = "input_channels,input_size,output_channels,output_size"
SAID = "C and H/W are unknown, because channels are not first in every tensor: use the columns input and output"


def test_channels_that_are_not_first_are_not_called_so() -> None:
    shown = piped("table", "swin_t", "--columns", f"layer,output,{OF_MAPS}").stdout
    assert ["patch_norm", "56×56×96", "?", "?", "?", "?"] in [line.split() for line in shown.splitlines()]
    assert SAID in shown
    data = csv.DictReader(io.StringIO(piped("table", "swin_t", "--format", "csv").stdout))
    assert {row[name] for row in data for name in OF_MAPS.split(",")} == {""}


def test_channels_that_are_first_are_shown() -> None:
    shown = piped("table", "alexnet", "--columns", f"layer,{OF_MAPS}").stdout
    assert ["conv1", "3", "227", "64", "56"] in [line.split() for line in shown.splitlines()]
    assert "unknown" not in shown


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_data_have_the_same_columns_for_every_network(form: str) -> None:
    headers = {piped("table", name, "--format", form).stdout.splitlines()[0] for name in ("alexnet", "swin_t", "gpt2")}
    (header,) = headers
    assert header.split("," if form == "csv" else "\t") == [
        "layer",
        "input",
        "output",
        "input_channels",
        "input_size",
        "filters",
        "kernel",
        "stride",
        "pad",
        "output_channels",
        "output_size",
        "memory_bytes",
        "params",
        "flops",
    ]
    (conv1, *_) = piped("table", "alexnet", "--format", "csv").stdout.splitlines()[1:]
    assert conv1 == "conv1,3×227×227,64×56×56,3,227,64,11,4,2,64,56,802816,23296,72855552"


def test_columns_that_are_asked_for_are_those_of_data() -> None:
    assert piped("table", "alexnet", "--format", "csv", "--columns", "layer,params").stdout.startswith("layer,params\n")
    assert (
        piped("table", "swin_t", "--format", "csv", "--columns", "+kind").stdout.splitlines()[0].endswith(",flops,kind")
    )


@pytest.mark.parametrize(
    ("part", "whole", "decimals", "text"),
    [
        (994, 1000, 0, "99 %"),
        (995, 1000, 0, ">99 %"),
        (9994, 10_000, 1, "99.9 %"),
        (9996, 10_000, 1, ">99.9 %"),
        (10_000, 10_000, 1, "100.0 %"),
        (1001, 1000, 0, "100 %"),
        (1, 10_000, 0, "<1 %"),
    ],
)
def test_less_than_all_is_never_100_percent(part: int, whole: int, decimals: int, text: str) -> None:
    assert percent(part, whole, decimals) == text


def test_shares_of_a_table_are_less_than_100_where_others_are_not_0() -> None:
    text = layers("linear: {name: big, features: 4000}", "linear: {name: small, features: 1}", head="input: [4000]")
    shown = piped("table", "-", "--columns", "layer,params_share", stdin=text).stdout
    rows = {line.split()[0]: line.split()[-1] for line in shown.splitlines() if line}
    assert (rows["big"], rows["small"], rows["total"]) == (">99.9*", "<0.1", "100.0")


CUT = "not shown: the layers beyond the first 10,000; "


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deep") / "deep.yaml"
    path.write_text(layers(f"linear: {{features: 8, repeat: {MOST_ROWS + 500}}}", head="input: [8]"))
    return path


def test_a_chart_shows_the_first_layers_and_says_so(deep: Path) -> None:
    shown = piped("chart", deep, "--metric", "params").stdout.splitlines()
    assert sum("█" in line for line in shown) == MOST_ROWS
    assert shown[-1] == f"{CUT}the data formats of table and compare hold all"


def test_layers_side_by_side_are_the_first_ones_and_that_is_said(deep: Path) -> None:
    shown = piped("compare", deep, deep, "--by", "layer", "--metric", "params").stdout.splitlines()
    assert sum(line.startswith("fc") for line in shown) == MOST_ROWS
    assert f"{CUT}json, jsonl, csv and tsv hold all" in shown
    assert next(line for line in shown if line.startswith("total")).split()[1:] == ["756", "k", "756", "k"]
    data = piped("compare", deep, deep, "--by", "layer", "--format", "csv").stdout
    assert data.count("\nlayer,fc") == 3 * (MOST_ROWS + 500)
