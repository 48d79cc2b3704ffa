"""The expanded form of a spec: a flat list of nodes, each a layer and the nodes that it reads."""

import msgspec

from archcalc.layers import Layer
from archcalc.layers.arithmetic import Shape
from archcalc.spec.entry import Entry
from archcalc.spec.source import Document, Tree, line_words

INPUT = -1
"""The index that stands for the spec's input among a node's inputs."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """A block that a node came from: its name, the path that it was called as, and where the call stands."""

    block: str
    path: str
    tree: Tree


def call_words(calls: tuple[Call, ...], document: Document, seen_from: str) -> str:
    """The innermost call that stands in the spec's own document, for a message about the file named `seen_from`."""
    own = [call for call in calls if call.tree.document is document]
    call = (own or calls)[-1]
    return f"in block {call.block}, called as {call.path} in {line_words(call.tree, seen_from)}"


class Node(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One layer of the graph. `inputs` are indices of earlier nodes, or INPUT; equal layers may be one object.

    `tied` is the index of the node whose weights it uses. One that is `train_only` is left out in eval mode, where
    nothing else reads it.
    """

    name: str
    layer: Layer
    inputs: tuple[int, ...]
    entry: Entry
    calls: tuple[Call, ...] = ()
    tied: int | None = None
    train_only: bool = False


class Graph(msgspec.Struct, frozen=True, eq=False):
    """The nodes of an architecture in the order in which they run, and the shape of its input."""

    input: Shape
    nodes: tuple[Node, ...]


def holding_indices(graph: Graph) -> frozenset[int]:
    """The positions of values that are indices into some layer's table, as an embedding takes them.

    No operation makes indices of numbers: what leads to a layer that takes some is indices itself.
    """
    found: set[int] = set()
    for position in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[position]
        if node.layer.indices_below is not None or position in found:
            found.update(node.inputs)
    return frozenset(found)


def outputs(graph: Graph) -> tuple[int, ...]:
    """The positions of what a graph gives: its last node in eval mode, then all others that no node reads."""
    read = {i for node in graph.nodes for i in node.inputs}
    last = max((i for i, node in enumerate(graph.nodes) if not node.train_only), default=INPUT)
    return (last, *(i for i in range(len(graph.nodes)) if i != last and i not in read))
