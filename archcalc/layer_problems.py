"""A layer that does not fit what it reads → a problem: where it is written, and where the mistake may come from."""

from collections.abc import Sequence

from archcalc.errors import LayerError, Problem
from archcalc.layers.arithmetic import Shape
from archcalc.spec.graph import Graph, Node, call_words
from archcalc.spec.source import Document, problem_at

MAX_SEARCH = 10_000
"""How far back the layer that shrank a map is looked for."""


def layer_problem(
    node: Node, error: LayerError, graph: Graph, shapes: Sequence[Shape | None], document: Document
) -> Problem:
    """What is wrong with a node of a graph, whose outputs have these shapes as far as they are known.

    `document` is that of the spec, of whose calls of blocks the problem tells.
    """
    hint = error.hint
    shrunk = _shrunk_by(node, graph, shapes) if error.size_matters else None
    if shrunk is not None:
        hint = f"{hint}; the size shrank at {shrunk.name} (line {shrunk.entry.line})"
    if len(node.inputs) > 1:
        hint = f"they come from {_origins(node, graph)}" + (f"; {hint}" if hint else "")
    place = node.entry.place(error.field)
    if node.calls:
        call = call_words(node.calls, document, place.document.name)
        hint = f"{hint}; {call}" if hint else call
    return problem_at(place, f"{node.name}: {error.message}", hint)


def _origins(node: Node, graph: Graph) -> str:
    """The layers that a node reads, with their lines."""
    earlier = (graph.nodes[i] if i >= 0 else None for i in node.inputs)
    return " and ".join(f"{n.name} (line {n.entry.line})" if n else "the input" for n in earlier)


def _shrunk_by(node: Node, graph: Graph, shapes: Sequence[Shape | None]) -> Node | None:
    """The nearest layer before this one that made the map smaller."""
    position = node.inputs[0]
    for _ in range(MAX_SEARCH):
        if position < 0:
            break
        earlier = graph.nodes[position]
        before, after = shapes[earlier.inputs[0]], shapes[position]
        if before and after and before[1:] > after[1:]:
            return earlier
        position = earlier.inputs[0]
    return None
