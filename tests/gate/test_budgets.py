"""Budgets where they are written: in specs, in archcalc.toml, in pyproject.toml; every limit knows its place."""

import re
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
import yaml

from archcalc import SettingError, SpecError, load
from archcalc.api import spec_schema
from archcalc.budget import BUDGET_KEYS, Budget, budget_of
from archcalc.cli import main
from archcalc.engine.figures import METRICS
from archcalc.errors import MAX_PROBLEMS
from archcalc.gate.config import find_config, read_config
from archcalc.gate.rules import RULES
from archcalc.spec.architecture import read
from archcalc.spec.source import Document
from tests.specs_helper import messages, spec

FAMILY = """\
input: [3, 8, 8]
budget:
  params: 60M
  flops: {max: 1.5G, warn: 1.2G}
  memory: {max-increase: 2%, min-delta: 1 KiB}
  settings: {batch: 8, input: [3, 16, 16], dtype: float16, convention: torch}
vars: {width: 4}
variants:
  small: {width: 2, budget: {params: {max: 20M}, settings: {batch: 4}}}
  large: {width: 8}
layers: [{linear: width}]
"""


def limits(budget: Budget) -> dict[str, tuple[object, tuple[int, int] | None]]:
    """The bound and the place of each limit."""
    return {
        f"{metric} {kind}": (one.bound, one.location and (one.location.line, one.location.column))
        for (metric, kind), one in budget.limits.items()
    }


def test_limits_know_their_bounds_and_places() -> None:
    assert limits(budget_of(spec(FAMILY))) == {
        "params max": (60_000_000, (3, 11)),
        "flops max": (1_500_000_000, (4, 16)),
        "flops warn": (1_200_000_000, (4, 28)),
        "memory max-increase": (Fraction(2, 100), (5, 26)),
    }
    assert budget_of(spec(FAMILY)).limits["memory", "max-increase"].min_delta == 1024
    assert budget_of(spec(FAMILY)).settings == {
        "batch": 8,
        "input": (3, 16, 16),
        "dtype": "float16",
        "convention": "torch",
    }


def test_a_variant_overrides_limit_by_limit() -> None:
    small, large = (budget_of(spec(FAMILY).variant(name)) for name in ("small", "large"))
    assert limits(small)["params max"] == (20_000_000, (9, FAMILY.splitlines()[8].index("20M") + 1))
    assert limits(small)["flops warn"] == limits(large)["flops warn"]
    assert (small.settings["batch"], small.settings["dtype"]) == (4, "float16")
    assert large == budget_of(spec(FAMILY))


def test_a_fraction_of_a_byte_falls_to_the_side_of_the_limit() -> None:
    budget = budget_of(spec("input: [3]\nbudget: {memory: {min: 0.3 KiB, max: 1.1 KiB}}\nlayers: [relu]"))
    assert limits(budget)["memory min"][0] == 308  # 307.2
    assert limits(budget)["memory max"][0] == 1126  # 1126.4


@pytest.mark.parametrize(
    ("budget", "message", "hint"),
    [
        ("60M", "budget must be a mapping", "such as `budget:"),
        ("{flop: 3}", "unknown metric 'flop'", "did you mean flops?"),
        ("{params: 60m}", "params: '60m': 'm' is an unknown unit", "k, M, G or T"),
        ("{params: 512 MiB}", "'MiB' is not a unit of a count", "1_000_000"),
        ("{memory: 60M}", "'M' is not a unit of bytes", "512MB"),
        ("{params: ''}", "'' is not a quantity", "60M or 1.5G"),
        ("{params: }", "must be a quantity", "params: 60M"),
        ("{params: true}", "must be a quantity", "params: 60M"),
        ("{params: [1]}", "must be a quantity, or a mapping of max, min, warn", "params: 60M"),
        ("{params: {}}", "must be a quantity, or a mapping", "params: 60M"),
        ("{params: {maxx: 1}}", "unknown limit 'maxx'", "did you mean max?"),
        ("{params: {max-increase: 2}}", "'2' is not a percentage", "such as 2%"),
        ("{params: {min-delta: 2}}", "min-delta needs max-increase", "min-delta: 1k"),
        ("{params: {max: 1, min: 2}}", "min 2 is above max 1", "must not be above"),
        ("{params: {max: 1, warn: 2}}", "warn 2 is above max 1", "must not be above"),
        ("{settings: 3}", "settings must be a mapping", "batch: 8"),
        ("{settings: {bacth: 3}}", "unknown setting 'bacth'", "did you mean batch?"),
        ("{settings: {batch: 0}}", "batch must be a whole number from 1 to 1,000,000,000", "such as 8"),
        ("{settings: {dtype: flaot32}}", "unknown dtype 'flaot32'", "did you mean float32?"),
        ("{settings: {convention: tourch}}", "unknown convention 'tourch'", "did you mean torch?"),
        ("{settings: {input: [3, 0]}}", "input must be a list of whole numbers ≥ 1", "[3, 224, 224]"),
        ("{allow-unknown: maybe}", "allow-unknown must be true or false", ""),
    ],
)
def test_what_is_wrong_is_said_with_the_specs_other_errors(budget: str, message: str, hint: str) -> None:
    said = messages(f"input: [3]\nbudget: {budget}\nlayers: [rleu]\n")
    assert "net.yaml:2:" in said
    assert message in said
    assert hint in said
    assert "unknown kind 'rleu'" in said


