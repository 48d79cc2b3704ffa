"""A report against PyTorch: measures its architecture and compares."""

import time

from archcalc.report import Report
from archcalc.spec.graph import Graph
from archcalc.torch_backend.build import PyTorchError, RefusalError
from archcalc.torch_backend.devices import chosen_device, free_memory
from archcalc.torch_backend.measure import measure
from archcalc.units import BYTES_PER_ELEMENT, MEMORY_UNITS, human
from archcalc.verification import Verification, compare

SPARE = 3
"""How often the activations must fit: kernels lay out anew what they read and write."""


def verify(graph: Graph, report: Report, *, device: str = "auto", train: bool = False, seed: int = 0) -> Verification:
    """Run a graph in PyTorch at the settings of its report, and compare the two figure by figure.

    On the device `auto`, a model that does not fit the memory runs on the meta device; the note then says so.
    Raises SettingError for a device that is not there.

    >>> from archcalc import analyze, load
    >>> from archcalc.spec.expand import expand
    >>> found = verify(expand(load("lenet5"))[0], analyze(load("lenet5")), device="meta")
    >>> found.verdict, found.checked, found.figures
    ('agrees', 60, 60)
    """
    started = time.perf_counter()
    on, note = _affordable_device(report, device)
    settings = report.settings
    try:
        measurements = measure(graph, device=on, batch=settings.batch, dtype=settings.dtype, train=train, seed=seed)
        layers, failure, refused = compare(report, measurements), "", False
    except (RefusalError, PyTorchError) as error:
        layers, failure, refused = (), error.problems[0].message, isinstance(error, RefusalError)
    return Verification(report, layers, on, time.perf_counter() - started, note, failure, refused)


def memory_needed(report: Report) -> int:
    """About how many bytes a forward pass takes: the parameters, and generously the most that is alive at once.

    What will fit must be guessed before it is run, so this goes by the very figures that the run then checks.

    >>> from archcalc import analyze, load
    >>> memory_needed(analyze(load("alexnet")))
    249220256
    """
    # PyTorch makes parameters as float32, whatever they become.
    return (
        report.totals.params * max(4, BYTES_PER_ELEMENT[report.settings.dtype])
        + SPARE * report.totals.peak_memory_bytes
    )


def _affordable_device(report: Report, wanted: str) -> tuple[str, str]:
    """The device to run on, and a note where it is not the one that `auto` means."""
    device = chosen_device(wanted)
    free = free_memory(device)
    needed = memory_needed(report)
    if wanted != "auto" or free is None or needed <= free:
        return device, ""
    short = f"it needs about {human(needed, MEMORY_UNITS)} of {device} memory, {human(free, MEMORY_UNITS)} are free"
    return "meta", f"{short}: run on the meta device, without data"
