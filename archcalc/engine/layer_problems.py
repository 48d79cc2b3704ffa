"""A layer that does not fit what it reads → a problem: where it is written, and where the mistake may come from."""

from collections.abc import Sequence

from archcalc.errors import LayerError, Problem
from archcalc.graph import Graph, Node
from archcalc.layers.core.arithmetic import Shape, is_plain

MAX_SEARCH = 10_000
"""How far back the layer that shrank a map is looked for."""


def layer_problem(node: Node, error: LayerError, graph: Graph, shapes: Sequence[Shape | None]) -> Problem:
    """What is wrong with a node of a graph, whose values have these shapes as far as they are known."""
    message, hint = f"{node.name}: {error.message}", error.hint
    shrunk = _shrunk_by(node, graph, shapes) if error.size_matters else None
    if shrunk is not None:
        hint = f"{hint}; the size shrank at {shrunk.title}"
    if len(node.inputs) > 1:
        hint = f"inputs: {_sources(node, graph)}" + (f"; {hint}" if hint else "")
    if node.origin is None:
        return Problem(message, hint=hint)
    return node.origin.problem(message, hint, error.field)


def _sources(node: Node, graph: Graph) -> str:
    """The layers that a node reads, with their lines."""
    makers = map(graph.node, node.inputs)
    inputs = [one.name for one in graph.inputs] if len(graph.inputs) > 1 else ["the input"]
    return ", ".join(inputs[i] if maker is None else maker.title for i, maker in zip(node.inputs, makers, strict=True))


def _shrunk_by(node: Node, graph: Graph, shapes: Sequence[Shape | None]) -> Node | None:
    """The nearest layer before this one that made the map smaller."""
    nodes, first = graph.nodes, len(graph.inputs)
    value = node.inputs[0]
    for _ in range(MAX_SEARCH):
        if value < first:
            break
        earlier = nodes[value - first]
        source = earlier.inputs[0]
        before, after = shapes[source], shapes[value]
        # Most layers change no shape, and a comparison is all that they cost.
        if before is not after and before and after and is_plain(before, after) and before[1:] > after[1:]:
            return earlier
        value = source
    return None
