"""A report against PyTorch: measures its architecture and compares."""

import time

import msgspec

from archcalc.engine.report import Report
from archcalc.evidence.layer_agreement import LayerAgreement, LayerVerdict, SmallerCopy, compare, compare_memory
from archcalc.graph import Graph
from archcalc.torch_backend.build import SMALLER, PyTorchError, RefusalError
from archcalc.torch_backend.devices import chosen_device, free_memory
from archcalc.torch_backend.measure import measure
from archcalc.torch_backend.memory import measure_memory
from archcalc.units import BYTES_PER_ELEMENT, MEMORY_UNITS, human

SPARE = 3
"""How often the activations must fit: kernels copy their inputs and outputs to other layouts."""
KEPT_OUTPUTS = 2
"""How often outputs are kept for the backward pass, if that is unknown: a row's own, and intermediate ones."""


def verify(
    graph: Graph, report: Report, *, device: str = "auto", train: bool = False, seed: int = 0, memory: bool = False
) -> LayerAgreement:
    """Run a graph in PyTorch at the settings of its report, and compare the two figure by figure.

    With `memory`, also what training keeps of each layer, and the most that is alive at once in eval mode.

    On the device `auto`, a model that does not fit the memory runs on the meta device; the note then says so.
    Raises SettingError for a device that is not there, and where figures are symbols or arrays.

    >>> from archcalc.analysis import analyze_graph
    >>> found = verify(*analyze_graph("lenet5"), device="meta")
    >>> found.verdict, found.checked, found.figures
    ('agrees', 60, 60)
    """
    report.require_plain("run in PyTorch")
    started = time.perf_counter()
    on, note, settings = device, "", report.settings
    layers: tuple[LayerVerdict, ...] = ()
    failure, refused, found = "", False, None
    try:
        on, note = _affordable_device(report, device, memory)
        measurements = measure(graph, device=on, batch=settings.batch, dtype=settings.dtype, train=train, seed=seed)
        in_memory = None
        if memory:
            in_memory = measure_memory(graph, device=on, batch=settings.batch, dtype=settings.dtype, seed=seed)
        layers = compare(report, measurements, in_memory, on)
        found = None if in_memory is None else compare_memory(report, in_memory, on)
    except (RefusalError, PyTorchError) as error:
        (problem,) = error.problems
        failure = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
        refused = isinstance(error, RefusalError)
    return LayerAgreement(report, layers, on, time.perf_counter() - started, note, failure, refused, found)


def verify_as_it_fits(
    graph: Graph,
    report: Report,
    copy: SmallerCopy | None,
    *,
    device: str = "auto",
    train: bool = False,
    seed: int = 0,
    memory: bool = False,
) -> list[LayerAgreement]:
    """As `verify`; where memory is asked for and `auto` must take the meta device, a smaller copy is run as well.

    >>> from archcalc.analysis import analyze_graph
    >>> [found.device for found in verify_as_it_fits(*analyze_graph("lenet5"), None, device="meta")]
    ['meta']
    """
    whole = verify(graph, report, device=device, train=train, seed=seed, memory=memory)
    if not memory or device != "auto" or whole.device != "meta" or copy is None:
        return [whole]
    found = verify(*copy.analyzed(), device=device, train=train, seed=seed, memory=True)
    return [whole, msgspec.structs.replace(found, reduced=copy.vars)]


def memory_needed(report: Report, *, training: bool = False, spare: int = SPARE) -> int:
    """About how many bytes a forward pass takes: the parameters, and generously the most that is alive at once.

    The latter is taken `spare` times. In training, the memory kept for the backward pass comes on top. This is
    a guess before the run, from the very figures that the run then checks. Raises SettingError where they are symbols
    or arrays.

    >>> from archcalc import analyze, load
    >>> memory_needed(analyze(load("alexnet")))
    251075300
    """
    report.require_plain("run in PyTorch")
    # PyTorch makes parameters as float32, whatever they become.
    params: int = report.totals.params * max(4, BYTES_PER_ELEMENT[report.settings.dtype])
    peak: int | None = report.totals.peak_memory_bytes
    kept: int | None = report.totals.saved_for_backward_bytes
    if peak is None:  # of some layer it is unknown: then as if nothing were freed
        peak = report.totals.memory_bytes
    if kept is None:
        kept = KEPT_OUTPUTS * report.totals.memory_bytes
    return params + spare * peak + (kept if training else 0)


def _affordable_device(report: Report, wanted: str, training: bool) -> tuple[str, str]:
    """The device to run on, and a note where it is not the one that `auto` means.

    Raises PyTorchError where the CPU has not even the least: it would end the process rather than raise an error.
    """
    device = chosen_device(wanted)
    free = free_memory(device)
    if free is None:
        return device, ""
    if wanted == "cpu" and (least := memory_needed(report, training=training, spare=1)) > free:
        raise PyTorchError(_short(least, free, device), hint=SMALLER)
    needed = memory_needed(report, training=training)
    if wanted != "auto" or needed <= free:
        return device, ""
    return "meta", f"{_short(needed, free, device)}: run on the meta device, without data"


def _short(needed: int, free: int, device: str) -> str:
    return f"it needs about {human(needed, MEMORY_UNITS)} of {device} memory, {human(free, MEMORY_UNITS)} available"
