"""What Python programs call: whatever names an architecture, and one clear error for what does not."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import archcalc
from tests.running import ROOT, environment

SPEC = "input: [3, 8, 8]\nlayers: [{conv: {filters: 4, kernel: 3}}]\n"
BROKEN = "input: [3, 8, 8]\nlayers: [relu, {conv: {filters: 4, kernel: 30}}]\n"


def test_a_name_a_path_and_what_was_loaded_are_analyzed_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archcalc.analyze("alexnet") == archcalc.analyze(archcalc.load("alexnet"))
    (tmp_path / "mine.yaml").write_text(SPEC)
    assert archcalc.analyze(tmp_path / "mine.yaml").totals.params == 112
    monkeypatch.chdir(tmp_path)
    assert archcalc.analyze(Path("mine.yaml")) == archcalc.analyze("mine.yaml")
    Path("alexnet").write_text(SPEC)
    assert archcalc.analyze(Path("alexnet")).totals.params == 112


def test_an_input_may_be_a_list() -> None:
    assert archcalc.analyze("alexnet", input=[3, 224, 224]) == archcalc.analyze("alexnet", input=(3, 224, 224))


@pytest.mark.parametrize("what", [None, 5, b"alexnet", ["alexnet"], {}])
def test_anything_else_is_one_clear_error(what: Any) -> None:
    for take in (archcalc.load, archcalc.analyze):
        with pytest.raises(archcalc.SettingError, match=f"cannot load a {type(what).__name__}"):
            take(what)


@pytest.mark.parametrize(
    "settings", [{"input": "3x8x8"}, {"input": [3.0, 8, 8]}, {"input": 5}, {"dtype": 32}, {"dtype": []}, {"batch": "2"}]
)
def test_settings_of_other_types_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(archcalc.SettingError):
        archcalc.analyze("alexnet", **settings)


def test_errors_come_back_from_a_pool_of_processes(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(BROKEN)
    with ProcessPoolExecutor(1) as pool, pytest.raises(archcalc.SpecError) as caught:
        pool.submit(archcalc.analyze, tmp_path / "broken.yaml").result(timeout=60)
    with pytest.raises(archcalc.SpecError) as here:
        archcalc.analyze(tmp_path / "broken.yaml")
    assert str(caught.value) == str(here.value)
    assert caught.value.problems == here.value.problems
    assert caught.value.partial == here.value.partial


@pytest.mark.parametrize("arguments", ["--help", "table --help", "verify --help", "kinds", "kinds conv", "kinds gelu"])
def test_help_does_not_depend_on_docstrings(arguments: str) -> None:
    told = [
        subprocess.run(
            [sys.executable, *flags, "-m", "archcalc", *arguments.split()],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        for flags in ((), ("-OO",))
    ]
    assert told[0].stdout == told[1].stdout
    assert told[0].returncode == told[1].returncode == 0


@pytest.mark.parametrize("text", ["1 is 1", '"a"()', "1 if 1else 2", "0xfor 1"])
def test_no_advice_of_pythons_own_leaks(text: str, tmp_path: Path) -> None:
    spec = tmp_path / "odd.yaml"
    spec.write_text(f"input: [3, 8, 8]\nlayers: [{{conv: {{filters: '{text}', kernel: 1}}}}]\n")
    command = [sys.executable, "-W", "always", "-m", "archcalc", "table", str(spec)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert "Warning" not in done.stderr


def test_show_sends_no_commands_to_a_terminal(tmp_path: Path) -> None:
    spec = tmp_path / "odd.yaml"
    spec.write_text("# \x1b[31mred\u202e\ninput: [3]\nlayers: [relu]\n")
    command = [sys.executable, "-m", "archcalc", "show", str(spec)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60)
    assert done.stdout == "# \\x1b[31mred\\u202e\ninput: [3]\nlayers: [relu]\n"


HUGE = 10**5000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"input": "3x224x224"},
            "input must be a tuple or list of whole numbers ≥ 1, got '3x224x224'\n  hint: such as (3, 224, 224)",
        ),
        ({"input": (3, 10**30, 224)}, "input: a number is out of range\n  hint: numbers go up to 10^18"),
        ({"batch": 10**30}, f"batch must be at most 1,000,000,000, got {10**30}"),
        ({"batch": HUGE}, "batch must be at most 1,000,000,000, got a number of thousands of digits"),
        ({"batch": -HUGE}, "batch must be a whole number ≥ 1, got a number of thousands of digits"),
        ({"vars": {"classes": 10**30}}, "vars: classes is out of range\n  hint: numbers go up to 10^18"),
        ({"dtype": HUGE}, "unknown dtype a number of thousands of digits\n  hint: dtypes: float32"),
        ({"convention": HUGE}, "a convention must be a name, got int\n  hint: conventions: lecture, torch"),
    ],
)
def test_settings_that_cannot_be_used_are_said_with_what_can(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(archcalc.SettingError) as caught:
        archcalc.analyze("alexnet", **settings)
    assert str(caught.value).startswith(f"error: {message}")
    assert archcalc.analyze("alexnet", batch=10**9).totals.params == 61_100_840
