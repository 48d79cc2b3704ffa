"""What is alive in memory while a network runs, and what training keeps of it for the backward pass.

Both follow PyTorch: some layers (a flatten, a dropout in eval mode) give a view of their input, which shares its
memory, and a tensor that several layers keep is there once. What a kernel takes for itself while it runs is left out.
"""

from collections import Counter
from collections.abc import Sequence, Set

import msgspec

from archcalc.graph import Graph
from archcalc.graph.nodes import of_the_batch
from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import Sizes, is_known, product, whole
from archcalc.layers.core.execution import INDEX_BYTES, Execution, MemoryUnknownError
from archcalc.layers.core.storage import Strides, in_order


class Memory(msgspec.Struct, frozen=True):
    """Bytes for the whole batch: alive while each layer runs in eval mode, moved by it then, and kept in training.

    What is alive counts the input of the network, which its caller holds; what is kept is what no earlier layer keeps.
    Each is None where it is not known.
    """

    alive: list[int | None]
    moved: list[int | None]
    kept: list[int | None]

    @classmethod
    def unknown(cls, layers: int) -> "Memory":
        """That of layers whose sizes are no whole numbers: which layouts they have is not decided."""
        unknown: list[int | None] = [None] * layers
        return cls(unknown, unknown, unknown)


class Value(msgspec.Struct, frozen=True, gc=False):
    """What of a tensor matters to the layers that read it, its batch included; the layout None where unknown."""

    shape: Sizes
    layout: Strides | None
    width: int
    needs_grad: bool


class Effect(msgspec.Struct, frozen=True, gc=False):
    """What one run of a layer does: its output, of how many new bytes, or in the memory of which input.

    `most_bytes` are the most that it has of its own at once, `kept_bytes` those of its own that it keeps; None where
    that is not known. `moved_bytes` are those of its inputs, its output and what it holds.
    """

    output: Value
    output_bytes: int
    view_of: int | None
    most_bytes: int | None
    kept_bytes: int | None
    kept_inputs: tuple[int, ...]
    keeps_output: bool
    moved_bytes: int | None = None


def memory(graph: Graph, shapes: Sequence[Sizes], indices: Set[int], batch: int, width: int) -> Memory:
    """What each layer of a graph has alive and keeps, at `width` bytes for each number of the activations.

    `shapes` are those of the outputs of the first nodes, as many as are known, and `indices` the values that are int64.
    All sizes and fields must be whole numbers.
    """
    forward = ForwardPass(graph, shapes, indices, batch, width, training=False)
    kept = ForwardPass(graph, shapes, indices, batch, width, training=True).kept()
    return Memory(forward.alive(), forward.moved(), kept)


