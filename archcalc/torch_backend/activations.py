"""A forward and a backward pass at an initialisation: the statistics of what every layer gives, and of its gradient."""

import contextlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from archcalc.engine.report import Report
from archcalc.graph import Graph
from archcalc.layers.core.base import ParameterRole
from archcalc.torch_backend.layer import module_of
from archcalc.torch_backend.measure import made
from archcalc.torch_backend.training import failing_in
from archcalc.training import activations as found
from archcalc.training.activations import BINS, NEAR, Activations, Distribution, LayerActivations, verdict_of
from archcalc.training.initialisation import Initialisation, fan_in

WIDE = 3.0
"""How many times the largest root mean square the range of a histogram reaches to, on both sides."""
SATURATED: Mapping[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda y: y.abs() > NEAR,
    "sigmoid": lambda y: (2 * y - 1).abs() > NEAR,
}
DYING = ("relu", "relu6")


class Runs:
    """A network that runs in training mode at several initialisations, always on the same random numbers.

    Inputs and the gradients of the outputs are normal numbers of standard deviation 1; the batch is the report's. The
    weights of layers are drawn as an initialisation says, their biases are 0; all other learned tensors, and everything
    where it is PyTorch's own, begin as PyTorch has them. Raises RefusalError where PyTorch does not take a layer, and
    PyTorchError where it cannot make the model.

    >>> from archcalc.analysis import analyze_graph
    >>> from archcalc.training.initialisation import initialisation
    >>> runs = Runs(*analyze_graph("mlp6-4096", vars={"width": 400}, batch=16))
    >>> [runs.at(initialisation(text)).verdict for text in ("normal:0.001", "normal:0.2", "xavier")]
    ['vanishing', 'saturated', 'just right']
    """

    def __init__(self, graph: Graph, report: Report, *, device: str = "cpu", seed: int = 0) -> None:
        self.graph, self.report, self.device, self.seed = graph, report, device, seed
        with made(graph, device=device, batch=report.settings.batch, dtype="float32", seed=seed) as (model, inputs):
            self.model, self.inputs = model.requires_grad_(False).train(), inputs
        self._weights: list[tuple[Tensor, int]] = []
        """The weights of layers, each with how many inputs it sums: standard normal numbers times self._stds."""
        self._stds: list[float] = []
        self._activation: str | None = None

    def at(
        self,
        initial: Initialisation,
        activation: str | None = None,
        *,
        all_layers: bool = False,
        backward: bool = True,
    ) -> Activations:
        """What the layers give and which gradients they get, at an initialisation, with another activation if given.

        Raises SettingError where there is no activation to replace, and PyTorchError where PyTorch cannot run the
        model.
        """
        graph = found.with_activation(self.graph, activation)
        if activation != self._activation:
            self._activation = activation
            for step, node in zip(self.model.steps, graph.nodes, strict=True):
                if found.is_replaceable(node):
                    self.model.set_submodule(step.path, module_of(node.layer, self.inputs))
        self._draw(initial)
        positions = set(range(len(graph.nodes)) if all_layers else found.shown(graph))
        outputs = self._run(positions, backward)
        reference = _rms_of([x for x in self.inputs if x.is_floating_point()])
        predicted = found.theory(graph, self.report, initial, None if reference is None else reference**2)
        return _described(graph, self.report, initial, self.seed, outputs, reference, predicted)

    def _draw(self, initial: Initialisation) -> None:
        """Draw the weights, or scale those that were drawn; leave all as PyTorch has it where that is meant."""
        if initial.std is None:
            return
        if not self._weights:
            with _seeded(self.device, self.seed + 1):
                self._draw_standard()
        for i, (weight, summed) in enumerate(self._weights):
            std = initial.std_of(summed)
            weight.mul_(std / self._stds[i])
            self._stds[i] = std

    def _draw_standard(self) -> None:
        seen = set[int]()
        for step, node in zip(self.model.steps, self.graph.nodes, strict=True):
            for name, parameter in self.model.get_submodule(step.path).named_parameters():
                role = node.layer.role_of(name)
                if id(parameter) in seen or role not in (ParameterRole.WEIGHT, ParameterRole.BIAS):
                    continue
                seen.add(id(parameter))
                if role is ParameterRole.BIAS:
                    parameter.zero_()
                else:
                    self._weights.append((parameter.normal_(), fan_in(node.layer, tuple(parameter.shape))))
        self._stds = [1.0] * len(self._weights)

    def _run(self, positions: set[int], backward: bool) -> dict[int, Tensor]:
        """The outputs of the layers at these positions, each with its gradient where it gets one."""
        outputs: dict[int, Tensor] = {}
        running = ""

        def enter(path: str) -> None:
            nonlocal running
            running = path

        def leave(position: int, result: Any) -> None:
            which = self.model.steps[position].result
            y: Tensor = result if which is None else result[which]
            if backward and y.is_floating_point():
                y.requires_grad_()  # weights need none: only the gradients of outputs are looked at
                y.retain_grad()
            outputs[position] = y

        with contextlib.ExitStack() as hooks:
            for position, step in enumerate(self.model.steps):
                module = self.model.get_submodule(step.path)
                hooks.callback(module.register_forward_pre_hook(lambda *_, path=step.path: enter(path)).remove)
                if position in positions:
                    hook = module.register_forward_hook(lambda _m, _i, y, at=position: leave(at, y))
                    hooks.callback(hook.remove)
            with (
                _seeded(self.device, self.seed + 2),
                torch.set_grad_enabled(backward),
                failing_in(lambda: running, self.device),
            ):
                made_of = self.model(*self.inputs)
                ends = [y for y in (made_of if isinstance(made_of, tuple) else (made_of,)) if y.requires_grad]
                if backward and ends:
                    torch.autograd.backward(ends, [torch.randn_like(y) for y in ends])
        return dict(sorted(outputs.items()))


