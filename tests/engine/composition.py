"""Random networks of all kinds of layers, each reading what earlier ones give, for whole-network properties."""

import json
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from archcalc.errors import LayerError
from archcalc.layers import Layer, kinds
from archcalc.layers.core.arithmetic import Sizes, whole
from tests.layers.strategies import CRAFTED, field_values

MAX_NUMBERS = 20_000
"""In one tensor: enough for layouts to differ, little enough for thousands of networks."""
TRIES = 4
INPUTS = ((3, 8, 8), (4, 6, 6), (2, 5, 7), (6, 8), (5, 4), (8,), (2, 3, 4, 4), (4, 4, 6))
LAYOUTS = ("permute", "transpose", "slice", "chunk", "flatten", "reshape", "crop", "squeeze", "unsqueeze", "identity")
"""Kinds that only look at their input in another way: every third layer is one of these."""
PLAIN = ("conv", "linear", "batchnorm", "relu", "layernorm", "add", "concat", "mul", "matmul", "dropout", "maxpool")
"""Kinds that networks are mostly made of: every third layer is one of these, too."""
LEFT_OUT = ("embedding",)  # it takes indices, which no layer makes


@st.composite
def networks(draw: DrawFn) -> str:
    """A network of one to three inputs and any number of outputs, as the text of a spec in JSON."""
    inputs = {"input": draw(st.sampled_from(INPUTS))}
    if draw(st.integers(0, 2)) == 0:
        inputs["other"] = draw(st.sampled_from(INPUTS))
    names, shapes = list(inputs), list(inputs.values())
    entries: list[dict[str, Any]] = []
    read_by_none: dict[str, None] = {}
    if draw(st.integers(0, 3)) == 0:
        inputs["ids"] = (5,)
        entries.append({"embedding": {"vocabulary": 11, "features": 4, "name": "words", "from": "ids"}})
        names.append("words")
        shapes.append((5, 4))
        read_by_none["words"] = None
    for i in range(draw(st.integers(3, 12))):
        kind = draw(st.one_of(st.sampled_from(LAYOUTS), st.sampled_from(PLAIN), st.sampled_from(sorted(kinds()))))
        if kind in LEFT_OUT:
            continue
        made = _layer(draw, kinds()[kind], shapes)
        if made is None:
            continue
        layer, read, output = made
        name = f"n{i}"
        fields = {field: value for field, value in msgspec.structs.asdict(layer).items() if value is not None}
        entries.append({kind: {**fields, "name": name, "from": [names[k] for k in read]}})
        names.append(name)
        shapes.append(output)
        read_by_none[name] = None
        for k in read if kinds()[kind].reads_values else ():
            read_by_none.pop(names[k], None)
    if not entries:
        entries.append({"relu": {"name": "n", "from": ["input"]}})
    spec: dict[str, Any] = {"name": "drawn", "inputs": inputs, "layers": entries}
    if read_by_none and draw(st.integers(0, 2)) == 0:
        ends = draw(st.permutations(list(read_by_none)))
        some = draw(st.integers(1, len(ends)))
        spec["outputs"] = ends[:some]
        spec |= {"unused": ends[some:]} if some < len(ends) else {}
    read_at_all = {name for entry in entries for fields in entry.values() for name in _listed(fields["from"])}
    if spare := [name for name in inputs if name not in read_at_all]:
        spec["unused"] = [*spec.get("unused", ()), *spare]
    return json.dumps(spec)


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _layer(draw: DrawFn, cls: type[Layer], shapes: list[Sizes]) -> tuple[Layer, list[int], Sizes] | None:
    """A layer of a kind, the positions of what it reads, and its output; None where none of a few draws fits."""
    least, most = cls.arity
    for _ in range(TRIES):
        # The newest most often, so that networks grow deep.
        first = max(draw(st.integers(0, len(shapes) - 1)), draw(st.integers(0, len(shapes) - 1)))
        alike = [k for k, shape in enumerate(shapes) if len(shape) == len(shapes[first])]
        count = draw(st.integers(least, least + 1 if most is None else most))
        read = [first, *(draw(st.sampled_from(alike)) for _ in range(count - 1))]
        if cls.kind in CRAFTED and draw(st.booleans()):
            layer = draw(CRAFTED[cls.kind]).layer
        else:
            layer = msgspec.convert(draw(field_values(cls)), cls)
        try:
            output = whole(layer.output(*(shapes[k] for k in read)))
        except LayerError:
            continue
        numbers = 1
        for size in output:
            numbers *= size
        if len(output) <= 5 and numbers <= MAX_NUMBERS:
            return layer, read, output
    return None
