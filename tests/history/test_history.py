"""archcalc diff in git repositories: the right base, every kind of change, and no silent pass."""

import json
from pathlib import Path
from typing import Any

import pytest

from archcalc.errors import SettingError
from archcalc.history.git import Repository
from tests.git_repository import Repo
from tests.running import piped
from tests.specs_helper import layers

SMALL = layers("linear: {name: a, features: 4}", head="input: [4]")
LARGE = layers("linear: {name: a, features: 8}", head="input: [4]")
FAMILY = """
input: [4]
vars: {width: 2}
variants: {small: {width: 3}, large: {width: 9}}
layers: [{linear: width}]
"""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = Repo(tmp_path / "repository")
    made.write("models/net.yaml", SMALL)
    made.write("ci.yaml", "jobs: {build: [1]}\n")
    made.commit("first")
    return made


def diffed(repo: Repo, *arguments: str, code: int = 0, folder: str = ".") -> dict[str, Any]:
    result = piped("diff", *arguments, "--json", cwd=repo.folder / folder)
    assert result.returncode == code, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def changes(found: dict[str, Any]) -> dict[str, tuple[str, int | None]]:
    return {spec["name"]: (spec["change"], spec["metrics"]["params"]["change"]) for spec in found["specs"]}


def test_what_a_branch_changed_since_it_left_main(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "feature")
    repo.write("models/net.yaml", LARGE)
    repo.write("ci.yaml", "jobs: {build: [2]}\n")
    repo.commit("larger")
    repo.git("checkout", "-q", "main")
    repo.write("models/other.yaml", SMALL)  # main has moved on: that is none of the branch's doing
    repo.commit("other")
    repo.git("checkout", "-q", "feature")
    assert changes(diffed(repo)) == changes(diffed(repo, "main")) == {"models/net.yaml": ("changed", 20)}
    assert changes(diffed(repo, "feature..main")) == {
        "models/net.yaml": ("changed", -20),
        "models/other.yaml": ("added", None),
    }
    assert repo.git("status", "--porcelain") == ""
    text = piped("diff", cwd=repo.folder).stdout
    assert "models/net.yaml: changed" in text
    assert "(where HEAD branched off the default branch) → the work tree" in text


def test_the_work_tree_counts_with_what_is_not_committed(repo: Repo) -> None:
    repo.write("models/net.yaml", LARGE)
    repo.write("new file.yaml", SMALL)
    repo.write("notes.yaml", "a: 1\n")
    assert changes(diffed(repo, "HEAD")) == {"models/net.yaml": ("changed", 20), "new file.yaml": ("added", None)}
    assert changes(diffed(repo, "--base", "HEAD", "models")) == {"models/net.yaml": ("changed", 20)}
    assert changes(diffed(repo, "models/net.yaml")) == {"models/net.yaml": ("changed", 20)}
    assert changes(diffed(repo, "--base", "HEAD", folder="models")) == {"net.yaml": ("changed", 20)}


def test_deleted_and_renamed_specs_and_strange_names(repo: Repo) -> None:
    strange = "models/é \"q\" 'x' -$(touch pwned).yaml"
    repo.write(strange, SMALL)
    base = repo.commit("strange")
    repo.git("mv", "models/net.yaml", "models/moved.yaml")
    (repo.folder / strange).unlink()
    repo.commit("moved")
    assert changes(diffed(repo, f"{base}..HEAD")) == {
        "models/net.yaml → models/moved.yaml": ("same", 0),
        strange: ("deleted", None),
    }
    assert not list(repo.folder.rglob("pwned"))


def test_a_spec_changes_with_what_it_extends(repo: Repo) -> None:
    repo.write("models/mine.yaml", "extends: net.yaml\nlayers: [relu]\n")
    repo.write("models/sub/yours.yaml", 'extends: "../mine.yaml"\nlayers: [relu]\n')
    repo.commit("mine")
    repo.write("models/net.yaml", LARGE)
    found = changes(diffed(repo, "HEAD"))
    assert found == dict.fromkeys(["models/mine.yaml", "models/net.yaml", "models/sub/yours.yaml"], ("changed", 20))


