"""The learned tensors of a network, layer by layer, and which of them training changes."""

from collections.abc import Set
from typing import cast

import msgspec

from archcalc.engine.report import Report
from archcalc.graph import Graph
from archcalc.layers.core.arithmetic import Sizes, product
from archcalc.layers.core.base import is_bias


class Learned(msgspec.Struct, frozen=True, gc=False):
    """The learned tensors of a layer: shapes by PyTorch's names of those that it holds, and whether they are trained.

    `uses_shared` tells that it uses tensors of the layer that it is tied to besides, and `trains_shared` that these are
    trained.
    """

    own: dict[str, Sizes]
    trains_own: bool
    uses_shared: bool = False
    trains_shared: bool = False

    @property
    def trains(self) -> bool:
        """Whether anything that the layer uses is trained."""
        return (bool(self.own) and self.trains_own) or self.trains_shared

    @property
    def trains_weights(self) -> bool:
        """Whether the weights that it multiplies by are trained: where it is tied, those that it shares."""
        return self.trains_shared if self.uses_shared else bool(self.own) and self.trains_own

    @property
    def runs_trained(self) -> bool:
        """Whether the layer runs as one that is trained: a frozen batch norm takes running statistics."""
        return self.trains if self.uses_shared else self.trains_own

    @property
    def numbers(self) -> int:
        """How many numbers it holds itself."""
        return sum(map(product, self.own.values()))

    @property
    def biases(self) -> int:
        """How many of them are biases."""
        return sum([product(shape) for name, shape in self.own.items() if is_bias(name)])

    @property
    def trained(self) -> tuple[Sizes, ...]:
        """The shapes of its own tensors that are trained."""
        return tuple(self.own.values()) if self.trains_own else ()


def learned_tensors(graph: Graph, report: Report, frozen: Set[int] = frozenset()) -> tuple[Learned, ...]:
    """What each layer of a graph holds that is learned; `frozen` are the positions of layers that stay as they are.

    Tensors that a tied layer shares are frozen with the layer that holds them.

    >>> from archcalc.analysis import analyze_graph
    >>> learned_tensors(*analyze_graph("lenet5"))[0].own
    {'weight': (6, 1, 5, 5), 'bias': (6,)}
    """
    shapes: list[dict[str, Sizes]] = []
    found: list[Learned] = []
    for position, (node, row) in enumerate(zip(graph.nodes, report.layers, strict=True)):
        own = cast("dict[str, Sizes]", node.layer.parameters(*row.inputs))
        shapes.append(own)
        trains = position not in frozen
        if node.tied is None:
            found.append(Learned(own, trains))
            continue
        theirs, other = shapes[node.tied], found[node.tied]
        rest = {name: shape for name, shape in own.items() if theirs.get(name) != shape}
        found.append(Learned(rest, trains, uses_shared=True, trains_shared=other.trains_weights))
    return tuple(found)
