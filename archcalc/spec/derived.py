"""A network with new layers in place of those that make its outputs → a spec that extends the one it came from."""

import os
from collections.abc import Mapping, Set
from typing import Any, Literal

import msgspec

from archcalc.errors import SpecError
from archcalc.graph import Graph
from archcalc.spec.architecture import Architecture
from archcalc.spec.catalogue import file_and_variant, names, read_extending
from archcalc.spec.ends import INPUT
from archcalc.spec.expand import expand
from archcalc.spec.source import Document
from archcalc.spec.writer import flat_spec, layer_entry, value_text

CLASSES = "classes"
"""What most specs call the number of outputs: the variable that is tried first."""


class Origin(msgspec.Struct, frozen=True):
    """The network that is changed: what `find` found it by, and the vars and the input that were given for it."""

    what: str
    architecture: Architecture
    graph: Graph
    vars: Mapping[str, Any] = {}
    other_input: bool = False


class Derived(msgspec.Struct, frozen=True):
    """A spec of a changed network: its text, the architecture that it is, and how it says what is new."""

    text: str
    architecture: Architecture
    how: Literal["vars", "replace", "flat"]


def with_outputs(origin: Origin, heads: Mapping[int, str], same: Set[int], count: int, path: str) -> Derived:
    """The spec of a network in which some layers make `count` outputs: those at `heads`, by the field that says so.

    Layers at positions in `same` must stay as they are. `path` is where the spec is going to be, for what it extends
    may be a file. It extends the origin with another variable, or with layers in the place of others; where the
    language has no way to say that, as of layers inside of blocks, it is flat.
    """
    graph = origin.graph
    changed = _changed(graph, heads, count)
    title = f"{graph.title}, {count:,} outputs"
    head = [f"name: {value_text(f'{graph.name}-{count}')}", f"title: {value_text(title)}"]
    base = _base(origin.what, path)
    if base is not None:
        head.append(f"extends: {value_text(base)}")
        inputs = _inputs(origin)
        variable = _variable(origin, heads, same, count)
        if variable is not None:
            derived = _read("\n".join([*head, *inputs, _vars({**origin.vars, variable: count})]) + "\n", path, "vars")
            if derived is not None:
                return derived
        given = [_vars(origin.vars)] if origin.vars else []
        entries = [f"  {value_text(graph.nodes[i].name)}: [{layer_entry(changed.nodes[i].layer)}]" for i in heads]
        derived = _read("\n".join([*head, *inputs, *given, "replace:", *entries]) + "\n", path, "replace")
        if derived is not None and expand(derived.architecture)[0].nodes == changed.nodes:
            return derived
    named = msgspec.structs.replace(changed, name=f"{graph.name}-{count}", title=title)
    text = flat_spec(named)
    return Derived(text, _found(text, path), "flat")


def _changed(graph: Graph, heads: Mapping[int, str], count: int) -> Graph:
    """The graph with other layers at `heads`, and where their weights are used; a new one is tied to none."""
    nodes = list(graph.nodes)
    for position, node in enumerate(graph.nodes):
        own = position in heads
        owner = position if own else node.tied if node.tied in heads else None
        if owner is not None:
            layer = msgspec.structs.replace(node.layer, **{heads[owner]: count})
            nodes[position] = msgspec.structs.replace(node, layer=layer, tied=None if own else owner)
    return msgspec.structs.replace(graph, nodes=tuple(nodes))


def _base(what: str, path: str) -> str | None:
    """What a spec at `path` extends; None for standard input, which none can."""
    if what == "-":
        return None
    if what in names() or (os.sep not in what and file_and_variant(what) is None and not os.path.exists(what)):
        return what
    file, variant = file_and_variant(what) or (what, None)
    if not os.path.isabs(file):
        file = os.path.relpath(file, os.path.dirname(os.path.abspath(path)))
        file = file if os.sep in file or file_and_variant(file) else os.path.join(os.curdir, file)
    return file if variant is None else f"{file}:{variant}"


def _inputs(origin: Origin) -> list[str]:
    """The line that gives other inputs than the origin's own, if it was expanded with some."""
    if not origin.other_input:
        return []
    inputs = origin.graph.inputs
    if [one.name for one in inputs] == [INPUT]:
        return [f"input: {value_text(inputs[0].shape)}"]
    return [f"inputs: {{{', '.join([f'{value_text(one.name)}: {value_text(one.shape)}' for one in inputs])}}}"]


def _vars(vars: Mapping[str, Any]) -> str:
    pairs = [f"{value_text(name)}: {value_text(value)}" for name, value in vars.items()]
    return f"vars: {{{', '.join(pairs)}}}"


def _variable(origin: Origin, heads: Mapping[int, str], same: Set[int], count: int) -> str | None:
    """The variable that changes all layers at `heads`, and none at a position in `same`; None where there is none."""
    before = origin.graph.nodes
    outputs = [getattr(before[position].layer, field) for position, field in heads.items()]
    values = {name: getattr(tree, "value", None) for name, tree in origin.architecture.vars.items()} | dict(origin.vars)
    shapes = {one.name: one.shape for one in origin.graph.inputs}
    for name in sorted(values, key=CLASSES.__ne__):
        if name != CLASSES and values[name] not in outputs:
            continue
        other = count + 1 if values[name] == count else count
        try:
            graph, problems = expand(origin.architecture, input=shapes, vars={**origin.vars, name: other})
        except SpecError:
            continue
        if problems or [node.name for node in before] != [node.name for node in graph.nodes]:
            continue
        unlike = {i for i, (a, b) in enumerate(zip(before, graph.nodes, strict=True)) if a != b}
        if unlike.issuperset(heads) and unlike.isdisjoint(same):
            return name
    return None


def _read(text: str, path: str, how: Literal["vars", "replace"]) -> Derived | None:
    """The text with the architecture that it is; None where something is wrong with it."""
    try:
        architecture = _found(text, path)
        problems = architecture.problems or expand(architecture)[1]
    except SpecError:
        return None
    return None if problems else Derived(text, architecture, how)


def _found(text: str, path: str) -> Architecture:
    return read_extending(Document(path, text))
