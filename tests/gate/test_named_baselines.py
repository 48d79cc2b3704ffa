"""What came while something else went: its base is unknown until the configuration names it."""

import json
from pathlib import Path

import pytest

from tests.gate.gate_attempts import HEAVY, LIGHT, family, net
from tests.git_repository import Repo
from tests.running import piped

BUDGETS = '[budgets."models/**"]\nparams = {max-increase = "2%"}\n'
GONE = "input: [3, 8, 8]\nlayers: [{conv: {filters: 4, kernel: 3}}, tanh, flatten]\n"  # 112 parameters
Found = dict[str, list[tuple[str, str, str | None]]]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repository")
    repo.write("archcalc.toml", BUDGETS)
    repo.write("models/net.yaml", net(LIGHT))
    repo.write("models/gone.yaml", GONE)
    repo.write("models/family.yaml", family(small=LIGHT, large=LIGHT))
    repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    (repo.folder / "models/gone.yaml").unlink()
    return repo


def checked(folder: Path, *arguments: str, code: int) -> Found:
    """What is found in each spec: the rule, the message and the hint."""
    result = piped("check", *arguments, "--output-format", "json", cwd=folder)
    assert result.returncode == code, result.stdout + result.stderr
    specs = json.loads(result.stdout)["specs"]
    return {spec["name"]: [(one["rule"], one["message"], one["hint"]) for one in spec["findings"]] for spec in specs}


def test_one_goes_and_one_that_is_unlike_it_comes(repo: Repo) -> None:
    repo.write("models/new.yaml", net(HEAVY))
    base = repo.git("rev-parse", "--short=10", "HEAD")
    repo.commit()
    found = checked(repo.folder, code=2)
    assert [name for name in found if found[name]] == ["models/new.yaml"]
    assert found["models/new.yaml"] == [
        (
            "AC903",
            f"params: max-increase 2% is not judged: models/new.yaml does not exist at base {base}, "
            "and may have been models/gone.yaml, which was removed",
            'write in the configuration, under [baselines]: "models/new.yaml" = "models/gone.yaml", or = "new"',
        )
    ]
    for text, code, rule in (
        ('"new"', 0, "AC904"),
        ('"models/gone.yaml"', 1, "AC301"),
        ('"models/x.yaml"', 2, "AC903"),
    ):
        repo.write("archcalc.toml", f'{BUDGETS}[baselines]\n"models/new.yaml" = {text}\n')
        found = checked(repo.folder, code=code)
        assert [one for one, *_ in found["models/new.yaml"]] == [rule]
    assert "models/x.yaml does not exist" in found["models/new.yaml"][0][1]
    repo.write("archcalc.toml", '[tool.archcalc.baselines]\n"models/new.yaml" = "new"\n')
    (repo.folder / "archcalc.toml").rename(repo.folder / "pyproject.toml")
    for folder, path in ((repo.folder, "models/new.yaml"), (repo.folder / "models", "new.yaml")):
        assert [one for one, *_ in checked(folder, path, "--max-increase", "params=2%", code=0)[path]] == ["AC904"]


def test_a_wrong_guess_is_set_right(repo: Repo) -> None:
    repo.write("models/new.yaml", GONE.replace("4", "9"))
    ((rule, _, hint),) = checked(repo.folder, code=1)["models/new.yaml"]
    assert rule == "AC301"
    said = 'if it was not models/gone.yaml, write in the configuration, under [baselines]: "models/new.yaml" = "new"'
    assert (hint or "").endswith(f"; {said}")
    repo.write("archcalc.toml", f'{BUDGETS}[baselines]\n"models/new.yaml" = "new"\n')
    assert checked(repo.folder, code=0)["models/new.yaml"][0][0] == "AC904"
    # What is new leaves what is gone to others.
    repo.write("models/other.yaml", GONE.replace("4", "9"))
    found = checked(repo.folder, code=1)
    assert [found[f"models/{name}.yaml"][0][0] for name in ("new", "other")] == ["AC904", "AC301"]


def test_a_spec_that_is_at_the_base_is_measured_from_itself(repo: Repo) -> None:
    repo.write("models/net.yaml", net(HEAVY))
    repo.write("models/family.yaml", family(small=HEAVY, large=LIGHT))
    for value in ("new", "models/gone.yaml"):
        named = f'"models/net.yaml" = "{value}"\n"models/family.yaml:small" = "{value}"\n'
        repo.write("archcalc.toml", f"{BUDGETS}[baselines]\n{named}")
        found = checked(repo.folder, code=1)
        assert [found[f"models/{name}"][0][0] for name in ("net.yaml", "family.yaml:small")] == ["AC301", "AC301"]


