"""`archcalc budget init`: limits from today's figures, in files whose text stays as it is otherwise."""

import tomllib
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc import SettingError, load
from archcalc.budget import budget_of
from archcalc.engine.figures import METRICS
from archcalc.gate.initial import in_config, in_spec, maxima, updated_spec
from archcalc.spec.source import Document
from archcalc.units import parse_quantity
from tests.running import piped
from tests.specs_helper import report

NET = """\
# A net, with comments.
name: net
input: [3, 8, 8]   # RGB

# Its layers:
layers:
  - conv: {filters: 4, kernel: 3}  # 112 parameters
  - flatten
  - linear: 10
"""
LIMITS = {"params": "1.72k", "memory": "1.31 kB"}
SETTINGS = {"batch": 1, "dtype": "float32"}


def edited(text: str) -> str:
    return in_spec(Document("net.yaml", text), LIMITS, SETTINGS)


def test_the_text_stays_as_it_is() -> None:
    block = "budget:\n  settings: {batch: 1, dtype: float32}\n  params: 1.72k\n  memory: 1.31 kB\n"
    head, rest = NET[: NET.index("\n# Its")], NET[NET.index("\n# Its") :]
    assert edited(NET) == f"{head}{block}{rest}"


@pytest.mark.parametrize(
    "text",
    [
        NET.replace("\n", "\r\n"),
        "layers:\n  - relu\n# the end\ninput: [3]",
        "layers: [relu]\ninput:\n  - 3\n  # the middle\n  - 4\n",
        "---\ninput: [3]\n\n\n\nlayers: [relu]\n",
        "  input: [3]\n  layers: [relu]\n",
        "extends: lenet5\n",
        "extends: lenet5\nlayers: [relu]\n",
        "layers:\n- relu\ninput: [3] # é ×\nvars: {a: 1}\n",
        'title: |\n  two\n  lines\ninput: [3]\n"layers": [relu]\n',
    ],
)
def test_lines_are_only_added(text: str) -> None:
    before, after = text.splitlines(), edited(text).splitlines()
    at = next(i for i, line in enumerate(after) if line.strip() == "budget:")
    assert after[:at] + after[at + 4 :] == before
    ending = "\r\n" if "\r\n" in text else "\n"
    assert edited(text).count(ending) >= len(before) + 3
    # Once there is a budget, it stays.
    with pytest.raises(SettingError, match="already has a budget, in line"):
        edited(edited(text))


@pytest.mark.parametrize("text", ['{"input": [3], "layers": ["relu"]}', "{input: [3], layers: [relu]}"])
def test_braces_are_left_alone(text: str) -> None:
    with pytest.raises(SettingError, match="written in braces"):
        edited(text)


def test_what_cannot_be_edited_safely_is_refused() -> None:
    with pytest.raises(SettingError, match="cannot be edited without changing its meaning"):
        edited("layers: [relu]\ninput: [3]\n...\n")
    limits = {"params": "2"}
    with pytest.raises(SettingError, match="cannot be edited without changing its meaning"):  # below what warns
        updated_spec(Document("net.yaml", "input: [3]\nbudget: {params: {max: 9, warn: 8}}\nlayers: [relu]"), limits)


def test_an_update_rewrites_maxima_in_place() -> None:
    budget = 'budget: {params: 1k, memory: {max: "9 kB", warn: 1}, flops: 3}  # ours\n'
    text = NET.replace("# Its layers:\n", budget)
    new = updated_spec(Document("net.yaml", text), {**LIMITS, "peak": "3 kB"})
    assert new == text.replace("params: 1k", "params: 1.72k").replace('"9 kB"', '"1.31 kB"')
    with pytest.raises(SettingError, match="has no maxima to update"):
        updated_spec(Document("net.yaml", NET), LIMITS)


@given(st.integers(1, 300), st.integers(1, 64), st.decimals(0, 200, places=2))
def test_todays_figures_are_within_and_the_headroom_is_there(features: int, batch: int, percentage: object) -> None:
    headroom = Fraction(str(percentage)) / 100
    today = report(f"input: [{features}, 8, 8]\nlayers: [{{conv: {{filters: 3, kernel: 3}}}}]", batch=batch)
    names = [name for name, metric in METRICS.items() if metric.of(today) is not None]
    for name, text in maxima([today], names, headroom).items():
        figure = METRICS[name].of(today)
        assert figure is not None
        limit, wanted = parse_quantity(text, METRICS[name].unit), figure * (1 + headroom)
        assert wanted <= limit < wanted * Fraction(101, 100) + 1


