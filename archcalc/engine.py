"""Propagation: runs the rules of every layer over a graph and tallies what they cost."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from archcalc.conventions import Convention, convention_named
from archcalc.errors import MAX_PROBLEMS, LayerError, Problem, SettingError, SpecError, did_you_mean
from archcalc.layer_problems import layer_problem
from archcalc.layers.arithmetic import UNKNOWN, Shape, is_known
from archcalc.layers.base import NO_OPS, Params, Sight, elements, fmt_shape, is_bias
from archcalc.layers.execution import INDEX_BYTES
from archcalc.memory import memory
from archcalc.receptive_field import Field, Lens, after, joined, lens, start
from archcalc.report import LayerReport, Report, Settings, Totals
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import load
from archcalc.spec.expand import expand
from archcalc.spec.graph import Graph, Node, holding_indices, outputs
from archcalc.spec.values import Value
from archcalc.units import BYTES_PER_ELEMENT, INTEGERS

MAX_VALUE_DEPTH = 32
"""How deep lists in vars may lie in one another."""


def analyze(
    architecture: Architecture | str | os.PathLike[str],
    *,
    input: Sequence[int] | None = None,
    batch: int = 1,
    dtype: str = "float32",
    convention: str = "lecture",
    vars: Mapping[str, Value] | None = None,
) -> Report:
    """What every layer of an architecture costs, of a loaded one or of what `load` takes.

    `input` (a shape without the batch) and `vars` override the spec's own; `dtype` is one of float32, float16,
    bfloat16, float64, int8; `convention` says what a FLOP is ("lecture" or "torch").

    Raises SpecError with all problems of the spec at once, and SettingError for a setting that cannot be used.

    >>> from archcalc import analyze
    >>> report = analyze("alexnet", batch=2)
    >>> [(row.name, row.flops) for row in report.layers[:1]], report.totals.params
    ([('conv1', 145711104)], 61100840)
    """
    return analyze_graph(architecture, input=input, batch=batch, dtype=dtype, convention=convention, vars=vars)[1]


def analyze_graph(
    architecture: Architecture | str | os.PathLike[str],
    *,
    input: Sequence[int] | None = None,
    batch: int = 1,
    dtype: str = "float32",
    convention: str = "lecture",
    vars: Mapping[str, Value] | None = None,
) -> tuple[Graph, Report]:
    """The graph of an architecture with the report on it, one row for each node; as `analyze` otherwise."""
    convention_named(convention)
    if not isinstance(architecture, Architecture):
        architecture = load(architecture)
    shape = _check_settings(input, batch, dtype)
    vars = _checked_vars(vars)
    graph, problems = expand(architecture, input=shape, vars=vars)
    settings = Settings(graph.input, batch, dtype, convention, msgspec.to_builtins(dict(vars or {}), enc_hook=str))
    report, shape_problems = report_on(graph, architecture, settings)
    if problems or shape_problems:
        raise SpecError([*problems, *shape_problems], partial=report)
    return graph, report


def report_on(graph: Graph, architecture: Architecture, settings: Settings) -> tuple[Report, list[Problem]]:
    """The report on a graph that was made of an architecture, and what is wrong with its layers.

    The rows end before the first layer with a problem.
    """
    convention = convention_named(settings.convention)
    rows, problems = propagate(graph, architecture, settings.batch, settings.dtype, convention)
    further = tuple(graph.nodes[i].name for i in outputs(graph)[1:] if not graph.nodes[i].train_only)
    return Report(architecture.name, architecture.title, settings, rows, Totals.of(rows), further), problems


def propagate(
    graph: Graph, architecture: Architecture, batch: int, dtype: str, convention: Convention
) -> tuple[tuple[LayerReport, ...], list[Problem]]:
    """The rows of a graph up to the first layer that fails, and the problems of that one and of those after it.

    A layer that reads a failed one is checked only where the failed one's output is known in spite of its error:
    what follows from an error is not reported as another.
    """
    return _Run(graph, architecture, batch, dtype, convention).rows()


class _Cost(msgspec.Struct, frozen=True, gc=False):
    """What a layer costs on inputs of given shapes; equal for every repetition of it."""

    inputs: tuple[Shape, ...]
    output: Shape
    params: int
    weights: int
    buffers: int
    memory_bytes: int
    macs: int | None
    flops: int | None
    lens: Lens | None
    misfit: str | None = None


class _Run:
    """One pass over a graph. The last items of `shapes` and `fields` are the input's, so that INPUT (-1) finds them."""

    def __init__(
        self, graph: Graph, architecture: Architecture, batch: int, dtype: str, convention: Convention
    ) -> None:
        self.graph, self.architecture, self.convention = graph, architecture, convention
        self.batch, self.bytes_per_element = batch, BYTES_PER_ELEMENT[dtype]
        self.trains = dtype not in INTEGERS
        self.shapes: list[Shape | None] = [*([None] * len(graph.nodes)), graph.input]
        self.fields: list[Field | None] = [*([None] * len(graph.nodes)), start(graph.input)]
        self.problems: list[Problem] = []
        self.misfits: list[Problem] = []
        """Of branches that run in training alone, why they do not fit: no errors unless their parameters need it."""

    def rows(self) -> tuple[tuple[LayerReport, ...], list[Problem]]:
        """One loop over plain locals: it is what a million layers take their time in."""
        shapes, fields = self.shapes, self.fields
        costs: dict[tuple[object, ...], _Cost] = {}
        found: list[_Cost] = []
        sound: int | None = None
        for position, node in enumerate(self.graph.nodes):
            layer, inputs = node.layer, node.inputs
            first = inputs[0]
            xs = (shapes[first],) if len(inputs) == 1 else tuple([shapes[i] for i in inputs])
            key = (
                id(layer),
                xs,
                node.tied,
                node.train_only,
            )  # the graph keeps its layers alive, so that an id stays one layer's
            cost = costs.get(key)
            if cost is None:
                if None in xs:
                    continue
                try:
                    cost = costs[key] = self._cost_or_misfit(node, xs)  # type: ignore[arg-type]  # none of them is None
                except LayerError as error:
                    self.problems += self._problems(node, error, xs)  # type: ignore[arg-type]  # the same
                    shapes[position] = error.assume
                    sound = len(found) if sound is None else sound
                    if len(self.problems) > MAX_PROBLEMS:
                        break
                    continue
            shapes[position] = cost.output
            field = fields[first] if len(inputs) == 1 else self._joined(inputs, cost.lens)
            if field is not None:
                if cost.lens is not None:
                    field = after(field, cost.lens, xs[0], cost.output)  # type: ignore[arg-type]  # the same
                fields[position] = field
            found.append(cost)
        return self._reports(found[:sound]), self.problems

    def _reports(self, costs: list[_Cost]) -> tuple[LayerReport, ...]:
        """The rows of the first nodes, which have these costs."""
        document = self.architecture.document
        held = memory(self.graph, [cost.output for cost in costs], self.batch, self.bytes_per_element)
        kept = held.kept if self.trains else [None] * len(costs)
        sizes = [cost.memory_bytes for cost in costs]
        for i in holding_indices(self.graph):  # which are int64, whatever the dtype of the activations
            if 0 <= i < len(costs):
                sizes[i] = sizes[i] // self.bytes_per_element * INDEX_BYTES
        return tuple(
            [
                LayerReport(
                    node.name,
                    node.layer.kind,
                    node.entry.line if node.entry.tree.document is document else self._line(node),
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
                    None if field is None else field.size,
                    depth,
                    node.layer,
                    None if node.tied is None else self.graph.nodes[node.tied].name,
                    node.train_only,
                    cost.misfit,
                )
                for node, cost, size, field, depth, alive, saved in zip(
                    self.graph.nodes, costs, sizes, self.fields, self._depths(), held.alive, kept, strict=False
                )
            ]
        )

    def _depths(self) -> list[int]:
        """For each node, how many counted layers lie on the longest way to its output."""
        depths = [0] * (len(self.graph.nodes) + 1)  # the last is the input's
        for position, node in enumerate(self.graph.nodes):
            depths[position] = max([depths[i] for i in node.inputs]) + node.layer.counted
        return depths

    def _cost_or_misfit(self, node: Node, inputs: tuple[Shape, ...]) -> _Cost:
        """What a layer costs; where it is too large for its input but runs in training alone, all that is known."""
        try:
            return self._cost(node, inputs)
        except LayerError as error:
            if not (node.train_only and error.size_matters and all(map(is_known, inputs))):
                raise
            problem = layer_problem(node, error, self.graph, self.shapes, self.architecture.document)
            cost = self._cost(node, tuple((x[0], *(UNKNOWN for _ in x[1:])) for x in inputs))
            self.misfits.append(problem)
            return msgspec.structs.replace(cost, inputs=inputs, misfit=error.message)

    def _cost(self, node: Node, inputs: tuple[Shape, ...]) -> _Cost:
        if not all(map(is_known, inputs)):
            return self._cost_where_unknown(node, inputs)
        layer, (x, *others) = node.layer, inputs
        y = layer.output(*inputs)
        params = layer.params(x) if node.tied is None else self._own_params(node, node.tied, x)
        ops = NO_OPS if node.train_only else layer.ops(x, y, *others)
        return _Cost(
            inputs=inputs,
            output=y,
            params=params.total,
            weights=params.weights,
            buffers=params.buffers,
            memory_bytes=0 if node.train_only else self.batch * elements(y) * self.bytes_per_element,
            macs=None if ops is None else self.batch * ops.macs,
            flops=None if ops is None else self.batch * self.convention.flops(ops, layer.family),
            lens=lens(layer.window(x), layer.covers),
        )

    def _cost_where_unknown(self, node: Node, inputs: tuple[Shape, ...]) -> _Cost:
        """What is known of a layer that runs in training alone, behind one that does not fit its input."""
        layer, (x, *_) = node.layer, inputs
        y = layer.output(*inputs)
        params = layer.params(x) if node.tied is None else self._own_params(node, node.tied, x)
        if not is_known((params.weights, params.biases, params.buffers)):
            raise LayerError("its parameters depend on a size that is not known")
        return _Cost(
            inputs=inputs,
            output=y,
            params=params.total,
            weights=params.weights,
            buffers=params.buffers,
            memory_bytes=0,
            macs=0,
            flops=0,
            lens=Lens(sight=Sight.UNKNOWN),
        )

    def _own_params(self, node: Node, tied: int, x: Shape) -> Params:
        """What a layer holds that uses the weights of another: the parameters that the other has none of, and buffers.

        Those of the same name and shape are shared, as PyTorch's modules can share them.
        """
        layer, other = node.layer, self.graph.nodes[tied]
        theirs_of = self.shapes[other.inputs[0]]
        own = layer.parameters(x)
        if theirs_of is None:  # it is in error itself
            return Params.of(own, layer.buffers(x))
        theirs = other.layer.parameters(theirs_of)
        weights = [name for name in own if not is_bias(name)]
        unlike = next((name for name in weights if own[name] != theirs.get(name)), None)
        if unlike is not None or not weights:
            raise LayerError(
                f"tied to {other.name}, {_misfit(unlike, own, theirs)}",
                field="tied",
                hint="both must hold weights of the same shapes, such as an embedding and the linear layer back",
            )
        return Params.of({name: own[name] for name in own if own[name] != theirs.get(name)}, layer.buffers(x))

    def _line(self, node: Node) -> int:
        """The line of a node that stands in another file: that of the spec's call which led there, if one did."""
        own = [call.tree.line for call in node.calls if call.tree.document is self.architecture.document]
        return own[-1] if own else node.entry.line

    def _joined(self, inputs: tuple[int, ...], how: Lens | None) -> Field | None:
        found = [field for i in inputs if (field := self.fields[i]) is not None]
        return joined(found, how) if len(found) == len(inputs) else None

    def _problems(self, node: Node, error: LayerError, inputs: tuple[Shape, ...]) -> list[Problem]:
        """What is wrong with a layer; behind one that does not fit, that is the reason."""
        if all(map(is_known, inputs)):
            return [layer_problem(node, error, self.graph, self.shapes, self.architecture.document)]
        found, self.misfits = self.misfits, []
        return found


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


