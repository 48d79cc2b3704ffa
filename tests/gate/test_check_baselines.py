"""Increases: what they are measured from, in git or in saved reports, and never a silent pass where there is none."""

import json
from pathlib import Path
from typing import Any

import pytest

from archcalc import analyze, load
from archcalc.budget import Budget, make_limit
from archcalc.engine.report import Report
from archcalc.gate.judge import Baseline, check
from tests.git_repository import Repo
from tests.running import piped
from tests.specs_helper import report

NET = """\
name: net
input: [3, 8, 8]
layers:
  - conv: {name: first, filters: 4, kernel: 3}
  - flatten
  - linear: {name: last, features: 10}
"""
PARAMS = 1_562  # 4·(3·3·3) + 4, and 10·(4·6·6) + 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.yaml").write_text(NET, encoding="utf-8")
    return tmp_path


def judged(before: str, now: str, *limits: str, **settings: Any) -> list[str]:
    """The rules that a change of a spec breaks, with limits such as `params 2%` or `params 2% 1k`."""
    budget = {}
    for text in limits:
        metric, share, *delta = text.split()
        delta_value = int(delta[0]) if delta else 0
        budget[metric, "max-increase"] = make_limit(metric, "max-increase", share, min_delta=delta_value)
    found = check(report(now), Budget(budget), Baseline(report(before, **settings)))  # type: ignore[arg-type]  # the kinds
    return [one.finding.rule.id for one in found if one.finding]


def linear(features: int) -> str:
    return f"input: [99]\nlayers: [{{linear: {features}}}]"  # 100 parameters for each feature


@pytest.mark.parametrize(
    ("before", "now", "limit", "breaks"),
    [
        (100, 102, "params 2%", []),
        (100, 103, "params 2%", ["AC301"]),
        (100, 102, "params 1.99%", ["AC301"]),
        (100, 101, "params 0%", ["AC301"]),
        (100, 100, "params 0%", []),
        (100, 50, "params 0%", []),
        (100, 110, "params 2% 1000", []),
        (100, 111, "params 2% 1000", ["AC301"]),
    ],
)
def test_increases(before: int, now: int, limit: str, breaks: list[str]) -> None:
    assert judged(linear(before), linear(now), limit) == breaks


def test_an_increase_from_nothing_and_at_other_settings() -> None:
    nothing = "input: [99]\nlayers: [relu]"
    assert judged(nothing, linear(1), "params 50%") == ["AC301"]
    assert judged(linear(1), linear(1), "params 50%", batch=2) == ["AC903"]


def test_an_increase_names_the_layer_that_grew() -> None:
    limit = make_limit("params", "max-increase", "1%")
    grown = NET.replace("filters: 4", "filters: 5")
    (judgement,) = check(report(grown), Budget({("params", "max-increase"): limit}), Baseline(report(NET)))
    assert judgement.finding
    assert [weight.layer for weight in judgement.finding.heaviest] == ["last", "first"]
    assert judgement.finding.over == 28 + 360


def test_a_base_of_saved_reports(folder: Path) -> None:
    budget = NET.replace("input:", "budget: {params: {max-increase: 2%}}\ninput:")
    (folder / "net.yaml").write_text(budget.replace("features: 10", "features: 20"), encoding="utf-8")
    old = analyze(load(str(folder / "net.yaml")), vars={})
    assert old.totals.params > PARAMS
    (folder / "old.yaml").write_text(NET, encoding="utf-8")
    saved = [analyze(load(name)).to_dict() for name in (str(folder / "old.yaml"), "lenet5")]
    for form in (saved[0], saved, {"architectures": saved}):
        (folder / "base.json").write_text(json.dumps(form), encoding="utf-8")
        result = piped("check", "net.yaml", "--compare-to", "base.json", cwd=folder)
        assert result.returncode == 1
        assert "AC301 params-increased: params: 3,012, 1,450 (92.8 %) more than the 1,562 of the base" in result.stdout
    for wrong, said in (
        ("{", "base.json:1:2: not JSON"),
        ("[]", "contains no report"),
        ("{}", "the report has no 'schema_version'"),
    ):
        (folder / "base.json").write_text(wrong, encoding="utf-8")
        result = piped("check", "net.yaml", "--compare-to", "base.json", cwd=folder)
        assert (result.returncode, result.stdout) == (2, "")
        assert said in result.stderr


