"""The expanded form of a spec: a flat list of nodes, each a layer and the nodes that it reads."""

import msgspec

from archcalc.layers import Layer
from archcalc.layers.arithmetic import Shape
from archcalc.spec.architecture import Entry

INPUT = -1
"""The index that stands for the spec's input among a node's inputs."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """A block that a node came from: its name, the path that it was called as, and the line of the call."""

    block: str
    path: str
    line: int

    def words(self) -> str:
        """The call, for a message."""
        return f"in block {self.block}, called as {self.path} in line {self.line}"


class Node(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One layer of the graph. `inputs` are indices of earlier nodes, or INPUT; equal layers may be one object."""

    name: str
    layer: Layer
    inputs: tuple[int, ...]
    entry: Entry
    calls: tuple[Call, ...] = ()


class Graph(msgspec.Struct, frozen=True, eq=False):
    """The nodes of an architecture in the order in which they run, and the shape of its input."""

    input: Shape
    nodes: tuple[Node, ...]
