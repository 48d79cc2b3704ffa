"""PyTorch as a backend: what it builds is a module like any other, and what it measures is read off its own tensors."""

import copy
import io
import json
import pickle
from typing import Any

import pytest

import archcalc
from archcalc.errors import ArchcalcError
from archcalc.evidence.layer_agreement import Measurement
from archcalc.layers.linear import Linear
from archcalc.spec.expand import expand
from tests.specs_helper import graph, layers, spec

torch = pytest.importorskip("torch")
build = pytest.importorskip("archcalc.torch_backend.build")
measure = pytest.importorskip("archcalc.torch_backend.measure")
backend = pytest.importorskip("archcalc.torch_backend.verify")

TINY = layers(
    "conv: {name: stem.conv, filters: 4, kernel: 3, pad: 1}",
    "batchnorm: {name: stem.bn}",
    "relu: {name: skip}",
    "residual: {main: [{conv: {filters: 4, kernel: 3, pad: 1}}, relu]}",
    "parallel: {join: concat, branches: [[{conv: {filters: 2, kernel: 1}}], []]}",
    "global_avgpool",
    "flatten",
    "linear: {name: head, features: 3}",
)


def test_submodules_go_by_the_specs_names() -> None:
    model = archcalc.to_torch(spec(TINY))
    assert list(model.state_dict()) == [
        "stem.conv.weight",
        "stem.conv.bias",
        "stem.bn.weight",
        "stem.bn.bias",
        "stem.bn.running_mean",
        "stem.bn.running_var",
        "stem.bn.num_batches_tracked",
        "conv2.weight",
        "conv2.bias",
        "conv3.weight",
        "conv3.bias",
        "head.weight",
        "head.bias",
    ]
    shown = str(model)
    assert shown.startswith("Network(\n  (stem): Group(\n    (conv): Conv2d(3, 4, kernel_size=(3, 3)")
    assert "(add2): torch.add()" in shown


def test_shipped_keys_are_those_of_the_spec() -> None:
    keys = archcalc.to_torch("resnet18").state_dict().keys()
    assert {"conv1.weight", "layer1.0.conv1.weight", "layer4.1.bn2.running_var"} <= keys


def test_names_that_pytorch_does_not_take() -> None:
    names = ["type", "type.weight", "type_", "a.b", "a", "a_", "forward", "x..y", "steps", "tab\tbed", "T"]
    paths = build.module_paths(names)
    assert paths == [
        "type__",
        "type_.weight",
        "type___",
        "a.b",
        "a_",
        "a__",
        "forward_",
        "x._.y",
        "steps_",
        r"tab\tbed",
        "T",
    ]
    entries = (f"linear: {{name: {json.dumps(name)}, features: 2}}" for name in names)
    model = archcalc.to_torch(spec(layers(*entries, head="input: [2]")))
    assert len(list(model.parameters())) == 2 * len(names)
    assert model(torch.zeros(1, 2)).shape == (1, 2)


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    model = archcalc.to_torch(spec(TINY))
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, target = torch.randn(8, 3, 8, 8), torch.arange(8) % 3
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), target)
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)


def test_the_output_is_that_of_the_same_layers_by_hand() -> None:
    model: Any = archcalc.to_torch(spec(TINY)).eval()
    x = torch.randn(2, 3, 8, 8)
    stem = torch.relu(model.stem.bn(model.stem.conv(x)))
    added = torch.relu(model.conv2(stem)) + stem
    both = torch.cat([model.conv3(added), added], dim=1)
    assert torch.equal(model(x), model.head(both.mean((2, 3))))


def test_a_replaced_layer_is_the_one_that_runs() -> None:
    model = archcalc.to_torch(spec(TINY))
    model.head = torch.nn.Linear(6, 7)
    assert model(torch.zeros(2, 3, 8, 8)).shape == (2, 7)


def test_a_model_can_be_copied_and_kept() -> None:
    model, x = archcalc.to_torch(spec(TINY)).eval(), torch.randn(2, 3, 8, 8)
    kept = io.BytesIO()
    torch.save(model.state_dict(), kept)
    kept.seek(0)
    other = archcalc.to_torch(spec(TINY)).eval()
    other.load_state_dict(torch.load(kept))
    for same in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(same(x), model(x))


def test_values_are_freed_when_their_last_reader_has_run() -> None:
    net = graph(TINY)
    alive: list[int] = []
    values: set[int] = {0}
    for value, freed in enumerate(build.freed_after(net), 1):
        values.add(value)
        values -= set(freed)
        alive.append(len(values))
    assert max(alive) == 2  # of a residual or a parallel, what goes in and what has come out so far
    assert values == {len(net.nodes)}


def test_a_spec_that_does_not_fit_says_so() -> None:
    with pytest.raises(ArchcalcError, match="unknown kind"):
        archcalc.to_torch(spec(layers("cnov: 3")))
    with pytest.raises(ArchcalcError, match=r"conv1 \(line 3\): PyTorch rejects torch.nn.Conv2d: .*[Kk]ernel size"):
        archcalc.to_torch(spec(layers("conv: {filters: 2, kernel: 9}")))


