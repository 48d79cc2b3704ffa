"""Forward passes of PyTorch against a clock: the whole network, and every layer of it between hooks."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from archcalc.engine.report import Report
from archcalc.errors import printable
from archcalc.evidence.timing import LayerTiming, Roof, Samples, Timing
from archcalc.graph import Graph
from archcalc.torch_backend.build import REFUSALS, SMALLER, Network, PyTorchError, build, failure, random_inputs
from archcalc.torch_backend.clocks import Clock, clock_of
from archcalc.torch_backend.devices import free_memory
from archcalc.torch_backend.measure import as_dtype
from archcalc.torch_backend.roof import measured_roof, timed
from archcalc.torch_backend.verify import memory_needed
from archcalc.units import MEMORY_UNITS, human

FEWEST, MOST, BUDGET_SECONDS = 5, 1000, 5.0
"""Where the number of repetitions is left open: at least and at most so many, and no new one after this time."""
LONG_ENOUGH_SECONDS = 0.2
"""In a shorter time, a single preemption would look like many a second."""
FAILURES = (*REFUSALS, MemoryError)


class Repetitions(NamedTuple):
    """How often to run: `warm_up` times untimed, then `repeat` times, or as often as the budget allows (None)."""

    warm_up: int = 3
    repeat: int | None = None

    def rounds(self, now: Callable[[], float] = time.monotonic) -> Iterator[int]:
        """The numbers of the timed rounds; `now` gives seconds.

        >>> list(Repetitions(repeat=3).rounds())
        [0, 1, 2]
        """
        started, done = now(), 0
        while done < self.repeat if self.repeat is not None else self._has_room(done, now() - started):
            yield done
            done += 1

    def _has_room(self, done: int, seconds: float) -> bool:
        return done < FEWEST or (done < MOST and seconds < BUDGET_SECONDS)


def time_network(
    graph: Graph,
    report: Report,
    roof: Roof,
    *,
    device: str = "cpu",
    repetitions: Repetitions | None = None,
    compile: bool = False,
    clock: Clock | None = None,
    seed: int = 0,
) -> Timing:
    """The times of a graph at the settings of its report, in eval mode and without gradients.

    Every round runs the network once as it is, once compiled where that is asked for, and once between hooks for the
    times of the layers, so that what disturbs the machine for a while disturbs all of them.

    Raises PyTorchError where it cannot be run, with the layer where that is known, and SettingError where figures are
    symbols or arrays.
    """
    report.require_plain("run in PyTorch")
    repetitions, clock = repetitions or Repetitions(), clock or clock_of(device)
    settings = report.settings
    _check_memory(report, device)
    with _named(report.architecture), torch.inference_mode():
        model, inputs = _model_and_inputs(graph, device, settings.batch, settings.dtype, seed)
        _run_by_layers(graph, model, inputs, device, clock)
        compiled = _compiled(model, inputs) if compile else None
        wholes, compileds, layers = list[float](), list[float](), list[list[float | None]]()
        with _failing_on(device, "a forward pass"):
            for _ in range(repetitions.warm_up):
                model(*inputs)
                if compiled is not None:
                    compiled(*inputs)
            started, before = time.monotonic(), preemptions()
            for _ in repetitions.rounds():
                wholes.append(timed(clock, lambda: model(*inputs)))
                if compiled is not None:
                    compileds.append(timed(clock, lambda: compiled(*inputs)))
                layers.append(_layer_seconds(model, inputs, clock))
            disturbed = _a_second(before, preemptions(), time.monotonic() - started)
    samples = map(_samples, zip(*layers, strict=True))
    rows = tuple(LayerTiming(row, times, roof) for row, times in zip(report.layers, samples, strict=True))
    compiled_samples = Samples(tuple(compileds)) if compileds else None
    return Timing(report, rows, roof, Samples(tuple(wholes)), compiled_samples, disturbed)


def preemptions() -> int | None:
    """How often the system has so far taken the processor from this process; None where it does not count."""
    try:
        import resource
    except ModuleNotFoundError:  # there is none on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _a_second(before: int | None, after: int | None, seconds: float) -> float | None:
    if before is None or after is None or seconds < LONG_ENOUGH_SECONDS:
        return None
    return (after - before) / seconds


def roof_of(device: str, dtype: str) -> Roof:
    """The device's present speed; raises PyTorchError if it cannot run the operations to measure it."""
    with _failing_on(device, "the calibration"):
        return measured_roof(device, dtype)