def test_a_spec_that_a_link_replaces_is_compared_with_what_it_was(repo: Repo) -> None:
    repo.write("models/mine.yaml", "extends: net.yaml\nlayers: [relu]\n")
    repo.commit("mine")
    repo.write("large.yaml", LARGE)
    (repo.folder / "models/net.yaml").unlink()
    (repo.folder / "models/net.yaml").symlink_to("../large.yaml")
    found = changes(diffed(repo, "HEAD"))
    assert found["models/net.yaml"] == found["models/mine.yaml"] == ("changed", 20)


def test_every_variant_of_a_family(repo: Repo) -> None:
    repo.write("family.yaml", FAMILY)
    repo.commit("family")
    repo.write(
        "family.yaml",
        FAMILY.replace("large: {width: 9}", "huge: {width: 90}").replace("small: {width: 3}", "small: {width: 4}"),
    )
    assert changes(diffed(repo, "HEAD")) == {
        "family.yaml:small": ("changed", 5),
        "family.yaml:large": ("deleted", None),
        "family.yaml:huge": ("added", None),
    }


def test_a_broken_spec_is_told_and_the_others_are_shown(repo: Repo) -> None:
    repo.write("models/broken.yaml", SMALL)
    repo.commit("both")
    repo.write("models/net.yaml", LARGE)
    repo.write("models/broken.yaml", layers("linaer: 4", head="input: [4]"))
    found = diffed(repo, "HEAD", code=2)
    assert list(changes(found)) == ["models/net.yaml"]
    assert "unknown kind 'linaer'" in found["problems"][0]
    result = piped("diff", "HEAD", cwd=repo.folder)
    assert (result.returncode, "models/broken.yaml:3:5: error: " in result.stderr) == (2, True)
    repo.commit("broken")
    repo.write("models/broken.yaml", SMALL)
    mended = diffed(repo, "HEAD")
    assert changes(mended)["models/broken.yaml"] == ("added", None)
    assert any("could not be read at the base" in note for note in mended["notes"])


def test_nothing_changed(repo: Repo) -> None:
    result = piped("diff", cwd=repo.folder)
    assert (result.returncode, result.stderr) == (0, "")
    assert "no spec changed its cost" in result.stdout
    assert "the base is HEAD: only uncommitted changes are compared" in result.stdout
    repo.write("models/net.yaml", f"# a comment\n{SMALL}")
    assert changes(diffed(repo)) == {}


def test_two_specs_are_compared_with_each_other_and_a_file_of_both_names_is(repo: Repo) -> None:
    repo.write("large.yaml", LARGE)
    result = piped("diff", "models/net.yaml", "large.yaml", "--format", "markdown", cwd=repo.folder)
    assert "| models/net.yaml → large.yaml |" in result.stdout
    repo.git("branch", "lenet5")
    ambiguous = piped("diff", "lenet5", "alexnet", cwd=repo.folder)
    assert ambiguous.returncode == 2
    assert "'lenet5' is both a shipped architecture and a git revision" in ambiguous.stderr