def _check_settings(input: Sequence[int] | None, batch: int, dtype: str) -> tuple[int, ...] | None:
    """The shape of the input; raises SettingError for what cannot be used."""
    if type(batch) is not int or batch < 1:
        raise SettingError(f"batch must be a whole number ≥ 1, got {batch!r}")
    if not isinstance(dtype, str) or dtype not in BYTES_PER_ELEMENT:
        known = f"dtypes: {', '.join(BYTES_PER_ELEMENT)}"
        raise SettingError(f"unknown dtype {dtype!r}", hint=did_you_mean(str(dtype), BYTES_PER_ELEMENT, known))
    if input is None:
        return None
    if not (isinstance(input, tuple | list) and input and all(type(dim) is int and dim >= 1 for dim in input)):
        raise SettingError(f"input must be whole numbers ≥ 1, got {input!r}", hint="such as 3x224x224")
    return tuple(input)


def _checked_vars(vars: Mapping[str, Value] | None) -> dict[str, Value] | None:
    """The vars, lists in them as tuples; raises SettingError for what no spec could hold."""
    if vars is None:
        return None
    if not isinstance(vars, Mapping) or not all(isinstance(name, str) for name in vars):
        raise SettingError(f"vars must be a mapping of names to values, got {vars!r}", hint="such as {'classes': 10}")
    return {name: _checked_value(name, value) for name, value in vars.items()}


def _checked_value(name: str, value: Any, depth: int = 0) -> Value:
    if isinstance(value, list | tuple) and depth < MAX_VALUE_DEPTH:
        return tuple(_checked_value(name, item, depth + 1) for item in value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise SettingError(f"vars: {name} cannot be {value!r}", hint="a number, a text, true, false or a list of these")
