"""Where specs and the engine meet: a name, a path, an architecture or a graph in, a report out."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from archcalc.engine.conventions import convention_named
from archcalc.engine.propagation import report_on
from archcalc.engine.report import Report, Settings
from archcalc.errors import Problem, SettingError, SpecError, did_you_mean
from archcalc.graph import Graph, Input
from archcalc.layers.core.arithmetic import Dim, Shape, is_plain, whole
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import load
from archcalc.spec.expand import expand
from archcalc.spec.values import Value, is_open, is_size
from archcalc.units import BYTES_PER_ELEMENT, KNOWN_DTYPES

MAX_VALUE_DEPTH = 32
"""How deep lists in vars may lie in one another."""

Network: TypeAlias = Graph | Architecture | str | os.PathLike[str]
"""A graph, a loaded architecture, or what `load` takes: a name or a path."""


def analyze(
    network: Network,
    *,
    input: Sequence[Dim] | None = None,
    batch: Dim = 1,
    dtype: str = "float32",
    convention: str = "lecture",
    vars: Mapping[str, Value] | None = None,
) -> Report:
    """What every layer of a network costs: of a graph, an architecture, or a name or path that `load` takes.

    `input` (a shape without the batch) and `vars` override the network's own. Sizes, vars and the batch may be SymPy
    symbols, or NumPy arrays of whole numbers with a number for each variant; what depends on them is then an expression
    of them, or an array of int64 (which ends at 2^63). Memory that is alive or kept is None then, and so are receptive
    fields that depend on them: they are followed in whole numbers alone. `dtype` is one of float32, float16,
    bfloat16, float64, int8; `convention` says what a FLOP is ("lecture" or "torch").

    Raises SpecError with all problems of the spec at once, and SettingError for a setting that cannot be used.

    >>> from archcalc import analyze
    >>> report = analyze("alexnet", batch=2)
    >>> [(row.name, row.flops) for row in report.layers[:1]], report.totals.params
    ([('conv1', 145711104)], 61100840)
    >>> import numpy
    >>> analyze("alexnet", vars={"classes": numpy.array([10, 100, 1000])}).totals.params
    array([57044810, 57413540, 61100840])
    """
    return analyze_graph(network, input=input, batch=batch, dtype=dtype, convention=convention, vars=vars)[1]


def analyze_graph(
    network: Network,
    *,
    input: Sequence[Dim] | None = None,
    batch: Dim = 1,
    dtype: str = "float32",
    convention: str = "lecture",
    vars: Mapping[str, Value] | None = None,
) -> tuple[Graph, Report]:
    """The graph of a network with the report on it, one row for each node; as `analyze` otherwise."""
    convention_named(convention)
    loaded = _loaded(network)
    batch = _check_settings(batch, dtype)
    shape, vars = _check_input(input), _checked_vars(vars)
    _check_arrays(batch, *(shape or ()), *(vars or {}).values())
    graph, problems = _graph(loaded, shape, vars or {})
    given = {
        name: msgspec.to_builtins(value, enc_hook=str) if is_plain(value) else value
        for name, value in (vars or {}).items()
    }
    settings = Settings(whole(graph.inputs[0].shape), cast("int", batch), dtype, convention, given)
    report, shape_problems = report_on(graph, settings)
    if problems or shape_problems:
        raise SpecError([*problems, *shape_problems], partial=report)
    return graph, report


def graph_of(network: Network, *, input: Sequence[int] | None = None, vars: Mapping[str, Value] | None = None) -> Graph:
    """The graph of a network, for an input and with vars that override its own.

    Raises SpecError with what is wrong with the spec, and SettingError for a setting that cannot be used. Whether each
    layer fits what it reads only shows in an analysis.

    >>> [node.name for node in graph_of("alexnet").nodes[:3]]
    ['conv1', 'relu1', 'pool1']
    """
    shape, vars = _check_input(input), _checked_vars(vars) or {}
    if not is_plain(*(shape or ()), *vars.values()):
        raise SettingError("a graph needs whole numbers, got symbols or arrays", hint="`analyze` takes them")
    graph, problems = _graph(_loaded(network), shape, vars)
    if problems:
        raise SpecError(problems)
    return graph


def _loaded(network: Network) -> Graph | Architecture:
    return network if isinstance(network, Graph | Architecture) else load(network)


def _graph(
    network: Graph | Architecture, input: Shape | None, vars: Mapping[str, Value]
) -> tuple[Graph, list[Problem]]:
    if isinstance(network, Architecture):
        return expand(network, input=input, vars=vars)
    for name in vars:
        raise SettingError(f"{network.name} has no variable {name!r}", hint="a graph has no vars")
    if input is not None:
        network = msgspec.structs.replace(network, inputs=(Input(network.inputs[0].name, input),))
    return network, []


def _check_settings(batch: Dim, dtype: str) -> Dim:
    """The batch; raises SettingError for what cannot be used."""
    batch = _number(batch)
    if not is_size(batch):
        raise SettingError(f"batch must be a whole number ≥ 1, got {batch!r}")
    if not isinstance(dtype, str) or dtype not in BYTES_PER_ELEMENT:
        hint = did_you_mean(str(dtype), BYTES_PER_ELEMENT, KNOWN_DTYPES)
        raise SettingError(f"unknown dtype {dtype!r}", hint=hint)
    return batch


def _check_input(input: Sequence[Dim] | None) -> Shape | None:
    if input is None:
        return None
    sizes = tuple(map(_number, input)) if isinstance(input, tuple | list) else ()
    if not sizes or not all(map(is_size, sizes)):
        raise SettingError(f"input must be whole numbers ≥ 1, got {input!r}", hint="such as 3x224x224")
    return sizes


def _number(value: Any) -> Any:
    """A value; an open number as expressions take it."""
    if not is_open(value):
        return value
    from archcalc.spec.open_numbers import admitted  # which few analyses need

    try:
        return admitted(value)
    except ValueError:
        return None


def _check_arrays(*values: Value) -> None:
    """Raise SettingError unless all arrays are of one length: they hold the same variants, in the same order."""
    if is_plain(*values):
        return
    from archcalc.spec.open_numbers import flat, is_array

    arrays = [value for value in flat(values) if is_array(value)]
    lengths = sorted({len(array) if array.ndim == 1 else -1 for array in arrays})
    if lengths and (len(lengths) > 1 or lengths[0] < 1):
        shapes = ", ".join([str(array.shape) for array in arrays])
        raise SettingError(
            f"arrays must have one axis and one length, got the shapes {shapes}",
            hint="a number for each variant, the same variants in all arrays",
        )


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
    if is_open(value) and (number := _number(value)) is not None:
        return cast("Value", number)
    raise SettingError(f"vars: {name} cannot be {value!r}", hint="a number, a text, true, false or a list of these")
