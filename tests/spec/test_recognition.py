"""One answer to what is a spec, for every command, in repositories full of YAML and JSON of others."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archcalc.errors import SpecError
from archcalc.evidence.claims import published_directory
from archcalc.spec.catalogue import specs_directory
from archcalc.spec.files import read_file, text_of
from archcalc.spec.recognition import is_spec
from archcalc.spec.search import specs_matching
from archcalc.spec.source import Document
from tests.git_repository import Repo
from tests.running import piped
from tests.spec.foreign_files import BROKEN_SPECS, FOREIGN, ODD_SPECS

NARROW, WIDE = 8, 8_000  # a linear layer of 9 features in has 10 parameters for each out


def reader(path: str) -> Document:
    """The files of others, as if this folder held them."""
    found = FOREIGN.get(path.removeprefix("./"))
    if found is None:
        raise SpecError([])
    return text_of(found, path)


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_others_are_no_specs(name: str) -> None:
    try:
        document = reader(name)
    except SpecError:
        return  # no text, which a command knows first
    assert not is_spec(document, reader)


@pytest.mark.parametrize("name", ODD_SPECS)
def test_specs_are_in_whatever_form_they_are_written(name: str) -> None:
    assert is_spec(text_of(ODD_SPECS[name].replace("WIDTH", "3").encode(), name))


@pytest.mark.parametrize("name", BROKEN_SPECS)
def test_specs_are_specs_with_mistakes_in_them(name: str) -> None:
    assert is_spec(Document("net.yaml", BROKEN_SPECS[name]))


def test_what_is_shipped() -> None:
    shipped = list(Path(specs_directory()).glob("*.yaml"))
    assert len(shipped) > 20
    assert [path for path in shipped if not is_spec(read_file(str(path)))] == []
    assert specs_matching(published_directory()) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([*"{}[]:,-&*!?|>'\"%@`#\\ \n\tab1", "layers:", "input: ", "extends: ", "linear"])))
def test_no_text_breaks_it(parts: list[str]) -> None:
    assert is_spec(Document("x.yaml", "".join(parts)), reader) in (False, True)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """Files of others, archcalc's own reports among them, beside specs in unusual forms and one that extends one."""
    made = Repo(tmp_path / "repository")
    made.write("models/net.yaml", "input: [9]\nlayers: [{linear: 3}]\n")
    made.commit()
    made.write("models/net.yaml", "input: [9]\nbudget: {params: 1M, flops: 1M}\nlayers: [{linear: 4}]\n")
    commands = {
        "table": ("table", "models/net.yaml", "--json"),
        "compare": ("compare", "resnet18", "resnet34", "--json"),
        "check": ("check", "models/net.yaml", "--output-format", "json"),
        "sarif": ("check", "models/net.yaml", "--output-format", "sarif"),
        "diff": ("diff", "--json"),
        "kinds": ("kinds", "--json"),
        "schema": ("schema",),
    }
    for name, arguments in commands.items():
        result = piped(*arguments, cwd=made.folder)
        assert (result.returncode, result.stderr) == (0, "")
        made.write(f"written/{name}.json", result.stdout)
    write(made, NARROW)
    made.write("dependent.yml", '{"ext\\u0065nds": "models/../flow.yaml", layers: [relu]}')
    made.commit()
    return made


def write(repo: Repo, width: int) -> None:
    for name, data in FOREIGN.items():
        path = repo.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if width == NARROW else data + b"\n")
    for name, text in ODD_SPECS.items():
        (repo.folder / name).write_bytes(text.replace("WIDTH", str(width)).encode())


def diffed(repo: Repo, *arguments: str, code: int = 0) -> dict[str, Any]:
    result = piped("diff", *arguments, "--json", cwd=repo.folder)
    assert result.returncode == code, result.stderr
    return {spec["name"]: spec for spec in json.loads(result.stdout)["specs"]}


