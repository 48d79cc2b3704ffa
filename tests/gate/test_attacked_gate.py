"""Ways past the gate, hangs and crashes that an attack found, one test for each."""

import os
import subprocess
from pathlib import Path

import pytest

import archcalc
from archcalc import Report, SettingError
from tests.running import measured, piped

LIGHT = "input: [16]\nlayers:\n  - linear: {name: a, features: 24}\n  - relu\n  - linear: {name: b, features: 10}\n"
HEAVY = LIGHT.replace("24", "2400")
CONFIG = '[budgets."models/**"]\nparams = {max-increase = "2%"}\n'


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "models/net.yaml").write_text(LIGHT, encoding="utf-8")
    (tmp_path / "archcalc.toml").write_text(CONFIG, encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "light")
    git(tmp_path, "checkout", "-qb", "work")
    return tmp_path


def decoy(folder: Path) -> None:
    git(folder, "mv", "models/net.yaml", "models/net.md")
    (folder / "models/net.yml").write_text(HEAVY, encoding="utf-8")


def padding(folder: Path) -> None:
    git(folder, "mv", "models/net.yaml", "models/net2.yaml")
    comments = "".join(f"# word{i} a{i} b{i} c{i}\n" for i in range(60))
    (folder / "models/net2.yaml").write_text(comments + HEAVY, encoding="utf-8")


def stub(folder: Path) -> None:
    (folder / "models/net.yaml").write_text("moved: net2.yaml\n", encoding="utf-8")
    (folder / "models/net2.yaml").write_text(HEAVY, encoding="utf-8")


@pytest.mark.parametrize("attempt", [decoy, padding, stub])
def test_a_heavier_spec_does_not_pass_as_new(repository: Path, attempt: object) -> None:
    attempt(repository)  # type: ignore[operator]
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "heavy")
    found = piped("check", cwd=repository)
    assert (found.returncode, "AC301" in found.stdout) == (1, True), found.stdout + found.stderr


def test_a_bare_repository_in_a_folder_is_not_asked(repository: Path) -> None:
    models = repository / "models"
    marker = repository / "ran"
    for name in ("objects", "refs"):
        (models / name).mkdir()
        (models / name / ".keep").touch()
    (models / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")
    (models / "config").write_text(
        f"[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = touch {marker}\n",
        encoding="utf-8",
    )
    (models / "net.yaml").write_text(HEAVY, encoding="utf-8")
    found = piped("check", "net.yaml", "--max-increase", "params=2%", cwd=models)
    assert (found.returncode != 0, marker.exists()) == (True, False), found.stdout + found.stderr
    piped("diff", cwd=models)
    assert not marker.exists()


def listed(item: str, times: int) -> str:
    return ", ".join(item.replace("#", str(i)) for i in range(times))


HEAD = "input: [3]\n"
CALLED = "\nlayers:\n  - b: {repeat: 50000}\n"
BOMBS = {
    "edges": f"{HEAD}blocks:\n  b: {{layers: [{{add: {{from: [{listed('input', 20_000)}]}}}}]}}{CALLED}",
    "branches": f"{HEAD}layers:\n  - parallel: {{repeat: 24000, branches: [{listed('[]', 40_000)}]}}\n",
    "parameters": f"{HEAD}blocks:\n  b: {{params: {{{listed('p#: 1', 20_000)}}}, layers: [relu]}}{CALLED}",
    "vars": f"{HEAD}vars: {{{listed('v#: 1', 45_000)}}}\nblocks:\n  b: {{layers: [relu]}}{CALLED}",
    "names": f"{HEAD}layers:\n  - relu: {{name: {'n' * 200_000}, repeat: 900000}}\n",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_work_without_expressions_ends(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(text, encoding="utf-8")
    usage = measured(tmp_path, "table", path)
    assert (usage.code, b"internal error" in usage.stderr) == (2, False)
    assert usage.cpu_seconds < 4
    assert usage.peak_mib < 500


def test_a_foreign_file_does_not_read_standard_input(repository: Path) -> None:
    (repository / "foreign").mkdir()
    (repository / "foreign/tsconfig.json").write_text('{"extends": "/dev/stdin", "a": 1}', encoding="utf-8")
    found = piped("check", "foreign", cwd=repository, stdin=HEAVY)
    assert (found.returncode, "AC906" in found.stdout + found.stderr) == (2, True)


@pytest.mark.skipif(not hasattr(os, "link"), reason="there are no hard links")
def test_a_file_of_two_names_keeps_both(tmp_path: Path) -> None:
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    a.write_text("old", encoding="utf-8")
    os.link(a, b)
    assert piped("table", "lenet5", "--json", "-o", a).returncode == 0
    assert b.read_text(encoding="utf-8") == a.read_text(encoding="utf-8") != "old"


def test_a_budget_is_not_written_into_standard_input() -> None:
    found = piped("budget", "init", "-", stdin=LIGHT)
    assert (found.returncode, "internal error" in found.stderr) == (2, False)


@pytest.mark.parametrize("convention", [None, 32, [], {}])
def test_a_convention_of_another_type_is_a_setting_error(convention: object) -> None:
    with pytest.raises(SettingError):
        archcalc.analyze("lenet5", convention=convention)  # type: ignore[arg-type]


@pytest.mark.parametrize("vars", [{"classes": {}}, {3: 4}, [("classes", 3)], {"classes": object()}])
def test_vars_of_another_type_are_a_setting_error(vars: object) -> None:
    with pytest.raises(SettingError):
        archcalc.analyze("lenet5", vars=vars)  # type: ignore[arg-type]


def test_a_report_at_an_unknown_dtype_is_refused() -> None:
    plain = archcalc.analyze("lenet5").to_dict()
    plain["settings"]["dtype"] = "x"
    with pytest.raises(SettingError, match="unknown dtype"):
        Report.from_dict(plain)


@pytest.mark.parametrize(
    "text",
    [
        "tool = 3\n",
        "[[tool.archcalc.budgets]]\nparams = 3\n",
        '[tool.archcalc]\nbudgets = "x"\n',
        "tool = {a = {x = 1}}\n",
        '[tool.archcalc]\nbudgets = {"x.yaml" = {params = "3M"}}\n',
    ],
)
def test_budgets_that_are_no_tables_are_told_and_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text(LIGHT, encoding="utf-8")
    config = tmp_path / "pyproject.toml"
    config.write_text(text, encoding="utf-8")
    found = piped("budget", "init", "net.yaml", "--into", "pyproject.toml", cwd=tmp_path)
    assert (found.returncode, "internal error" in found.stderr, config.read_text(encoding="utf-8")) == (2, False, text)


def test_inside_a_submodule_the_verdict_is_that_of_the_whole(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = tmp_path_factory.mktemp("whole")
    git(repository, "checkout", "-q", "main")
    git(whole, "init", "-q")
    git(whole, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository), "sub")
    git(whole, "commit", "-qm", "with a submodule")
    git(whole, "checkout", "-qb", "work")
    sub = whole / "sub"
    (sub / "models/net.yaml").write_text(HEAVY, encoding="utf-8")
    git(sub, "commit", "-qam", "heavy")
    git(whole, "commit", "-qam", "heavier submodule")
    arguments = ("--max-increase", "params=2%")
    for folder, path in ((whole, "sub/models/net.yaml"), (sub, "models/net.yaml"), (sub / "models", "net.yaml")):
        found = piped("check", path, *arguments, cwd=folder)
        assert (found.returncode, "AC903" in found.stdout) == (2, True), (folder, found.stdout, found.stderr)
