"""What optimizers hold and do, against torch.optim."""

import math
from typing import Any

import pytest

from archcalc.analysis import analyze_graph
from archcalc.errors import SettingError
from archcalc.layers import kinds
from archcalc.layers.core.base import Ops
from archcalc.training.cost import training_cost
from archcalc.training.optimizers import OPTIMIZERS, Optimizer, optimizer_named

torch = pytest.importorskip("torch")
verify_training = pytest.importorskip("archcalc.torch_backend.verify_training")

SHAPES = ((5,), (4, 3), (6, 4, 3, 3), (2, 3, 4), (1, 7), ())
RATE = 0.01


def parameters(dtype: Any) -> list[Any]:
    found = []
    for shape in SHAPES:
        parameter = torch.nn.Parameter(torch.randn(shape).to(dtype))
        parameter.grad = torch.randn_like(parameter)
        found.append(parameter)
    return found


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("bfloat16", 2), ("float64", 8)])
def test_the_state_is_what_pytorch_holds(name: str, dtype: str, width: int) -> None:
    kind = optimizer_named(name)
    held = verify_training.state_bytes(kind, parameters(getattr(torch, dtype)))
    assert kind.state_bytes(SHAPES, width) == held


def test_master_weights_are_what_a_loop_with_them_holds() -> None:
    """16-bit parameters and gradients; float32 copies that the optimizer updates."""
    graph, report = analyze_graph("lenet5", dtype="bfloat16")
    found = training_cost(graph, report, optimizer="adamw", master_weights=True)
    model = verify_training.made(graph, device="cpu", batch=1, dtype="bfloat16", seed=0)
    with model as (network, _):
        masters = [torch.nn.Parameter(p.detach().float()) for p in network.parameters()]
        for master in masters:
            master.grad = torch.zeros_like(master)
        state = verify_training.state_bytes(optimizer_named("adamw"), masters)
        assert found.parameter_bytes == found.gradient_bytes == sum(p.nbytes for p in network.parameters())
        assert found.master_bytes == sum(master.nbytes for master in masters)
        assert found.optimizer_bytes == state


class Counted(float):
    """A number that counts what is done with it."""

    tally: dict[str, int] = {}

    def _did(self, what: str, value: float) -> "Counted":
        Counted.tally[what] = Counted.tally.get(what, 0) + 1
        return Counted(value)

    def __add__(self, other: float) -> "Counted":
        return self._did("additions", float(self) + float(other))

    def __sub__(self, other: float) -> "Counted":
        return self._did("additions", float(self) - float(other))

    def __mul__(self, other: float) -> "Counted":
        return self._did("multiplications", float(self) * float(other))

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> "Counted":
        return self._did("divisions", float(self) / float(other))

    def root(self) -> "Counted":
        return self._did("special", math.sqrt(self))


def moments(w: Any, g: Any, rate: float) -> Any:
    """One step of Adam from nothing: betas 0.9 and 0.999, eps 1e-8."""
    m = 0.9 * Counted(0) + 0.1 * g
    v = 0.999 * Counted(0) + 0.001 * g * g
    return w - (rate / 0.1) * (m / (v.root() / math.sqrt(0.001) + 1e-8))


UPDATES: dict[str, Any] = {
    "sgd": lambda w, g: w - RATE * g,
    "momentum": lambda w, g: w - RATE * (0.9 * Counted(0) + g),
    "adam": lambda w, g: moments(w, g, RATE),
    "adamw": lambda w, g: moments(w * (1 - RATE * 0.01), g, RATE),
    "adagrad": lambda w, g: w - RATE * (g / ((Counted(0) + g * g).root() + 1e-10)),
    "rmsprop": lambda w, g: w - RATE * (g / ((0.99 * Counted(0) + 0.01 * g * g).root() + 1e-8)),
}


@pytest.mark.parametrize("name", [one.name for one in OPTIMIZERS.values() if one.update is not None])
def test_the_operations_of_an_update_are_those_of_a_loop_that_does_what_pytorch_does(name: str) -> None:
    kind: Optimizer = OPTIMIZERS[name]
    parameter = torch.nn.Parameter(torch.tensor([0.7], dtype=torch.float64))
    parameter.grad = torch.tensor([0.3], dtype=torch.float64)
    getattr(torch.optim, kind.torch)([parameter], lr=RATE, **kind.arguments).step()
    Counted.tally = {}
    updated = UPDATES[name](Counted(0.7), Counted(0.3))
    assert math.isclose(updated, parameter.item(), rel_tol=1e-6)
    assert Ops(**Counted.tally) == kind.update


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(SettingError, match="unknown optimizer 'adamm'") as caught:
        optimizer_named("adamm")
    assert caught.value.problems[0].hint == "did you mean adam or radam or nadam?"


@pytest.mark.parametrize("name", ["resnet18", "swin_t", "swin_v2_t"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_buffers_take_what_pytorch_holds(name: str, dtype: str) -> None:
    graph, report = analyze_graph(name, dtype=dtype)
    with verify_training.made(graph, device="meta", batch=1, dtype=dtype, seed=0) as (model, _):
        assert training_cost(graph, report).buffer_bytes == sum(buffer.nbytes for buffer in model.buffers())


def test_kinds_with_buffers_of_other_widths_say_so() -> None:
    indexed = {kind for kind, cls in kinds().items() if "buffer_bytes" in vars(cls)}
    assert indexed == {"batchnorm", "instancenorm", "window_attention", "cosine_window_attention"}
