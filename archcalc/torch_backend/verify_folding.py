"""A network against the same one with its batch norms folded: both are run, and every output compared."""

import contextlib
import time
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from archcalc.engine.report import Report
from archcalc.evidence.output_agreement import Difference, OutputAgreement
from archcalc.graph import Graph
from archcalc.graph.batchnorm_folding import BatchNormFolding, fold_batchnorms
from archcalc.torch_backend.batchnorm_folding import move_weights, randomise_batchnorms
from archcalc.torch_backend.build import (
    REFUSALS,
    Network,
    PyTorchError,
    RefusalError,
    build,
    random_inputs,
    words,
)
from archcalc.torch_backend.devices import chosen_device, free_memory
from archcalc.torch_backend.measure import as_dtype
from archcalc.units import BYTES_PER_ELEMENT, MEMORY_UNITS, human


def verify_folding(graph: Graph, report: Report, *, device: str = "auto", seed: int = 0) -> OutputAgreement:
    """Run a graph in PyTorch with its batch norms and with those folded that can be, in eval mode on one random input.

    Batch and dtype (float64 or float32) are those of the report. The batch norms have random statistics, gammas and
    betas. Compared are the outputs of all layers that the folded network runs. Where there is nothing to fold, nothing
    is run. Raises SettingError for a device that is not there, and where figures are symbols or arrays.

    >>> from archcalc import load
    >>> from archcalc.analysis import analyze_graph
    >>> found = verify_folding(*analyze_graph(load("resnet20-cifar"), dtype="float64"), device="cpu")
    >>> found.verdict, found.folded, len(found.differences)
    ('agrees', 19, 54)
    """
    report.require_plain("run in PyTorch")
    started = time.perf_counter()
    folding = fold_batchnorms(graph, [row.output for row in report.layers])
    on = chosen_device(device)
    if device == "auto" and on == "mps" and report.settings.dtype == "float64":  # which it does not have
        on = "cpu"
    differences: tuple[Difference, ...] = ()
    failure = "" if device != "auto" or not folding.folds else _too_large(report, on)
    if folding.folds and not failure:
        try:
            differences = compare(folding, report, on, seed)
        except (RefusalError, PyTorchError) as error:
            failure = error.problems[0].message
    seconds = time.perf_counter() - started
    return OutputAgreement(report, folding.norms, len(folding.folds), differences, on, seconds, failure)


def compare(folding: BatchNormFolding, report: Report, device: str, seed: int) -> tuple[Difference, ...]:
    """The differences between the outputs of a folded graph and of its original, both with the same random weights.

    Raises RefusalError where PyTorch does not take a layer, and PyTorchError where it cannot run one of the networks.
    """
    number = getattr(torch, report.settings.dtype)
    cuda = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=cuda), _full_precision(), torch.no_grad():
        torch.manual_seed(seed)
        try:
            original, folded = (build(graph, device).to(number).eval() for graph in (folding.original, folding.graph))
            with torch.device(device):
                drawn = random_inputs(folding.original, report.settings.batch)
            inputs = [as_dtype(x, number) for x in drawn]
            randomise_batchnorms(original, inputs)
            move_weights(folding, original, folded)
            return tuple(_differences(folding, original, folded, inputs))
        except (*REFUSALS, MemoryError) as error:
            raise PyTorchError(f"PyTorch failed to run the model: {words(error)}") from error


def _differences(
    folding: BatchNormFolding, original: Network, folded: Network, inputs: Sequence[Tensor]
) -> Iterator[Difference]:
    """Both networks in step, so that neither's outputs must be kept."""
    theirs = _outputs(original, inputs)
    for position, own in _outputs(folded, inputs):
        place = folding.places[position]
        other = next(output for i, output in theirs if i == place)
        name, counterpart = folding.graph.nodes[position].name, folding.original.nodes[place].name
        if not other.isfinite().all():
            raise PyTorchError(f"{counterpart}: its output is not finite, so that a comparison would show nothing")
        apart = (own - other).abs().max().item()
        yield Difference(name, counterpart, apart, other.abs().max().item())


def _outputs(model: Network, inputs: Sequence[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """The position of every layer that runs in eval mode, and its output, one after the other."""
    values = model.begin(inputs)
    for position, step in enumerate(model.steps):
        if not step.train_only:
            values[step.makes] = step.run(model, values, len(inputs[0]))
            yield position, values[step.makes]
        for i in step.frees:
            values.pop(i, None)


def _too_large(report: Report, device: str) -> str:
    """Why two networks would not fit a device with all their outputs, which is more than they need; else nothing."""
    free = free_memory(device)
    needed = 2 * (report.totals.params * BYTES_PER_ELEMENT[report.settings.dtype] + report.totals.memory_bytes)
    if free is None or needed <= free:
        return ""
    amounts = f"about {human(needed, MEMORY_UNITS)} of {device} memory, {human(free, MEMORY_UNITS)} available"
    return f"the two networks need {amounts}"


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """Let a GPU convolve float32 in float32: by default it rounds to ten bits, which would hide a wrong fold."""
    was = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = was
