"""Propagation: runs the rules of every layer over a graph and tallies what they cost."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from archcalc.engine.conventions import Convention, Work, convention_named
from archcalc.engine.layer_problems import layer_problem
from archcalc.engine.memory import Memory, memory
from archcalc.engine.receptive_field import (
    FieldTransform,
    ReceptiveField,
    after,
    after_in_part,
    field_transform,
    joined,
    plain_parts,
    start,
)
from archcalc.engine.report import LayerReport, Output, Report, Settings
from archcalc.errors import MAX_PROBLEMS, LayerError, Problem
from archcalc.graph import Graph, Node
from archcalc.graph.nodes import index_bounds, of_the_batch
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
    whole,
)
from archcalc.layers.core.base import NO_OPS, Ops, Params, Visibility, elements, fmt_shape, is_bias
from archcalc.layers.core.execution import INDEX_BYTES
from archcalc.units import BYTES_PER_ELEMENT, INTEGERS


def report_on(graph: Graph, settings: Settings) -> tuple[Report, list[Problem]]:
    """The report on a graph, and what is wrong with its layers; the rows end before the first layer with a problem."""
    convention = convention_named(settings.convention)
    rows, problems = propagate(graph, settings.batch, settings.dtype, convention)
    made = [value - len(graph.inputs) for value in graph.outputs]
    outputs = [Output(rows[k].name, rows[k].output) for k in made if k < len(rows) and not rows[k].train_only]
    return Report(graph.name, graph.title, settings, rows, tuple(outputs)), problems


def propagate(
    graph: Graph, batch: Dim, dtype: str, convention: Convention
) -> tuple[tuple[LayerReport, ...], list[Problem]]:
    """The rows of a graph up to the first layer that fails, and the problems of that one and of those after it.

    A layer that reads a failed one is checked only where the failed one's output is known in spite of its error:
    what follows from an error is not reported as another.
    """
    return _Run(graph, batch, dtype, convention).rows()


class _Cost(msgspec.Struct, frozen=True, gc=False):
    """What a layer costs on inputs of given shapes; equal for every repetition of it."""

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
    is_plain: bool = True
    """Whether no symbols and no arrays are involved."""


class _Run:
    """One pass over a graph; `shapes` are those of its values, `fields` those of values that are still to be read."""

    def __init__(self, graph: Graph, batch: Dim, dtype: str, convention: Convention) -> None:
        self.graph, self.convention = graph, convention
        self.batch, self.bytes_per_element = batch, BYTES_PER_ELEMENT[dtype]
        self.trains = dtype not in INTEGERS
        self.once = of_the_batch(graph)
        unknown = [None] * len(graph.nodes)
        self.shapes: list[Shape | None] = [*[input.shape for input in graph.inputs], *unknown]
        self.fields: list[ReceptiveField | None] = [
            *[start(whole(input.shape)) if is_plain(input.shape[1:]) else None for input in graph.inputs],
            *unknown,
        ]
        self.receptive: list[Sizes | None] = list(unknown)
        self.is_plain = is_plain(batch, *[input.shape for input in graph.inputs])
        self.problems: list[Problem] = []
        self.misfits: list[Problem] = []
        """Of branches that run in training alone, why they do not fit: no errors unless their parameters need it."""
        self.sees: list[int | None] = [*range(len(graph.inputs)), *unknown] if len(graph.inputs) > 1 else []
        """The only input that each value sees, where there are several; None of one that sees more."""

    def rows(self) -> tuple[tuple[LayerReport, ...], list[Problem]]:
        """One loop over plain locals: it is what a million layers take their time in."""
        shapes, fields, receptive, once = self.shapes, self.fields, self.receptive, self.once
        first_value, unread = len(self.graph.inputs), self._readers()
        has_several_inputs = bool(self.sees)
        costs: dict[tuple[object, ...], _Cost] = {}
        found: list[_Cost] = []
        sound: int | None = None
        cost: _Cost | None = None
        last_key: tuple[object, ...] = ()
        for value, node in enumerate(self.graph.nodes, first_value):
            layer, inputs = node.layer, node.inputs
            first = inputs[0]
            xs = (shapes[first],) if len(inputs) == 1 else tuple([shapes[i] for i in inputs])
            # The graph keeps its layers alive, so that an id stays one layer's.
            key: tuple[object, ...] = (id(layer), xs, node.tied, node.train_only, value in once)
            try:
                if key != last_key:
                    last_key, cost = key, costs.get(key)
            except (TypeError, ValueError):  # arrays have no hash, and are equal number by number
                last_key = key = (value,)
                cost = None
            if cost is None:
                if None in xs:
                    continue
                try:
                    cost = costs[key] = self._cost_or_misfit(node, xs, self.samples(value))  # type: ignore[arg-type]  # none of them is None
                except LayerError as error:
                    self.problems += self._problems(node, error, xs)  # type: ignore[arg-type]  # the same
                    shapes[value] = error.assume
                    sound = len(found) if sound is None else sound
                    if len(self.problems) > MAX_PROBLEMS:
                        break
                    continue
            shapes[value] = cost.output
            if has_several_inputs:
                self._note_what_is_seen(value, inputs)
            field = fields[first] if len(inputs) == 1 else self._joined(inputs, cost.transform)
            if field is not None and cost.transform is not None:
                follow = after if cost.is_plain else after_in_part
                field = follow(field, cost.transform, xs[0], cost.output)  # type: ignore[arg-type]  # the same
            if field is not None:
                fields[value], receptive[value - first_value] = field, field.size
            for i in inputs:
                unread[i] -= 1
                if not unread[i]:  # the fields of a million layers would be 200 MB
                    fields[i] = None
            found.append(cost)
        return self._reports(found[:sound]), self.problems

    def _reports(self, costs: list[_Cost]) -> tuple[LayerReport, ...]:
        """The rows of the first nodes, which have these costs."""
        nodes, first = self.graph.nodes, len(self.graph.inputs)
        indices = index_bounds(self.graph).keys()  # which are int64, whatever the dtype of the activations
        shapes = cast("list[Sizes]", [cost.output for cost in costs])
        held = (
            memory(self.graph, shapes, indices, cast("int", self.batch), self.bytes_per_element)
            if self.is_plain
            else Memory.unknown(len(costs))
        )
        kept = held.kept if self.trains else [None] * len(costs)
        sizes = [cost.memory_bytes for cost in costs]
        for value in indices:
            if first <= value < first + len(costs):
                sizes[value - first] = sizes[value - first] // self.bytes_per_element * INDEX_BYTES
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
                    size,
                    alive,
                    saved,
                    cost.macs,
                    cost.flops,
                    receptive,
                    depth,
                    node.layer,
                    cost.ops,
                    cost.samples,
                    None if node.tied is None else nodes[node.tied].name,
                    node.train_only,
                    cost.misfit,
                    moved,
                )
                for node, line, cost, size, receptive, depth, alive, saved, moved in zip(
                    nodes,
                    self._lines(),
                    cast("list[Any]", costs),  # a report's figures are typed as the whole numbers that most have
                    cast("list[Any]", sizes),
                    self.receptive,
                    self._depths(),
                    held.alive,
                    kept,
                    held.moved,
                    strict=False,
                )
            ]
        )

    def _readers(self) -> list[int]:
        """For each value how many times nodes read it."""
        times = [0] * len(self.shapes)
        for node in self.graph.nodes:
            for i in node.inputs:
                times[i] += 1
        return times

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
            depths.append(max([depths[i] for i in node.inputs]) + node.layer.is_depth_layer)
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
            is_plain=plain,
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
        """What a layer holds that uses the weights of another: the parameters that the other has none of, and buffers.

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
                hint="both must hold weights of the same shapes, such as an embedding and the linear layer back",
            )
        return Params.of({name: own[name] for name in own if name not in shared}, buffers)

    def _joined(self, inputs: tuple[int, ...], how: FieldTransform | None) -> ReceptiveField | None:
        """The field of what reads several values: unknown where they see different inputs."""
        seen = [i for i in inputs if i not in self.once]
        found = [field for i in seen if (field := self.fields[i]) is not None]
        if len(found) < len(seen) or not seen or (self.sees and len({self.sees[i] for i in seen}) > 1):
            return None
        return joined(found, how)

    def _note_what_is_seen(self, value: int, inputs: tuple[int, ...]) -> None:
        seen = {self.sees[i] for i in inputs if i not in self.once}
        self.sees[value] = seen.pop() if len(seen) == 1 else None

    def _problems(self, node: Node, error: LayerError, inputs: tuple[Shape, ...]) -> list[Problem]:
        """What is wrong with a layer; behind one that does not fit, that is the reason."""
        if all(map(is_known, inputs)):
            return [layer_problem(node, error, self.graph, self.shapes)]
        found, self.misfits = self.misfits, []
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
