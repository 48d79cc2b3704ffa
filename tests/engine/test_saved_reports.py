"""Saved reports that are broken: every command that reads one says in plain words what is wrong, and in which file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archcalc import Report, SettingError, analyze
from tests.running import piped

AGAIN = "  hint: regenerate it with `archcalc table NAME --json -o report.json`"


def saved(**changes: Any) -> dict[str, Any]:
    return {**analyze("lenet5").to_dict(), **changes}


def row(**changes: Any) -> dict[str, Any]:
    first, *others = saved()["layers"]
    return saved(layers=[{**first, **changes}, *others])


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in saved().items() if name != key}


SETTINGS = saved()["settings"]
BROKEN: dict[str, tuple[Callable[[], Any], str]] = {
    "a list": (lambda: [[1]], "the report must be an object, got a list"),
    "text": (lambda: "report", "the report must be an object, got text"),
    "null": (lambda: None, "the report must be an object, got null"),
    "no version": (lambda: without("schema_version"), "the report has no 'schema_version'"),
    "no settings": (lambda: without("settings"), "the report has no 'settings'"),
    "no layers": (lambda: without("layers"), "the report has no 'layers'"),
    "another version": (lambda: saved(schema_version="2"), "the report has schema version '2', this archcalc reads 1"),
    "settings of another type": (lambda: saved(settings=[]), "settings must be an object, got a list"),
    "no input": (lambda: saved(settings={"batch": 1}), "settings has no 'input'"),
    "a batch in words": (
        lambda: saved(settings={**SETTINGS, "batch": "one"}),
        "settings.batch must be a whole number, got text",
    ),
    "a size in words": (
        lambda: saved(settings={**SETTINGS, "inputs": {"input": [1, "28"]}}),
        "settings.inputs[...][1] must be a whole number, got text",
    ),
    "layers by name": (lambda: saved(layers={"conv1": {}}), "layers must be a list, got an object"),
    "a layer that is none": (lambda: saved(layers=[1]), "layers[0] must be an object, got a whole number"),
    "a layer without its kind": (lambda: saved(layers=[{}]), "layers[0] has no 'kind'"),
    "a kind that is not known": (
        lambda: row(kind="cnov"),
        "layers[0] has the unknown kind 'cnov'",
    ),
    "a field of another type": (
        lambda: row(fields={"filters": "6", "kernel": 5}),
        "layers[0].fields.filters must be a whole number, got text",
    ),
    "no inputs": (lambda: row(inputs=None), "layers[0].inputs must be a list, got null"),
    "an output that is none": (
        lambda: row(output=[1, "a"]),
        "layers[0].output[1] must be a whole number or null, got text",
    ),
    "parameters in words": (lambda: row(params="many"), "layers[0].params must be a whole number, got text"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_in_words(name: str) -> None:
    make, message = BROKEN[name]
    data = make()
    with pytest.raises(SettingError) as caught:
        Report.from_dict(data[0] if name == "a list" else data)
    assert str(caught.value) == f"error: {message}\n{AGAIN}"


@pytest.mark.parametrize("arguments", [("check",), ("diff",)])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(without("settings")), "report.json: the report has no 'settings'"),
        (json.dumps(saved(architecture="a\ud800")), r"report.json is not JSON: \ud800 is an unpaired surrogate"),
        (
            json.dumps(saved()).replace('"batch": 1', f'"batch": {"9" * 5_000}'),
            "report.json: a number of more than 100 digits",
        ),
        ("[" * 100_000, "report.json is not JSON that archcalc wrote: nested too deep"),
        ("{", "report.json:1:2: not JSON: Expecting property name enclosed in double quotes"),
        ("[]", "report.json contains no report"),
    ],
)
def test_every_command_names_the_file(arguments: tuple[str, ...], text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(text)
    result = piped(*arguments, "lenet5", "--compare-to", "report.json", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (2, "", f"error: {message}\n{AGAIN}\n")


@pytest.mark.parametrize("arguments", [("table",), ("compare", "lenet5"), ("diff", "lenet5")])
def test_a_report_with_half_a_character_is_no_spec(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(json.dumps(saved(architecture="a\ud800")))
    result = piped(*arguments, "report.json", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "found invalid Unicode character escape code" in result.stderr
