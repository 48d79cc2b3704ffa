"""From a graph and its report to what training it costs."""

from collections.abc import Collection
from typing import cast

from archcalc.engine.report import Report
from archcalc.errors import SettingError, did_you_mean
from archcalc.graph import Graph
from archcalc.layers.core.arithmetic import is_known
from archcalc.layers.core.execution import FULL_PRECISION_BYTES
from archcalc.training.backward import backward_macs, forward_macs, gradients
from archcalc.training.checkpointing import recomputed, segments_of
from archcalc.training.memory import step_memory, training_pass
from archcalc.training.optimizers import optimizer_named
from archcalc.training.parameters import learned_tensors
from archcalc.training.report import Options, TrainingReport, TrainingRow
from archcalc.units import BYTES_PER_ELEMENT, INTEGERS


def training_cost(
    graph: Graph,
    report: Report,
    *,
    optimizer: str = "sgd",
    master_weights: bool = False,
    checkpoint: str = "none",
    frozen: Collection[str] = (),
) -> TrainingReport:
    """What a training step of a graph takes at the batch and dtype of its report.

    `frozen` are names of layers that stay as they are; batch norms among them run in eval mode. Raises SettingError for
    an optimizer or layer that there is none of, a dtype that does not train, and master weights of no 16-bit dtype.

    >>> from archcalc.analysis import analyze_graph
    >>> found = training_cost(*analyze_graph("alexnet", batch=128), optimizer="momentum")
    >>> found.parameter_bytes, found.optimizer_bytes, found.backward_macs
    (244403360, 244403360, 174166900736)
    >>> found.peak_bytes, found.peak_is_exact
    (1221263072, True)
    """
    kind, dtype = optimizer_named(optimizer), report.settings.dtype
    width = BYTES_PER_ELEMENT[dtype]
    if dtype in INTEGERS:
        raise SettingError(f"{dtype} does not train", hint="--dtype float32, float16, bfloat16 or float64")
    if master_weights and width >= FULL_PRECISION_BYTES:
        raise SettingError(f"master weights are for dtypes of 16 bits, got {dtype}", hint="--dtype bfloat16")
    if not report.is_plain:
        raise SettingError("training needs whole numbers, got symbols or arrays", hint="analyze at whole numbers")
    _refuse_misfits(report)
    positions = _positions(graph, frozen)
    learned = learned_tensors(graph, report, positions)
    computed = gradients(graph, learned)
    segments = segments_of(graph, checkpoint)
    memory = step_memory(graph, report, learned, computed, segments)
    again: set[int] = set()
    if segments:
        effects = training_pass(graph, report, learned).effects
        keeps = [bool(one.kept_inputs or one.keeps_output or one.kept_bytes) for one in effects]
        again = {k for one in segments for k in recomputed(graph, one, learned, computed, keeps)}
    rows = []
    for k, (row, tensors, one, saved) in enumerate(zip(report.layers, learned, computed, memory.saved, strict=True)):
        trained = tensors.numbers if tensors.trains_own else 0
        forward = forward_macs(row)
        rows.append(
            TrainingRow(
                name=row.name,
                kind=row.kind,
                trained=trained,
                forward_macs=forward,
                backward_macs=backward_macs(row, one),
                recomputed_macs=forward if k in again else 0,
                saved_bytes=saved,
                update=kind.update_ops(trained),
            )
        )
    numbers = sum([tensors.numbers for tensors in learned])
    trained_tensors = [shape for tensors in learned for shape in tensors.trained]
    trained_numbers = sum([row.trained for row in rows])
    state_width = FULL_PRECISION_BYTES if master_weights else width
    return TrainingReport(
        architecture=report.architecture,
        title=report.title,
        settings=report.settings,
        options=Options(optimizer, master_weights, checkpoint, tuple(frozen)),
        layers=tuple(rows),
        parameter_bytes=numbers * width,
        buffer_bytes=sum([cast("int", row.layer.buffer_bytes(*row.inputs, width=width)) for row in report.layers]),
        gradient_bytes=trained_numbers * width,
        optimizer_bytes=kind.state_bytes(trained_tensors, state_width),
        master_bytes=FULL_PRECISION_BYTES * trained_numbers if master_weights else 0,
        saved_bytes=memory.saved_bytes,
        held_bytes=memory.held_bytes,
        peak_step_bytes=memory.peak_bytes,
        peak_is_exact=memory.exact,
        peak_at=graph.nodes[memory.peak_at].name,
    )


def _positions(graph: Graph, names: Collection[str]) -> frozenset[int]:
    """The positions of layers with these names; raises SettingError for one that there is none of."""
    known = {node.name: k for k, node in enumerate(graph.nodes)}
    for name in names:
        if name not in known:
            raise SettingError(f"{graph.name} has no layer {name!r}", hint=did_you_mean(name, known, "layers"))
    return frozenset([known[name] for name in names])


def _refuse_misfits(report: Report) -> None:
    """Raise SettingError where a branch that runs in training alone does not fit its input."""
    for row in report.layers:
        if row.misfit is not None or not all(map(is_known, (*row.inputs, row.output))):
            raise SettingError(
                f"{row.name} runs in training and does not fit its input: {row.misfit or 'a size is not known'}",
                hint="a larger --input fits",
            )
