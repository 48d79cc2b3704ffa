"""What is alive in memory while a network runs, and what training keeps of it for the backward pass.

Both follow PyTorch: some layers (a flatten, a dropout in eval mode) give a view of their input, which shares its
memory, and a tensor that several layers keep is there once. What a kernel takes for itself while it runs is left out,
such as the indices of a max pooling; where a layer is several operations of PyTorch's, what they pass on is counted.
"""

from collections.abc import Sequence

import msgspec

from archcalc.layers import Layer
from archcalc.layers.arithmetic import Shape, product
from archcalc.layers.base import elements
from archcalc.layers.storage import Kept, Strides, in_order, reshaped
from archcalc.spec.graph import INPUT, Graph, Node, holding_indices, outputs

INDEX_BYTES = 8
"""Of an int64, as PyTorch has indices."""
FULL_PRECISION_BYTES = 4


class Footprint(msgspec.Struct, frozen=True, gc=False):
    """What of a layer matters to memory: shapes, the numbers of its output and of its workspace, and what it keeps.

    `trains` tells whether it has parameters.
    """

    layer: Layer
    inputs: tuple[Shape, ...]
    output: Shape
    elements: int
    workspace: int
    workspace_of_batch: int
    kept: Kept | None
    trains: bool


class Memory(msgspec.Struct, frozen=True):
    """Bytes for the whole batch: alive while each layer runs in eval mode, and newly kept by it in training.

    What is alive counts the input of the network, which its caller holds. `kept` is None where it is not known.
    """

    alive: list[int]
    kept: list[int | None]


class _Tensors:
    """Where the tensors of a run lie: for each, the one whose memory it shares, its bytes, and its strides.

    The last of each list is the input's, so that INPUT (-1) finds it. Strides are None of what lies in order.
    """

    def __init__(
        self, graph: Graph, footprints: Sequence[Footprint], batch: int, width: int, *, training: bool
    ) -> None:
        self.batch = batch
        nodes = graph.nodes[: len(footprints)]
        indices = holding_indices(graph)
        self.owner = [*range(len(nodes)), INPUT]
        self.strides: list[Strides | None] = [None] * (len(nodes) + 1)
        self.bytes = [0] * (len(nodes) + 1)
        self.bytes[INPUT] = batch * elements(graph.input) * (INDEX_BYTES if INPUT in indices else width)
        of_kind: dict[type[Layer], bool] = {}
        for position, (node, found) in enumerate(zip(nodes, footprints, strict=True)):
            self.bytes[position] = batch * found.elements * (INDEX_BYTES if position in indices else width)
            kind = type(found.layer)
            plain = of_kind.get(kind)
            if plain is None:
                plain = of_kind[kind] = kind.view is Layer.view and kind.lies is Layer.lies
            if not plain:
                self._follow(position, node.inputs[0], found, training)

    def _follow(self, position: int, read: int, found: Footprint, training: bool) -> None:
        """Note the place of an output that lies in its input's memory, or in another order."""
        x, strides = found.inputs[0], self.strides[read]
        whole = (self.batch, *x)
        batch_stride, *others = in_order(whole) if strides is None else strides
        shared = found.layer.view(x, tuple(others), training)
        if shared is not None:
            self.owner[position] = self.owner[read]
            self.strides[position] = (batch_stride, *shared)
        else:
            self.strides[position] = found.layer.lies(whole, strides)

    def is_copied(self, position: int, shape: Shape, apart: int) -> bool:
        """Whether all axes of a tensor but the last ones can only be laid out as one in a copy."""
        strides = self.strides[position]
        if strides is None or apart > len(shape):
            return False
        last = len(shape) - apart
        return reshaped((self.batch, *shape), strides, (self.batch * product(shape[:last]), *shape[last:])) is None


