"""Where specs and the engine meet: a name, a path, an architecture or a graph in, a report out."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from archcalc.engine.conventions import convention_named
from archcalc.engine.propagation import report_on
from archcalc.engine.report import Report, Settings
from archcalc.errors import Problem, SettingError, SpecError, did_you_mean
from archcalc.graph import Graph, Input
from archcalc.layers.core.arithmetic import Shape
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import load
from archcalc.spec.ends import UNNAMED, input_overrides
from archcalc.spec.expand import expand
from archcalc.spec.values import Value
from archcalc.units import BYTES_PER_ELEMENT, KNOWN_DTYPES

MAX_VALUE_DEPTH = 32
"""How deep lists in vars may lie in one another."""

GivenInput: TypeAlias = Sequence[int] | Mapping[str, Sequence[int]]
"""The shape of the only input, or shapes by the names of inputs."""

Network: TypeAlias = Graph | Architecture | str | os.PathLike[str]
"""A graph, a loaded architecture, or what `load` takes: a name or a path."""


def analyze(
    network: Network,
    *,
    input: GivenInput | None = None,
    batch: int = 1,
    dtype: str = "float32",
    convention: str = "lecture",
    vars: Mapping[str, Value] | None = None,
) -> Report:
    """What every layer of a network costs: of a graph, an architecture, or a name or path that `load` takes.

    `input` (a shape without the batch; of several inputs, shapes by their names) and `vars` override the network's own;
    `dtype` is one of float32, float16, bfloat16, float64, int8; `convention` says what a FLOP is (such as "lecture").

    Raises SpecError with all problems of the spec at once, and SettingError for a setting that cannot be used.

    >>> from archcalc import analyze
    >>> report = analyze("alexnet", batch=2)
    >>> [(row.name, row.flops) for row in report.layers[:1]], report.totals.params
    ([('conv1', 145711104)], 61100840)
    """
    return analyze_graph(network, input=input, batch=batch, dtype=dtype, convention=convention, vars=vars)[1]


def analyze_graph(
    network: Network,
    *,
    input: GivenInput | None = None,
    batch: int = 1,
    dtype: str = "float32",
    convention: str = "lecture",
    vars: Mapping[str, Value] | None = None,
) -> tuple[Graph, Report]:
    """The graph of a network with the report on it, one row for each node; as `analyze` otherwise."""
    convention_named(convention)
    loaded = _loaded(network)
    shape = _check_settings(input, batch, dtype)
    vars = _checked_vars(vars)
    graph, problems = _graph(loaded, shape, vars or {})
    given = msgspec.to_builtins(dict(vars or {}), enc_hook=str)
    settings = Settings({one.name: one.shape for one in graph.inputs}, batch, dtype, convention, given)
    report, shape_problems = report_on(graph, settings)
    if problems or shape_problems:
        raise SpecError([*problems, *shape_problems], partial=report)
    return graph, report


def graph_of(network: Network, *, input: GivenInput | None = None, vars: Mapping[str, Value] | None = None) -> Graph:
    """The graph of a network, for an input and with vars that override its own.

    Raises SpecError with what is wrong with the spec, and SettingError for a setting that cannot be used. Whether each
    layer fits what it reads only shows in an analysis.

    >>> [node.name for node in graph_of("alexnet").nodes[:3]]
    ['conv1', 'relu1', 'pool1']
    """
    graph, problems = _graph(_loaded(network), _check_input(input), _checked_vars(vars) or {})
    if problems:
        raise SpecError(problems)
    return graph


def _loaded(network: Network) -> Graph | Architecture:
    return network if isinstance(network, Graph | Architecture) else load(network)


def _graph(
    network: Graph | Architecture, input: Mapping[str, Shape], vars: Mapping[str, Value]
) -> tuple[Graph, list[Problem]]:
    if isinstance(network, Architecture):
        return expand(network, input=input, vars=vars)
    for name in vars:
        raise SettingError(f"{network.name} has no variable {name!r}", hint="a graph has no vars")
    if input:
        shapes = input_overrides([one.name for one in network.inputs], input)
        inputs = tuple([Input(one.name, shapes.get(one.name, one.shape)) for one in network.inputs])
        network = msgspec.structs.replace(network, inputs=inputs)
    return network, []


def _check_settings(input: GivenInput | None, batch: int, dtype: str) -> dict[str, Shape]:
    """The shapes of inputs by their names; raises SettingError for what cannot be used."""
    if type(batch) is not int or batch < 1:
        raise SettingError(f"batch must be a whole number ≥ 1, got {batch!r}")
    if not isinstance(dtype, str) or dtype not in BYTES_PER_ELEMENT:
        hint = did_you_mean(str(dtype), BYTES_PER_ELEMENT, KNOWN_DTYPES)
        raise SettingError(f"unknown dtype {dtype!r}", hint=hint)
    return _check_input(input)


def _check_input(input: GivenInput | None) -> dict[str, Shape]:
    """The shapes that are given, by the names of inputs, or UNNAMED for the only one."""
    given = {} if input is None else input if isinstance(input, Mapping) else {UNNAMED: input}
    for shape in given.values():
        if not (isinstance(shape, tuple | list) and shape and all(type(dim) is int and dim >= 1 for dim in shape)):
            raise SettingError(f"input must be whole numbers ≥ 1, got {shape!r}", hint="such as 3x224x224")
    return {name: tuple(shape) for name, shape in given.items()}


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
