"""Transfer learning: which layer is new, which are frozen, what it costs, and what PyTorch makes of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import archcalc
from archcalc.analysis import analyze_graph, graph_of
from archcalc.graph import Graph
from archcalc.layers import Layer
from archcalc.training.transfer import features, find_heads, transfer_step, up_to
from tests.running import on_terminal, piped
from tests.specs_helper import graph, layers


def heads_of(network: Graph, *named: str) -> list[str]:
    return [network.nodes[i].name for i in find_heads(network, named)]


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("alexnet", ["fc8"]),
        ("squeezenet1_0", ["conv10"]),
        ("inception_v3", ["aux.fc", "fc"]),
        ("vit_b_16", ["head"]),
        ("gpt2", ["head"]),
        ("unet", ["classes"]),
    ],
)
def test_the_last_layer_of_weights_makes_the_outputs(name: str, heads: list[str]) -> None:
    assert heads_of(graph_of(name)) == heads


def test_several_layers_that_make_outputs_are_listed() -> None:
    network = graph_of("deeplabv3_resnet50")
    with pytest.raises(archcalc.SettingError, match=r"2 layers make its outputs: out\.classes, aux\.conv2") as caught:
        find_heads(network)
    assert caught.value.problems[0].hint == "--head LAYER says which to replace; it may be given several times"
    assert heads_of(network, "out.classes", "aux.conv2") == ["out.classes", "aux.conv2"]
    assert heads_of(graph_of("retinanet_resnet50_fpn"), "heads4.classes.out") == ["heads3.classes.out"]


@pytest.mark.parametrize(
    ("named", "message", "hint"),
    [
        ("fc88", "alexnet has no layer 'fc88'", "did you mean fc8?"),
        ("relu7", "relu7 is a relu, which cannot be replaced", "fc6, fc7, fc8"),
    ],
)
def test_a_head_that_cannot_be_replaced(named: str, message: str, hint: str) -> None:
    with pytest.raises(archcalc.SettingError) as caught:
        find_heads(graph_of("alexnet"), [named])
    assert caught.value.problems[0].message == message
    assert hint in str(caught.value.problems[0].hint)


def test_a_network_without_weights_has_no_head() -> None:
    with pytest.raises(archcalc.SettingError, match="no convolution or linear layer makes its outputs"):
        find_heads(graph(layers("linear: 4", "layernorm", head="input: [3]")))


def test_layers_up_to_one_or_to_the_end_of_a_group() -> None:
    network = graph_of("resnet18")
    heads = find_heads(network)
    assert network.nodes[max(up_to(network, "layer2.0.conv1", heads))].name == "layer2.0.conv1"
    assert network.nodes[max(up_to(network, "layer2", heads))].name == "layer2.1.relu2"
    with pytest.raises(archcalc.SettingError, match="resnet18 has no layer 'layr2'") as caught:
        up_to(network, "layr2", heads)
    assert "layer2" in str(caught.value.problems[0].hint)
    with pytest.raises(archcalc.SettingError, match="freezing all up to fc would freeze fc, which is new"):
        up_to(network, "fc", heads)


def test_frozen_layers_before_the_first_trained_one_have_no_backward_pass() -> None:
    network, report = analyze_graph("resnet18")
    heads = find_heads(network)
    step = transfer_step("finetune", network, report, up_to(network, "layer3", heads))
    assert next(layer.name for layer in step.cost.layers if layer.backward_macs) == "layer4.0.conv1"
    assert next(layer.name for layer in step.cost.layers if layer.saved_bytes) == "layer4.0.conv1"
    assert (step.cost.trained, step.frozen, step.frozen_norms) == (8_906_728, 2_782_784, 15)


def test_nothing_is_left_to_train() -> None:
    network, report = analyze_graph("lenet5")
    with pytest.raises(archcalc.SettingError, match="lenet5: extract has nothing to train"):
        transfer_step("extract", network, report, frozenset(range(len(network.nodes))))


# What follows asks PyTorch.


@pytest.mark.parametrize(
    ("name", "until"),
    [
        ("alexnet", "conv5"),
        ("resnet18", "layer3"),
        ("googlenet", "inception4a"),
        ("resnet18", None),
        ("mobilenet_v2", None),
        ("densenet121", None),
        ("vit_b_16", "layers.5"),
        ("swin_t", None),
        ("convnext_tiny", "stage2"),
        ("gpt2", "layers.3"),
    ],
)
def test_a_step_of_pytorch_computes_and_keeps_what_is_said(name: str, until: str | None, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from archcalc.torch_backend.training import count_macs, measure_saved

    written(tmp_path, name)
    network, report = analyze_graph(tmp_path / "net.yaml", batch=2)
    heads = find_heads(network)
    frozen = features(network, heads) if until is None else up_to(network, until, heads)
    step = transfer_step("finetune", network, report, frozen)
    forward, backward = count_macs(network, device="meta", batch=2, frozen=frozen)
    assert [layer.forward_macs for layer in step.cost.layers] == forward
    assert [layer.backward_macs for layer in step.cost.layers] == backward
    if name not in ("vit_b_16", "swin_t", "gpt2"):  # attention runs in other steps without data
        assert [layer.saved_bytes for layer in step.cost.layers] == list(
            measure_saved(network, device="meta", batch=2, frozen=frozen)
        )


def written(folder: Path, name: str, *options: str) -> dict[str, Any]:
    """The spec that `archcalc transfer` writes of an architecture, for 10 classes."""
    result = piped("transfer", name, "--classes", "10", *options, "-o", "net.yaml", cwd=folder)
    assert (result.returncode, result.stdout) == (0, "")
    found: dict[str, Any] = yaml.safe_load((folder / "net.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["lenet5", "resnet18"])
def test_which_parameters_get_a_gradient(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    written(tmp_path, name)
    model = archcalc.to_torch(tmp_path / "net.yaml")
    head = {"lenet5": "output", "resnet18": "fc"}[name]
    before = {key: value.clone() for key, value in model.state_dict().items()}

    def trained(frozen: tuple[str, ...]) -> set[str]:
        optimizer = torch.optim.SGD(archcalc.parameter_groups(model, weight_decay=0.0), lr=0.1)
        optimizer.zero_grad()
        model(torch.randn(2, *model.graph.inputs[0].shape)).square().sum().backward()
        optimizer.step()
        found = {key.rpartition(".")[0] for key, value in model.named_parameters() if value.grad is not None}
        assert found.isdisjoint(frozen)
        return found

    assert trained(archcalc.freeze(model)) == {head}
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert {key.rpartition(".")[0] for key in changed} == {head}  # not the statistics of frozen batch norms, either
    until = {"lenet5": "C3", "resnet18": "layer4.0"}[name]
    later = trained(archcalc.freeze(model, until=until))
    assert later == ({"C5", "F6", "output"} if name == "lenet5" else {*_of("layer4.1", model), "fc"})
    model.requires_grad_(True)


def _of(prefix: str, model: Any) -> set[str]:
    return {key.rpartition(".")[0] for key, _ in model.named_parameters() if key.startswith(prefix)}


def test_frozen_batch_norms_run_in_eval_mode() -> None:
    pytest.importorskip("torch")
    model = archcalc.to_torch("resnet18")
    frozen = archcalc.freeze(model, until="layer3")
    norms = {name: module.training for name, module in model.named_modules() if hasattr(module, "running_mean")}
    assert {name for name, training in norms.items() if not training} == {n for n in frozen if n in norms}
    assert sum(norms.values()) == 5


def test_only_networks_of_archcalc_are_frozen() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(archcalc.SettingError, match="no network of archcalc: Linear"):
        archcalc.freeze(torch.nn.Linear(2, 2))
    with pytest.raises(archcalc.SettingError, match="nothing is left to train"):
        archcalc.freeze(archcalc.to_torch("gpt2", vars={"depth": 1, "vocabulary": 60}))  # its head is the table


# What follows runs the command line.


def test_the_spec_extends_the_base_by_a_variable_where_it_can(tmp_path: Path) -> None:
    assert written(tmp_path, "alexnet", "--set", "classes=20", "--input", "3x224x224") == {
        "name": "alexnet-10",
        "title": "AlexNet, single tower, as the lecture draws it, 10 outputs",
        "extends": "alexnet",
        "input": [3, 224, 224],
        "vars": {"classes": 10},
    }
    assert archcalc.analyze(tmp_path / "net.yaml").layer("fc8").output == (10,)


def test_else_by_a_layer_in_the_place_of_another(tmp_path: Path) -> None:
    found = written(tmp_path, "gpt2", "--set", "depth=1")
    assert (found["vars"], found["replace"]) == ({"depth": 1}, {"head": [{"linear": {"features": 10, "bias": False}}]})
    report = archcalc.analyze(tmp_path / "net.yaml")
    assert (report.layer("head").output, report.layer("head").tied) == ((1024, 10), None)
    found = written(tmp_path, "deeplabv3_resnet50", "--head", "out.classes", "--head", "aux.conv2")
    assert found["extends"] == "deeplabv3_resnet50"
    assert [row.output[0] for row in archcalc.analyze(tmp_path / "net.yaml").layers if row.name == "aux.conv2"] == [10]


MINE = """name: mine
input: [3, 8, 8]
vars: {width: 7}
variants: {small: {width: 4}, large: {width: 10}}
layers:
  - conv: {filters: width, kernel: 3}
  - flatten
  - linear: {name: out, features: 5}
