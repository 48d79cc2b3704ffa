"""`archcalc check` as people run it: exit codes, what it says, where budgets come from, what it compares with."""

import json
from pathlib import Path

import pytest

from tests.running import measured, on_terminal, piped, python

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
        (["net.yaml", "--base", "x", "--compare-to", "y"], 2, "cannot be combined"),
        (["net.yaml", "--output-format", "xml"], 2, "xml"),
        (["nowhere.yaml"], 2, "nowhere.yaml cannot be read"),
        (["alexnt"], 2, "did you mean alexnet"),
        (["net.yaml:small"], 2, "net.yaml has no variants"),
        (["family.yaml:medium"], 2, "has no variant 'medium'"),
        (["-", "-"], 2, "standard input is given twice"),
        (["net.yaml", "--output-file", "no/such/folder"], 2, "cannot write"),
        (["resnet50", "--max", "params=30M"], 0, "1 spec checked: 1 ok"),
        (["resnet50", "--max", "params=25M"], 1, "25,557,032, over the maximum of 25M by 557,032 (2.2 %)"),
        (["family.yaml"], 1, "2 specs checked: 1 over budget, 1 ok"),
        (["family.yaml:small"], 0, "family.yaml:small: ok"),
        (["family.yaml:large"], 1, "params: 36, over the maximum of 35 by 1 (2.9 %)"),
        (["net.yaml", "--max", "flops=1", "--convention", "torch", "--batch", "2"], 1, "batch 2 · float32 · torch"),
        ([], 2, "no specs given, and there is no configuration"),
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
        "import sys\nfrom archcalc.layers.activation import *\nfrom archcalc.layers.core.base import *\n"
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
    assert "odd.yaml:2:17: warning: AC905 not-judged: FLOPs: unknown" in allowed.stdout
    (folder / "odd.yaml").write_text("input: [3]\nbudget: {allow-unknown: true}\nlayers:\n  - odd\n")
    assert python(script, "check", "odd.yaml", cwd=folder).returncode == 0


def test_an_internal_error_is_2_and_the_report_is_there(folder: Path) -> None:
    script = folder / "bug.py"
    script.write_text(
        "import sys, archcalc.gate.run as gate\nreal = gate.analyze_graph\n"
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


# Manners


def test_it_loads_no_more_than_it_needs(folder: Path) -> None:
    code = "import sys, archcalc.cli as c\ntry: c.main(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    loaded = set(python("-c", code, "check", "net.yaml", "--max", "params=1", cwd=folder).stderr.split())
    assert "archcalc.gate.judge" in loaded
    assert not loaded & {"torch", "numpy", "sympy", "rich", "tabulate", "tomlkit", "archcalc.render.formats.markup"}


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
