"""What is alive in memory during a training step."""

from collections.abc import Sequence

from archcalc.engine.memory import ForwardPass
from archcalc.engine.report import Report
from archcalc.graph import Graph
from archcalc.graph.nodes import index_bounds
from archcalc.training.parameters import Learned
from archcalc.units import BYTES_PER_ELEMENT


def training_pass(graph: Graph, report: Report, learned: Sequence[Learned]) -> ForwardPass:
    """The forward pass of a training step, at the batch and dtype of the report."""
    settings, shapes = report.settings, [row.output for row in report.layers]
    trains = [tensors.runs_trained for tensors in learned]
    return ForwardPass(
        graph,
        shapes,
        index_bounds(graph).keys(),
        settings.batch,
        BYTES_PER_ELEMENT[settings.dtype],
        training=True,
        trains=trains,
    )