def test_errors_in_the_budget_of_a_variant() -> None:
    said = messages(FAMILY.replace("{max: 20M}", "{max: 20m}"))
    assert "net.yaml:9:44: error: params: '20m': 'm' is an unknown unit" in said


@pytest.mark.parametrize(
    "command",
    ["table", "check", "show --flat", "graph", "compare lenet5", "chart", "report", "fold", "bench"],
)
def test_every_command_names_a_bad_layer_and_a_bad_budget_at_once(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text("input: [3]\nbudget: {flop: 3}\nlayers: [rleu]\n", encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "net.yaml"])
    assert left.value.code == 2
    said = "".join(capsys.readouterr())
    for place, message in (("net.yaml:2:10: ", "unknown metric 'flop'"), ("net.yaml:3:10: ", "unknown kind 'rleu'")):
        assert re.search(f"{place}.*{message}", said)


def test_load_names_a_bad_key_and_a_bad_budget_at_once(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("input: [3]\nbudget: {flop: 3}\nlayers: [relu]\ntilte: x\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load(path)
    assert [problem.message for problem in caught.value.problems] == ["unknown metric 'flop'", "unknown key 'tilte'"]


def test_the_budgets_of_other_variants_and_of_what_is_extended_must_be_right_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(FAMILY.replace("{max: 20M}", "{max: 20m}"), encoding="utf-8")
    Path("own.yaml").write_text("extends: net.yaml:large\nlayers: [relu]\n", encoding="utf-8")
    for what in ("net.yaml:large", "own.yaml"):
        with pytest.raises(SpecError, match=r"net.yaml:9:44: error: params: '20m'"):
            load(what)


def test_of_a_budget_full_of_mistakes_only_so_many_are_noted() -> None:
    keys = ", ".join(f"m{n}: 1" for n in range(1000))
    said = messages(f"input: [3]\nbudget: {{{keys}}}\nlayers: [relu]\n")
    assert said.endswith(f"too many errors; these are the first {MAX_PROBLEMS}")


def test_the_schema_knows_budgets() -> None:
    schema = spec_schema()
    jsonschema.validate(yaml.safe_load(FAMILY), schema)
    for wrong in ("{flop: 3}", "{params: {maxx: 1}}", "{settings: {batch: 0}}", "{params: {}}"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(yaml.safe_load(FAMILY) | {"budget": yaml.safe_load(wrong)}, schema)
    assert set(schema["$defs"]["budget"]["properties"]) == set(BUDGET_KEYS)


def test_rules_have_ids_that_stay() -> None:
    numbers = [figure.rule for figure in METRICS.values()]
    assert len(set(numbers)) == len(numbers)
    ids, names = [rule.id for rule in RULES], [rule.name for rule in RULES]
    assert len(set(ids)) == len(ids) == 4 * len(METRICS) + 9
    assert len(set(names)) == len(names)
    kept = {"AC001": "params-over-budget", "AC103": "flops-under-minimum", "AC205": "peak-near-budget"}
    kept |= {"AC306": "saved-increased", "AC901": "invalid-spec", "AC902": "unknown-count", "AC903": "no-base"}
    kept |= {"AC011": "bytes-moved-over-budget", "AC311": "bytes-moved-increased"}
    kept |= {"AC907": "no-budget", "AC908": "limits-removed"}
    kept |= {"AC904": "new-spec", "AC905": "not-judged", "AC906": "nothing-matched", "AC999": "internal-error"}
    assert {rule.id: rule.name for rule in RULES if rule.id in kept} == kept


# Configuration files


def config(folder: Path, text: str, name: str = "archcalc.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_limits_in_toml_know_their_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = """\
# limits
[budgets."models/*.yaml"]   # of all models
params = "60M"
flops = {max = "1.5G", "warn" = 1_200_000_000}
settings.batch = 8
"depth".max = 1e2

[budgets."models/*.yaml".memory]
max-increase = "2%"
min-delta = "1 KiB"

[ budgets . 'big.yaml:large' ]
layers = 1_000
"""
    (first, second) = read_config(config(tmp_path, text)).patterns
    assert limits(first.budget) == {
        "params max": (60_000_000, (3, 1)),
        "flops max": (1_500_000_000, (4, 10)),
        "flops warn": (1_200_000_000, (4, 24)),
        "depth max": (100, (6, 1)),
        "memory max-increase": (Fraction(1, 50), (9, 1)),
    }
    assert first.budget.settings == {"batch": 8}
    assert (first.glob, first.variant, first.place.line) == ("models/*.yaml", None, 2)
    assert (second.glob, second.variant) == ("big.yaml", "large")
    assert limits(second.budget) == {"layers max": (1000, (13, 1))}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('budgets = 3\n[budgets."a"]', "archcalc.toml:2:"),
        ("a = \n", "archcalc.toml:1:5: error: not valid TOML: Invalid value"),
        ("budget = 3", "archcalc.toml:1:1: error: unknown key 'budget'"),
        ("budgets = 3", "archcalc.toml:1:1: error: budgets must be a table of patterns"),
        ('[budgets."a.yaml"]\nparams = "60m"\nflop = 2', "archcalc.toml:3:1: error: unknown metric 'flop'"),
        ('[budgets."/a.yaml"]', "archcalc.toml:1:2: error: pattern '/a.yaml' must be relative"),
        ('[budgets."a.yaml"]\nparams = nan', "archcalc.toml:2:1: error: params: 'nan' is not a quantity"),
        ('[budgets."a.yaml"]\nparams = -1', "archcalc.toml:2:1: error: params: '-1' is not a quantity"),
    ],
)
def test_what_is_wrong_in_a_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingError) as caught:
        read_config(config(tmp_path, text))
    assert said in "\n".join(map(str, caught.value.problems))


def test_which_configuration_is_found(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    assert find_config(inside) is None or tmp_path not in find_config(inside).parents  # type: ignore[union-attr]  # not None
    above = config(tmp_path, "[tool.archcalc]\n", "pyproject.toml")
    assert find_config(inside) == above
    config(tmp_path / "a", "[tool.ruff]\n", "pyproject.toml")
    assert find_config(inside) == above
    nearer = config(tmp_path / "a", "", "archcalc.toml")
    assert find_config(inside) == nearer
    config(inside, "[tool.archcalc.budgets\n", "pyproject.toml")
    assert find_config(inside) == inside / "pyproject.toml"  # broken, but meant: its user is told


def test_a_pyproject_without_a_table_of_ours_is_none(tmp_path: Path) -> None:
    assert read_config(config(tmp_path, "[tool.ruff]\n", "pyproject.toml")).patterns == ()


def test_a_budget_is_not_inherited_by_what_extends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base.yaml").write_text("input: [3]\nbudget: {params: 1}\nlayers: [{linear: 4}]\n")
    (tmp_path / "own.yaml").write_text("extends: base.yaml\nlayers: [relu]\n")
    monkeypatch.chdir(tmp_path)
    assert budget_of(load("base.yaml")).limits
    assert not budget_of(load("own.yaml")).limits


def test_a_spec_without_a_budget_has_none() -> None:
    assert budget_of(read(Document("net.yaml", "input: [3]\nlayers: [relu]"))) == Budget()
