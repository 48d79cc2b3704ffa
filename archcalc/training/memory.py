"""What is alive in memory during the forward and the backward pass of a training step.

It follows PyTorch: a tensor that several layers keep is there once, what a layer keeps goes when its backward pass is
done, and gradients that meet are added in place where nothing else holds the first. What a kernel takes for itself is
left out. Of a layer that goes through several operations backward, only what is there before and after is known: the
most bytes are then a lower bound.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from archcalc.engine.memory import ForwardPass
from archcalc.engine.report import Report
from archcalc.graph import Graph
from archcalc.graph.nodes import index_bounds
from archcalc.layers.core.arithmetic import product
from archcalc.layers.core.execution import Gradient
from archcalc.layers.dropout import Dropping
from archcalc.training.backward import Gradients
from archcalc.training.parameters import Learned
from archcalc.units import BYTES_PER_ELEMENT

Segment = range
"""Positions of layers that follow one another, of which only the inputs are kept: they run once more, backward."""


class StepMemory(msgspec.Struct, frozen=True):
    """Bytes for the whole batch, parameters and buffers apart.

    `saved` is for each layer what the backward pass needs of it beyond what it needs of earlier ones, None where
    unknown. `held_bytes` are alive between the two passes: what is saved, the network's inputs and its outputs; None
    where unknown. `peak_bytes` is the most at once, with the gradients of the outputs and those of the parameters
    made so far; where it is not `exact`, there are at least so many. `peak_at` is the position of the layer there.
    """

    saved: tuple[int | None, ...]
    held_bytes: int | None
    peak_bytes: int
    exact: bool
    peak_at: int

    @property
    def saved_bytes(self) -> int | None:
        """What is saved of all layers; None where that of some is unknown."""
        known = [saved for saved in self.saved if saved is not None]
        return sum(known) if len(known) == len(self.saved) else None


def training_pass(graph: Graph, report: Report, learned: Sequence[Learned]) -> ForwardPass:
    """The forward pass of a training step, at the batch and dtype of the report."""
    settings, shapes = report.settings, [row.output for row in report.layers]
    trains = [tensors.runs_trained for tensors in learned]
    indices, width = index_bounds(graph).keys(), BYTES_PER_ELEMENT[settings.dtype]
    return ForwardPass(graph, shapes, indices, settings.batch, width, training=True, trains=trains)


def step_memory(
    graph: Graph, report: Report, learned: Sequence[Learned], computed: Sequence[Gradients], segments: Sequence[Segment]
) -> StepMemory:
    """What a training step has in memory, where `segments` of layers are run once more instead of kept."""
    return _Step(graph, training_pass(graph, report, learned), learned, computed, segments).memory()


AS_VIEWS = ("linear", "matmul", "attention")
"""Kinds that lay out the gradients of batches of rows anew, as views of what they made."""


AT_ONCE = ("linear", "conv", "batchnorm", "layernorm", "groupnorm", "depthwise_conv")
"""Kinds whose gradients of weights are made by one operation; those of others may be summed up of larger tensors."""


class _Grad:
    """The memory of a gradient: its bytes, and how many hold it; nothing is added in place to one that views share."""

    __slots__ = ("bytes", "holders", "is_viewed")

    def __init__(self, bytes: int, holders: int = 1, *, is_viewed: bool = False) -> None:
        self.bytes, self.holders, self.is_viewed = bytes, holders, is_viewed


class _Step:
    """One step: the forward pass in order, then the backward pass in reverse."""

    def __init__(
        self,
        graph: Graph,
        forward: ForwardPass,
        learned: Sequence[Learned],
        computed: Sequence[Gradients],
        segments: Sequence[Segment],
    ) -> None:
        self.graph, self.forward, self.learned, self.computed = graph, forward, learned, computed
        self.first = len(graph.inputs)
        self.owner, self.effects = forward.owner, forward.effects
        self.sizes = [*forward.input_bytes, *[effect.output_bytes for effect in self.effects]]
        self.segments = [segment for segment in segments if any(computed[k].runs for k in segment)]
        self.segment_of = {k: segment for segment in self.segments for k in segment}
        self.caller = {*range(self.first), *[self.owner[value] for value in graph.outputs]}
        self.exact = not self.segments
        self.readers = Counter(i for node in graph.nodes for i in node.inputs)
        self.peak, self.peak_at, self.perhaps = 0, 0, 0
        self.given: list[_Grad] = []

    def memory(self) -> StepMemory:
        """Run it."""
        saved, known = self._saved()
        keeper = self._keepers()
        held = self._run_forward(keeper)
        held_bytes = held if known else None
        self._run_backward(held, keeper)
        exact = self.exact and known and self.perhaps <= self.peak and not self._has_dead_ends()
        return StepMemory(tuple(saved), held_bytes, self.peak, exact, self.peak_at)

    def _has_dead_ends(self) -> bool:
        """Whether anything that is trained leads to no output: how long it stays is not followed."""
        made = self.forward.values[self.first :]
        return any(value.needs_grad and not one.runs for value, one in zip(made, self.computed, strict=True))

    def _kept(self, position: int) -> list[int]:
        """The tensors of values that a layer keeps, by those whose memory they have."""
        effect, node = self.effects[position], self.graph.nodes[position]
        kept = [self.owner[node.inputs[k]] for k in effect.kept_inputs]
        return [*kept, self.owner[self.first + position]] if effect.keeps_output else kept

    def _held_by(self, segment: Segment) -> list[int]:
        """The tensors that a segment reads of layers before it: they are kept to run it once more."""
        made = range(self.first + segment.start, self.first + segment.stop)
        read = [i for k in segment for i in self.graph.nodes[k].inputs if i not in made]
        return list(dict.fromkeys([self.owner[i] for i in read]))

    def _saved(self) -> tuple[list[int | None], bool]:
        """What each layer keeps that no earlier one does, and whether it is known of all."""
        plain = self.forward.kept()
        if not self.segments:
            return plain, None not in plain
        seen = set[int]()
        found: list[int | None] = []
        for k in range(len(self.effects)):
            segment = self.segment_of.get(k)
            if segment is None:
                kept, own = self._kept(k), self.effects[k].kept_bytes
            else:
                kept, own = self._held_by(segment) if k == segment.start else [], 0
            new = [tensor for tensor in dict.fromkeys(kept) if tensor not in seen]
            seen.update(new)
            found.append(None if own is None else own + sum([self.sizes[tensor] for tensor in new]))
        return found, None not in found

    def _keepers(self) -> dict[int, int]:
        """For each tensor that is kept between the passes, the position of the first layer that keeps it."""
        keepers: dict[int, int] = {}
        for k, one in enumerate(self.computed):
            segment = self.segment_of.get(k)
            if segment is not None:
                kept = self._held_by(segment) if k == segment.start else []
            else:
                kept = self._kept(k) if one.runs else []
            for tensor in kept:
                keepers.setdefault(tensor, k)
        return keepers

    def _note(self, bytes: int, position: int) -> None:
        if bytes > self.peak:
            self.peak, self.peak_at = bytes, position

    def _run_forward(self, keeper: dict[int, int]) -> int:
        """The bytes that are alive after the forward pass."""
        owner, first = self.owner, self.first
        until = [*range(len(owner))]
        for value, node in enumerate(self.graph.nodes, first):
            until[owner[value]] = value
            for i in node.inputs:
                until[owner[i]] = value
        stay = self.caller | keeper.keys()
        goes: dict[int, list[int]] = {}
        for tensor in range(first, len(owner)):
            if owner[tensor] == tensor and tensor not in stay:
                goes.setdefault(until[tensor], []).append(tensor)
        held = sum(self.sizes[:first])
        for k, effect in enumerate(self.effects):
            value = first + k
            # That a layer has so much at once on the way is sure in eval mode alone.
            self.perhaps = max(self.perhaps, held + (effect.most_bytes or 0))
            self.exact = self.exact and effect.most_bytes is not None
            if owner[value] == value:
                held += effect.output_bytes
            if self.computed[k].runs and k not in self.segment_of:
                held += effect.kept_bytes or 0
            self._note(held, k)
            held -= sum([self.sizes[tensor] for tensor in goes.get(value, ())])
        return held

    def _run_backward(self, held: int, keeper: dict[int, int]) -> None:
        """Notes the most bytes that are alive while gradients go back from the outputs."""
        first, nodes = self.first, self.graph.nodes
        pending: dict[int, _Grad] = {}
        for value in self.graph.outputs:
            if self.computed[value - first].runs and value not in pending:
                given = _Grad(product(self.forward.values[value].shape) * self.forward.values[value].width, holders=2)
                pending[value] = given
                self.given.append(given)
                held += given.bytes
        released: dict[int, list[int]] = {}
        for tensor, k in keeper.items():
            if tensor not in self.caller:
                released.setdefault(k, []).append(tensor)
        has_grad = set[int]()
        for k in reversed(range(len(nodes))):
            one, effect = self.computed[k], self.effects[k]
            segment = self.segment_of.get(k)
            if segment is not None and k == segment.stop - 1:
                tensors = self._kept_again(segment)
                for tensor, keeps in tensors.items():
                    released.setdefault(keeps, []).append(tensor)
                held += sum([self.sizes[tensor] for tensor in tensors])
                held += sum([self.effects[i].kept_bytes or 0 for i in segment if self.computed[i].runs])
            if one.runs and (gradient := pending.pop(first + k, None)) is not None:
                held = self._run_layer_backward(k, gradient, pending, held, has_grad)
            if one.runs:
                held -= effect.kept_bytes or 0
            held -= sum([self.sizes[tensor] for tensor in released.get(k, ())])

    def _kept_again(self, segment: Segment) -> dict[int, int]:
        """The tensors that layers of a segment keep when it runs once more, and the first layer that keeps each."""
        inside = range(self.first + segment.start, self.first + segment.stop)
        keepers: dict[int, int] = {}
        for k in segment:
            for tensor in self._kept(k) if self.computed[k].runs else ():
                if tensor in inside:
                    keepers.setdefault(tensor, k)
        return keepers

    def _run_layer_backward(
        self, k: int, gradient: _Grad, pending: dict[int, _Grad], held: int, has_grad: set[int]
    ) -> int:
        """The bytes that are alive after the backward pass of a layer, what it keeps still among them."""
        node, effect, one = self.graph.nodes[k], self.effects[k], self.computed[k]
        how = self._how(k)
        made: list[tuple[int, _Grad]] = []
        for i, needed in zip(node.inputs, one.inputs, strict=True):
            if not needed:
                continue
            if how is Gradient.PASSED:
                gradient.holders += 1
                gradient.is_viewed = gradient.is_viewed or node.layer.kind != "add"
                made.append((i, gradient))
            else:
                value = self.forward.values[i]
                bytes = product(value.shape) * value.width if how is Gradient.NEW else 0
                new = _Grad(bytes, is_viewed=node.layer.kind in AS_VIEWS and len(value.shape) > 2)
                held += new.bytes
                made.append((i, new))
        weights = self._gradients_of_weights(k, effect.output.width)
        # What runs once more is gone before PyTorch sums up the gradient of a linear layer's bias.
        late = self.learned[k].biases * effect.output.width if k in self.segment_of else 0
        self._note(held + weights - min(late, weights), k)
        if weights and node.layer.kind not in AT_ONCE:
            whole = product(self.forward.values[self.first + k].shape) * effect.output.width
            self.perhaps = max(self.perhaps, held + 2 * weights + whole)
        shared = self.learned[k].uses_shared
        held += 0 if shared and self._owner(k) in has_grad else weights  # added to those that are there
        has_grad.add(self._owner(k))
        held = _released(gradient, held)
        for i, new in made:
            held = self._added(i, new, pending, held, k)
        return held

    def _how(self, k: int) -> Gradient:
        """How a layer makes the gradients of its inputs; where that is not known, the peak is a lower bound."""
        node, effect = self.graph.nodes[k], self.effects[k]
        how = node.layer.gradient
        of_one_shape = len({self.forward.values[i].shape for i in (*node.inputs, self.first + k)}) == 1
        if effect.view_of is not None and of_one_shape and (how is Gradient.PASSED or isinstance(node.layer, Dropping)):
            how = Gradient.PASSED
            # A layer that gives its input itself is not there for PyTorch: other layers meet its readers.
            if self.readers[node.inputs[0]] > 1:
                self.exact = False
        elif (node.layer.kind == "add" and not of_one_shape) or (
            node.layer.kind == "attention" and not effect.keeps_output
        ):
            how = Gradient.UNKNOWN
        if how is Gradient.UNKNOWN:
            self.exact = False
        return how

    def _gradients_of_weights(self, k: int, width: int) -> int:
        learned = self.learned[k]
        numbers = learned.numbers if learned.trains_own else 0
        if learned.uses_shared and learned.trains_shared:
            numbers += self.learned[self._owner(k)].numbers
        return numbers * width if self.computed[k].runs else 0

    def _owner(self, k: int) -> int:
        while (tied := self.graph.nodes[k].tied) is not None:
            k = tied
        return k

    def _added(self, i: int, new: _Grad, pending: dict[int, _Grad], held: int, k: int) -> int:
        """The bytes alive once a gradient is added to what came before it for the same value."""
        old = pending.get(i)
        if old is None:
            pending[i] = new
            return held
        if old.holders == 1 and not old.is_viewed:
            return _released(new, held)
        value = self.forward.values[i]
        total = _Grad(product(value.shape) * value.width if old.bytes and new.bytes else 0)
        if old in self.given:  # whether it is added to depends on who else holds it
            self.perhaps = max(self.perhaps, held + total.bytes)
        else:
            self._note(held + total.bytes, k)
        pending[i] = total
        return _released(new, _released(old, held + total.bytes))


def _released(gradient: _Grad, held: int) -> int:
    """The bytes alive once one that held a gradient does no longer."""
    gradient.holders -= 1
    return held - gradient.bytes if gradient.holders == 0 else held
