"""Nothing that a gate was told to hold is passed over without a word: patterns, links, configurations, budgets."""

import json
from pathlib import Path
from typing import Any

import pytest

from archcalc.errors import SettingError
from archcalc.spec.search import matching, specs_matching
from tests.git_repository import Repo
from tests.running import piped

NET = "input: [9]\nlayers: [{linear: 3}]\n"  # 30 parameters
FAMILY = """\
input: [9]
vars: {width: 3}
variants: {small: {width: 3}, large: {width: 9}}
layers: [{linear: width}]
"""  # 30 and 90


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, {"models/net.yaml": NET, "models/family.yaml": FAMILY})
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def checked(folder: Path, *arguments: str, code: int = 0) -> dict[str, list[str]]:
    """The rules that each spec breaks."""
    result = piped("check", *arguments, "--output-format", "json", cwd=folder)
    assert result.returncode == code, result.stdout + result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return {spec["name"]: [finding["rule"] for finding in spec["findings"]] for spec in found["specs"]}


# Patterns


@pytest.mark.parametrize("others", ["", '[budgets."models/*.yaml"]\nparams = 90\n'])
@pytest.mark.parametrize("arguments", [(), ("models/family.yaml",), ("models",)])
def test_a_variant_that_is_nowhere_fails(folder: Path, others: str, arguments: tuple[str, ...]) -> None:
    config = f'{others}[budgets."models/family.yaml:smal"]\nparams = 1\n'
    write(folder, {"archcalc.toml": config})
    found = checked(folder, *arguments, code=2)
    assert found["models/family.yaml:smal"] == ["AC906"]
    text = piped("check", *arguments, cwd=folder).stdout
    assert "error: AC906 nothing-matched: the pattern 'models/family.yaml:smal' matches no variant" in text
    assert "hint: did you mean small?" in text


def test_a_variant_in_some_of_the_files_is_enough(folder: Path) -> None:
    write(folder, {"archcalc.toml": '[budgets."models/*.yaml:small"]\nparams = 29\n'})
    assert checked(folder, code=1) == {"models/family.yaml:small": ["AC001"]}
    assert checked(folder, "models/net.yaml") == {"models/net.yaml": []}
    write(folder, {"archcalc.toml": '[budgets."models/net.yaml:small"]\nparams = 29\n'})
    assert "the file has no variants" in piped("check", cwd=folder).stdout
    write(folder, {"archcalc.toml": '[budgets."models/*.yaml:small"]\nparams = 30\n', "models/bad.yaml": "input: [\n"})
    assert checked(folder, code=2) == {"models/bad.yaml:small": ["AC901"], "models/family.yaml:small": []}


@pytest.mark.parametrize("pattern", ["models/**", "models/**/*.yaml", "models/v?/*.yaml", "models/v1/*", "**/n*.yaml"])
def test_what_lies_behind_a_link_to_a_folder_is_checked(tmp_path: Path, pattern: str) -> None:
    write(tmp_path, {"archcalc.toml": f'[budgets."{pattern}"]\nparams = 29\n', "models/v1/net.yaml": NET})
    assert checked(tmp_path, code=1) == {"models/v1/net.yaml": ["AC001"]}
    (tmp_path / "models/v1").rename(tmp_path / ".elsewhere")
    (tmp_path / "models/v1").symlink_to("../.elsewhere")
    found = checked(tmp_path, code=1)
    assert found.pop("models/v1/net.yaml") == ["AC001"]
    assert found == ({".elsewhere/net.yaml": ["AC001"]} if pattern.startswith("**") else {})


def test_links_in_circles_come_to_an_end(folder: Path) -> None:
    for name in ("a", "b", "models/c"):
        (folder / name).symlink_to(folder)
    (folder / "twin").symlink_to("models")
    (folder / "models/lost.yaml").symlink_to("nowhere")
    found = [path.removeprefix(f"{folder}/") for path in matching(str(folder), "**/*.yaml")]
    assert {"models/family.yaml", "models/net.yaml", "models/lost.yaml", "twin/net.yaml"} <= set(found)
    assert len(found) == len(set(found)) < 100
    assert checked(folder, "models", code=2)["models/lost.yaml"] == ["AC901"]


