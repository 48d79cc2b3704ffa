"""What archcalc says of training a network against a real step of PyTorch."""

import time
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from archcalc.engine.report import Report
from archcalc.evidence.training_agreement import (
    TrainingMeasurement,
    TrainingVerification,
    compare_layers,
    compare_whole,
)
from archcalc.graph import Graph
from archcalc.torch_backend.build import SMALLER, PyTorchError, RefusalError
from archcalc.torch_backend.devices import chosen_device, free_memory
from archcalc.torch_backend.measure import made
from archcalc.torch_backend.training import count_macs, freeze, measure_saved, measure_step, run_backward
from archcalc.training.checkpointing import segments_of
from archcalc.training.cost import training_cost
from archcalc.training.optimizers import OPTIMIZERS, Optimizer
from archcalc.units import MEMORY_UNITS, human

SPARE = 2
"""How often a step's memory must be free: kernels lay out anew what they read and write."""


def verify_training(
    graph: Graph, report: Report, *, device: str = "auto", checkpoint: str = "none", seed: int = 0
) -> TrainingVerification:
    """Train a graph by one step in PyTorch at the settings of its report, and compare all figures.

    Multiply-adds are counted on the meta device, memory on the CPU; with `meta`, or where a step does not fit, only
    that of parameters, buffers and optimizers. Raises SettingError for a device or a layer that is not there.

    >>> from archcalc.analysis import analyze_graph
    >>> found = verify_training(*analyze_graph("lenet5", batch=2), device="cpu")
    >>> found.verdict, found.count("agrees"), found.count("not checkable")
    ('agrees', 52, 0)
    """
    started = time.perf_counter()
    largest = training_cost(graph, report, optimizer="adam", checkpoint=checkpoint)
    computed = training_cost(graph, report, checkpoint=checkpoint)
    expected = {
        name: training_cost(graph, report, optimizer=name, checkpoint=checkpoint).optimizer_bytes for name in OPTIMIZERS
    }
    on, note, free = chosen_device(device), "", free_memory("cpu")
    if on not in ("cpu", "meta"):
        on, note = "cpu", f"memory is that of the CPU's kernels, not of {on}'s"
    needed = SPARE * largest.peak_bytes
    if on == "cpu" and free is not None and needed > free:
        short = f"it needs about {human(needed, MEMORY_UNITS)}, {human(free, MEMORY_UNITS)} are free"
        if device == "cpu":
            return _failed(report, on, started, PyTorchError(short, hint=SMALLER))
        on, note = "meta", f"{short}: run on the meta device, without data"
    try:
        measured = measure(graph, report, segments_of(graph, checkpoint), device=on, seed=seed)
    except (RefusalError, PyTorchError) as error:
        return _failed(report, on, started, error)
    seconds = time.perf_counter() - started
    layers, whole = compare_layers(computed, measured), compare_whole(computed, measured, expected)
    return TrainingVerification(report, layers, whole, on, seconds, note)


def _failed(report: Report, device: str, started: float, error: RefusalError | PyTorchError) -> TrainingVerification:
    (problem,) = error.problems
    failure = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
    refused = isinstance(error, RefusalError)
    seconds = time.perf_counter() - started
    return TrainingVerification(report, {}, (), device, seconds, failure=failure, refused=refused)


def measure(
    graph: Graph, report: Report, segments: Sequence[range], *, device: str, seed: int = 0
) -> TrainingMeasurement:
    """What PyTorch does in one training step, and what each of its optimizers then holds."""
    batch, dtype = report.settings.batch, report.settings.dtype
    forward, backward = count_macs(graph, device="meta", batch=batch, dtype=dtype, segments=segments, seed=seed)
    saved: tuple[int, ...] | None = None
    held: int | None = None
    peak: int | None = None
    if device != "meta":
        saved = measure_saved(graph, device=device, batch=batch, dtype=dtype, seed=seed)
        held, peak = measure_step(graph, device=device, batch=batch, dtype=dtype, segments=segments, seed=seed)
    with made(graph, device=device, batch=batch, dtype=dtype, seed=seed) as (model, inputs):
        freeze(model, frozenset())
        parameters = list(model.parameters())
        if device != "meta":
            run_backward(model(*inputs))
        given = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        states = {name: state_bytes(kind, parameters) for name, kind in OPTIMIZERS.items() if _runs(kind, device)}
        return TrainingMeasurement(
            forward_macs=tuple(forward),
            backward_macs=tuple(backward),
            saved=saved,
            held_bytes=held,
            peak_bytes=peak,
            parameter_bytes=_bytes(parameters),
            buffer_bytes=_bytes(model.buffers()),
            gradient_bytes=None if device == "meta" else _bytes(given),
            optimizer_bytes=states,
        )


def state_bytes(kind: Optimizer, parameters: list[torch.nn.Parameter]) -> int:
    """The bytes of an optimizer's state after one step on the gradients that are there."""
    if not parameters:
        return 0
    optimizer = getattr(torch.optim, kind.torch)(parameters, lr=0.0, **kind.arguments)
    optimizer.step()
    return _bytes(t for state in optimizer.state.values() for t in state.values() if isinstance(t, Tensor))


def _runs(kind: Optimizer, device: str) -> bool:
    """Whether PyTorch has an optimizer that runs on a device: one looks at the sizes of updates, which needs data."""
    return hasattr(torch.optim, kind.torch) and not (device == "meta" and kind.torch == "Adafactor")


def _bytes(tensors: Iterable[Tensor]) -> int:
    """The bytes of tensors, those that share memory once."""
    return sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}.values())