def test_a_report_of_others_is_no_base(folder: Path) -> None:
    (folder / "base.json").write_text(json.dumps(analyze(load("lenet5")).to_dict()), encoding="utf-8")
    result = piped("check", "net.yaml", "--max-increase", "params=2%", "--compare-to", "base.json", cwd=folder)
    assert result.returncode == 2
    assert "AC903 no-base: params: max-increase 2% is not judged: base.json has no 'net'" in result.stdout


@pytest.mark.parametrize(
    ("saved_from", "settings", "said"),
    [
        (NET, {"input": (3, 16, 16)}, "base.json was computed at input 3×16×16, this at 3×8×8: use the same for both"),
        (NET, {"batch": 2}, "base.json was computed at batch 2, this at 1"),
        (NET.replace("[3, 8, 8]", "[3, 9, 9]"), {}, "base.json was computed at input 3×9×9, this at 3×8×8"),
        (
            NET.replace("layers:", "vars: {classes: 10}\nlayers:").replace("features: 10", "features: classes"),
            {"vars": {"classes": 99}},
            "base.json was computed at vars classes=99, this at none",
        ),
    ],
)
def test_a_report_at_other_settings_is_no_base(
    saved_from: str, settings: dict[str, Any], said: str, folder: Path
) -> None:
    """Each of these is heavier than the spec that is checked, and would let it pass."""
    (folder / "saved.yaml").write_text(saved_from, encoding="utf-8")
    saved = analyze(folder / "saved.yaml", **settings)
    assert Report.from_dict(saved.to_dict()).settings == saved.settings
    (folder / "base.json").write_text(json.dumps(saved.to_dict()), encoding="utf-8")
    limits = ("--max-increase", "flops=2%", "--max-increase", "memory=2%", "--max-increase", "params=2%")
    result = piped("check", "net.yaml", *limits, "--compare-to", "base.json", cwd=folder)
    assert result.returncode == 2
    assert result.stdout.count(f"is not judged: {said}") == 3
    given = ["--input", "3x16x16"] if "input" in settings else []
    result = piped("check", "net.yaml", *limits, *given, "--compare-to", "base.json", cwd=folder)
    assert result.returncode == (0 if given else 2)


def test_a_saved_report_is_the_base_of_one_spec(folder: Path) -> None:
    """A spec that takes another's name would be measured from that."""
    heavy = NET.replace("name: net", "name: heavy").replace("features: 10", "features: 999")
    (folder / "heavy.yaml").write_text(heavy, encoding="utf-8")
    saved = [analyze(folder / name).to_dict() for name in ("net.yaml", "heavy.yaml")]
    (folder / "base.json").write_text(json.dumps(saved), encoding="utf-8")
    command = ("check", "heavy.yaml", "net.yaml", "--max-increase", "params=2%", "--compare-to", "base.json")
    assert piped(*command, cwd=folder).returncode == 0
    assert piped(*command, "./net.yaml", cwd=folder).returncode == 0
    (folder / "net.yaml").write_text(heavy, encoding="utf-8")
    result = piped(*command, cwd=folder)
    assert result.returncode == 2
    assert "base.json has only one 'heavy', the base of heavy.yaml" in result.stdout


def test_without_a_base_an_increase_is_an_error(folder: Path) -> None:
    result = piped("check", "net.yaml", "--max-increase", "params=2%", cwd=folder)
    assert result.returncode == 2
    assert "AC903 no-base" in result.stdout
    assert "not in a git repository" in result.stdout
    result = piped("check", "lenet5", "--max-increase", "params=2%", cwd=folder)
    assert result.returncode == 2
    assert "only a file has a base in git" in result.stdout