def test_patterns(folder: Path) -> None:
    write(folder, {"models/.hidden/net.yaml": NET, "models/deep/er/net.yml": NET, "models/notes.yaml": "a: 1\n"})

    def found(pattern: str) -> list[str]:
        return [path.removeprefix(f"{folder}/") for path in specs_matching(str(folder), pattern)]

    assert found("models/**") == ["models/deep/er/net.yml", "models/family.yaml", "models/net.yaml"]
    assert found("models/**/*.yaml") == [
        "models/.hidden/net.yaml",
        "models/family.yaml",
        "models/net.yaml",
        "models/notes.yaml",
    ]
    assert found("./models/[mn]*.y*ml") == ["models/net.yaml", "models/notes.yaml"]
    assert found("models/*/../net.yaml") == ["models/.hidden/../net.yaml", "models/deep/../net.yaml"]
    assert found("**/er/**") == ["models/deep/er/net.yml"]
    assert found("models") == found("nowhere/*") == found("models/net.yaml/*") == []


def test_a_folder_that_cannot_be_read_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.listdir", denied)
    with pytest.raises(SettingError, match="cannot be read: Permission denied"):
        matching(str(folder), "models/*.yaml")


def test_a_link_elsewhere_loosens_no_limit(folder: Path) -> None:
    config = '[budgets."models/*.yaml"]\nparams = 29\n[budgets."trials/*.yaml"]\nparams = "1M"\n'
    write(folder, {"archcalc.toml": config, "trials/own.yaml": NET})
    (folder / "trials/net.yaml").symlink_to("../models/net.yaml")
    found = checked(folder, code=1)
    assert (found["models/net.yaml"], found["trials/net.yaml"]) == (["AC001"], [])
    for name in ("models/net.yaml", "./models/../models/net.yaml", str(folder / "models/net.yaml")):
        assert checked(folder, name, code=1) == {name: ["AC001"]}


# Configurations


def test_two_configurations_in_a_folder_are_an_error(folder: Path) -> None:
    table = '[tool.archcalc.budgets."models/*.yaml"]\nparams = 1\n'
    write(folder, {"pyproject.toml": table, "archcalc.toml": '[budgets."models/net.yaml"]\n', "sub/x.txt": ""})
    for where, prefix in ((folder, ""), (folder / "sub", "../")):
        result = piped("check", cwd=where)
        assert (result.returncode, result.stdout) == (2, "")
        assert f"{prefix}archcalc.toml and {prefix}pyproject.toml both configure archcalc" in result.stderr
    assert checked(folder, "--config", "archcalc.toml") == {"models/net.yaml": []}
    write(folder, {"pyproject.toml": '[project]\nname = "x"\n[tool.black]\n'})
    assert checked(folder) == {"models/net.yaml": []}


@pytest.mark.parametrize("where", ["archcalc.toml", "pyproject.toml"])
def test_a_budget_may_be_required(folder: Path, where: str) -> None:
    table = "" if where == "archcalc.toml" else "[tool.archcalc]\n"
    budget = f"[{'tool.archcalc.' if table else ''}budgets.'models/family.yaml']\nparams = 90\n"
    for arguments, key in ((("--require-budget",), ""), ((), "require-budget = true\n")):
        write(folder, {where: f"{table}{key}{budget}"})
        found = checked(folder, "models", *arguments, code=2)
        assert found["models/net.yaml"] == ["AC907"]
        assert found["models/family.yaml:small"] == []
        assert "1 without budget, 2 ok" in piped("check", "models", *arguments, cwd=folder).stdout
        assert checked(folder, "models", *arguments, "--min", "params=1")["models/net.yaml"] == []
        assert checked(folder, "models", *arguments, "--exit-zero", code=2)
    write(folder, {where: f"{table}require-budget = false\n{budget}"})
    assert checked(folder, "models")["models/net.yaml"] == []
    write(folder, {where: f"{table}require-budget = 'yes'\n{budget}"})
    assert "require-budget must be true or false" in piped("check", cwd=folder).stderr


