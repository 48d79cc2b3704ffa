"""archcalc verify --fold: the outputs of folded networks agree, and every wrong fold that was planted is found."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import archcalc
from archcalc.analysis import analyze_graph
from archcalc.errors import ArchcalcError
from archcalc.evidence.output_agreement import TOLERANCES, Difference, OutputAgreement
from archcalc.graph import batchnorm_folding as pure
from tests.running import on_terminal, piped, python
from tests.specs_helper import layers, report, spec

torch = pytest.importorskip("torch")
weights = pytest.importorskip("archcalc.torch_backend.batchnorm_folding")
backend = pytest.importorskip("archcalc.torch_backend.verify_folding")
build = pytest.importorskip("archcalc.torch_backend.build")

KINDS = {
    "conv": ("conv: {filters: 6, kernel: 3, pad: 1}", "input: [6, 5, 7]"),
    "no bias": ("conv: {filters: 4, kernel: 3, pad: 1, bias: false}", "input: [6, 5, 7]"),
    "groups": ("conv: {filters: 9, kernel: [3, 1], groups: 3, stride: 2}", "input: [6, 5, 7]"),
    "depthwise": ("depthwise_conv: {kernel: 3, multiplier: 2, bias: false}", "input: [6, 5, 7]"),
    "1d": ("conv1d: {filters: 6, kernel: 3, dilation: 2}", "input: [6, 9]"),
    "3d": ("conv3d: {filters: 5, kernel: 2, bias: false}", "input: [6, 3, 4, 5]"),
    "transposed": ("conv_transpose: {filters: 6, kernel: 3, stride: 2, output_pad: 1}", "input: [6, 5, 7]"),
    "transposed, groups": ("conv_transpose: {filters: 6, kernel: 2, groups: 3, bias: false}", "input: [6, 5, 7]"),
    "transposed 1d": ("conv_transpose1d: {filters: 4, kernel: 3, groups: 2}", "input: [6, 9]"),
    "transposed 3d": ("conv_transpose3d: {filters: 6, kernel: 2, groups: 2}", "input: [6, 3, 4, 5]"),
    "linear": ("linear: 6", "input: [6]"),
    "linear, no bias": ("linear: {features: 4, bias: false}", "input: [6]"),
}


def verified(text: str, seed: int = 0, **settings: Any) -> OutputAgreement:
    pair = analyze_graph(spec(text), **{"dtype": "float64", "batch": 2, **settings})
    found: OutputAgreement = backend.verify_folding(*pair, device="cpu", seed=seed)
    return found


@pytest.mark.parametrize("eps", ["", ": {eps: 0.5}", ": {affine: false}"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_folded_gives_the_same(kind: str, eps: str) -> None:
    layer, head = KINDS[kind]
    found = verified(layers(layer, f"batchnorm{eps}", "relu", head=head))
    assert (found.verdict, found.folded, found.failure) == ("agrees", 1, "")
    assert [one.counterpart for one in found.differences] == ["bn1", "relu1"]


def wrong_eps(norm: Any, layer: Any) -> None:
    norm.eps, eps = 0.0, norm.eps
    ABSORB(norm, layer)
    norm.eps = eps


def wrong_bias(norm: Any, layer: Any) -> None:
    bias = layer.bias.clone()
    ABSORB(norm, layer)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    layer.bias.copy_(bias - norm.running_mean * scale + norm.bias)


def no_mean(norm: Any, layer: Any) -> None:
    norm.running_mean, mean = torch.zeros_like(norm.running_mean), norm.running_mean
    ABSORB(norm, layer)
    norm.running_mean = mean


def no_beta(norm: Any, layer: Any) -> None:
    ABSORB(norm, layer)
    layer.bias.sub_(norm.bias)


def no_gamma(norm: Any, layer: Any) -> None:
    norm.affine = False
    ABSORB(norm, layer)
    layer.bias.add_(norm.bias)
    norm.affine = True


def absolute_gamma(norm: Any, layer: Any) -> None:
    norm.weight, gamma = torch.nn.Parameter(norm.weight.abs()), norm.weight
    ABSORB(norm, layer)
    norm.weight = gamma


def variance_for_deviation(norm: Any, layer: Any) -> None:
    norm.running_var, variance = norm.running_var**2, norm.running_var
    ABSORB(norm, layer)
    norm.running_var = variance


def weights_forgotten(norm: Any, layer: Any) -> None:
    kept = layer.weight.clone()
    ABSORB(norm, layer)
    layer.weight.copy_(kept)


ABSORB = weights.absorb
PLANTED = (
    wrong_eps,
    wrong_bias,
    no_mean,
    no_beta,
    no_gamma,
    absolute_gamma,
    variance_for_deviation,
    weights_forgotten,
)


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("kind", ["conv", "transposed, groups", "linear"])
def test_a_planted_wrong_fold_is_found(
    monkeypatch: pytest.MonkeyPatch, planted: Callable[[Any, Any], None], kind: str
) -> None:
    layer, head = KINDS[kind]
    text = layers(layer, "batchnorm", head=head)
    bias = planted is not wrong_bias or "bias: false" not in layer  # no bias of its own: nothing to scale
    monkeypatch.setattr(weights, "absorb", planted)
    assert verified(text).verdict == ("differs" if bias else "agrees")


@pytest.mark.parametrize("planted", [wrong_eps, wrong_bias])
def test_a_planted_wrong_fold_is_found_in_a_deep_network(
    monkeypatch: pytest.MonkeyPatch, planted: Callable[[Any, Any], None]
) -> None:
    """One wrong fold among many, and as small a one as can be."""
    calls = 0

    def once(norm: Any, layer: Any) -> None:
        nonlocal calls
        calls += 1
        (planted if calls == 1 else ABSORB)(norm, layer)

    monkeypatch.setattr(weights, "absorb", once)
    name, input = ("resnet20-cifar", None) if planted is wrong_eps else ("vgg11_bn", (3, 32, 32))
    found = backend.verify_folding(*analyze_graph(archcalc.load(name), input=input, dtype="float64"), device="cpu")
    assert found.verdict == "differs"
    assert found.beyond[0] == found.differences[0]


def along_the_first_axis(scale: Any, layer: Any) -> Any:
    return scale.view(-1, *[1] * (layer.weight.dim() - 1))


def groups_forgotten(scale: Any, layer: Any) -> Any:
    per_group = layer.weight.shape[1]
    return scale[:per_group].view(1, -1, *[1] * (layer.weight.dim() - 2))


@pytest.mark.parametrize(
    ("planted", "kind"), [(along_the_first_axis, "transposed"), (groups_forgotten, "transposed, groups")]
)
def test_a_wrong_axis_of_a_transposed_convolution_is_found(
    monkeypatch: pytest.MonkeyPatch, planted: Any, kind: str
) -> None:
    layer, head = KINDS[kind]
    monkeypatch.setattr(weights, "_per_channel", planted)
    assert verified(layers(layer, "batchnorm", head=head)).verdict == "differs"


TWO_READERS = layers(
    "conv: {name: c, filters: 3, kernel: 1}", "batchnorm: {name: n}", "add: {from: [c, n]}", head="input: [3, 4, 4]"
)
TOKENS = layers("linear: 4", "batchnorm", head="input: [4, 4]")
TWICE_USED = layers(
    "conv: {name: c, filters: 3, kernel: 1}",
    "batchnorm",
    "conv: {filters: 3, kernel: 1, tied: c}",
    "relu",
    head="input: [3, 4, 4]",
)


@pytest.mark.parametrize("text", [TWO_READERS, TOKENS, TWICE_USED])
def test_folding_what_cannot_be_is_found(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert verified(text).verdict == "nothing to fold"
    monkeypatch.setattr(pure, "_obstacle", lambda *_: None)
    monkeypatch.setattr(pure, "_folded", _forced(pure._folded))
    assert verified(text).verdict == "differs"


def _forced(folded: Any) -> Any:
    """Fold even what others read: they are then given what the layer has become."""
    from msgspec.structs import replace

    def force(graph: Any, into: Any, folds: Any, kept: Any) -> Any:
        become = {layer: norm for norm, layer in into.items()}
        first = len(graph.inputs)

        def rewired(node: Any) -> Any:
            return replace(
                node,
                inputs=tuple(first + become.get(i - first, i - first) for i in node.inputs),
                tied=become.get(node.tied, node.tied),
            )

        nodes = tuple(node if i in into else rewired(node) for i, node in enumerate(graph.nodes))
        return replace(folded(replace(graph, nodes=nodes), into, folds, kept), original=graph)

    return force


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind == "transposed" or "transposed" not in kind])
def test_pytorchs_own_fusion_gives_the_same_weights(kind: str) -> None:
    """An implementation that is not ours: torch.nn.utils.fusion, which does not know groups of transposed ones."""
    from torch.nn.utils import fusion

    torch.manual_seed(0)
    layer, head = KINDS[kind]
    graph, _ = analyze_graph(spec(layers(layer, "batchnorm", head=head)))
    model = build.build(graph).double().eval()
    weights.randomise_batchnorms(model, [x.double() for x in build.random_inputs(graph, 3)])
    original, norm = model.children()
    fuse = fusion.fuse_linear_bn_eval if isinstance(original, torch.nn.Linear) else fusion.fuse_conv_bn_eval
    transposed = {"transpose": True} if kind == "transposed" else {}
    theirs = fuse(original, norm, **transposed)
    if original.bias is None:
        original.bias = torch.nn.Parameter(torch.zeros_like(theirs.bias))
    weights.absorb(norm, original)
    assert torch.allclose(original.weight, theirs.weight, rtol=1e-13)
    assert torch.allclose(original.bias, theirs.bias, rtol=1e-13)


def test_statistics_are_far_from_the_defaults_and_activations_stay_sane() -> None:
    torch.manual_seed(0)
    graph, _ = analyze_graph(archcalc.load("resnet20-cifar"))
    model = build.build(graph).double().eval()
    weights.randomise_batchnorms(model, [x.double() for x in build.random_inputs(graph, 1)])
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    every = {
        name: torch.cat([getattr(norm, name).detach() for norm in norms])
        for name in ("running_mean", "running_var", "weight", "bias")
    }
    assert all(values.unique().numel() == values.numel() for values in every.values())
    assert (every["weight"].min() < -0.5, every["weight"].max() > 0.5) == (True, True)
    assert not any(module._forward_pre_hooks for module in model.modules())
    found = backend.verify_folding(*analyze_graph(archcalc.load("resnet20-cifar"), dtype="float64"), device="cpu")
    assert 0.1 < max(one.magnitude for one in found.differences) < 100


@pytest.mark.parametrize(
    ("name", "input"),
    [
        ("resnet18", (3, 64, 64)),
        ("mobilenet_v2", (3, 64, 64)),
        ("mobilenet_v3_small", (3, 64, 64)),
        ("densenet121", (3, 64, 64)),
        ("inception_v3", None),
        ("preresnet50", (3, 64, 64)),
        ("regnet_y_400mf", (3, 64, 64)),
        ("shufflenet_v2_x0_5", (3, 64, 64)),
        ("vgg11_bn", (3, 64, 64)),
    ],
)
def test_shipped_architectures_agree(name: str, input: tuple[int, ...] | None) -> None:
    pair = analyze_graph(archcalc.load(name), input=input, dtype="float64")
    found = backend.verify_folding(*pair, device="cpu", seed=1)
    assert (found.verdict, found.failure) == ("agrees", "")
    running = [row for row in pair[1].layers if not row.train_only]
    assert len(found.differences) == len(running) - found.folded


def test_float32_agrees_within_its_own_tolerance() -> None:
    found = verified(layers(*KINDS["conv"][:1], "batchnorm", head=KINDS["conv"][1]), dtype="float32")
    assert (found.verdict, found.tolerance) == ("agrees", TOLERANCES["float32"])
    assert 1e-9 < found.largest[1] < 1e-5


LAYERS = st.sampled_from(
    [
        "conv: {filters: 4, kernel: 3, pad: 1}",
        "conv: {filters: 4, kernel: 1, bias: false}",
        "conv: {filters: 4, kernel: 3, pad: 1, groups: 2}",
        "conv_transpose: {filters: 4, kernel: 3, pad: 1, groups: 2, bias: false}",
        "depthwise_conv: {kernel: 3, pad: 1, bias: false}",
        "batchnorm",
        "batchnorm",
        "batchnorm: {affine: false, eps: 0.1}",
        "relu",
        "residual: {main: [{conv: {filters: 4, kernel: 1}}, batchnorm, relu, batchnorm]}",
        "residual: {main: [batchnorm, {conv: {filters: 4, kernel: 1, bias: false}}], shortcut: [batchnorm]}",
        "parallel: {join: mul, branches: [[{conv: {filters: 4, kernel: 1}}, batchnorm], [batchnorm]]}",
    ]
)


@given(st.lists(LAYERS, min_size=2, max_size=9), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_random_networks_agree(lines: list[str], seed: int) -> None:
    text = layers(*lines, head="input: [4, 5, 5]")
    found = verified(text, seed=seed)
    assume(found.folded)
    assert (found.verdict, found.failure) == ("agrees", "")
    assert report(text).layers[-1].output == (4, 5, 5)


def test_what_is_not_finite_is_not_compared() -> None:
    squares = [f"mul: {{name: m{i}, from: [m{i - 1}, m{i - 1}]}}" for i in range(1, 15)]
    found = verified(layers("linear: 6", "batchnorm: {name: m0}", *squares, head="input: [6]"))
    assert found.verdict == "could not run"
    assert found.failure.endswith("its output is not finite, so that a comparison would show nothing")


def test_a_difference_that_is_no_number_differs() -> None:
    rows = report(layers("relu"), dtype="float64")
    nan = Difference("a", "b", math.nan, 1.0)
    found = OutputAgreement(rows, 1, 1, (Difference("a", "b", 0.0, 0.0), nan), "cpu", 0.0)
    assert (found.verdict, found.beyond) == ("differs", (nan,))
    assert math.isnan(found.largest[0])
    assert json.loads(json.dumps(found.to_dict(all_layers=True), allow_nan=False))["layers"][1]["absolute"] is None
    assert Difference("a", "b", 1e-30, 0.0).relative == math.inf


def test_exit_codes_and_what_is_printed() -> None:
    result = piped("verify", "--fold", "resnet20-cifar", "lenet5", "--device", "cpu", "--layers", "--json")
    assert result.returncode == 0
    found = json.loads(result.stdout)
    assert found["summary"]["verdicts"] == {"agrees": 1, "nothing to fold": 1}
    assert found["settings"]["dtype"] == "float64"
    assert len(found["architectures"][0]["layers"]) == found["architectures"][0]["compared"] == 54
    text = piped("verify", "--fold", "resnet20-cifar", "--layers").stdout
    assert "tolerance 1e-12 of an output's largest number" in text
    assert "conv1               bn1 " in text
    assert "agrees ×1; 19 of 19 batch norms folded, 54 outputs compared" in text


PLANT = """
import sys, torch
from archcalc.torch_backend import batchnorm_folding
absorb = batchnorm_folding.absorb
def planted(norm, layer):
    norm.eps = 0.0
    absorb(norm, layer)
    norm.eps = 1e-5
