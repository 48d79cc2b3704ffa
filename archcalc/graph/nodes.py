"""A graph: its inputs, a flat list of nodes, each a layer and the values that it reads, and the outputs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from archcalc.errors import SettingError
from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import Dim, Shape, is_plain, minimum

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

    def __ne__(self, other: object) -> bool:
        return not self == other  # that of msgspec's structs goes by identity here

    def __hash__(self) -> int:
        return hash(self._content())

    def _content(self) -> tuple[object, ...]:
        return self.name, self.layer, self.inputs, self.tied, self.train_only

    @property
    def read(self) -> tuple[int, ...]:
        """The values whose numbers it reads: none where only the number of samples or tokens matters to it."""
        return self.inputs if self.layer.reads_values else ()

    @property
    def title(self) -> str:
        """The name, and the line where that is known: `conv1 (line 7)`."""
        return self.name if self.origin is None else f"{self.name} (line {self.origin.line})"


class Graph(msgspec.Struct, frozen=True):
    """What a network computes: the inputs, the nodes in the order in which they run, and the values that it gives.

    Values are numbered: those of the inputs come first, then that of each node in turn. So the node at position `k`
    makes the value `len(inputs) + k`, and a list with an item for each value begins with those of the inputs.
    """

    name: str
    title: str
    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    source: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether all sizes and fields are whole numbers: no symbols, no arrays."""
        layers = {id(node.layer): node.layer for node in self.nodes}.values()
        return is_plain(*[one.shape for one in self.inputs], *map(msgspec.structs.astuple, layers))

    def require_plain(self, treated: str) -> None:
        """Raise SettingError unless all sizes and fields are whole numbers, as what is `treated` so needs them."""
        if not self.is_plain:
            raise SettingError(
                f"a graph of symbols or arrays cannot be {treated}", hint="give whole numbers in their place"
            )

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


def index_bounds(graph: Graph) -> dict[int, Dim]:
    """The values that are indices into layers' tables, as an embedding takes them, and what each must be less than.

    No operation makes indices of numbers: what leads to a layer that takes some is indices itself.
    """
    bounds: dict[int, Dim] = {}
    value = len(graph.inputs) + len(graph.nodes)
    for node in reversed(graph.nodes):
        value -= 1
        bound = bounds.get(value)
        if (field := node.layer.indices_below) is not None:
            bound = getattr(node.layer, field)
        if bound is not None:
            for read in node.read:
                bounds[read] = minimum(bound, bounds.get(read, bound))
    return bounds


def of_the_batch(graph: Graph) -> frozenset[int]:
    """The values that depend on no input, such as a learned tensor and what follows from it alone.

    They are the same for every sample, so they are computed once a batch.
    """
    found: set[int] = set()
    for value, node in enumerate(graph.nodes, len(graph.inputs)):
        if found.issuperset(node.read):
            found.add(value)
    return frozenset(found)


def unread(inputs: int, nodes: Sequence[Node]) -> tuple[int, ...]:
    """What a network of these nodes gives unless it says so: the values that no layer reads, in their order.

    Those of layers that run in training alone come last: in eval mode they are neither there nor read anything.
    """
    read = {value for node in nodes if not node.train_only for value in node.read}
    read_in_training = read.union(*[node.read for node in nodes if node.train_only])
    values = list(enumerate(nodes, inputs))
    always = [value for value, node in values if not node.train_only and value not in read]
    return (*always, *[value for value, node in values if node.train_only and value not in read_in_training])