# Budgets that were removed


def test_limits_that_were_removed_since_the_base_are_warned_of(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    repo.write("net.yaml", f"budget: {{params: {{max: 30, warn: 29}}, flops: 1M}}\n{NET}")
    repo.write("family.yaml", FAMILY.replace("{width: 9}", "{width: 9, budget: {depth: 1}}"))
    repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    repo.write("family.yaml", FAMILY)
    repo.write("net.yaml", f"budget: {{params: {{max: 40, warn: 29}}}}\n{NET}")
    repo.write("new.yaml", NET)
    found = checked(repo.folder, ".", "--base", "main")
    assert found == {
        "family.yaml:large": ["AC908"],
        "family.yaml:small": [],
        "net.yaml": ["AC908", "AC201"],
        "new.yaml": [],
    }
    text = piped("check", "net.yaml", "--base", "main", cwd=repo.folder).stdout
    assert "warning: AC908 limits-removed: limits were removed since the base: FLOPs max 1M" in text
    assert checked(repo.folder, ".")["net.yaml"] == ["AC201"]  # no base is asked for, and git not asked
    # A limit that moved to the configuration still holds; what fails a required budget is that none is left.
    repo.write("archcalc.toml", '[budgets."net.yaml"]\nflops = "1M"\n')
    assert checked(repo.folder, "net.yaml", "--base", "main") == {"net.yaml": ["AC201"]}
    repo.write("net.yaml", NET)
    (repo.folder / "archcalc.toml").unlink()
    assert checked(repo.folder, "net.yaml", "--base", "main") == {"net.yaml": ["AC908"]}
    assert checked(repo.folder, "net.yaml", "--base", "main", "--require-budget", code=2)["net.yaml"] == [
        "AC907",
        "AC908",
    ]


def test_a_base_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    repo.write("net.yaml", f"budget: {{params: 30}}\n{NET.replace('linear', 'linaer')}")
    repo.commit()
    repo.write("net.yaml", NET)
    for base in ("main", "nowhere"):
        result = piped("check", "net.yaml", "--base", base, cwd=repo.folder)
        assert result.returncode == 0
        assert "warning: AC908 limits-removed: the limits at the base are unknown, and some" in result.stdout


FOREIGN, OURS = b"[tool.black]\n", b'[tool.archcalc.budgets."models/*.yaml"]\nparams = 10\n'
LONG = b"#" + b"a" * (4 * 2**20) + b"\n"
HINT = "  hint: a configuration must be UTF-8 text of at most 4 MiB\n"


@pytest.mark.parametrize(("extra", "said"), [(LONG, "is larger than 4 MiB"), (b"\xff\n", "is not UTF-8 text")])
def test_a_pyproject_that_cannot_be_read_matters_only_where_it_speaks_of_archcalc(
    extra: bytes, said: str, folder: Path
) -> None:
    (folder / "pyproject.toml").write_bytes(FOREIGN + extra)
    result = piped("check", "models/net.yaml", cwd=folder)
    assert (result.returncode, result.stderr) == (0, "")
    (folder / "pyproject.toml").write_bytes(OURS + extra)
    result = piped("check", "models/net.yaml", cwd=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: pyproject.toml {said}")
    assert result.stderr.endswith(HINT)


def test_lines_of_a_configuration_end_as_toml_ends_them(folder: Path) -> None:
    (folder / "archcalc.toml").write_text("# \u2028\x85\nbudgest = 1\n", encoding="utf-8")
    assert "archcalc.toml:2:1: error: unknown key 'budgest'\n  2 | budgest = 1\n" in piped("check", cwd=folder).stderr
