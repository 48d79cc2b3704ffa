"""`archcalc check` as people run it: exit codes, what it says, where budgets come from, what it compares with."""

import json
from pathlib import Path
from typing import Any

import pytest

from archcalc import analyze, load
from archcalc.check import Base, check
from archcalc.spec.budget import Budget, make_limit
from tests.git_repository import Repo
from tests.running import measured, on_terminal, piped, python
from tests.specs_helper import report

NET = """\
name: net
input: [3, 8, 8]
layers:
  - conv: {name: first, filters: 4, kernel: 3}
  - flatten
  - linear: {name: last, features: 10}
"""
# By hand: conv 4·(3·3·3) + 4 = 112 parameters; 4·6·6 = 144 into linear: 144·10 + 10 = 1,450. Together 1,562.
PARAMS = 1_562
BROKEN = "input: [3, 8, 8]\nlayers: [rleu]\n"
FAMILY = """\
input: [8]
vars: {width: 4}
variants:
  small: {width: 2, budget: {params: 18}}
  large: {width: 4, budget: {params: 35}}
layers: [{linear: width}]
"""  # 8·2 + 2 = 18 and 8·4 + 4 = 36


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {"net.yaml": NET, "broken.yaml": BROKEN, "family.yaml": FAMILY}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("form", ["text", "json", "github", "gitlab", "sarif", "junit", "markdown"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["net.yaml", "--max", f"params={PARAMS}"], 0),
        (["net.yaml", "--max", f"params={PARAMS - 1}"], 1),
        (["net.yaml", "--max", f"params={PARAMS - 1}", "--exit-zero"], 0),
        (["net.yaml", "broken.yaml", "--max", "params=1"], 2),
        (["net.yaml", "broken.yaml", "--max", "params=1", "--exit-zero"], 2),
    ],
)
def test_the_exit_code_is_the_same_in_every_format(folder: Path, arguments: list[str], code: int, form: str) -> None:
    result = piped("check", *arguments, "--output-format", form, "--output-file", "out", cwd=folder)
    assert (result.returncode, result.stdout) == (code, "")
    assert "checked" in result.stderr
    written = (folder / "out").read_text(encoding="utf-8")
    on_stdout = piped("check", *arguments, "--output-format", form, cwd=folder)
    assert on_stdout.returncode == code
    if form != "junit":  # which tells the time
        assert on_stdout.stdout == written


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["net.yaml", "--warn", "params=1"], 0, "AC201 params-near-budget"),
        (["net.yaml", "--min", "params=2k"], 1, "AC101 params-under-minimum"),
        (["net.yaml", "--max", "depth=1"], 1, "AC009 depth-over-budget"),
        (["net.yaml", "--max", "peak=1KB"], 1, "AC005 peak-over-budget"),
        (["net.yaml", "--max", "params=60m"], 2, "'m' is an unknown unit; write a whole number"),
        (["net.yaml", "--max", "parms=60M"], 2, "unknown metric 'parms'; did you mean params?"),
        (["net.yaml", "--max", "params"], 2, "is not metric=quantity, such as params=60M"),
        (["net.yaml", "--max-increase", "params=2"], 2, "'2' is not a percentage"),
        (["net.yaml", "--base", "x", "--compare-to", "y"], 2, "contradict"),
        (["net.yaml", "--output-format", "xml"], 2, "xml"),
        (["nowhere.yaml"], 2, "nowhere.yaml cannot be read"),
        (["alexnt"], 2, "did you mean alexnet"),
        (["net.yaml:small"], 2, "net.yaml has no variants"),
        (["family.yaml:medium"], 2, "has no variant 'medium'"),
        (["-", "-"], 2, "standard input is named twice"),
        (["net.yaml", "--output-file", "no/such/folder"], 2, "cannot write"),
        (["resnet50", "--max", "params=30M"], 0, "1 spec checked: 1 ok"),
        (["resnet50", "--max", "params=25M"], 1, "25,557,032, over the maximum of 25M by 557,032 (2.2 %)"),
        (["family.yaml"], 1, "2 specs checked: 1 over budget, 1 ok"),
        (["family.yaml:small"], 0, "family.yaml:small: ok"),
        (["family.yaml:large"], 1, "params: 36, over the maximum of 35 by 1 (2.9 %)"),
        (["net.yaml", "--max", "flops=1", "--convention", "torch", "--batch", "2"], 1, "batch 2 · float32 · torch"),
        ([], 2, "no specs are named, and there is no configuration"),
    ],
)
def test_outcomes(folder: Path, arguments: list[str], code: int, said: str) -> None:
    result = piped("check", *arguments, cwd=folder)
    assert said in result.stdout + result.stderr
    assert result.returncode == code
    assert "Traceback" not in result.stderr