def test_a_shallow_clone_without_the_base_says_how_to_get_it(repo: Repo, tmp_path: Path) -> None:
    repo.git("checkout", "-q", "-b", "feature")
    repo.write("models/net.yaml", LARGE)
    repo.commit("larger")
    repo.git("checkout", "-q", "main")
    clone = tmp_path / "clone"
    repo.git("clone", "-q", "--depth", "1", "--branch", "feature", f"file://{repo.folder}", str(clone))
    for arguments in ((), ("main",), ("origin/main",)):
        result = piped("diff", *arguments, cwd=clone)
        assert (result.returncode, result.stdout) == (2, "")
        assert "fetch-depth: 0" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "unknown git revision 'nowhere'"),
        (("--base", "-x"), "unknown git revision '-x'"),
        (("HEAD", "nothing.yaml"), "'nothing.yaml' exists neither now nor at the base"),
        (("HEAD..nowhere",), "unknown git revision 'nowhere'"),
        (("--compare-to", "models/net.yaml"), "--compare-to is for one spec, got 0"),
        (("--json", "--format", "markdown"), "cannot be combined"),
    ],
)
def test_what_is_asked_wrongly(repo: Repo, arguments: tuple[str, ...], message: str) -> None:
    result = piped("diff", *arguments, cwd=repo.folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_outside_of_a_repository_and_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = piped("diff", cwd=tmp_path, GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    assert result.returncode == 2
    assert "this folder is not in a git repository" in result.stderr
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingError, match="git is not installed"):
        Repository(tmp_path)


CONV = "input: [3, 16, 16]\nlayers:\n  - conv: {name: a, filters: FILTERS, kernel: 3}\n"
AT_A_REMOVE = {
    "a base of another ending": ({"base.txt": CONV, "m/e.yaml": "extends: ../base.txt\n"}, {}, "base.txt"),
    "a link to a changed file": ({"base.yaml": CONV}, {"m/e.yaml": "../base.yaml"}, "base.yaml"),
    "a link to a file of another ending": ({"base.dat": CONV}, {"m/e.yaml": "../base.dat"}, "base.dat"),
    "a base that is a link": (
        {"base.yaml": CONV, "m/e.yaml": "extends: ../l.yaml\n"},
        {"l.yaml": "base.yaml"},
        "base.yaml",
    ),
    "a base in a folder that is a link": (
        {"real/base.yaml": CONV, "m/e.yaml": "extends: ../way/base.yaml\n"},
        {"way": "real"},
        "real/base.yaml",
    ),
    "a base at two removes": (
        {"base.txt": CONV, "mid.txt": "extends: ./base.txt\n", "m/e.yaml": "extends: ../mid.txt\n"},
        {},
        "base.txt",
    ),
}


@pytest.mark.parametrize(("files", "links", "changed"), AT_A_REMOVE.values(), ids=AT_A_REMOVE)
@pytest.mark.parametrize("committed", [False, True])
def test_a_change_at_a_remove_is_seen(
    tmp_path: Path, files: dict[str, str], links: dict[str, str], changed: str, committed: bool
) -> None:
    repo = Repo(tmp_path / "repository")
    for path, text in files.items():
        repo.write(path, text.replace("FILTERS", "4"))
    for path, target in links.items():
        (repo.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (repo.folder / path).symlink_to(target)
    repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    repo.write(changed, CONV.replace("FILTERS", "64"))
    if committed:
        repo.commit()
    for folder, arguments in ((".", ["main"]), (".", ["main", "m/e.yaml"]), ("m", ["main"])):
        found = {one["name"]: one for one in diffed(repo, *arguments, folder=folder)["specs"]}
        name = "e.yaml" if folder == "m" else "m/e.yaml"
        assert [one["change"] for one in found.values() if one["name"] == name] == ["changed"], (folder, arguments)
    if committed:
        assert "m/e.yaml" in {one["name"] for one in diffed(repo, "main..branch")["specs"]}


def test_what_git_does_not_track_is_noted(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repository")
    (tmp_path / "outside.yaml").write_text(CONV.replace("FILTERS", "4"))
    repo.write(".gitignore", "hidden.yaml\n")
    repo.write("hidden.yaml", CONV.replace("FILTERS", "4"))
    repo.write("a.yaml", "extends: hidden.yaml\n")
    repo.write("b.yaml", "extends: ../outside.yaml\n")
    repo.commit()
    notes = diffed(repo)["notes"]
    assert [note.split(",")[0] for note in notes if "depends on" in note] == [
        "a.yaml depends on hidden.yaml",
        "b.yaml depends on ../outside.yaml",
    ]
