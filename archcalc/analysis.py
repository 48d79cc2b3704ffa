"""Where specs and the engine meet: a name, a path, an architecture or a graph in, a report out."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from archcalc.engine.conventions import convention_named
from archcalc.engine.propagation import report_on
from archcalc.engine.report import Report
from archcalc.engine.settings import Settings
from archcalc.errors import Problem, SettingError, SpecError, did_you_mean
from archcalc.graph import Graph, Input
from archcalc.layers.core.arithmetic import Dim, Shape, is_plain, whole
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import find, named
from archcalc.spec.ends import UNNAMED, input_overrides
from archcalc.spec.expand import expand
from archcalc.spec.source import MAX_NUMBER
from archcalc.spec.values import Value, is_at_most, is_open, is_size
from archcalc.units import BYTES_PER_ELEMENT, KNOWN_DTYPES, MAX_BATCH

NUMBERS = "numbers go up to 10^18"
MAX_VALUE_DEPTH = 32
"""How deep lists in vars may lie in one another."""

GivenInput: TypeAlias = Sequence[Dim] | Mapping[str, Sequence[Dim]]
"""The shape of the only input, or shapes by the names of inputs."""

Network: TypeAlias = Graph | Architecture | str | os.PathLike[str]
"""A graph, a loaded architecture, or what `load` takes: a name or a path."""


def load(what: str | os.PathLike[str]) -> Architecture:
    """Read an architecture: a shipped one by name, a YAML or JSON file by its path, or `-` for standard input.

    A `Path` is always a file. Raises SpecError with all problems found while reading, and SettingError for anything
    but a name or a path. What only shows with values (an unknown variable, a kernel larger than its input) is raised
    by `analyze`.

    >>> load("vgg16").name
    'vgg16'
    >>> load("zfnte")
    Traceback (most recent call last):
    ...
    archcalc.errors.SpecError: error: no architecture or file named 'zfnte'
      hint: did you mean zfnet?
    """
    architecture = _whole(find(named(what)))
    if architecture.problems:
        raise SpecError(architecture.problems)
    return architecture


def analyze(
    network: Network,
    *,
    input: GivenInput | None = None,
    batch: Dim = 1,
    dtype: str = "float32",
    convention: str = "lecture",
    vars: Mapping[str, Value] | None = None,
) -> Report:
    """What every layer of a network costs: of a graph, an architecture, or a name or path that `load` takes.

    `input` (a shape without the batch, such as `(3, 224, 224)`; of several inputs, shapes by their names) and `vars`
    override the network's own; `batch` is at most 10^9; `dtype` is one of float32, float16, bfloat16, float64, int8;
    `convention` says what a FLOP is ("lecture" or "torch").

    Sizes, vars and the batch may be SymPy symbols, or NumPy arrays of whole numbers with a number for each variant;
    what depends on them is then an expression of them, or an array of int64 (which ends at 2^63). Memory that is
    alive, kept or moved is None then, and so are receptive fields that depend on them: they are followed in whole
    numbers alone.

    Raises SpecError with all problems of the spec at once, and SettingError for a setting that cannot be used.

    >>> from archcalc import analyze
    >>> report = analyze("alexnet", batch=2)
    >>> [(row.name, row.flops) for row in report.layers[:1]], report.totals.params
    ([('conv1', 145711104)], 61100840)
    >>> import numpy
    >>> analyze("alexnet", vars={"classes": numpy.array([10, 100, 1000])}).totals.params
    ExactArray([57044810, 57413540, 61100840])
    """
    return analyze_graph(network, input=input, batch=batch, dtype=dtype, convention=convention, vars=vars)[1]


def analyze_graph(
    network: Network,
    *,
    input: GivenInput | None = None,
    batch: Dim = 1,
    dtype: str = "float32",
    convention: str = "lecture",
    vars: Mapping[str, Value] | None = None,
) -> tuple[Graph, Report]:
    """The graph of a network with the report on it, one row for each node; as `analyze` otherwise."""
    convention_named(convention)
    loaded = _loaded(network)
    batch = _check_settings(batch, dtype)
    inputs, vars = _check_input(input), _checked_vars(vars) or {}
    _check_arrays(batch, *inputs.values(), *vars.values())
    graph, problems = _graph(loaded, inputs, vars)
    given = {
        name: msgspec.to_builtins(value, enc_hook=str) if is_plain(value) else value for name, value in vars.items()
    }
    shapes = {one.name: whole(one.shape) for one in graph.inputs}
    settings = Settings(shapes, cast("int", batch), dtype, convention, given)
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
    inputs, vars = _check_input(input), _checked_vars(vars) or {}
    if not is_plain(*inputs.values(), *vars.values()):
        raise SettingError("a graph needs whole numbers, got symbols or arrays", hint="`analyze` takes them")
    graph, problems = _graph(_loaded(network), inputs, vars)
    if problems:
        raise SpecError(problems)
    return graph


def _loaded(network: Network) -> Graph | Architecture:
    if isinstance(network, Graph):
        return network
    return _whole(network) if isinstance(network, Architecture) else load(network)


def _whole(architecture: Architecture) -> Architecture:
    """The architecture with what is wrong in its budgets among its problems."""
    if not architecture.all_budgets:
        return architecture
    from archcalc.budget import budget_problems  # which most specs do without

    problems = (*architecture.problems, *budget_problems(architecture))
    return msgspec.structs.replace(architecture, problems=problems)


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


def _check_settings(batch: Dim, dtype: str) -> Dim:
    """The batch; raises SettingError for what cannot be used."""
    found = _number(batch)
    if not is_size(found):
        raise SettingError(f"batch must be a whole number ≥ 1, got {_shown(batch)}")
    if not is_at_most(found, MAX_BATCH):
        raise SettingError(f"batch must be at most {MAX_BATCH:,}, got {_shown(batch)}")
    if not isinstance(dtype, str) or dtype not in BYTES_PER_ELEMENT:
        shown = _shown(dtype)
        raise SettingError(f"unknown dtype {shown}", hint=did_you_mean(shown, BYTES_PER_ELEMENT, KNOWN_DTYPES))
    return cast("Dim", found)


def _check_input(input: GivenInput | None) -> dict[str, Shape]:
    """The shapes that are given, by the names of inputs, or UNNAMED for the only one."""
    given = {} if input is None else input if isinstance(input, Mapping) else {UNNAMED: input}
    found: dict[str, Shape] = {}
    for name, shape in given.items():
        sizes = tuple(map(_number, shape)) if isinstance(shape, tuple | list) else ()
        if not sizes or not all(map(is_size, sizes)):
            message = f"input must be a tuple or list of whole numbers ≥ 1, got {_shown(shape)}"
            raise SettingError(message, hint="such as (3, 224, 224)")
        if not all(is_at_most(size, MAX_NUMBER) for size in sizes):
            raise SettingError("input: a number is out of range", hint=NUMBERS)
        found[name] = sizes
    return found


def _number(value: Any) -> Any:
    """A value; an open number as expressions take it, and None for what no spec could hold."""
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
            hint="give one number for each variant in every array",
        )


def _shown(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of thousands of digits"


def _checked_vars(vars: Mapping[str, Value] | None) -> dict[str, Value] | None:
    """The vars, lists in them as tuples; raises SettingError for what no spec could hold."""
    if vars is None:
        return None
    if not isinstance(vars, Mapping) or not all(isinstance(name, str) for name in vars):
        raise SettingError(
            f"vars must be a mapping of names to values, got {_shown(vars)}", hint="such as {'classes': 10}"
        )
    return {name: _checked_value(name, value) for name, value in vars.items()}


def _checked_value(name: str, value: Any, depth: int = 0) -> Value:
    if isinstance(value, list | tuple) and depth < MAX_VALUE_DEPTH:
        return tuple(_checked_value(name, item, depth + 1) for item in value)
    number = _number(value)
    if isinstance(number, int) and abs(number) > MAX_NUMBER:
        raise SettingError(f"vars: {name} is out of range", hint=NUMBERS)
    if value is None or isinstance(number, str | bool | int | float) or is_open(number):
        return cast("Value", number)
    raise SettingError(
        f"vars: {name} cannot be {_shown(value)}", hint="a number, a text, true, false or a list of these"
    )