def test_a_newcomers_trial(tmp_path: Path) -> None:
    """A spec under budget; a commit doubles a layer: the check fails and names it; the budget is raised: it passes."""
    repo = Repo(tmp_path / "repo")
    spec = NET.replace("input:", "budget: {params: {max: 2k, max-increase: 50%}}\ninput:")
    repo.write("models/net.yaml", spec)
    repo.write("archcalc.toml", '[budgets."models/*.yaml"]\n')
    repo.commit()
    assert piped("check", cwd=repo.folder).returncode == 0
    repo.git("checkout", "-q", "-b", "wider")
    repo.write("models/net.yaml", doubled := spec.replace("features: 10", "features: 20"))
    repo.commit()
    result = piped("check", cwd=repo.folder)
    assert result.returncode == 1
    assert (
        "models/net.yaml:7:5: error: AC001 params-over-budget: params: 3,012, over the maximum of 2k" in result.stdout
    )
    assert "AC301 params-increased: params: 3,012, 1,450 (92.8 %) more than the 1,562 of the base" in result.stdout
    assert "hint: make last lighter, or raise the limit in models/net.yaml, line 2" in result.stdout
    repo.write("models/net.yaml", doubled.replace("2k, max-increase: 50%", "4k, max-increase: 100%"))
    repo.commit()
    assert piped("check", cwd=repo.folder).returncode == 0
    assert repo.git("status", "--porcelain") == ""


def test_bases_in_git(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    limit = "budget: {params: {max-increase: 2%}}\ninput:"
    repo.write("base.yaml", NET)
    repo.write("net.yaml", "extends: base.yaml\nbudget: {params: {max-increase: 2%}}\nlayers: [{linear: 5}]\n")
    repo.write("old.yaml", NET.replace("input:", limit) + "  - relu\n" * 20)
    start = repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    repo.git("mv", "old.yaml", "moved.yaml")
    repo.write("moved.yaml", (NET.replace("input:", limit) + "  - relu\n" * 20).replace("features: 10", "features: 11"))
    repo.write("base.yaml", NET.replace("filters: 4", "filters: 5"))
    repo.write("new.yaml", NET.replace("input:", limit))
    repo.write("broken.yaml", NET.replace("input:", limit))
    repo.commit()
    result = piped("check", "net.yaml", "moved.yaml", "new.yaml", "--output-format", "json", cwd=repo.folder)
    assert result.returncode == 1
    net, moved, new = json.loads(result.stdout)["specs"]
    assert net["limits"][0]["base"] == PARAMS + 55  # what it extends is read at the base, too
    assert moved["limits"][0]["base"] == PARAMS  # renaming hides nothing
    assert [spec["findings"][0]["rule"] for spec in (net, moved, new)] == ["AC301", "AC301", "AC904"]
    assert start[:10] in net["base"]
    (tmp_path / "net.yaml").write_text(NET, encoding="utf-8")
    result = piped("check", "../net.yaml", "--max-increase", "params=2%", cwd=repo.folder)
    assert result.returncode == 2
    assert "../net.yaml is not in a git repository" in result.stdout
    result = piped("check", "net.yaml", "--base", "nowhere", cwd=repo.folder)
    assert result.returncode == 2
    assert "unknown git revision 'nowhere'" in result.stdout


def test_a_shallow_clone_without_the_base(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    repo.write("net.yaml", NET)
    repo.commit()
    repo.git("checkout", "-q", "-b", "branch")
    repo.commit()
    repo.git("checkout", "-q", "main")
    clone = tmp_path / "clone"
    repo.git("clone", "-q", "--depth", "1", "--branch", "branch", f"file://{repo.folder}", str(clone))
    result = piped("check", "net.yaml", "--max-increase", "params=2%", cwd=clone)
    assert result.returncode == 2
    assert "AC903 no-base" in result.stdout
    assert "fetch-depth: 0" in result.stdout
    # Absolute limits need no base, and ask git nothing.
    assert piped("check", "net.yaml", "--max", "params=2k", cwd=clone).returncode == 0