@contextlib.contextmanager
def threads(number: int | None) -> Iterator[int]:
    """Let PyTorch use this many threads of the CPU for a while (None: as many as it does); gives how many it uses."""
    before = torch.get_num_threads()
    try:
        if number is not None:
            torch.set_num_threads(number)
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def _check_memory(report: Report, device: str) -> None:
    """Raise PyTorchError for what would not fit the CPU's memory, which ends a process rather than raise an error."""
    free = free_memory(device) if device == "cpu" else None
    if free is None or (needed := memory_needed(report)) <= free:
        return
    short = f"it needs about {human(needed, MEMORY_UNITS)} of memory, {human(free, MEMORY_UNITS)} available"
    raise PyTorchError(f"{report.architecture}: {short}", hint=SMALLER)


def _model_and_inputs(graph: Graph, device: str, batch: int, dtype: str, seed: int) -> tuple[Network, list[Tensor]]:
    number = getattr(torch, dtype)
    with _failing_on(device, "making the model"), torch.random.fork_rng(devices=[]):
        # Made on the CPU and moved, so that no other generator is touched.
        torch.default_generator.manual_seed(seed)
        model = build(graph).eval().to(device=device, dtype=number)
        return model, [as_dtype(x, number).to(device) for x in random_inputs(graph, batch)]


def _samples(seconds: Sequence[float | None]) -> Samples | None:
    ran = tuple(second for second in seconds if second is not None)
    return Samples(ran) if ran else None


def _layer_seconds(model: Network, inputs: Sequence[Tensor], clock: Clock) -> list[float | None]:
    """The seconds of every layer in one pass; None of one that does not run."""
    starts, ends = dict[int, Any](), dict[int, Any]()

    def before(position: int) -> None:
        starts[position] = clock.mark()

    def after(position: int, *_: object) -> None:
        ends[position] = clock.mark()

    with _hooks(model, before, after):
        clock.wait()
        model(*inputs)
        clock.wait()
    return [clock.seconds(starts[i], ends[i]) if i in ends else None for i in range(len(model.steps))]


def _run_by_layers(graph: Graph, model: Network, inputs: Sequence[Tensor], device: str, clock: Clock) -> None:
    """Run the network once; an error names its layer."""
    running = 0

    def before(position: int) -> None:
        nonlocal running
        running = position

    try:
        with _hooks(model, before, lambda *_: None):
            model(*inputs)
        clock.wait()  # what fails on the device is raised here at the latest
    except FAILURES as error:
        raise failure(graph.nodes[running].name, error, device) from error


@contextlib.contextmanager
def _hooks(model: Network, before: Callable[[int], None], after: Callable[..., None]) -> Iterator[None]:
    """Call `before(position)` and `after(position, module, inputs, outputs)` around every layer that runs."""
    with contextlib.ExitStack() as attached:
        for position, step in enumerate(model.steps):
            module = model.get_submodule(step.path)
            enter = module.register_forward_pre_hook(lambda *_, position=position: before(position))
            leave = module.register_forward_hook(lambda *seen, position=position: after(position, *seen))
            attached.callback(enter.remove)
            attached.callback(leave.remove)
        yield


def _compiled(model: Network, inputs: Sequence[Tensor]) -> Callable[..., Any]:
    """The network as torch.compile makes it; it is compiled when it first runs."""
    try:
        compiled = torch.compile(model)
        compiled(*inputs)
    except Exception as error:  # a compiler and what it calls raise what they like
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        message = f"torch.compile failed: {printable(first)}"
        raise PyTorchError(
            message, hint="it needs a C++ compiler, and on a GPU Triton; or leave out --compile"
        ) from error
    return compiled


@contextlib.contextmanager
def _failing_on(device: str, what: str) -> Iterator[None]:
    """Turn what PyTorch raises into one clear line."""
    try:
        yield
    except FAILURES as error:
        raise failure(what, error, device) from error


@contextlib.contextmanager
def _named(architecture: str) -> Iterator[None]:
    """Put the architecture's name before what goes wrong."""
    try:
        yield
    except PyTorchError as error:
        (problem,) = error.problems
        raise PyTorchError(f"{architecture}: {problem.message}", hint=problem.hint) from error