def test_variants_and_files_that_are_declared(repo: Repo) -> None:
    repo.write("models/family.yaml", family(small=LIGHT, first=HEAVY, second=HEAVY))
    named = (
        '"models/family.yaml:first" = "models/gone.yaml"\n"models/family.yaml:second" = "models/family.yaml:large"\n'
    )
    repo.write("archcalc.toml", f"{BUDGETS}[baselines]\n{named}")
    found = checked(repo.folder, code=1)
    messages = [found[f"models/family.yaml:{name}"][0][1] for name in ("first", "second")]
    assert ["of the base" in one and one.split("the ")[1].split(" ")[0] for one in messages] == ["112", "100"]


def test_what_is_accounted_for_leaves_the_rest_new(repo: Repo) -> None:
    """A move, changed a little, and beside it something of its own, be it like the one that moved or not."""
    repo.write("models/moved.yaml", GONE.replace("name: net", "name: moved"))
    repo.write("models/sibling.yaml", GONE.replace("4", "44"))
    repo.write("models/new.yaml", net(HEAVY))
    found = checked(repo.folder, code=0)
    assert {name: [one for one, *_ in found[name]] for name in found if found[name]} == {
        "models/new.yaml": ["AC904"],
        "models/sibling.yaml": ["AC904"],
    }


@pytest.mark.parametrize("gone", ["version: 1\nlayers: [a]\nname: b\n", "jobs: {test: {}}\n", "layers: [", "name: x\n"])
def test_what_is_no_spec_may_go(repo: Repo, gone: str) -> None:
    repo.write("models/gone.yaml", GONE)
    repo.write(".ci.yaml", gone)
    repo.git("checkout", "-q", "main")
    repo.commit()
    repo.git("checkout", "-q", "-B", "branch")
    (repo.folder / ".ci.yaml").unlink()
    repo.write("models/new.yaml", net(HEAVY))
    assert checked(repo.folder, code=0)["models/new.yaml"][0][0] == "AC904"


def test_a_link_and_what_is_not_checked_out_are_not_gone(repo: Repo) -> None:
    repo.write("models/gone.yaml", GONE)
    repo.write("far/away.yaml", net(LIGHT))
    (repo.folder / "models/link.yaml").symlink_to("net.yaml")
    repo.git("checkout", "-q", "main")
    repo.commit()
    repo.git("checkout", "-q", "-B", "branch")
    repo.git("sparse-checkout", "set", "--no-cone", "/models/", "/archcalc.toml")
    assert not (repo.folder / "far").exists()
    (repo.folder / "models/link.yaml").unlink()
    repo.write("models/new.yaml", net(HEAVY))
    assert checked(repo.folder, code=0)["models/new.yaml"][0][0] == "AC904"


@pytest.mark.parametrize(("limits", "rules"), [("", []), ("budget: {params: 200}\n", ["AC908"])])
def test_removed_limits_are_unknown_where_there_may_have_been_some(repo: Repo, limits: str, rules: list[str]) -> None:
    repo.write("archcalc.toml", '[budgets."models/**"]\nparams = "1M"\n')
    repo.write("models/gone.yaml", limits + GONE)
    repo.git("checkout", "-q", "-B", "main")
    repo.commit()
    repo.git("checkout", "-q", "-b", "other")
    (repo.folder / "models/gone.yaml").unlink()
    repo.write("models/new.yaml", net(HEAVY))
    found = checked(repo.folder, "--base", "main", code=0)["models/new.yaml"]
    assert [rule for rule, *_ in found] == rules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("baselines = 3", "baselines must be a table of files"),
        ('[baselines]\n"models/*" = "new"', "'models/*' must be a file, relative to the folder of the configuration"),
        ('[baselines]\n"/net.yaml" = "new"', "'/net.yaml' must be a file, relative to the folder"),
        ('[baselines]\n"net.yaml" = "nwe"', "the baseline of net.yaml must be a file, relative to the folder of the"),
        ('[baselines]\n"net.yaml" = 1', "the baseline of net.yaml must be a file, relative to the folder of the"),
        ('[baselines]\n"net.yaml" = {a = 1}', "the baseline of net.yaml must be a file, relative to the folder of the"),
        (
            '[baselines]\n"net.yaml" = "/old.yaml"',
            "the baseline of net.yaml must be a file, relative to the folder of the",
        ),
    ],
)
def test_bases_that_are_none(repo: Repo, text: str, said: str) -> None:
    repo.write("archcalc.toml", f"{text}\n")
    result = piped("check", "models/net.yaml", cwd=repo.folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert 'hint: such as "models/wide.yaml" = "models/net.yaml", or "new"' in result.stderr


def test_a_base_of_what_is_not_there_is_told(repo: Repo) -> None:
    named = '"models/x.yaml" = "new"\n"models/family.yaml:x" = "new"\n"models/family.yaml:small" = "new"\n'
    repo.write("archcalc.toml", f"{BUDGETS}[baselines]\n{named}")
    found = checked(repo.folder, code=2)
    hint = "remove the line, or correct the name"
    for name in ("models/x.yaml", "models/family.yaml:x"):
        assert found[name] == [("AC906", f"{name} has a baseline, but does not exist", hint)]
    assert found["models/family.yaml:small"] == []
    checked(repo.folder, "models/net.yaml", code=0)
