"""Which gradients a backward pass computes, and how many multiply-adds they take, layer by layer.

A gradient of a value is needed where something learned led to it and an output depends on it. So the layers that read
the network's input need no gradient of that, frozen layers none of their weights, and what leads to no output has no
backward pass at all.
"""

from collections.abc import Sequence
from typing import cast

import msgspec

from archcalc.engine.report import LayerReport
from archcalc.graph import Graph
from archcalc.layers.core.arithmetic import is_known
from archcalc.training.parameters import Learned


class Gradients(msgspec.Struct, frozen=True, gc=False):
    """What the backward pass computes in one layer: gradients of which inputs, and whether of its weights.

    `runs` tells whether there is a backward pass at all: a layer without one keeps nothing.
    """

    inputs: tuple[bool, ...]
    weights: bool
    runs: bool


def gradients(graph: Graph, learned: Sequence[Learned]) -> tuple[Gradients, ...]:
    """For each node what is computed backward, from all outputs, with these learned tensors.

    >>> from archcalc.analysis import analyze_graph
    >>> from archcalc.training.parameters import learned_tensors
    >>> graph, report = analyze_graph("alexnet")
    >>> [one.inputs for one in gradients(graph, learned_tensors(graph, report))[:3]]
    [(False,), (True,), (True,)]
    """
    first = len(graph.inputs)
    needs = [False] * first
    reads: list[tuple[int, ...]] = []
    """For each node the values whose numbers, not only whose shapes, its output depends on."""
    for node, tensors in zip(graph.nodes, learned, strict=True):
        reads.append(node.inputs if node.layer.reads_values else ())
        needs.append(tensors.trains or any(needs[i] for i in reads[-1]))
    reached = [False] * len(needs)
    for value in graph.outputs:
        reached[value] = True
    for value in range(len(needs) - 1, first - 1, -1):
        if reached[value]:
            for i in reads[value - first]:
                reached[i] = True
    found = []
    for value, (node, tensors) in enumerate(zip(graph.nodes, learned, strict=True), first):
        runs = reached[value] and needs[value]
        inputs = tuple([runs and node.layer.reads_values and needs[i] for i in node.inputs])
        found.append(Gradients(inputs, runs and tensors.trains_weights, runs))
    return tuple(found)


def forward_macs(row: LayerReport) -> int | None:
    """The multiply-adds of a layer's forward pass in training mode, where branches run that eval mode leaves out."""
    if not row.train_only:
        return row.macs
    if not all(map(is_known, (*row.inputs, row.output))):
        return None
    ops = row.layer.ops(*row.inputs, row.output)
    return None if ops is None else cast("int", ops.times(row.samples).macs)


def backward_macs(row: LayerReport, computed: Gradients) -> int | None:
    """The multiply-adds of a layer's backward pass over the whole batch; None where unknown."""
    if not computed.runs:
        return 0
    if not all(map(is_known, (*row.inputs, row.output))):
        return None
    macs = row.layer.backward_macs(*row.inputs, row.output, needs_grad=computed.inputs, trains=computed.weights)
    return None if macs is None else cast("int", macs * row.samples)