def test_what_is_said_of_a_spec_that_is_over(folder: Path) -> None:
    (folder / "net.yaml").write_text(NET.replace("input:", "budget: {params: 1.5k}\ninput:"), encoding="utf-8")
    result = piped("check", "net.yaml", cwd=folder)
    assert (
        result.stdout
        == """\
net.yaml: over budget
input 3×8×8 · batch 1 · float32 · lecture convention: 1 FLOP = one multiply-add; pooling K·K per output

                           used
metric  figure  limit       (%)  verdict
---------------------------------------------------------
params  1.56 k  max 1.5k  104.1  AC001 params-over-budget

net.yaml:7:5: error: AC001 params-over-budget: params: 1,562, over the maximum of 1.5k by 62 (4.1 %)
  7 |   - linear: {name: last, features: 10}
    |     ^
  heaviest: last (line 7), 92.8 %; first (line 5), 7.2 %
  hint: make last lighter, or raise the limit in net.yaml, line 2

1 spec checked: 1 over budget
"""
    )


def test_standard_input(folder: Path) -> None:
    result = piped("check", "-", "--max", "params=1", stdin=NET, cwd=folder)
    assert result.returncode == 1
    assert "<stdin>:6:5: error: AC001" in result.stdout


def test_the_configuration_matches_what_is_checked(folder: Path) -> None:
    (folder / "sub").mkdir()
    config = '[budgets."n*.yaml"]\nparams = "2k"\nsettings.batch = 8\n[budgets."family.yaml"]\nparams = 100\n'
    (folder / "archcalc.toml").write_text(config + '[budgets."family.yaml:large"]\ndepth = 0\n', encoding="utf-8")
    for where, prefix in ((folder, ""), (folder / "sub", "../")):
        result = piped("check", "--output-format", "json", cwd=where)
        found = {spec["name"]: spec for spec in json.loads(result.stdout)["specs"]}
        assert list(found) == [f"{prefix}{name}" for name in ("net.yaml", "family.yaml:small", "family.yaml:large")]
        net, small, large = found.values()
        assert (net["verdict"], net["settings"]["batch"]) == ("ok", 8)
        # The spec's own limit goes before the configuration's.
        assert [limit["text"] for limit in small["limits"]] == ["18"]
        assert [(limit["metric"], limit["text"]) for limit in large["limits"]] == [("params", "35"), ("depth", "0")]
        assert result.returncode == 1
    # Named, a spec is held to the same; an option goes before both.
    assert piped("check", "net.yaml", "--max", "params=1", cwd=folder).returncode == 1
    assert piped("check", "./net.yaml", "--output-format", "json", cwd=folder).stdout.count('"batch": 8') == 1


