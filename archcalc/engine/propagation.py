"""Propagation: runs the rules of every layer over a graph and tallies what they cost."""

import functools
from collections.abc import Iterator, Mapping, Set
from typing import Any, cast

import msgspec

from archcalc.engine.conventions import Convention, Work, convention_named
from archcalc.engine.layer_problems import layer_problem
from archcalc.engine.memory import Memory, memory
from archcalc.engine.receptive_field import FieldTransform, field_transform, plain_parts, receptive_fields
from archcalc.engine.report import LayerReport, Output, Report
from archcalc.engine.settings import Settings
from archcalc.errors import MAX_PROBLEMS, LayerError, Problem
from archcalc.graph import Graph, Node
from archcalc.graph.nodes import index_bounds, of_the_batch
from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import (
    UNKNOWN,
    Condition,
    Dim,
    Shape,
    Sizes,
    equal,
    is_known,
    is_plain,
    may_hold,
)
from archcalc.layers.core.base import NO_OPS, Ops, Params, Visibility, elements, fmt_shape, is_bias
from archcalc.layers.core.execution import INDEX_BYTES
from archcalc.units import BYTES_PER_ELEMENT, INTEGERS


def report_on(graph: Graph, settings: Settings) -> tuple[Report, list[Problem]]:
    """The report on a graph, and the problems of its layers; the rows end before the first layer with a problem."""
    found = Propagation(graph, settings.batch, settings.dtype, convention_named(settings.convention))
    return Report(graph.name, graph.title, settings, found), found.problems


class _Cost(msgspec.Struct, frozen=True, gc=False):
    """The cost of a layer on inputs of given shapes, equal for every repetition of it."""

    inputs: tuple[Shape, ...]
    output: Shape
    params: Dim
    weights: Dim
    buffers: Dim
    samples: Dim
    memory_bytes: Dim
    ops: Ops | None
    macs: Dim | None
    flops: Dim | None
    transform: FieldTransform | None
    misfit: str | None = None


