"""Graph → text: the spec that says layer by layer, without blocks or expressions, what a graph is."""

import json
import re
from collections.abc import Iterable
from typing import Any

from archcalc.errors import Problem, SpecError
from archcalc.graph import Graph, Node
from archcalc.graph.nodes import unread
from archcalc.layers import Layer
from archcalc.spec.architecture import read
from archcalc.spec.composer import resolve
from archcalc.spec.ends import INPUT
from archcalc.spec.expand import expand
from archcalc.spec.fields import field_types, required_fields
from archcalc.spec.files import text_of

_PLAIN = re.compile(r"[A-Za-z_][\w.-]*", flags=re.ASCII)


def flat_spec(graph: Graph) -> str:
    """A spec of the same layers under the same names; `from` is written only where it is not the layer before.

    Raises SpecError if it could not be read back, because of a name or of archcalc's own limits, and SettingError for
    a graph of symbols or arrays.

    >>> from archcalc import load
    >>> from archcalc.spec.expand import expand
    >>> graph, _ = expand(load("lenet5"))
    >>> print(flat_spec(graph).splitlines()[5].strip())
    - conv: {name: C1, filters: 6, kernel: 5}
    """
    graph.require_plain("written as a spec")
    lines = [f"name: {_text(graph.name)}", f"title: {_text(graph.title)}"]
    lines += [f"source: {_text(graph.source)}"] if graph.source else []
    first = len(graph.inputs)
    if [input.name for input in graph.inputs] == [INPUT]:
        lines.append(f"input: {value_text(graph.inputs[0].shape)}")
    else:
        inputs = [f"{_text(input.name)}: {value_text(input.shape)}" for input in graph.inputs]
        lines.append(f"inputs: {{{', '.join(inputs)}}}")
    ends = unread(first, graph.nodes)
    unused = [value for value in range(first) if not any(value in node.inputs for node in graph.nodes)]
    if graph.outputs != ends:
        lines.append(f"outputs: {_names(graph, graph.outputs)}")
        unused += [value for value in ends if value not in graph.outputs]
    lines += [f"unused: {_names(graph, unused)}"] if unused else []
    lines.append("layers:")
    current = 0
    for value, node in enumerate(graph.nodes, first):
        lines.append(f"  - {node.layer.kind}: {{{', '.join(_fields(graph, node, current))}}}")
        if not node.train_only:
            current = value
    text = "\n".join(lines) + "\n"
    _require_readable(text)
    return text


def _names(graph: Graph, values: Iterable[int]) -> str:
    return f"[{', '.join([_text(graph.name_of(value)) for value in values])}]"


def _require_readable(text: str) -> None:
    """Raise SpecError if a written spec exceeds archcalc's own limits."""
    try:
        problems = expand(read(text_of(text.encode(errors="replace"), "it")))[1]
    except SpecError as error:
        problems = list(error.problems)
    if problems:
        message = f"the graph cannot be written as a spec: {problems[0].message}"
        raise SpecError([Problem(message, hint="choose other names, or write a smaller network")])


def _fields(graph: Graph, node: Node, current: int) -> list[str]:
    fields = [f"name: {_text(node.name)}"]
    if node.inputs != (current,):
        fields.append(
            f"from: {_text(graph.name_of(*node.inputs)) if len(node.inputs) == 1 else _names(graph, node.inputs)}"
        )
    if node.tied is not None:
        fields.append(f"tied: {_text(graph.nodes[node.tied].name)}")
    if node.train_only:
        fields.append("train_only: true")
    return [*fields, *(f"{key}: {value_text(value)}" for key, value in _given(node.layer).items())]


def _given(layer: Layer) -> dict[str, Any]:
    """The fields of a layer that differ from their defaults."""
    cls = type(layer)
    required = required_fields(cls)
    defaults = dict(zip(cls.__struct_fields__[len(required) :], cls.__struct_defaults__, strict=True))
    values = {name: getattr(layer, name) for name in field_types(cls)}
    return {name: value for name, value in values.items() if name in required or value != defaults[name]}


def layer_entry(layer: Layer) -> str:
    """A layer as an entry of a spec, without a name.

    >>> from archcalc.layers.linear import Linear
    >>> layer_entry(Linear(features=10))
    'linear: {features: 10}'
    """
    fields = [f"{key}: {value_text(value)}" for key, value in _given(layer).items()]
    return f"{layer.kind}: {{{', '.join(fields)}}}"


def value_text(value: Any) -> str:
    """A value as YAML writes it, in one line.

    >>> value_text([1, True, "10"])
    '[1, true, "10"]'
    """
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(value_text, value))}]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """Text as YAML writes it: plain where it is a word that means itself, else in quotes, with escapes."""
    if _PLAIN.fullmatch(text) and resolve(text) == text:
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in json.dumps(text, ensure_ascii=False))