def test_what_leads_to_a_table_is_made_of_indices(monkeypatch: pytest.MonkeyPatch) -> None:
    net = graph(layers("relu", "linear: 3", "linear: 7", "linear: 5", head="input: [4]"))
    assert build.random_inputs(net, 2)[0].dtype == torch.float32
    monkeypatch.setattr(Linear, "indices_below", "features")
    (x,) = build.random_inputs(net, 100)
    assert (x.dtype, x.shape, x.min().item(), x.max().item()) == (torch.int64, (100, 4), 0, 2)


def test_tied_weights_are_the_very_same() -> None:
    net = graph(layers("linear: {name: a, features: 4}", "relu", "linear: {features: 4, tied: a}", head="input: [4]"))
    model = build.build(net)
    assert model.fc2.weight is model.a.weight
    assert model.to(torch.float64).fc2.weight is model.a.weight
    first, _, second = measure.measure(net, device="cpu")
    assert (first.params, second.params) == (20, 0)


def test_tying_what_does_not_fit_is_an_error() -> None:
    net = graph(layers("linear: {name: a, features: 4}", "linear: {features: 5, tied: a}", head="input: [4]"))
    with pytest.raises(ArchcalcError, match=r"fc2 \(line 4\) cannot use the weights of a"):
        build.build(net)


ON = "input: [4]\nvars: {on: true}"


def test_what_runs_in_training_alone_is_a_further_output() -> None:
    net = graph(
        layers(
            "linear: {name: a, features: 4}", "linear: {name: aux, features: 2, train_only: true}", head="input: [4]"
        )
    )
    model = build.build(net)
    main, aux = model(torch.zeros(3, 4))
    assert (main.shape, aux.shape) == ((3, 4), (3, 2))
    assert model.eval()(torch.zeros(3, 4)).shape == (3, 4)
    assert measure.measure(net, device="cpu")[1] == Measurement(None, 0, "", 10, 0, 0)
    assert measure.measure(net, device="cpu", train=True)[1].macs == 8


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_figures_are_read_off_the_tensors(device: str, dtype: str) -> None:
    conv, *_ = measure.measure(graph(TINY), device=device, batch=3, dtype=dtype)
    width = torch.finfo(getattr(torch, dtype)).bits // 8
    assert conv == Measurement((3, 4, 8, 8), 3 * 256 * width, dtype, 112, 0, 3 * 256 * 27)


def test_training_mode_is_measured_in_training_mode() -> None:
    with pytest.raises(ArchcalcError, match=r"bn1: PyTorch failed: Expected more than 1 value per channel"):
        measure.measure(graph(layers("batchnorm: {name: bn1}", head="input: [3]")), device="cpu", train=True)
    assert measure.measure(graph(TINY), device="cpu", train=True)[1].buffers == 9


@pytest.mark.parametrize(
    ("module", "arguments", "macs"),
    [
        ("LSTM", {}, 5 * 4 * 16 * (8 + 16)),
        ("GRU", {}, 5 * 3 * 16 * (8 + 16)),
        ("RNN", {}, 5 * 16 * (8 + 16)),
    ],
)
def test_recurrence_is_counted(module: str, arguments: dict[str, Any], macs: int) -> None:
    recurrent, x = getattr(torch.nn, module)(8, 16, batch_first=True, **arguments).eval(), torch.zeros(1, 5, 8)
    counter = measure.FlopCounterMode(display=False)
    enabled = torch.backends.mkldnn.enabled
    with torch.no_grad(), measure.unfused(recurrent), counter:
        recurrent(x)
    assert counter.get_total_flops() == 2 * macs
    assert torch.backends.mkldnn.enabled == enabled


def test_attention_is_counted() -> None:
    q = torch.zeros(1, 2, 5, 4)
    counter = measure.FlopCounterMode(display=False)
    with torch.no_grad(), measure.unfused(torch.nn.Identity()), counter:
        torch.nn.functional.scaled_dot_product_attention(q, q, q)
    assert counter.get_total_flops() == 2 * 2 * (2 * 5 * 5 * 4)


def test_what_is_the_same_for_all_samples_meets_each_of_them() -> None:
    net = graph(layers("parameter: {name: p, shape: [2, 4]}", "concat: {from: [input, p]}", head="input: [3, 4]"))
    model = build.build(net)
    with torch.no_grad():
        model.p.weight.fill_(7)
    x = torch.randn(5, 3, 4)
    assert torch.equal(model(x), torch.cat([x, torch.full((5, 2, 4), 7.0)], 1))
    assert [found.output for found in measure.measure(net, device="cpu", batch=5)] == [(1, 2, 4), (5, 5, 4)]


def test_nothing_is_left_behind() -> None:
    state = torch.random.get_rng_state()
    measure.measure(graph(TINY), device="cpu", seed=7)
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="NO CUDA DEVICE: nothing was verified on a GPU")
@pytest.mark.parametrize("name", ["alexnet", "resnet18"])
def test_figures_on_a_gpu(name: str) -> None:
    architecture = archcalc.load(name)
    found = backend.verify(expand(architecture)[0], archcalc.analyze(architecture), device="cuda")
    assert (found.verdict, found.device, found.checked) == ("agrees", "cuda", found.figures)