class ForwardPass:
    """One forward pass over the first nodes of a graph: what each layer does, and in whose memory each value is."""

    def __init__(
        self,
        graph: Graph,
        shapes: Sequence[Sizes],
        indices: Set[int],
        batch: int,
        width: int,
        *,
        training: bool,
        trains: Sequence[bool] | None = None,
    ) -> None:
        """A pass in which, for each node, what it learned `trains`: of all of them where that is left out."""
        self.graph, self.nodes = graph, graph.nodes[: len(shapes)]
        values = list[Value]()
        for value, input in enumerate(graph.inputs):
            sizes = whole((batch, *input.shape))
            bytes_each = INDEX_BYTES if value in indices else width
            values.append(Value(sizes, in_order(sizes), bytes_each, needs_grad=False))
        self.input_bytes = [product(value.shape) * value.width for value in values]
        self.owner = [*range(len(values) + len(self.nodes))]
        self.values, self.effects = values, list[Effect]()
        known: dict[tuple[object, ...], Effect] = {}
        interned: dict[Value, Value] = {}
        equal: dict[Layer, Layer] = {}
        once = of_the_batch(graph)
        spread: dict[int, Value] = {}
        """What depends on no input, for each sample of the batch."""
        for value, (node, shape) in enumerate(zip(self.nodes, shapes, strict=True), len(values)):
            read, samples = node.inputs, batch
            xs = [values[i] for i in read]
            if once:
                samples = 1 if value in once else batch
                for k, i in enumerate(read):
                    if i in once and value not in once:
                        xs[k] = spread.setdefault(i, _spread(xs[k], batch))
            stays = trains is not None and not trains[value - len(graph.inputs)]
            key: tuple[object, ...] = (id(node.layer), id(xs[0])) if len(xs) == 1 else (id(node.layer), *map(id, xs))
            key = (*key, stays) if stays else key
            effect = known.get(key)
            if effect is None and node.train_only and not (training and is_known(shape)):
                effect = _unknown(xs[0], (samples, *shape), 0)  # it does not run, or does not fit
            elif effect is None:
                # Equal layers of several entries are objects of their own, and do the same.
                layer = equal.setdefault(node.layer, node.layer)
                same = (id(layer), *key[1:])
                effect = known.get(same)
                if effect is None:
                    effect = _effect(layer, xs, (samples, *shape), width, training, not stays)
                    output = interned.setdefault(effect.output, effect.output)
                    effect = known[same] = msgspec.structs.replace(effect, output=output)
                known[key] = effect
            values.append(effect.output)
            if effect.view_of is not None:
                self.owner[value] = self.owner[read[effect.view_of]]
            self.effects.append(effect)

    def alive(self) -> list[int | None]:
        """For each layer the most bytes that are alive at once while it runs, those of the network's input included."""
        owner, nodes, first = self.owner, self.nodes, len(self.input_bytes)
        until = [*range(len(owner))]  # the value with which each tensor's memory is last needed
        for value, node in enumerate(nodes, first):
            until[owner[value]] = value
            for i in node.inputs:
                until[owner[i]] = value
        end = len(owner)
        for value in self.graph.outputs:
            if value < end:
                until[owner[value]] = end
        freed = [0] * (end + 1)
        held = sum(self.input_bytes)
        found: list[int | None] = []
        for value, (node, effect) in enumerate(zip(nodes, self.effects, strict=True), first):
            if node.train_only:
                found.append(held)
                continue
            found.append(None if effect.most_bytes is None else held + effect.most_bytes)
            if owner[value] == value:
                held += effect.output_bytes
                freed[until[value]] += effect.output_bytes
            held -= freed[value]
        return found

    def moved(self) -> list[int | None]:
        """For each layer the bytes that it must at least read and write, those of one input once."""
        found: list[int | None] = []
        for node, effect in zip(self.nodes, self.effects, strict=True):
            moved = 0 if node.train_only else effect.moved_bytes
            if moved and len(node.inputs) > 1:
                times = Counter(node.inputs)
                moved -= sum((n - 1) * _bytes_read(self.values[i]) for i, n in times.items() if n > 1)
            found.append(moved)
        return found

    def kept(self) -> list[int | None]:
        """For each layer the bytes that it keeps for the backward pass, beyond what earlier layers keep."""
        owner, sizes = self.owner, [*self.input_bytes, *[effect.output_bytes for effect in self.effects]]
        seen: list[bool | None] = [False] * len(sizes)  # None: a layer may keep it of which that is not known
        found: list[int | None] = []
        for value, (node, effect) in enumerate(zip(self.nodes, self.effects, strict=True), len(self.input_bytes)):
            total = effect.kept_bytes
            kept = [owner[node.inputs[k]] for k in effect.kept_inputs]
            if effect.keeps_output:
                kept.append(owner[value])
            for tensor in kept:
                if seen[tensor] is None:
                    total = None
                elif not seen[tensor] and total is not None:
                    total += sizes[tensor]
                seen[tensor] = True
            if effect.kept_bytes is None:
                for tensor in (*[owner[i] for i in node.inputs], owner[value]):
                    seen[tensor] = seen[tensor] or None
            found.append(total)
        return found


def _bytes_read(value: Value) -> int:
    """The bytes of a tensor; what is only repeated along an axis is there once."""
    layout = value.layout or in_order(value.shape)
    return value.width * product([size for size, stride in zip(value.shape, layout, strict=True) if stride])


def _bytes_held(layer: Layer, read: Sequence[Value], written: int, width: int) -> int:
    """The bytes of the parameters and buffers that a layer reads: of a table, no more than goes into the output."""
    shapes = [value.shape[1:] for value in read]
    (held,) = whole([width * layer.params(*shapes).total + layer.buffer_bytes_read(*shapes, width=width)])
    return held if layer.indices_below is None else min(held, written)


def _spread(value: Value, batch: int) -> Value:
    """The only sample of a value for each sample of a batch, a view."""
    layout = None if value.layout is None else (0 if batch > 1 else value.layout[0], *value.layout[1:])
    return Value((batch, *value.shape[1:]), layout, value.width, value.needs_grad)


def _unknown(read: Value, shape: Sizes, output_bytes: int) -> Effect:
    """What is known of a layer of which it is not known what it does in memory."""
    value = Value(shape, None, read.width, needs_grad=True)
    return Effect(value, output_bytes, None, None, None, (), keeps_output=False)


def _effect(layer: Layer, read: Sequence[Value], shape: Sizes, width: int, training: bool, trains: bool) -> Effect:
    run = Execution(width=width, training=training, trains=trains)
    inputs = [run.input(x.shape, x.layout, width=x.width, needs_grad=x.needs_grad) for x in read]
    try:
        y = layer.execute(run, *inputs)
    except MemoryUnknownError:
        return _unknown(read[0], shape, product(shape) * read[0].width)
    own = [x.storage for x in inputs]
    is_view = y.storage in own
    written = y.width * product(y.shape)
    moved = 0 if is_view else sum(map(_bytes_read, read)) + _bytes_held(layer, read, written, width) + written
    kept = [storage for storage in run.kept if storage not in own and storage is not y.storage]
    return Effect(
        output=Value(y.shape, y.layout, y.width, y.needs_grad),
        output_bytes=0 if is_view else y.storage.bytes,
        view_of=own.index(y.storage) if is_view else None,
        most_bytes=None if run.most_unknown else run.peak_bytes,
        kept_bytes=None if run.keeps_unknown else sum(storage.bytes for storage in kept),
        kept_inputs=tuple(own.index(storage) for storage in run.kept if storage in own),
        keeps_output=y.storage in run.kept and not is_view,
        moved_bytes=moved,
    )