def memory(graph: Graph, footprints: Sequence[Footprint], batch: int, width: int) -> Memory:
    """What each layer of a graph has alive and keeps, at `width` bytes for each number of the activations.

    `footprints` are those of the first nodes, as many as are known.
    """
    return Memory(_alive(graph, footprints, batch, width), _kept(graph, footprints, batch, width))


def _alive(graph: Graph, footprints: Sequence[Footprint], batch: int, width: int) -> list[int]:
    tensors = _Tensors(graph, footprints, batch, width, training=False)
    owner, sizes, nodes = tensors.owner, tensors.bytes, graph.nodes[: len(footprints)]
    until = [*range(len(nodes)), len(nodes)]  # the position after which each tensor's memory is free
    for position, node in enumerate(nodes):
        until[owner[position]] = position
        for i in node.inputs:
            until[owner[i]] = position
    for i in outputs(graph):
        if i < len(nodes):
            until[owner[i]] = len(nodes)
    freed = [0] * (len(nodes) + 1)
    held, alive = sizes[INPUT], []
    for position, node in enumerate(nodes):
        if owner[position] == position and not node.train_only:
            held += sizes[position]
            freed[until[position]] += sizes[position]
        alive.append(held + (0 if node.train_only else _within(tensors, node, footprints[position], batch, width)))
        held -= freed[position]
    return alive


def _within(tensors: _Tensors, node: Node, footprint: Footprint, batch: int, width: int) -> int:
    """The bytes that a layer takes besides inputs and output: of what its operations pass on, and of copies."""
    kept, total = footprint.kept, width * (batch * footprint.workspace + footprint.workspace_of_batch)
    if kept is not None and kept.apart is not None:
        for x, i in zip(footprint.inputs, node.inputs, strict=True):
            if not tensors.is_copied(i, x, kept.apart):
                continue
            # Where each row lies whole, PyTorch multiplies in another order, and puts the product in order afterwards.
            rows_are_whole = kept.apart == 1 and (tensors.strides[i] or (1,))[-1] == 1
            total += batch * width * footprint.elements if rows_are_whole else tensors.bytes[i]
    return total


def _kept(graph: Graph, footprints: Sequence[Footprint], batch: int, width: int) -> list[int | None]:
    tensors = _Tensors(graph, footprints, batch, width, training=True)
    owner, sizes = tensors.owner, tensors.bytes
    differentiable = [False] * (len(footprints) + 1)  # the input needs no gradient
    seen = [False] * (len(footprints) + 1)
    own_bytes: dict[int, int | None] = {}
    found: list[int | None] = []
    for position, (node, footprint) in enumerate(zip(graph.nodes, footprints, strict=False)):
        inputs, kept = node.inputs, footprint.kept
        needed = [differentiable[i] for i in inputs]
        if not (footprint.trains or True in needed):
            found.append(0)
            continue
        differentiable[position] = True
        if id(footprint) not in own_bytes:
            own_bytes[id(footprint)] = _own_bytes(kept, batch, width)
        total = own_bytes[id(footprint)]
        if total is None or kept is None:
            found.append(None)
            continue
        for k, i in enumerate(inputs[: kept.inputs]):
            if kept.crossed and True not in needed[:k] + needed[k + 1 :]:
                continue
            if kept.apart is not None and tensors.is_copied(i, footprint.inputs[k], kept.apart):
                total += sizes[i]
            elif not seen[owner[i]]:
                seen[owner[i]] = True
                total += sizes[owner[i]]
        if kept.output and not seen[owner[position]]:
            seen[owner[position]] = True
            total += sizes[owner[position]]
        found.append(total)
    return found


def _own_bytes(kept: Kept | None, batch: int, width: int) -> int | None:
    """The bytes of what a layer keeps besides its inputs and its output; None where that is not known."""
    if kept is None or (kept.full_precision and width < FULL_PRECISION_BYTES):
        return None
    statistics = max(width, FULL_PRECISION_BYTES) * kept.statistics
    return int(batch * (width * kept.elements + INDEX_BYTES * kept.indices + statistics) + width * kept.batch_elements)
