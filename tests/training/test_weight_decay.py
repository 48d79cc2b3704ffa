"""Which parameters weight decay shrinks: as every kind declares it, as it is printed, and as AdamW does it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

import archcalc
from archcalc.analysis import analyze_graph
from archcalc.errors import LayerError
from archcalc.layers import Layer, kinds
from archcalc.layers.core.base import ParameterRole
from archcalc.training.weight_decay import DecayRule, WeightDecay, weight_decay
from tests.layers.strategies import Case, cases, enough
from tests.running import on_terminal, piped
from tests.specs_helper import graph, layers, spec

ANYTHING = {"parameter"}
"""The kinds whose learned tensors may be anything."""

SMALL = layers(
    "embedding: {name: tokens, vocabulary: 7, features: 4}",
    "position_embedding: {name: positions}",
    "layernorm: {name: norm}",
    "linear: {name: up, features: 8}",
    "prelu: {name: slopes}",
    "linear: {name: down, features: 4}",
    "layer_scale: {name: scale, axis: -1}",
    "linear: {name: head, features: 7, bias: false, tied: tokens}",
    head="input: [5]",
)


def decayed(text: str, **choices: Any) -> WeightDecay:
    return weight_decay(*analyze_graph(spec(text)), DecayRule(**choices))


@pytest.mark.parametrize("cls", kinds().values(), ids=lambda cls: cls.kind)
def test_every_kind_with_parameters_says_what_they_are(cls: type[Layer]) -> None:
    @enough(cls)
    @given(cases(cls))
    def check(case: Case) -> None:
        try:
            case.layer.output(*case.inputs)
        except LayerError:
            return
        roles = {name: case.layer.role_of(name) for name in case.layer.parameters(*case.inputs)}
        assert (None in roles.values()) == (bool(roles) and cls.kind in ANYTHING), roles

    check()


def test_weights_decay_and_all_others_stay() -> None:
    found = decayed(SMALL)
    assert [(t.layer, t.name, t.role, t.decays) for t in found.tensors] == [
        ("tokens", "weight", ParameterRole.EMBEDDING, True),
        ("positions", "weight", ParameterRole.POSITION, False),
        ("norm", "weight", ParameterRole.NORM, False),
        ("norm", "bias", ParameterRole.NORM, False),
        ("up", "weight", ParameterRole.WEIGHT, True),
        ("up", "bias", ParameterRole.BIAS, False),
        ("slopes", "weight", ParameterRole.SCALE, False),
        ("down", "weight", ParameterRole.WEIGHT, True),
        ("down", "bias", ParameterRole.BIAS, False),
        ("scale", "weight", ParameterRole.SCALE, False),
    ]
    assert (found.count(True), found.count(False), found.count(None)) == (28 + 32 + 32, 20 + 8 + 8 + 1 + 4 + 4, 0)
    kept = decayed(SMALL, embeddings="keep")
    assert (kept.count(True), kept.count(False)) == (64, 45 + 28)


def test_a_network_without_parameters_has_nothing_to_decay() -> None:
    with pytest.raises(archcalc.SettingError, match="net has no parameters: there is nothing to train"):
        decayed("name: net\ninput: [3]\nlayers: [relu]\n")


def test_what_a_choice_may_be() -> None:
    with pytest.raises(archcalc.SettingError, match="embeddings must be decay or keep, got 'kepe'") as caught:
        DecayRule(embeddings="kepe")  # type: ignore[arg-type]
    assert caught.value.problems[0].hint == "did you mean keep?"
    with pytest.raises(archcalc.SettingError, match="embeddings must be decay or keep, got None"):
        DecayRule(embeddings=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "swin_t", "swin_v2_t", "gpt2", "t5-small", "clip-vit-b-32"])
def test_the_sums_are_the_parameters_of_the_table(name: str) -> None:
    pair = analyze_graph(name)
    found = weight_decay(*pair)
    assert sum(map(found.count, (True, False, None))) == pair[1].totals.params


# What follows asks PyTorch.

DECAY, RATE = 0.5, 0.5


def shrunk(model: Any, **choices: Any) -> set[str]:
    """The names of parameters that one step of AdamW without gradients makes smaller: by what it says, no other."""
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(2.0)
            parameter.grad = torch.zeros_like(parameter)
    optimizer = torch.optim.AdamW(archcalc.parameter_groups(model, weight_decay=DECAY, **choices), lr=RATE)
    optimizer.step()
    values = {name: set(parameter.detach().flatten().tolist()) for name, parameter in model.named_parameters()}
    assert set().union(*values.values()) <= {2.0, 2.0 * (1 - RATE * DECAY)}
    return {name for name, held in values.items() if held != {2.0}}


@pytest.mark.parametrize(
    ("name", "vars"),
    [
        ("lenet5", {}),
        ("resnet18", {}),
        ("lstm-lm-small", {"vocabulary": 50, "hidden": 16}),
        ("swin_v2_t", {}),
        ("convnext_tiny", {}),
        ("vit_b_16", {"depth": 1}),
        ("gpt2", {"depth": 1, "vocabulary": 60}),
        ("t5-small", {"depth": 1, "vocabulary": 60}),
    ],
)
@pytest.mark.parametrize("embeddings", ["decay", "keep"])
def test_a_step_of_adamw_without_gradients_shrinks_what_was_promised(
    name: str, vars: dict[str, int], embeddings: Any
) -> None:
    pytest.importorskip("torch")
    found = weight_decay(*analyze_graph(name, vars=vars), DecayRule(embeddings))
    promised = {f"{tensor.layer}.{tensor.name}" for tensor in found.tensors if tensor.decays}
    assert shrunk(archcalc.to_torch(name, vars=vars), embeddings=embeddings) == promised


def test_shared_weights_are_there_once_and_frozen_ones_are_not() -> None:
    pytest.importorskip("torch")
    model = archcalc.to_torch(graph(SMALL))
    assert shrunk(model) == {"tokens.weight", "up.weight", "down.weight"}
    assert model.get_parameter("head.weight") is model.get_parameter("tokens.weight")
    model.get_submodule("up").requires_grad_(False)
    groups = archcalc.parameter_groups(model, embeddings="keep")
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.01, 1), (0.0, 7)]
    assert len(archcalc.parameter_groups(model.requires_grad_(False))) == 0


def test_what_may_be_anything_is_not_guessed() -> None:
    pytest.importorskip("torch")
    model = archcalc.to_torch(graph(layers("parameter: {name: queries, shape: [4]}", "linear: 2", head="input: [3]")))
    with pytest.raises(archcalc.SettingError, match=r"queries\.weight: whether it should decay is not known"):
        archcalc.parameter_groups(model)
    assert shrunk(model, unknown="keep") == {"fc1.weight"}
    assert shrunk(model, unknown="decay") == {"fc1.weight", "queries.weight"}


def test_only_networks_of_archcalc_have_groups() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(archcalc.SettingError, match="no network of archcalc: Linear"):
        archcalc.parameter_groups(torch.nn.Linear(2, 2))
    for decay in (-1.0, float("nan")):
        with pytest.raises(archcalc.SettingError, match="weight_decay must be a number ≥ 0"):
            archcalc.parameter_groups(archcalc.to_torch("lenet5"), weight_decay=decay)


# What follows runs the command line.


def test_the_table_of_uses_and_layers() -> None:
    printed = piped("weight-decay", "resnet18").stdout
    assert "weights of layers           decay              21  11,678,912  99.91 %" in printed
    assert "scales and shifts of norms  keep               40       9,600   0.08 %" in printed
    assert "layer1.0.conv1          conv           36,864       0" in printed


def test_json_and_csv_hold_every_tensor(tmp_path: Path) -> None:
    found = json.loads(piped("weight-decay", "clip-vit-b-32", "--json").stdout)
    assert found["totals"] == {"decays": 150_994_944, "keeps": 282_368, "unknown": 1}
    assert found["roles"]["unknown"] == {"decays": None, "tensors": 1, "numbers": 1}
    conv = {"name": "weight", "shape": [1, 1], "numbers": 1, "role": None, "decays": None}
    assert next(layer for layer in found["layers"] if layer["name"] == "log_temperature")["tensors"] == [conv]
    lines = piped("weight-decay", "lenet5", "--format", "csv").stdout.splitlines()
    assert lines[:2] == ["layer,kind,tensor,shape,numbers,role,decays", 'C1,conv,weight,"[6, 1, 5, 5]",150,weight,True']
    piped("weight-decay", "lenet5", "-o", tmp_path / "decay.md")
    assert "| weights of layers | decay" in (tmp_path / "decay.md").read_text(encoding="utf-8")


def test_unknown_use_is_said_until_it_is_chosen() -> None:
    note = "a parameter may be anything, so log_temperature.weight could do either: --unknown chooses"
    assert f"{note}\n" in piped("weight-decay", "clip-vit-b-32").stdout
    chosen = piped("weight-decay", "clip-vit-b-32", "--unknown", "keep").stdout
    assert f"{note} (--unknown keep was given)\n" in chosen


def test_bad_input(tmp_path: Path) -> None:
    (tmp_path / "none.yaml").write_text("input: [3]\nlayers: [relu]\n", encoding="utf-8")
    result = piped("weight-decay", "none.yaml", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "none has no parameters: there is nothing to train" in result.stderr
    assert piped("weight-decay", "lenet5", "--embeddings", "shrink").returncode == 2


def test_a_narrow_terminal() -> None:
    lines = on_terminal("weight-decay", "gpt2", columns=80, NO_COLOR="1").splitlines()
    plain = [line.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "") for line in lines]
    assert max(map(len, plain)) <= 80