@contextlib.contextmanager
def _seeded(device: str, seed: int) -> Iterator[None]:
    """Random numbers by a seed; PyTorch's random state is afterwards what it was."""
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _described(
    graph: Graph,
    report: Report,
    initial: Initialisation,
    seed: int,
    outputs: Mapping[int, Tensor],
    reference: float | None,
    predicted: Sequence[float | None],
) -> Activations:
    values = {at: y.detach() for at, y in outputs.items() if y.is_floating_point()}
    gradients = {at: y.grad for at, y in outputs.items() if at in values and y.requires_grad and y.grad is not None}
    of_outputs, of_gradients = _range(values.values()), _range(gradients.values())
    rows = []
    for at, y in values.items():
        node = graph.nodes[at]
        output = _distribution(y, of_outputs)
        if reference is None:
            reference = output.rms  # of a network on indices: what its first layer gives
        gradient = _distribution(gradients[at], of_gradients) if at in gradients else None
        saturated = _share(SATURATED[node.layer.kind](y)) if node.layer.kind in SATURATED else None
        dead = _share((y == 0).all(0)) if node.layer.kind in DYING else None
        rows.append(
            LayerActivations(
                node.name,
                node.layer.kind,
                output,
                gradient,
                saturated,
                dead,
                predicted[at],
                verdict_of(output.rms, reference, saturated, dead),
                None if gradient is None else verdict_of(gradient.rms, 1.0),
            )
        )
    return Activations(
        report.architecture, report.title, report.settings, initial, seed, tuple(rows), of_outputs, of_gradients
    )


def _rms_of(tensors: Sequence[Tensor]) -> float | None:
    numbers = sum([x.numel() for x in tensors])
    return math.sqrt(sum([float(x.double().square().sum()) for x in tensors]) / numbers) if numbers else None


def _share(mask: Tensor) -> float:
    return float(mask.double().mean())


def _range(tensors: Collection[Tensor]) -> tuple[float, float]:
    """The range of histograms that tensors share: -1 to 1 where all are there and use it, from 0 where none is less."""
    finite = [rms for x in tensors if math.isfinite(rms := _rms_of([x]) or 0.0)]
    largest = max(finite, default=0.0)
    reach = WIDE * largest or 1.0
    within = all(bool((x.abs() <= 1).all()) for x in tensors)
    if within and reach > 1:
        return -1.0, 1.0
    return (0.0 if all(bool((x >= 0).all()) for x in tensors) else -reach), reach


def _distribution(x: Tensor, span: tuple[float, float]) -> Distribution:
    numbers = x.double()
    clipped = numbers[numbers.isfinite()].clamp(*span)
    counts = torch.histc(clipped.cpu(), BINS, *span).long().tolist()
    return Distribution(
        float(numbers.mean()), float(numbers.std(correction=0)), float(numbers.square().mean().sqrt()), tuple(counts)
    )