def test_diff_sees_every_spec_and_nothing_else(repo: Repo) -> None:
    write(repo, WIDE)
    for name in (*FOREIGN, *(f"written/{name}" for name in ("table.json", "check.json", "diff.json"))):
        with (repo.folder / name).open("ab") as file:
            file.write(b"\n")
    found = diffed(repo)
    assert found.keys() == {*ODD_SPECS, "dependent.yml"}
    assert {spec["metrics"]["params"]["change"] for spec in found.values()} == {10 * (WIDE - NARROW)}
    repo.commit()
    assert diffed(repo, "HEAD~1..HEAD").keys() == found.keys()
    for path in list(repo.folder.rglob("*.*")):
        if path.is_file() and ".git/" not in str(path):
            path.unlink()
    assert diffed(repo).keys() == {*found, "models/net.yaml"}


def test_diff_of_new_files(repo: Repo, tmp_path: Path) -> None:
    new = Repo(tmp_path / "new")
    new.commit()
    write(new, NARROW)
    found = diffed(new)
    assert found.keys() == ODD_SPECS.keys()
    assert {spec["change"] for spec in found.values()} == {"added"}


@pytest.mark.parametrize("folder", [".", "./"])
def test_check_of_a_folder_sees_every_spec_and_nothing_else(repo: Repo, folder: str) -> None:
    repo.write(".hidden/net.yaml", "input: [9]\nlayers: [{linear: 3}]\n")
    result = piped("check", folder, "--output-format", "json", cwd=repo.folder)
    assert result.returncode == 0, result.stdout
    names = [spec["name"] for spec in json.loads(result.stdout)["specs"]]
    assert names == sorted({*ODD_SPECS, "dependent.yml", "models/net.yaml"})


def test_check_of_folders(repo: Repo) -> None:
    names = {
        ("models",): ["models/net.yaml"],
        ("models/net.yaml", "models/"): ["models/net.yaml"],
        ("models", "flow.yaml"): ["models/net.yaml", "flow.yaml"],
    }
    for arguments, expected in names.items():
        result = piped("check", *arguments, "--output-format", "json", cwd=repo.folder)
        assert [spec["name"] for spec in json.loads(result.stdout)["specs"]] == expected
    for name, text in BROKEN_SPECS.items():
        repo.write(f"models/{name}.yaml", text)
    result = piped("check", "models", "--output-format", "json", cwd=repo.folder)
    assert result.returncode == 2
    assert len([spec for spec in json.loads(result.stdout)["specs"] if spec["verdict"] == "invalid"]) == len(
        BROKEN_SPECS
    )
    result = piped("check", "k8s", "models/net.yaml", cwd=repo.folder)
    assert result.returncode == 2
    assert "k8s:1:1: error: AC906 nothing-matched: no specs in the folder k8s" in result.stdout
    (repo.folder / "alexnet").mkdir()
    result = piped("check", "alexnet", cwd=repo.folder)
    assert result.returncode == 2
    assert "'alexnet' is both a folder and a shipped architecture" in result.stderr


def test_what_is_named_is_read(repo: Repo) -> None:
    for command in (("check",), ("table",), ("diff", "HEAD")):
        repo.write("written/table.json", (repo.folder / "written/table.json").read_text() + "\n")
        result = piped(*command, "written/table.json", cwd=repo.folder)
        assert result.returncode == 2, command
        assert "written/table.json:1:1: error: " in result.stdout + result.stderr
        assert "this is a report that archcalc wrote, not a spec" in result.stdout + result.stderr


def test_a_spec_that_is_one_no_more_is_told(repo: Repo) -> None:
    repo.write("flow.yaml", "a: 1\n")
    repo.git("mv", "quoted.yaml", "quoted.txt")
    result = piped("diff", "--json", cwd=repo.folder)
    assert result.returncode == 2
    assert "flow.yaml:1:1: error: unknown key 'a'" in result.stderr
    assert [spec["name"] for spec in json.loads(result.stdout)["specs"]] == ["quoted.yaml → quoted.txt"]
