"""A graph: its inputs, and a flat list of nodes, each a layer and the values that it reads."""

from typing import TYPE_CHECKING

import msgspec

from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import Shape

if TYPE_CHECKING:
    from archcalc.graph.origin import Origin


class Input(msgspec.Struct, frozen=True):
    """A value that the network is given: its name, and its shape without the batch."""

    name: str
    shape: Shape


class Node(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One layer of a graph. `inputs` are the values that it reads, all of them earlier; equal layers may be one object.

    `tied` is the position of the node whose weights it uses. One that is `train_only` is left out in eval mode, where
    nothing else reads it. Nodes are equal wherever they come from: `origin` makes no difference.
    """

    name: str
    layer: Layer
    inputs: tuple[int, ...]
    origin: "Origin | None" = None
    tied: int | None = None
    train_only: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[object, ...]:
        return self.name, self.layer, self.inputs, self.tied, self.train_only

    @property
    def title(self) -> str:
        """The name, and the line where that is known: `conv1 (line 7)`."""
        return self.name if self.origin is None else f"{self.name} (line {self.origin.line})"


class Graph(msgspec.Struct, frozen=True):
    """What a network computes: the inputs, and the nodes in the order in which they run.

    Values are numbered: those of the inputs come first, then that of each node in turn. So the node at position `k`
    makes the value `len(inputs) + k`, and a list with an item for each value begins with those of the inputs.
    """

    name: str
    title: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    source: str = ""

    def position(self, value: int) -> int | None:
        """The position of the node that makes a value; None for that of an input."""
        position = value - len(self.inputs)
        return position if position >= 0 else None

    def node(self, value: int) -> Node | None:
        """The node that makes a value; None for that of an input."""
        position = self.position(value)
        return None if position is None else self.nodes[position]

    def name_of(self, value: int) -> str:
        """The name of the node that makes a value, or of the input that it is."""
        node = self.node(value)
        return self.inputs[value].name if node is None else node.name


def holding_indices(graph: Graph) -> frozenset[int]:
    """The values that are indices into some layer's table, as an embedding takes them.

    No operation makes indices of numbers: what leads to a layer that takes some is indices itself.
    """
    found: set[int] = set()
    value = len(graph.inputs) + len(graph.nodes)
    for node in reversed(graph.nodes):
        value -= 1
        if node.layer.indices_below is not None or value in found:
            found.update(node.inputs)
    return frozenset(found)


def outputs(graph: Graph) -> tuple[int, ...]:
    """The values that a graph gives: that of its last node in eval mode, then all others that no node reads."""
    first = len(graph.inputs)
    read = {value for node in graph.nodes for value in node.inputs}
    last = max((value for value, node in enumerate(graph.nodes, first) if not node.train_only), default=first - 1)
    return (last, *(value for value in range(first, first + len(graph.nodes)) if value != last and value not in read))
