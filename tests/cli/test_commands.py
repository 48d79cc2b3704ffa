"""The other commands, and the process around them: help, exit codes, pipes."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import archcalc
from archcalc.api import spec_schema
from archcalc.layers import kinds
from archcalc.spec.catalogue import specs_directory
from archcalc.spec.description import describe_kind
from archcalc.spec.standard import standard_blocks
from tests.running import ROOT, environment, on_terminal, piped

VALIDATOR = jsonschema.Draft202012Validator(spec_schema())
COMMANDS = (
    "table",
    "graph",
    "list",
    "show",
    "fold",
    "kinds",
    "schema",
    "reproduce",
    "compare",
    "chart",
    "report",
    "diff",
    "verify",
    "bench",
    "activations",
    "weight-decay",
    "transfer",
    "training",
    "fits",
    "roofline",
    "devices",
)


def test_list_names_every_shipped_architecture() -> None:
    listed = json.loads(piped("list", "--json").stdout)
    assert [row["name"] for row in listed] == list(archcalc.names())
    alexnet = next(row for row in listed if row["name"] == "alexnet")
    assert (alexnet["params"], alexnet["input"]) == (61_100_840, [3, 227, 227])
    text = piped("list").stdout
    assert all(name in text for name in archcalc.names())
    assert "61.1 M" in text


def test_list_fits_a_narrow_terminal() -> None:
    lines = on_terminal("list", columns=70, NO_COLOR="1").splitlines()
    assert max(len(line.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "")) for line in lines) <= 70
    assert any("138 M" in line for line in lines)


def test_show_prints_a_spec_that_works() -> None:
    text = piped("show", "alexnet").stdout
    assert text == (ROOT / "specs" / "alexnet.yaml").read_text(encoding="utf-8")
    assert json.loads(piped("table", "-", "--json", stdin=text).stdout)["totals"]["params"] == 61_100_840


SPECS = sorted(Path(specs_directory()).glob("*.yaml"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_shipped_specs_meet_the_schema_and_say_where_they_are_from(path: Path) -> None:
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    VALIDATOR.validate(spec)
    assert spec["name"] == path.stem
    assert spec["title"]
    assert spec["source"]
    assert all(variant["title"] for variant in spec.get("variants", {}).values())


def test_the_names_are_those_that_the_files_hold() -> None:
    read_in_full = [name for path in SPECS for name in _names_in(yaml.safe_load(path.read_text(encoding="utf-8")))]
    assert sorted(read_in_full) == list(archcalc.names())
    assert len(set(read_in_full)) == len(read_in_full)


def _names_in(spec: dict[str, Any]) -> list[str]:
    return list(spec.get("variants", {})) or [spec["name"]]


@pytest.mark.parametrize(
    "layer",
    [
        "relu",
        {"relu": None},
        {"linear": 10},
        {"linear": "4 * width"},
        {
            "conv": {
                "filters": 4,
                "kernel": [3, 5],
                "pad": "same",
                "name": "c",
                "from": ["a"],
                "repeat": "n",
                "when": True,
            }
        },
        {"maxpool": {"kernel": 3, "ceil": True}},
        {"dropout": {"p": 0.3}},
        {"add": {"from": ["a", "b"]}},
        {"residual": {"main": [{"linear": 3}], "shortcut": []}},
        {"parallel": {"branches": [["relu"], []], "join": "concat", "name": "both"}},
        {"sequence": {"layers": ["relu"], "repeat": 3}},
        "mine",
        {"mine": 3},
        {"mine": {"width": 64, "repeat": 2, "first": {"stride": 2}}},
    ],
)
def test_the_schema_accepts(layer: object) -> None:
    VALIDATOR.validate({"input": [3, "size", "size"], "vars": {"n": 2, "list": [1, 2]}, "layers": [layer]})


@pytest.mark.parametrize(
    "layer",
    [
        "linear",
        {"conv": {"filters": 4}},
        {"conv": {"filters": 0, "kernel": 3}},
        {"conv": {"filters": 4, "kernel": 3, "width": 3}},
        {"conv": {"filters": 4, "kernel": [1, 2, 3]}},
        {"relu": None, "name": "r"},
        {"dropout": 2},
        {"residual": {"main": []}},
        {"residual": {"shortcut": ["relu"]}},
        {"parallel": {"branches": [["relu"]], "join": "concat"}},
        {"parallel": {"branches": [["relu"], []], "join": "conct"}},
        {"linear": {"features": 3, "first": {"features": 2}}},
        7,
    ],
)
def test_the_schema_refuses(layer: object) -> None:
    assert list(VALIDATOR.iter_errors({"input": [3, 8, 8], "layers": [layer]}))


def test_schema_command_prints_both_schemas(tmp_path: Path) -> None:
    assert json.loads(piped("schema").stdout) == spec_schema()
    assert json.loads(piped("schema", "--claims").stdout)["title"] == "archcalc claims"
    path = tmp_path / "s.json"
    assert piped("schema", "-o", str(path)).stdout == ""
    jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


def test_kinds_lists_every_kind_with_its_fields() -> None:
    listed = {row["kind"]: row for row in json.loads(piped("kinds", "--json").stdout)}
    assert listed.keys() == kinds().keys() | standard_blocks().keys()
    assert [field["name"] for field in listed["conv"]["fields"]][:2] == ["filters", "kernel"]
    assert listed["conv"]["rules"].keys() == {"Shape", "Params", "Ops", "Raises", "Source"}
    text = piped("kinds").stdout
    assert all(kind in text for kind in kinds())


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_has_a_page(kind: str) -> None:
    described = describe_kind(kind)
    assert all(field["meaning"] and field["type"] for field in described["fields"])
    assert all(described["rules"].values())
    assert described["torch"].startswith(("torch.", "archcalc.torch_backend."))


def test_a_block_that_every_spec_may_call_has_a_page() -> None:
    page = piped("kinds", "cross_attention").stdout
    assert page.startswith("cross_attention: Multi-head attention of tokens to those of another sequence")
    assert "Inputs: `from: [tokens, others]`\nparams: {width: null, heads: null, kv_heads: heads, bias: true}\n" in page
    assert page.endswith("  - linear: {name: out, features: width, bias: bias}\n")
    described = json.loads(piped("kinds", "cross_attention", "--json").stdout)[0]
    assert [field["name"] for field in described["fields"] if field["required"]] == ["width", "heads"]


def test_kinds_page_and_its_error() -> None:
    page = piped("kinds", "conv").stdout
    assert "  kernel: size of each filter along every dimension\n      a whole number ≥ 1, or [height, width]" in page
    assert "bias: whether each filter adds a learned constant\n      true or false; default true" in page
    wrong = piped("kinds", "cnov")
    assert wrong.returncode == 2
    assert wrong.stderr == "error: unknown kind 'cnov'\n  hint: did you mean conv or conv3d or conv1d?\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_in_a_pipe_and_on_a_terminal(command: str) -> None:
    result = piped(command, "--help")
    assert result.returncode == 0
    assert "--help" in result.stdout
    assert "\x1b" not in result.stdout
    assert "--help" in on_terminal(command, "--help", columns=80)


def test_the_group_names_its_commands_and_corrects_a_wrong_one() -> None:
    assert all(command in piped("--help").stdout for command in COMMANDS)
    wrong = piped("tabel")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no such command: 'tabel'; did you mean table?" in wrong.stderr
    assert piped("--version").stdout == f"archcalc {archcalc.__version__}\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m archcalc table vgg16 --format jsonl --convention torch"
    script = f"set -o pipefail; {command} | head -c 10 >/dev/null"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment(), cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")


def test_that_nobody_reads_an_error_does_not_change_the_exit_code() -> None:
    script = f"{sys.executable} -m archcalc table nonsense 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", f"sleep 0; {script}"], capture_output=True, env=environment(), cwd=ROOT)
    assert result.returncode == 2


def test_a_full_disk_is_an_error() -> None:
    script = f"{sys.executable} -m archcalc table vgg16 --json > /dev/full"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment(), cwd=ROOT)
    assert (result.returncode, result.stderr) == (
        2,
        "error: cannot write to standard output: No space left on device\n",
    )


def test_output_in_ascii_is_no_error() -> None:
    env = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    command = [sys.executable, "-m", "archcalc", "table", "lenet5"]
    result = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")
    assert "input 1?32?32" in result.stdout


def test_an_internal_error_is_one_line_and_exits_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from archcalc import analysis, cli

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(analysis, "analyze", fails)
    monkeypatch.delenv("ARCHCALC_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as exit_:
        cli.main(["table", "alexnet"])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.startswith("archcalc: internal error: RuntimeError: planted\n  This is a bug")
    monkeypatch.setenv("ARCHCALC_TRACEBACK", "1")
    with pytest.raises(RuntimeError, match="planted"):
        cli.main(["table", "alexnet"])


def test_the_console_script_is_the_same_main() -> None:
    script = next(iter(entry_points(group="console_scripts", name="archcalc")))
    from archcalc.cli import main

    assert script.load() is main


def test_the_public_names_are_there() -> None:
    assert all(getattr(archcalc, name) is not None for name in archcalc.__all__)
    assert set(archcalc.__all__) <= set(dir(archcalc))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = archcalc.nonsense


@pytest.mark.parametrize(("name", "params"), [("alexnet", 61_100_840), ("vgg16", 138_357_544)])
def test_a_file_of_a_shipped_name_is_found_by_its_path(tmp_path: Path, name: str, params: int) -> None:
    (tmp_path / name).write_text("input: [4]\nlayers: [{linear: 2}]\n")
    assert json.loads(piped("table", f"./{name}", "--json", cwd=tmp_path).stdout)["totals"]["params"] == 10
    assert json.loads(piped("table", name, "--json", cwd=tmp_path).stdout)["totals"]["params"] == params
    assert os.listdir(tmp_path) == [name]