batchnorm_folding.absorb = planted
from archcalc.cli import main
main(sys.argv[1:])
"""


def test_exit_1_where_an_output_differs() -> None:
    result = python("-c", PLANT, "verify", "--fold", "resnet20-cifar")
    assert result.returncode == 1
    assert result.stdout.startswith("What differs\n")
    assert "34 more (--json holds all)" in result.stdout
    assert "differs: 54 outputs" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--train",), "--fold and --train cannot be combined"),
        (("--device", "meta"), "the meta device does not compute"),
        (("--dtype", "float16"), "float16 rounds too much"),
    ],
)
def test_settings_that_do_not_go_with_it(arguments: tuple[str, ...], message: str) -> None:
    result = piped("verify", "--fold", "resnet18", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_what_cannot_be_run_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "free_memory", lambda _: 1000)
    pair = analyze_graph(archcalc.load("resnet18"), dtype="float64")
    found = backend.verify_folding(*pair, device="auto")
    assert found.verdict == "could not run"
    assert found.failure.startswith("the two networks need about ")
    bad = "conv: {filters: 2, kernel: 9}"
    with pytest.raises(ArchcalcError):
        verified(layers(bad, "batchnorm"))


def test_it_fits_a_narrow_terminal() -> None:
    seen = on_terminal("verify", "--fold", "resnet20-cifar", "lenet5", columns=60, NO_COLOR="1")
    assert "agrees ×1, nothing to fold ×1" in seen
    table = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.rpartition("torch ")[2])
    assert max(map(len, table.splitlines())) <= 60
