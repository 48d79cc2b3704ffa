"""Initial weights: what theory says, what PyTorch measures, and what is said of it."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

import archcalc
from archcalc.analysis import analyze_graph
from archcalc.evidence.claim_metrics import Computer
from archcalc.evidence.claim_verdicts import judge
from archcalc.evidence.claims import find_claims
from archcalc.layers.conv import Conv2d
from archcalc.layers.conv_transpose import ConvTranspose2d
from archcalc.render.activations import activations_records
from archcalc.render.formats.data import records
from archcalc.training.activations import with_activation
from archcalc.training.initialisation import fan_in, initialisation, mean_square_of_tanh
from tests.running import on_terminal, piped, python
from tests.specs_helper import layers, spec


@pytest.mark.parametrize(
    ("text", "std"),
    [
        ("normal:0.01", 0.01),
        ("normal:1e-3", 0.001),
        ("xavier", 1 / 64),
        ("msra", math.sqrt(2) / 64),
        ("normal:2/sqrt(Din)", 2 / 64),
        ("normal: sqrt(2 / Din)", math.sqrt(2) / 64),
        ("pytorch", 1 / math.sqrt(3 * 4096)),
    ],
)
def test_the_standard_deviation_of_each_initialisation(text: str, std: float) -> None:
    assert initialisation(text).std_of(4096) == pytest.approx(std, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("xaver", "unknown initialisation 'xaver'", "did you mean xavier?"),
        ("kaiming", "unknown initialisation 'kaiming'", "such as normal:0.01"),
        ("msra:2", "unknown initialisation 'msra:2'", "did you mean msra?"),
        ("normal", "'normal': the standard deviation must be a number > 0", "such as normal:0.01"),
        ("normal:0", "must be a number > 0", "such as normal:0.01"),
        ("normal:__import__('os')", "must be a number > 0", "such as normal:0.01"),
        ("normal:1e999", "must be a number > 0", "such as normal:0.01"),
    ],
)
def test_an_unknown_initialisation(text: str, message: str, hint: str) -> None:
    with pytest.raises(archcalc.SettingError) as caught:
        initialisation(text)
    assert message in caught.value.problems[0].message
    assert hint in str(caught.value.problems[0].hint)


def test_inputs_of_a_convolution_are_its_kernel_times_the_channels_of_a_group() -> None:
    assert fan_in(Conv2d(filters=64, kernel=11), (64, 3, 11, 11)) == 11 * 11 * 3
    assert fan_in(Conv2d(filters=64, kernel=3, groups=4), (64, 16, 3, 3)) == 3 * 3 * 16
    assert fan_in(ConvTranspose2d(filters=8, kernel=4, stride=2), (16, 8, 4, 4)) == 16 * 4 * 4 // 4


@pytest.mark.parametrize("mean_square", [0.01, 0.5, 1.0, 10.0])
def test_the_mean_square_of_tanh_is_that_of_many_random_numbers(mean_square: float) -> None:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    x = math.sqrt(mean_square) * torch.randn(1_000_000, generator=generator, dtype=torch.float64)
    assert mean_square_of_tanh(mean_square) == pytest.approx(float(x.tanh().square().mean()), rel=5e-3)


def test_gates_stay_where_activations_are_replaced() -> None:
    graph, _ = analyze_graph(spec(layers("conv: {filters: 3, kernel: 1}", "relu", "sigmoid", "gelu")))
    assert [node.layer.kind for node in with_activation(graph, "tanh").nodes] == ["conv", "tanh", "sigmoid", "tanh"]
    alone, _ = analyze_graph(spec(layers("flatten", "linear: 3")))
    with pytest.raises(archcalc.SettingError, match="net has no activations to replace"):
        with_activation(alone, "tanh")


# What follows runs PyTorch.

SMALL = {"width": 512}


def runs(what: Any = "mlp6-4096", vars: Any = SMALL, **settings: Any) -> Any:
    pytest.importorskip("torch")
    from archcalc.torch_backend.activations import Runs

    graph, report = analyze_graph(what, vars=vars, batch=16)
    return Runs(graph, report, **settings)


@pytest.mark.parametrize(
    ("init", "activation", "verdict"),
    [
        ("normal:0.64/sqrt(Din)", "tanh", "vanishing"),
        ("normal:3.2/sqrt(Din)", "tanh", "saturated"),
        ("xavier", "tanh", "just right"),
        ("xavier", "relu", "vanishing"),
        ("msra", "relu", "just right"),
        ("normal:2/sqrt(Din)", "relu", "exploding"),
    ],
)
def test_theory_predicts_what_is_measured(init: str, activation: str, verdict: str) -> None:
    found = runs().at(initialisation(init), activation)
    assert found.verdict == verdict
    for row in found.layers:
        assert row.output.rms == pytest.approx(row.theory, rel=0.25), row.name
    assert found.layers[-1].gradient.rms == pytest.approx(1.0, rel=0.05)


def test_the_statistics_are_those_of_pytorch() -> None:
    torch = pytest.importorskip("torch")
    model = runs(seed=3)
    found = model.at(initialisation("xavier"), all_layers=True)
    row = found.layers[1]
    x = model.inputs[0]
    y = torch.tanh(x @ model.model.get_parameter("layers.0.fc.weight").T)
    assert (row.name, row.output.mean, row.output.std) == (
        "layers.0.tanh",
        pytest.approx(float(y.mean()), abs=1e-6),
        pytest.approx(float(y.std(correction=0)), rel=1e-5),
    )
    assert row.saturated == pytest.approx(float((y.abs() > 0.99).float().mean()), abs=1e-6)
    assert row.output.histogram == tuple(
        torch.histc(y.double().clamp(*found.output_range), 12, *found.output_range).long().tolist()
    )
    weights = model.model.get_parameter("layers.0.fc.weight")
    assert float(weights.std()) == pytest.approx(1 / math.sqrt(512), rel=0.01)


def test_gradients_are_those_of_a_backward_pass_by_hand() -> None:
    torch = pytest.importorskip("torch")
    model = runs(vars={"width": 64, "depth": 2}, seed=1)
    found = model.at(initialisation("xavier"))
    weights = [model.model.get_parameter(f"layers.{i}.fc.weight").T for i in range(2)]
    first = torch.tanh(model.inputs[0] @ weights[0])
    second = torch.tanh(first @ weights[1])
    with torch.random.fork_rng():
        torch.manual_seed(1 + 2)
        given = torch.randn_like(second)
    passed = (given * (1 - second.square())) @ weights[1].T
    assert found.layers[1].gradient.rms == pytest.approx(float(given.square().mean().sqrt()), rel=1e-5)
    assert found.layers[0].gradient.rms == pytest.approx(float(passed.square().mean().sqrt()), rel=1e-4)


def test_units_that_are_zero_for_every_sample_are_dead() -> None:
    text = layers("linear: {name: fc, features: 400}", "relu: {name: relu}", head="input: [200]")
    row = runs(spec(text), {}).at(initialisation("xavier")).layers[0]
    assert row.dead == 0.0  # of 2^-16 none
    one = runs(spec(text), {})
    one.inputs = [x[:1] for x in one.inputs]
    row = one.at(initialisation("xavier")).layers[0]
    assert (row.verdict, 0.4 < row.dead < 0.6) in {("dead", True), ("just right", True)}


def test_runs_on_the_same_seed_are_the_same_and_leave_random_numbers_alone() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(5)
    before = torch.get_rng_state()
    again = runs().at(initialisation("msra"), "relu")
    reused = runs()
    reused.at(initialisation("normal:0.05"))
    assert reused.at(initialisation("msra"), "relu").layers[0].output.rms == pytest.approx(
        again.layers[0].output.rms, rel=1e-5
    )
    assert torch.equal(before, torch.get_rng_state())
    assert runs(seed=1).at(initialisation("msra"), "relu") != again


def test_pytorchs_own_initialisation_is_left_alone() -> None:
    found = runs("lenet5", {}).at(initialisation("pytorch"))
    assert found.layers[0].output.rms == pytest.approx(found.layers[0].theory, rel=0.2)


def test_networks_of_other_kinds_run() -> None:
    text = layers(
        "embedding: {name: tokens, vocabulary: 9, features: 8}",
        "layernorm",
        "lstm: {hidden: 8}",
        "linear: 3",
        head="input: [5]",
    )
    found = runs(spec(text), {}).at(initialisation("xavier"), all_layers=True)
    assert [row.kind for row in found.layers] == ["embedding", "layernorm", "lstm", "linear"]
    assert [row.theory for row in found.layers] == [None, 1.0, None, None]


# What follows runs the command line.


def test_the_table_and_its_rules() -> None:
    pytest.importorskip("torch")
    printed = piped("activations", "mlp6-4096", "--init", "normal:0.01", "--set", "width=512").stdout
    assert "input 512 · batch 16 · normal:0.01 (normal, std 0.01) · seed 0 · training mode\n" in printed
    assert "all in all: vanishing\n" in printed
    assert "vanishing: the root mean square is below 0.2 times the input's, of gradients the outputs'\n" in printed
    assert "saturated: 20 % of the outputs of tanh are beyond ±0.99" in piped("activations", "--help").stdout.replace(
        "\n  ", " "
    )


def test_json_csv_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ("activations", "mlp6-4096", "--set", "width=64", "--init", "msra", "--activation", "relu")
    found = json.loads(piped(*arguments, "--json").stdout)
    assert (found["verdict"], found["settings"]["std"]) == ("just right", "sqrt(2/Din)")
    assert len(found["layers"]) == 6
    assert sum(found["layers"][0]["output"]["histogram"]) == 16 * 64
    measured = runs(vars={"width": 64}).at(initialisation("msra"), "relu")
    assert {len(record) for record in activations_records(measured)} == {15}
    assert len(records(activations_records(measured), "csv").splitlines()) == 7
    pytest.importorskip("matplotlib")
    assert piped(*arguments, "-o", tmp_path / "net.svg").returncode == 0
    drawn = (tmp_path / "net.svg").read_text(encoding="utf-8")
    assert "layers.5.tanh: std" in drawn
    assert "just right" in drawn


def test_numbers_beyond_all_bounds_are_exploding_and_null_in_json() -> None:
    pytest.importorskip("torch")
    arguments = ("activations", "mlp6-4096", "--set", "width=64", "--init", "normal:1e30", "--activation", "relu")
    found = json.loads(piped(*arguments, "--json").stdout, parse_constant=lambda name: pytest.fail(name))
    assert {row["verdict"] for row in found["layers"]} == {"exploding"}
    assert found["layers"][-1]["output"]["rms"] is None
    assert piped(*arguments).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mlp6-4096", "--init", "xaver"), "unknown initialisation 'xaver'"),
        (("mlp6", "--init", "xavier"), "no architecture or file named 'mlp6'"),
        (("mlp6-4096",), "Missing option '--init'"),
        (("mlp6-4096", "--init", "xavier", "-o", "a.xls"), "unknown ending .xls"),
    ],
)
def test_bad_input(arguments: tuple[str, ...], message: str) -> None:
    result = piped("activations", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_narrow_terminal() -> None:
    pytest.importorskip("torch")
    arguments = ("activations", "mlp6-4096", "--set", "width=64", "--init", "xavier")
    lines = on_terminal(*arguments, columns=80, NO_COLOR="1").splitlines()
    plain = [line.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "") for line in lines]
    assert max(map(len, plain)) <= 80


WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from archcalc.cli import main; main(sys.argv[1:])"


def test_without_torch_it_says_what_to_install() -> None:
    result = python("-c", WITHOUT_TORCH, "activations", "mlp6-4096", "--init", "xavier")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == 'error: PyTorch is not installed\n  hint: pip install "archcalc[torch]"\n'


def test_without_torch_the_measured_claims_are_skipped() -> None:
    result = python("-c", WITHOUT_TORCH, "reproduce", "lecture")
    assert result.returncode == 0
    assert "skipped  activations.msra\n" in result.stdout
    assert "PyTorch is not installed" in result.stdout
    assert "185 claims: 167 agree, 14 are misprints, 0 differ, 4 were skipped" in result.stdout


def test_a_claim_that_is_measured_needs_an_architecture_and_an_init() -> None:
    claim = next(c for c in find_claims("lecture")[0].all_claims() if c.id == "activations.small")
    said: list[tuple[str, str, str | None]] = []

    def verdict_on(*asked: Any) -> str:
        said.append(asked)
        return "vanishing"

    assert judge(claim, Computer(verdict_on)).verdict == "agrees"
    assert said == [("mlp6-4096", "normal:0.01", "tanh")]
    assert judge(claim, Computer(lambda *_: "saturated")).verdict == "differs"
    assert judge(claim, Computer()).verdict == "skipped"
