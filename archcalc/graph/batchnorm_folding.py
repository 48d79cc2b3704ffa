"""Graph → the graph in which batch norms are folded into the layers before them, and why some are not.

In eval mode a batch norm is one linear operator for each channel, with constants that training has left:
y = scale · (x - mean) + beta with scale = gamma / sqrt(variance + eps). Where x is a channel of a convolution or linear
layer, with weights w and a bias b of its own, y is the same layer with the weights scale · w and the bias
scale · (b - mean) + beta: one that has a bias in any case, and after which there is no norm.
"""

from collections.abc import Sequence

import msgspec

from archcalc.graph.nodes import Graph, Node
from archcalc.layers import Layer
from archcalc.layers.conv import Convolution, DepthwiseConv2d
from archcalc.layers.conv_transpose import TransposedConvolution
from archcalc.layers.core.arithmetic import Shape
from archcalc.layers.linear import Linear
from archcalc.layers.norm import BatchNorm

TAKES_A_NORM = (Convolution, DepthwiseConv2d, TransposedConvolution, Linear)
"""The layers that give each channel weights and a bias of its own; all have a field `bias`."""
MOST_NAMED = 3


class Fold(msgspec.Struct, frozen=True):
    """A batch norm and the layer that it is folded into, as positions in the original graph."""

    norm: int
    into: int


class Kept(msgspec.Struct, frozen=True):
    """A batch norm that stays, as its position in the original graph, and why."""

    norm: int
    reason: str


class BatchNormFolding(msgspec.Struct, frozen=True, eq=False):
    """A graph without those batch norms that could be folded.

    `places` gives, for each node of `graph`, the position in `original` of the node that has the same output: for a
    layer that norms were folded into, that of the last of them.
    """

    original: Graph
    graph: Graph
    places: tuple[int, ...]
    folds: tuple[Fold, ...]
    kept: tuple[Kept, ...]

    @property
    def norms(self) -> int:
        """How many batch norms the original has."""
        return len(self.folds) + len(self.kept)

    def holders(self) -> tuple[int, ...]:
        """For each node of `graph`, the position in `original` of the node whose weights it has, or has scaled."""
        into = {fold.norm: fold.into for fold in self.folds}
        return tuple(into.get(place, place) for place in self.places)


def fold_batchnorms(graph: Graph, outputs: Sequence[Shape]) -> BatchNormFolding:
    """Fold every batch norm that can be, of a graph whose nodes have outputs of these shapes.

    A layer keeps its name and gets a bias. It takes the place of the norm, so that the last layer stays the last. Of
    several norms in a row, the second is folded into what the first was folded into.

    >>> from archcalc.analysis import analyze_graph
    >>> graph, report = analyze_graph("resnet18")
    >>> folding = fold_batchnorms(graph, [row.output for row in report.layers])
    >>> folding.norms, len(folding.kept), [node.name for node in folding.graph.nodes[:3]]
    (20, 0, ['conv1', 'relu1', 'pool1'])
    >>> folding.graph.nodes[0].layer.bias
    True
    """
    readers: list[list[int]] = [[] for _ in graph.nodes]
    tied: dict[int, int] = {}
    for position, node in enumerate(graph.nodes):
        for value in dict.fromkeys(node.inputs):
            source = graph.position(value)
            if source is not None:
                readers[source].append(position)
        if node.tied is not None:
            tied.setdefault(node.tied, position)
    into: dict[int, int] = {}
    kept: list[Kept] = []
    for position, node in enumerate(graph.nodes):
        if not isinstance(node.layer, BatchNorm):
            continue
        source = graph.position(node.inputs[0])
        layer = None if source is None else into.get(source, source)
        reason = _obstacle(graph, outputs, position, layer, readers, tied)
        if reason is not None:
            kept.append(Kept(position, reason))
        elif layer is not None:
            into[position] = layer
    folds = tuple(Fold(norm, layer) for norm, layer in into.items())
    return _folded(graph, into, folds, tuple(kept))


def _obstacle(
    graph: Graph,
    outputs: Sequence[Shape],
    norm: int,
    layer: int | None,
    readers: Sequence[Sequence[int]],
    tied: dict[int, int],
) -> str | None:
    """Why a norm cannot be folded into a layer, None where it can; `readers` are those of each node."""
    nodes, node = graph.nodes, graph.nodes[norm]
    if node.train_only:
        return "it runs only in training mode"
    place = graph.position(node.inputs[0])
    if layer is None or place is None:
        return "it reads the network's input"
    before, source = nodes[layer], nodes[place]
    if not isinstance(before.layer, TAKES_A_NORM):
        return f"it follows {source.name} ({source.layer.kind}), which is not a convolution or linear layer"
    if isinstance(before.layer, Linear) and len(outputs[layer]) > 1:
        return f"{before.name} has its features along the last axis, and the norm its channels along the first"
    others = [nodes[reader].name for reader in readers[place] if reader != norm]
    if others:
        return f"{source.name} is also read by {_listed(others)}"
    if node.inputs[0] in graph.outputs:
        return f"{source.name} is also an output of the network"
    for position, whose in ((norm, "its weights"), (layer, f"the weights of {before.name}")):
        if position in tied:
            return f"{whose} are also used by {nodes[tied[position]].name}"
    for user, who in ((node, "it"), (before, before.name)):
        if user.tied is not None:
            return f"{who} uses the weights of {nodes[user.tied].name}"
    return None


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _folded(graph: Graph, into: dict[int, int], folds: tuple[Fold, ...], kept: tuple[Kept, ...]) -> BatchNormFolding:
    first = len(graph.inputs)
    gone = {graph.nodes[norm].inputs[0] - first for norm in into}
    """What a folded norm reads: the layer itself, or the previous norm that was also folded into it."""
    places = tuple(position for position in range(len(graph.nodes)) if position not in gone)
    moved = {place: position for position, place in enumerate(places)}
    values = {value: value for value in range(first)}
    values |= {first + place: first + position for place, position in moved.items()}

    def node_at(place: int) -> Node:
        node = graph.nodes[into.get(place, place)]
        return msgspec.structs.replace(
            node,
            layer=_with_bias(node.layer) if place in into else node.layer,
            inputs=tuple(values[value] for value in node.inputs),
            tied=None if node.tied is None else moved[node.tied],
        )

    gives = tuple(values[value] for value in graph.outputs)
    folded = msgspec.structs.replace(graph, nodes=tuple(node_at(place) for place in places), outputs=gives)
    if folds:
        title = f"{graph.title}, batch norms folded"
        folded = msgspec.structs.replace(folded, name=f"{graph.name}-folded", title=title)
    return BatchNormFolding(graph, folded, places, folds, kept)


def _with_bias(layer: Layer) -> Layer:
    return layer if getattr(layer, "bias") else msgspec.structs.replace(layer, bias=True)  # noqa: B009