"""


def test_a_file_is_extended_from_where_the_spec_is_going_to_be(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.yaml").write_text(MINE, encoding="utf-8")
    found = written(tmp_path, "models/mine.yaml:small")
    assert (found["extends"], found["replace"]) == ("models/mine.yaml:small", {"out": [{"linear": {"features": 10}}]})
    assert archcalc.analyze(tmp_path / "net.yaml").totals.params == 112 + 10 * 145
    arguments = ("transfer", "models/mine.yaml:small", "--classes", "10", "-o", "models/new.yaml")
    assert piped(*arguments, cwd=tmp_path).returncode == 0
    assert 'extends: "mine.yaml:small"\n' in (tmp_path / "models" / "new.yaml").read_text(encoding="utf-8")


def test_what_cannot_be_extended_is_flat(tmp_path: Path) -> None:
    text = MINE.replace("name: out, ", "").replace("variants: {small: {width: 4}, large: {width: 10}}\n", "")
    result = piped("transfer", "-", "--classes", "10", "--format", "yaml", stdin=text, cwd=tmp_path)
    assert "extends" not in result.stdout
    assert "linear: {name: fc2, features: 10}" in result.stdout
    assert result.stderr.endswith("the spec is flat: what it is made of cannot be extended with other outputs\n")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert "extends" not in written(tmp_path, "mine.yaml")


def test_both_steps_beside_training_all() -> None:
    printed = piped("transfer", "resnet50", "--classes", "10").stdout
    assert "train all           1   23.5 M       0   4.09 G    8.06 G   100 %  82.1 MiB" in printed
    assert "1. extract          1   20.5 k  23.5 M   4.09 G    20.5 k    34 %  8.00 KiB" in printed
    assert "2. finetune      1/10   23.5 M       0   4.09 G    8.06 G   100 %  82.1 MiB" in printed
    assert "1 + 2" in printed
    assert "8.17 G    8.06 G    67 %" in printed
    assert "fc is new: 10 outputs in place of 1,000\n" in printed
    assert "extract: 53 frozen batch norms in eval mode, with the statistics that they have\n" in printed


def test_json_holds_the_steps_the_layers_and_the_spec() -> None:
    found = json.loads(piped("transfer", "lenet5", "--classes", "3", "--until", "C3", "--json").stdout)
    assert list(found["steps"]) == ["all", "extract", "finetune"]
    assert found["new"] == [{"layer": "output", "outputs_before": 10}]
    assert found["steps"]["extract"]["trained_params"] == 255
    assert [
        (row["name"], row["frozen"])
        for row in found["steps"]["finetune"]["layers"]
        if row["kind"] in ("conv", "linear")
    ] == [
        ("C1", True),
        ("C3", True),
        ("C5", False),
        ("F6", False),
        ("output", False),
    ]
    assert yaml.safe_load(found["spec"])["extends"] == "lenet5"
    lines = piped("transfer", "lenet5", "--classes", "3", "--mode", "extract", "--format", "csv").stdout.splitlines()
    assert lines[1].startswith("all,1,61111,0,0,415932,714264,")
    assert [line.split(",")[0] for line in lines] == ["step", "all", "extract"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--until", "layr3"), "resnet18 has no layer 'layr3'"),
        (("--head", "fcc"), "resnet18 has no layer 'fcc'"),
        (("--until", "layer3", "--freeze", "features"), "--until and --freeze features cannot be combined"),
        (("--optimizer", "adm"), "'adm'"),
        (("--until", "layer3", "--mode", "extract"), "--until and --mode extract cannot be combined"),
        (("--freeze", "features", "--mode", "finetune"), "cannot be combined"),
    ],
)
def test_bad_input(options: tuple[str, ...], message: str) -> None:
    result = piped("transfer", "resnet18", "--classes", "10", *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_what_is_not_known_to_be_kept_is_said() -> None:
    printed = piped("transfer", "lstm-lm-small", "--classes", "10").stdout
    assert "?: of some layers it is unknown what they keep\n" in printed


def test_a_narrow_terminal() -> None:
    lines = on_terminal("transfer", "resnet18", "--classes", "10", columns=80, NO_COLOR="1").splitlines()
    plain = [line.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "") for line in lines]
    assert max(map(len, plain)) <= 80
    assert any("2. finetune" in line for line in plain)


def test_nodes_differ_where_they_are_not_equal() -> None:
    one, other = graph_of("alexnet").nodes[0], graph_of("alexnet").nodes[0]
    assert one == other
    assert not one != other  # noqa: SIM202  # the other operator
    assert isinstance(one.layer, Layer)