def test_a_family_gets_the_figures_of_its_largest(tmp_path: Path) -> None:
    spec = tmp_path / "family.yaml"
    spec.write_text(
        "input: [9]\nvars: {n: 1}\nvariants: {small: {n: 1}, large: {n: 10}}\nlayers: [{linear: n}]\n", encoding="utf-8"
    )
    done = piped("budget", "init", "family.yaml", "--headroom", "0%", "--metrics", "params", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "  params: 100\n" in spec.read_text(encoding="utf-8")
    assert piped("check", "family.yaml", cwd=tmp_path).returncode == 0
    done = piped("budget", "init", "family.yaml", "--metrics", "params", "--into", "archcalc.toml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    config = tomllib.loads((tmp_path / "archcalc.toml").read_text(encoding="utf-8"))["budgets"]
    assert {name: budget["params"] for name, budget in config.items()} == {
        "family.yaml:small": "11",
        "family.yaml:large": "110",
    }


TOML = """\
# before
[tool.ruff]
line-length = 120   # long

[tool.archcalc.budgets."old.yaml"]   # kept
params =  "60M" # ours
flops = {max = "1G", warn = "2M"}
"""


def test_a_configuration_keeps_its_comments_and_layout() -> None:
    new = in_config("pyproject.toml", TOML, {"a/b.yaml": LIMITS}, SETTINGS, update=False)
    assert new.startswith(TOML)
    added = tomllib.loads(new)["tool"]["archcalc"]["budgets"]["a/b.yaml"]
    assert added == {"settings": SETTINGS, **LIMITS}
    with pytest.raises(SettingError, match=r"already has a budget for 'a/b\.yaml'"):
        in_config("pyproject.toml", new, {"a/b.yaml": LIMITS}, SETTINGS, update=False)


def test_a_configuration_is_updated_in_place() -> None:
    limits = {"params": "61M", "flops": "3G", "peak": "1 kB"}
    new = in_config("pyproject.toml", TOML, {"old.yaml": limits}, SETTINGS, update=True)
    assert new == TOML.replace('"60M"', '"61M"').replace('max = "1G"', 'max = "3G"')
    with pytest.raises(SettingError, match=r"has no maxima for 'new\.yaml'"):
        in_config("pyproject.toml", TOML, {"new.yaml": limits}, SETTINGS, update=True)


def test_a_new_configuration() -> None:
    new = in_config("archcalc.toml", "", {"a.yaml": LIMITS}, {"input": (3, 8)}, update=False)
    assert tomllib.loads(new) == {"budgets": {"a.yaml": {"settings": {"input": [3, 8]}, **LIMITS}}}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["net.yaml", "--headroom", "10"], "'10' is not a percentage"),
        (["net.yaml", "--metrics", "parms"], "did you mean params?"),
        (["net.yaml", "--update"], "has no maxima to update"),
        (["net.yaml", "--update", "--batch", "2"], "--update and --batch cannot be combined"),
        (["net.yaml", "--into", "budgets.toml"], "is not a configuration file"),
        (["nowhere.yaml"], "cannot be read"),
        ([], "no files given"),
        (["net.yaml", "--metrics", "saved", "--dtype", "int8"], "saved is unknown"),
        (["net.yaml", "broken.yaml"], "unknown kind 'rleu'"),
    ],
)
def test_what_is_refused_leaves_the_files_alone(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "net.yaml").write_text(NET, encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("input: [3]\nlayers: [rleu]\n", encoding="utf-8")
    result = piped("budget", "init", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
    assert (tmp_path / "net.yaml").read_text(encoding="utf-8") == NET
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.yaml", "net.yaml"]


@pytest.mark.parametrize("name", ["net[1].yaml", "a*b?.yaml", "x 'y' \"z\".yaml"])
def test_a_pattern_matches_its_file_alone(tmp_path: Path, name: str) -> None:
    for file in (name, "net1.yaml", "acby.yaml"):
        (tmp_path / file).write_text(NET, encoding="utf-8")
    assert piped("budget", "init", name, "--into", "archcalc.toml", cwd=tmp_path).returncode == 0
    result = piped("check", cwd=tmp_path)
    assert (result.returncode, "1 spec checked: 1 ok" in result.stdout) == (0, True)


def test_a_round_trip_at_stated_settings(tmp_path: Path) -> None:
    spec = tmp_path / "net.yaml"
    spec.write_bytes(b"\xef\xbb\xbf" + NET.encode())
    arguments = ("--batch", "8", "--dtype", "float16", "--convention", "torch", "--input", "3x9x9")
    assert piped("budget", "init", "net.yaml", *arguments, cwd=tmp_path).returncode == 0
    assert spec.read_bytes().startswith(b"\xef\xbb\xbf# A net")
    settings = {"batch": 8, "dtype": "float16", "convention": "torch", "input": (3, 9, 9)}
    assert budget_of(load(str(spec))).settings == settings
    result = piped("check", "net.yaml", cwd=tmp_path)
    assert result.returncode == 0
    assert "input 3×9×9 · batch 8 · float16 · torch convention" in result.stdout
    written = spec.read_bytes()
    # An update with the same headroom, at the settings that the budget states, changes nothing.
    assert piped("budget", "init", "net.yaml", "--update", cwd=tmp_path).returncode == 0
    assert spec.read_bytes() == written
    assert piped("budget", "init", "net.yaml", "--update", "--headroom", "50%", cwd=tmp_path).returncode == 0
    assert spec.read_bytes() != written