def test_a_pattern_that_matches_nothing_fails(folder: Path) -> None:
    config = folder / "archcalc.toml"
    config.write_text('[budgets."net.yaml"]\n[budgets."gone/*.yaml"]\n', encoding="utf-8")
    result = piped("check", cwd=folder)
    assert result.returncode == 2
    assert "archcalc.toml:2:2: error: AC906 nothing-matched: the pattern 'gone/*.yaml' matches no file" in result.stdout
    assert "net.yaml: ok" in result.stdout
    config.write_text("", encoding="utf-8")
    result = piped("check", cwd=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert "has no budgets" in result.stderr


def test_unknown_counts_fail_unless_allowed(folder: Path) -> None:
    script = folder / "unknown.py"
    script.write_text(
        "import sys\nfrom archcalc.layers.activation import *\nfrom archcalc.layers.base import *\n"
        "class Odd(Activation, kind='odd'):\n    '''Odd.'''\n    torch = TorchTwin('torch.sin', call='function')\n"
        "    def ops(self, x, y):\n        return None\n"
        "from archcalc.cli import main\nmain(sys.argv[1:])\n"
    )
    (folder / "odd.yaml").write_text("input: [3]\nbudget: {flops: 1M}\nlayers:\n  - odd\n  - linear: 3\n")
    failed = python(script, "check", "odd.yaml", cwd=folder)
    assert failed.returncode == 2, failed.stderr
    assert "odd.yaml:4:5: error: AC902 unknown-count: the operations of 1 of 2 layers are unknown: odd" in failed.stdout
    allowed = python(script, "check", "odd.yaml", "--allow-unknown", cwd=folder)
    assert allowed.returncode == 0
    assert "odd.yaml:2:17: warning: AC905 not-judged: FLOPs: unknown here" in allowed.stdout
    (folder / "odd.yaml").write_text("input: [3]\nbudget: {allow-unknown: true}\nlayers:\n  - odd\n")
    assert python(script, "check", "odd.yaml", cwd=folder).returncode == 0


def test_an_internal_error_is_2_and_the_report_is_there(folder: Path) -> None:
    script = folder / "bug.py"
    script.write_text(
        "import sys, archcalc.gate as gate\nreal = gate.analyze_graph\n"
        "def broken(architecture, **settings):\n    if architecture.name == 'net': raise KeyError('oops')\n"
        "    return real(architecture, **settings)\n"
        "gate.analyze_graph = broken\nfrom archcalc.cli import main\nmain(sys.argv[1:])\n"
    )
    result = python(script, "check", "net.yaml", "family.yaml", "--output-format", "json", cwd=folder)
    assert result.returncode == 2
    net, *family = json.loads(result.stdout)["specs"]
    assert [finding["rule"] for finding in net["findings"]] == ["AC999"]
    assert [spec["verdict"] for spec in family] == ["ok", "over budget"]


def test_rules_are_listed() -> None:
    listed = json.loads(piped("rules", "--json").stdout)
    table = piped("rules").stdout
    assert all(f"{rule['id']}  {rule['name']}" in table for rule in listed)
    assert {rule["exit_code"] for rule in listed} == {0, 1, 2}


# Increases


def judged(before: str, now: str, *limits: str, **settings: Any) -> list[str]:
    """The rules that a change of a spec breaks, with limits such as `params 2%` or `params 2% 1k`."""
    budget = {}
    for text in limits:
        metric, share, *delta = text.split()
        delta_value = int(delta[0]) if delta else 0
        budget[metric, "max-increase"] = make_limit(metric, "max-increase", share, min_delta=delta_value)
    found = check(report(now), Budget(budget), Base(report(before, **settings)))  # type: ignore[arg-type]  # the kinds
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
    (judgement,) = check(report(grown), Budget({("params", "max-increase"): limit}), Base(report(NET)))
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
    for wrong, said in (("{", "is not JSON"), ("[]", "holds no report"), ("{}", "no report of archcalc")):
        (folder / "base.json").write_text(wrong, encoding="utf-8")
        result = piped("check", "net.yaml", "--compare-to", "base.json", cwd=folder)
        assert (result.returncode, result.stdout) == (2, "")
        assert said in result.stderr


def test_a_report_of_others_is_no_base(folder: Path) -> None:
    (folder / "base.json").write_text(json.dumps(analyze(load("lenet5")).to_dict()), encoding="utf-8")
    result = piped("check", "net.yaml", "--max-increase", "params=2%", "--compare-to", "base.json", cwd=folder)
    assert result.returncode == 2
    assert "AC903 no-base: params: max-increase 2% is not judged: base.json has no 'net'" in result.stdout


def test_without_a_base_an_increase_is_an_error(folder: Path) -> None:
    result = piped("check", "net.yaml", "--max-increase", "params=2%", cwd=folder)
    assert result.returncode == 2
    assert "AC903 no-base" in result.stdout
    assert "no git repository" in result.stdout
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
    assert "../net.yaml is outside of this git repository" in result.stdout
    result = piped("check", "net.yaml", "--base", "nowhere", cwd=repo.folder)
    assert result.returncode == 2
    assert "git knows no revision 'nowhere'" in result.stdout


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


# Manners


def test_it_loads_no_more_than_it_needs(folder: Path) -> None:
    code = "import sys, archcalc.cli as c\ntry: c.main(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    loaded = set(python("-c", code, "check", "net.yaml", "--max", "params=1", cwd=folder).stderr.split())
    assert "archcalc.check" in loaded
    assert not loaded & {"torch", "numpy", "sympy", "rich", "tabulate", "tomlkit", "archcalc.render.markup"}


def test_a_thousand_specs_are_quick_and_need_no_torch(tmp_path: Path) -> None:
    block = "".join(f"  - conv: {{filters: {16 + i}, kernel: 3, pad: 1}}\n  - batchnorm\n  - relu\n" for i in range(12))
    for i in range(100):
        text = f"name: m{i}\ninput: [3, 64, 64]\nbudget: {{params: 60M}}\nlayers:\n{block}  - global_avgpool\n"
        (tmp_path / f"m{i}.yaml").write_text(text, encoding="utf-8")
    usage = measured(tmp_path, "check", *sorted(map(str, tmp_path.glob("m*.yaml"))))
    assert usage.code == 0
    assert b"100 specs checked: 100 ok" in usage.stdout
    assert usage.cpu_seconds < 2  # a thousand take a little over two seconds on an idle machine; they may take ten


def test_on_a_terminal_there_is_a_bar_and_nothing_is_cut(folder: Path) -> None:
    shown = on_terminal("check", str(folder / "net.yaml"), str(folder / "family.yaml"), "--max", "params=1", columns=60)
    assert "3 specs checked: 3 over budget" in shown
    assert "over the maximum of 1 by 1,561" in shown
    assert "━" in shown  # the bar
