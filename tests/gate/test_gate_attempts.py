"""Attempts to get a heavier model past a `max-increase`: each is a finding or an error, wherever the check runs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gate import gate_attempts_by_links, gate_attempts_by_moving, gate_attempts_by_names
from tests.gate.gate_attempts import ATTEMPTS, HEAVY, LIGHT, Attempt, family, link, net
from tests.git_repository import Repo
from tests.running import piped

LIMIT = ("--max-increase", "params=2%")
Found = tuple[int, list[tuple[str, str]]]


def judged(folder: Path, spec: str | Path, **changes: str) -> Found:
    """The exit code, and what was found in all variants: rule and message."""
    result = piped("check", spec, *LIMIT, "--output-format", "json", cwd=folder, **changes)
    assert "Traceback" not in result.stderr
    found = json.loads(result.stdout)["specs"]
    return result.returncode, [(one["rule"], one["message"]) for spec in found for one in spec["findings"]]


def prepared(folder: Path, attempt: Attempt) -> Repo:
    repo = Repo(folder)
    repo.write("models/net.yaml", net(LIGHT))
    repo.write("sub/notes.txt", "a folder to stand in")
    for step in attempt.before:
        step(repo)
    repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    attempt.change(repo)
    return repo


BY_SUBJECT = gate_attempts_by_links, gate_attempts_by_moving, gate_attempts_by_names
"""Each adds its attempts when it is imported."""


@pytest.mark.parametrize("name", ATTEMPTS)
def test_attempts(name: str, tmp_path: Path) -> None:
    """From the root, from a folder in it, and by an absolute path from outside."""
    attempt = ATTEMPTS[name]
    repo = prepared(tmp_path / "repository", attempt)
    code, found = at_root = judged(repo.folder, attempt.spec)
    assert (code, {rule for rule, _ in found}) == (1 if attempt.rule == "AC301" else 2, {attempt.rule})
    assert attempt.said in found[0][1]
    assert judged(repo.folder / "sub", Path("..") / attempt.spec) == at_root
    assert judged(tmp_path, repo.folder / attempt.spec) == at_root


def test_from_anywhere(tmp_path: Path) -> None:
    """The verdict on a file that has moved, which only the whole repository shows, is everywhere that of the root."""
    repo = prepared(tmp_path / "repository", ATTEMPTS["it moves"])
    folder, git = repo.folder, str(repo.folder / ".git")
    sub, outside = folder / "sub", tmp_path / "elsewhere"
    Repo(outside).commit()
    at_root = judged(folder, "sub/new.yaml")
    assert at_root[0] == 1
    assert judged(sub, "new.yaml") == at_root
    assert judged(sub, "../sub/./new.yaml") == at_root
    repo.write("archcalc.toml", '[budgets."**/*.yaml"]\nparams = {max-increase = "2%"}\n')
    for where in (folder, sub):
        result = piped("check", cwd=where)
        assert (result.returncode, result.stdout.count("AC301 params-increased: ")) == (1, 1)
    # As in a hook, or in what `git --git-dir` starts: git then takes the folder that it stands in for the root.
    for where, spec in ((folder, "sub/new.yaml"), (sub, "new.yaml")):
        assert judged(where, spec, GIT_DIR=git) == at_root
        assert judged(where, spec, GIT_DIR=git, GIT_WORK_TREE=str(where)) == at_root
        assert judged(where, spec, GIT_DIR=git, GIT_INDEX_FILE=".git/index", GIT_PREFIX="sub/") == at_root
    # From another repository, and by links from outside to the repository, to its folder and to the file.
    assert judged(outside, "../repository/sub/new.yaml") == at_root
    assert judged(outside, folder / "sub/new.yaml", GIT_DIR=str(outside / ".git")) == at_root
    for name, target in (("whole", folder), ("part", sub), ("file.yaml", sub / "new.yaml")):
        (tmp_path / name).symlink_to(target)
    for spec in ("whole/sub/new.yaml", "part/new.yaml", "file.yaml"):
        assert judged(tmp_path, spec) == at_root
        assert judged(outside, f"../{spec}") == at_root
    # In another work tree of the repository.
    repo.git("worktree", "add", "-q", "--detach", str(tmp_path / "tree"), "branch")
    assert judged(tmp_path / "tree", "sub/new.yaml") == judged(tmp_path / "tree/sub", "new.yaml") == at_root
    assert judged(folder, tmp_path / "tree/sub/new.yaml") == at_root


def test_a_repository_that_only_the_environment_tells(tmp_path: Path) -> None:
    repo = prepared(tmp_path / "repository", ATTEMPTS["it moves"])
    at_root = judged(repo.folder, "sub/new.yaml")
    (repo.folder / ".git").rename(tmp_path / "apart")
    where = {"GIT_DIR": str(tmp_path / "apart"), "GIT_WORK_TREE": str(repo.folder)}
    assert judged(repo.folder, "sub/new.yaml", **where) == judged(repo.folder / "sub", "new.yaml", **where) == at_root
    code, found = judged(repo.folder / "sub", "new.yaml", GIT_DIR=where["GIT_DIR"])
    assert (code, [rule for rule, _ in found]) == (2, ["AC903"])


def test_configuration_of_git_changes_nothing(tmp_path: Path) -> None:
    repo = prepared(tmp_path / "repository", ATTEMPTS["it moves"])
    at_root = judged(repo.folder, "sub/new.yaml")
    for key, value in {
        "diff.renames": "false",
        "diff.renameLimit": "1",
        "diff.relative": "true",
        "diff.noprefix": "true",
        "core.quotePath": "true",
        "status.showUntrackedFiles": "no",
    }.items():
        repo.git("config", key, value)
    assert judged(repo.folder / "sub", "new.yaml") == judged(repo.folder, "sub/new.yaml") == at_root


def committed(repo: Repo) -> None:
    repo.commit()


def untracked(repo: Repo) -> None:
    """It stays as it is."""


@pytest.mark.parametrize("made", [committed, untracked])
def test_what_is_new_passes_with_a_note(made: Callable[[Repo], None], tmp_path: Path) -> None:
    """From anywhere as well: a file beside others and in a new folder, a copy, a link, and a variant beside others."""
    repo = Repo(tmp_path / "repository")
    repo.write("models/net.yaml", net(LIGHT))
    repo.write("models/family.yaml", family(small=LIGHT))
    repo.write("sub/notes.txt", "a folder to stand in")
    repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    repo.write("models/copy.yaml", net(HEAVY))
    repo.write("new/folder/net.yaml", net(HEAVY))
    link(repo, "link.yaml", "new/folder/net.yaml")
    repo.write("models/family.yaml", family(small=LIGHT, large=HEAVY))
    made(repo)
    for spec in ("models/copy.yaml", "new/folder/net.yaml", "link.yaml", "models/family.yaml"):
        code, found = judged(repo.folder, spec)
        assert (code, [rule for rule, _ in found]) == (0, ["AC904"])
        for where, name in ((repo.folder / "sub", f"../{spec}"), (tmp_path, f"repository/{spec}")):
            code, found = judged(where, name)
            assert (code, [rule for rule, _ in found]) == (0, ["AC904"])


def test_a_repository_inside_another(tmp_path: Path) -> None:
    """To the outer one its files are unknown; whoever stands in it asks it."""
    repo = Repo(tmp_path / "repository")
    repo.commit()
    inside = Repo(repo.folder / "inside")
    inside.write("net.yaml", net(LIGHT))
    inside.commit()
    inside.write("net.yaml", net(HEAVY))
    code, found = judged(repo.folder, "inside/net.yaml")
    assert (code, [rule for rule, _ in found]) == (2, ["AC903"])
    assert "is a file that git does not track" in found[0][1]
    code, found = judged(inside.folder, "net.yaml")
    assert (code, [rule for rule, _ in found]) == (1, ["AC301"])


def test_each_link_to_a_spec_is_checked_by_its_own_budget(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repository")
    repo.write("models/net.yaml", net(LIGHT))
    repo.write("archcalc.toml", '[budgets."models/*.yaml"]\nparams = {max-increase = "2%"}\n')
    repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    repo.write("models/a.yaml", net(HEAVY))
    link(repo, "models/net.yaml", "a.yaml")
    result = piped("check", "--output-format", "json", cwd=repo.folder)
    found = {spec["name"]: [one["rule"] for one in spec["findings"]] for spec in json.loads(result.stdout)["specs"]}
    assert (result.returncode, found) == (1, {"models/a.yaml": ["AC904"], "models/net.yaml": ["AC301"]})
    budgets = '[budgets."models/net.yaml"]\nparams = 100\n[budgets."models/a.yaml"]\nparams = 1_000\n'
    repo.write("archcalc.toml", budgets)
    (tmp_path / "models").symlink_to(repo.folder / "models")
    for arguments in ((), ("models/net.yaml",), ("--config", "archcalc.toml", str(tmp_path / "models/net.yaml"))):
        assert "AC001" in piped("check", *arguments, cwd=repo.folder).stdout


def test_a_clone_that_fetches_files_when_they_are_asked_for(tmp_path: Path) -> None:
    """Where they cannot be fetched, nothing is known of the base, and nothing passes."""
    repo = prepared(tmp_path / "repository", ATTEMPTS["a layer grows"])
    repo.git("config", "uploadpack.allowFilter", "true")
    at_source = judged(repo.folder, "models/net.yaml")
    repo.git("checkout", "-q", "main")
    for filtered in ("blob:none", "tree:0"):
        clone = tmp_path / filtered.replace(":", "-")
        repo.git("clone", "-q", f"--filter={filtered}", "--branch", "branch", f"file://{repo.folder}", str(clone))
        repo.folder.rename(tmp_path / "away")
        code, found = judged(clone, "models/net.yaml")
        assert (code, [rule for rule, _ in found]) == (2, ["AC903"])
        (tmp_path / "away").rename(repo.folder)
        assert judged(clone, "models/net.yaml") == at_source
