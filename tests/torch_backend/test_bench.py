"""archcalc bench, as a user runs it: tables, JSON, errors. What the times are is not asserted, only that they are."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.running import on_terminal, piped, python

torch = pytest.importorskip("torch")

QUICK = ("--device", "cpu", "--repeat", "4", "--warm-up", "1")
NO_TORCH = """
import sys
sys.modules["torch"] = None
from archcalc.cli import main
main(sys.argv[1:])
"""
BOUNDS = ["compute", "memory", "cache", "neither", "too short", "moves nothing", None]
POSITIVE, MAYBE, COUNT = {"exclusiveMinimum": 0}, {"type": ["number", "null"]}, {"type": ["integer", "null"]}


def exactly(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


TIME = exactly(
    samples={"const": 4},
    median_seconds={"type": "number", **POSITIVE},
    quartile_seconds={"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
    min_seconds={"type": "number", **POSITIVE},
    max_seconds={"type": "number", **POSITIVE},
    spread={"type": "number", "minimum": 0},
)
LAYER = exactly(
    name={"type": "string"},
    kind={"type": "string"},
    line={"type": "integer"},
    macs=COUNT,
    bytes_moved=COUNT,
    macs_per_byte=MAYBE,
    time=TIME,
    macs_per_second=MAYBE,
    bytes_per_second=MAYBE,
    share_of_roof=MAYBE,
    bound={"enum": BOUNDS},
)
ARCHITECTURE = exactly(
    name={"const": "lenet5"},
    title={"type": "string"},
    input={"const": [1, 32, 32]},
    inputs={"const": {"input": [1, 32, 32]}},
    macs={"const": 2 * 416_520},
    params={"const": 61_706},
    whole=TIME,
    compiled={"type": "null"},
    is_noisy={"type": "boolean"},
    preemptions_per_second=MAYBE,
    macs_per_second={"type": "number", **POSITIVE},
    samples_per_second={"type": "number", **POSITIVE},
    layers_seconds={"type": "number", **POSITIVE},
    layers={"type": "array", "items": LAYER, "minItems": 12, "maxItems": 12},
)
SCHEMA = exactly(
    schema_version={"const": 1},
    archcalc={"type": "string"},
    date={"type": "string"},
    environment=exactly(
        device={"const": "cpu"},
        device_name={"type": "string"},
        torch={"const": torch.__version__},
        python={"type": "string"},
        platform={"type": "string"},
        threads={"const": 1},
    ),
    settings={
        "const": {
            "device": "cpu",
            "batch": 2,
            "dtype": "float32",
            "vars": {},
            "compile": False,
            "warm_up": 1,
            "repeat": 4,
        }
    },
    roof=exactly(
        matmul_macs_per_second={"type": "number", **POSITIVE},
        conv_macs_per_second={"type": "number", **POSITIVE},
        bytes_per_second={"type": "number", **POSITIVE},
        shortest_seconds={"type": "number", **POSITIVE},
    ),
    architectures={"type": "array", "items": ARCHITECTURE, "minItems": 1, "maxItems": 1},
)


def test_json_holds_every_layer_and_what_it_was_taken_with(tmp_path: Path) -> None:
    path = tmp_path / "times.json"
    result = piped("bench", "lenet5", *QUICK, "--batch", "2", "--threads", "1", "--json", "--output", path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    found = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    conv = found["architectures"][0]["layers"][0]
    assert (conv["name"], conv["macs"]) == ("C1", 2 * 117_600)
    assert conv["bytes_moved"] == 4 * (2 * 32 * 32 + 156 + 2 * 6 * 28 * 28)
    assert conv["macs_per_byte"] == conv["macs"] / conv["bytes_moved"]


def test_a_table_of_the_layers_fits_a_narrow_terminal() -> None:
    shown = on_terminal("bench", "lenet5", *QUICK, columns=66, NO_COLOR="1")
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).splitlines()
    assert max(map(len, lines)) <= 66
    assert lines[0] == "LeNet-5, digits from 32×32 pixels"
    names = [line.split()[0] for line in lines if line]
    assert {"C1", "tanh1", "C5", "output", "sum", "whole"} <= set(names)
    assert "flatten" not in names
    assert re.search(r"not shown for lack of room: .*moved \(MiB\)", shown)


def test_several_networks_have_a_line_each() -> None:
    text = "input: [4]\nlayers: [{linear: 3}, {dropout: 0.5}]\n"
    result = piped("bench", "lenet5", "-", *QUICK, "--set", "x=1", stdin=text)
    assert (result.returncode, result.stdout) == (2, "")  # lenet5 has no such variable
    result = piped("bench", "lenet5", "-", *QUICK, stdin=text)
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"torch {torch.__version__} on ")
    assert lines[0].endswith(" · batch 1 · float32 · eval mode · median of 4")
    assert [line.split()[:2] for line in lines[5:7]] == [["lenet5", "12"], ["stdin", "2"]]


@pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None,
    reason="NO C++ COMPILER: torch.compile was not tried",
)
def test_a_network_is_compiled() -> None:
    text = "name: small\ninput: [4]\nlayers: [{linear: 3}, relu]\n"
    result = piped("bench", "-", *QUICK, "--compile", stdin=text)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^compiled +<0\.01 +[0-9.]+ ", result.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("lenet5", "--device", "meta"),
            "error: the meta device has no data: there is nothing to time",
        ),
        (("lenet6",), "error: "),
        (("lenet5", "--dtype", "int8"), "Usage: "),
        (("lenet5", "--repeat", "0"), "Usage: "),
        ((), "Usage: "),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    result = piped("bench", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(message)


def test_a_device_that_is_not_there_is_an_error() -> None:
    missing = next(device for device in ("mps", "cuda") if not getattr(torch, device).is_available())
    result = piped("bench", "lenet5", "--device", missing)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: PyTorch finds no {missing} device\n")


def test_without_pytorch_it_says_how_to_get_it() -> None:
    result = python("-c", NO_TORCH, "bench", "lenet5")
    expected = 'error: PyTorch is not installed\n  hint: pip install "archcalc[torch]"\n'
    assert (result.returncode, result.stdout, result.stderr) == (2, "", expected)