class Propagation:
    """What the layers of a graph cost, up to the first that fails; `problems` are those of that one and of later ones.

    A layer that reads a failed one is checked only where the failed one's output is known in spite of its error:
    what follows from an error is not reported as another. One pass finds the shapes of all values and the costs; what
    takes more passes, such as what is alive at once, is found when `layers` are asked for.
    """

    def __init__(self, graph: Graph, batch: Dim, dtype: str, convention: Convention) -> None:
        self.graph, self.convention = graph, convention
        self.batch, self.bytes_per_element = batch, BYTES_PER_ELEMENT[dtype]
        self.trains = dtype not in INTEGERS
        self.once = of_the_batch(graph)
        unknown = [None] * len(graph.nodes)
        self.shapes: list[Shape | None] = [*[input.shape for input in graph.inputs], *unknown]
        self.is_plain = is_plain(batch, *[input.shape for input in graph.inputs])
        """Whether no symbols and no arrays are involved."""
        self.problems: list[Problem] = []
        self.left_out = 0
        self.misfits: list[Problem] = []
        """Misfits of branches that run only in training: no errors unless their parameters need the shape."""
        self.indices = index_bounds(graph).keys()  # which are int64, whatever the dtype of the activations
        self.confused = _numbers_for_indices(graph, self.indices) if self.indices else {}
        self.costs = self._costs()

    def _costs(self) -> list[_Cost]:
        """One loop over plain locals: it is what a million layers take their time in."""
        shapes, once, confused, first_node = self.shapes, self.once, self.confused, len(self.graph.inputs)
        costs: dict[tuple[object, ...], _Cost] = {}
        found: list[_Cost] = []
        sound: int | None = None
        cost: _Cost | None = None
        last_key: tuple[object, ...] = ()
        for value, node in enumerate(self.graph.nodes, first_node):
            layer, inputs = node.layer, node.inputs
            xs = (shapes[inputs[0]],) if len(inputs) == 1 else tuple([shapes[i] for i in inputs])
            # The graph keeps its layers alive, so that an id stays one layer's.
            key: tuple[object, ...] = (id(layer), xs, node.tied, node.train_only, value in once)
            try:
                if key != last_key:
                    last_key, cost = key, costs.get(key)
            except (TypeError, ValueError):  # arrays have no hash, and are equal number by number
                last_key = key = (value,)
                cost = None
            if cost is None or value in confused:
                if None in xs:
                    continue
                try:
                    if value in confused:
                        raise confused[value]
                    cost = costs[key] = self._cost_or_misfit(node, xs, self.samples(value))  # type: ignore[arg-type]  # none of them is None
                except LayerError as error:
                    self.problems += self._problems(node, error, xs)  # type: ignore[arg-type]  # the same
                    shapes[value] = error.assume
                    sound = len(found) if sound is None else sound
                    if len(self.problems) + self.left_out > MAX_PROBLEMS:
                        break
                    continue
            shapes[value] = cost.output
            found.append(cost)
        if sound is not None:
            del found[sound:]
        for value in self.indices:
            if first_node <= value < first_node + len(found):
                cost = found[value - first_node]
                size = cost.memory_bytes // self.bytes_per_element * INDEX_BYTES
                found[value - first_node] = msgspec.structs.replace(cost, memory_bytes=size)
        return found

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What the network gives in eval mode, as far as it is there."""
        nodes, costs = self.graph.nodes, self.costs
        made = [value - len(self.graph.inputs) for value in self.graph.outputs]
        there = [k for k in made if k < len(costs) and not nodes[k].train_only]
        return tuple([Output(nodes[k].name, cast("Sizes", costs[k].output)) for k in there])

    @functools.cached_property
    def layers(self) -> tuple[LayerReport, ...]:
        """The rows."""
        nodes, costs = self.graph.nodes, self.costs
        shapes = cast("list[Sizes]", [cost.output for cost in costs])
        held = (
            memory(self.graph, shapes, self.indices, cast("int", self.batch), self.bytes_per_element)
            if self.is_plain
            else Memory.unknown(len(costs))
        )
        kept = held.kept if self.trains else [None] * len(costs)
        return tuple(
            [
                LayerReport(
                    node.name,
                    node.layer.kind,
                    line,
                    cost.inputs,
                    cost.output,
                    cost.params,
                    cost.weights,
                    cost.buffers,
                    cost.memory_bytes,
                    alive,
                    saved,
                    cost.macs,
                    cost.flops,
                    None if field is None else field.size,
                    depth,
                    node.layer,
                    cost.ops,
                    cost.samples,
                    None if node.tied is None else nodes[node.tied].name,
                    node.train_only,
                    cost.misfit,
                    moved,
                )
                for node, line, cost, field, depth, alive, saved, moved in zip(
                    nodes,
                    self._lines(),
                    cast("list[Any]", costs),  # a report's figures are typed as the whole numbers that most have
                    receptive_fields(self.graph, [cost.transform for cost in costs], shapes, in_part=not self.is_plain),
                    self._depths(),
                    held.alive,
                    kept,
                    held.moved,
                    strict=False,
                )
            ]
        )

    def _lines(self) -> Iterator[int | None]:
        """The line of each node; repetitions have one origin, which is asked once."""
        origin, line = None, None
        for node in self.graph.nodes:
            if node.origin is not origin:
                origin = node.origin
                line = None if origin is None else origin.own_line
            yield line

    def _depths(self) -> list[int]:
        """For each node, how many counted layers lie on the longest way to its output."""
        depths = [0] * len(self.graph.inputs)
        for node in self.graph.nodes:
            depths.append(max([depths[i] for i in node.read], default=0) + node.layer.is_depth_layer)
        return depths[len(self.graph.inputs) :]

    def samples(self, value: int) -> Dim:
        """For how many samples a value is computed: once for all of them where it depends on no input."""
        return 1 if value in self.once else self.batch

    def _cost_or_misfit(self, node: Node, inputs: tuple[Shape, ...], samples: Dim) -> _Cost:
        """What a layer costs; where it is too large for its input but runs in training alone, all that is known."""
        try:
            return self._cost(node, inputs, samples)
        except LayerError as error:
            if not (node.train_only and error.size_matters and all(map(is_known, inputs))):
                raise
            problem = layer_problem(node, error, self.graph, self.shapes)
            cost = self._cost(node, tuple((x[0], *(UNKNOWN for _ in x[1:])) for x in inputs), samples)
            self.misfits.append(problem)
            return msgspec.structs.replace(cost, inputs=inputs, misfit=error.message)

    def _cost(self, node: Node, inputs: tuple[Shape, ...], samples: Dim) -> _Cost:
        if not all(map(is_known, inputs)):
            return self._cost_where_unknown(node, inputs, samples)
        layer = node.layer
        y = layer.output(*inputs)
        params = self._params(node, inputs)
        sample = NO_OPS if node.train_only else layer.ops(*inputs, y)
        ops = None if sample is None else sample.times(samples)
        plain = is_plain(*inputs, y, *msgspec.structs.astuple(layer))
        self.is_plain = self.is_plain and plain
        window = layer.window(*inputs)
        return _Cost(
            inputs=inputs,
            output=y,
            params=params.total,
            weights=params.weights,
            buffers=params.buffers,
            samples=samples,
            memory_bytes=0 if node.train_only else samples * elements(y) * self.bytes_per_element,
            ops=ops,
            macs=None if ops is None else ops.macs,
            flops=0 if node.train_only else self.convention.flops(Work(layer, inputs, y, ops, samples)),
            transform=field_transform(window if plain else plain_parts(window), layer.sees_whole_input),
        )

    def _cost_where_unknown(self, node: Node, inputs: tuple[Shape, ...], samples: Dim) -> _Cost:
        """What is known of a layer that runs in training alone, behind one that does not fit its input."""
        y = node.layer.output(*inputs)
        params = self._params(node, inputs)
        if not is_known((params.weights, params.biases, params.buffers)):
            raise LayerError("its parameters depend on a size that is not known")
        return _Cost(
            inputs=inputs,
            output=y,
            params=params.total,
            weights=params.weights,
            buffers=params.buffers,
            samples=samples,
            memory_bytes=0,
            ops=NO_OPS,
            macs=0,
            flops=0,
            transform=FieldTransform(visibility=Visibility.UNKNOWN),
        )

    def _params(self, node: Node, inputs: tuple[Shape, ...]) -> Params:
        return node.layer.params(*inputs) if node.tied is None else self._own_params(node, node.tied, inputs)

    def _own_params(self, node: Node, tied: int, inputs: tuple[Shape, ...]) -> Params:
        """The parameters that a tied layer owns itself: those that the other lacks, and buffers.

        Those of the same name and shape are shared, as PyTorch's modules can share them.
        """
        layer, other = node.layer, self.graph.nodes[tied]
        read = [shape for i in other.inputs if (shape := self.shapes[i]) is not None]
        own, buffers = layer.parameters(*inputs), layer.buffers(*inputs)
        if len(read) < len(other.inputs):  # it is in error itself
            return Params.of(own, buffers)
        theirs = other.layer.parameters(*read)
        weights = [name for name in own if not is_bias(name)]
        shared = {name for name in own if may_hold(_alike(own[name], theirs.get(name)))}
        unlike = next((name for name in weights if name not in shared), None)
        if unlike is not None or not weights:
            raise LayerError(
                f"tied to {other.name}, {_misfit(unlike, own, theirs)}",
                field="tied",
                hint="both must hold weights of the same shapes, such as an embedding and the output layer",
            )
        return Params.of({name: own[name] for name in own if name not in shared}, buffers)

    def _problems(self, node: Node, error: LayerError, inputs: tuple[Shape, ...]) -> list[Problem]:
        """What is wrong with a layer; behind one that does not fit, that is the reason."""
        if all(map(is_known, inputs)):
            problem = layer_problem(node, error, self.graph, self.shapes)
            if node.origin is None or not node.origin.is_shipped:
                return [problem]
            if all(known.location != problem.location for known in self.problems):
                return [problem]
            self.left_out += 1  # what follows the first problem of a shipped block comes from the call
            return []
        found, self.misfits = self.misfits, []
        return found


def _numbers_for_indices(graph: Graph, indices: Set[int]) -> dict[int, LayerError]:
    """The errors of layers that compute numbers where indices are needed, or with indices, by the values they make."""
    found: dict[int, LayerError] = {}
    for value, node in enumerate(graph.nodes, len(graph.inputs)):
        kind = type(node.layer)
        if kind.parameters is Layer.parameters:
            continue  # such as a reshape: it leaves indices what they are
        if value in indices:
            hint = "read indices from an input of the network"
            found[value] = LayerError(
                f"{kind.kind} computes numbers, and a layer that reads them takes indices", hint=hint
            )
        elif node.layer.indices_below is None and any(i in indices for i in node.read):
            hint = "put an embedding before it, or give the network an input for each"
            found[value] = LayerError(f"{kind.kind} takes numbers, got indices that another layer takes", hint=hint)
    return found


def _alike(a: Shape, b: Shape | None) -> Condition:
    """Whether two shapes are the same; None is the shape of nothing."""
    if b is None or len(a) != len(b):
        return False
    same: Condition = True
    for size, other in zip(a, b, strict=True):
        same = same & equal(size, other)
    return same


def _misfit(name: str | None, own: Mapping[str, Shape], theirs: Mapping[str, Shape]) -> str:
    """Why a layer cannot use the weights of another: the one called `name` differs, or it holds none."""
    if name is None:
        return "but holds no weights of its own to replace"
    needs = fmt_shape(own[name])
    return (
        f"whose {name} is {fmt_shape(theirs[name])}, but needs {needs}"
        if name in theirs
        else (f"which has no {name}, but needs one of {needs}")
    )
