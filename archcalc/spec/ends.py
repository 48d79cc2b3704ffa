"""What a network is given and what it gives: inputs and outputs as a spec writes them."""

import re
from collections.abc import Container, Mapping, Sequence

from archcalc.errors import Problem, SettingError, did_you_mean
from archcalc.graph.nodes import Node, unread
from archcalc.layers.core.arithmetic import Shape
from archcalc.spec.entry import Note
from archcalc.spec.evaluation import some
from archcalc.spec.source import MappingNode, Scalar, SequenceNode, Tree, problem_at

INPUT = "input"
"""What an input is called that a spec gives no name."""
UNNAMED = ""
"""The only input, where a setting does not name it."""
MOST_INPUTS = 1000
_NAME = re.compile(r"[A-Za-z_]\w{0,99}", flags=re.ASCII)
_FORM = "such as `inputs: {ids: [77], image: [3, 224, 224]}`"


def read_inputs(tree: MappingNode, note: Note) -> dict[str, Tree]:
    """The shapes of the inputs by their names; problems go to `note`."""
    only, several = tree.items.get("input"), tree.items.get("inputs")
    if several is None:
        return {} if only is None else {INPUT: only}
    if only is not None:
        note(tree.keys["input"], "input and inputs cannot be combined", _FORM)
    if not isinstance(several, MappingNode) or not 0 < len(several.items) <= MOST_INPUTS:
        note(several, f"inputs must be a mapping of 1 to {MOST_INPUTS:,} names to shapes", _FORM)
        return {} if only is None else {INPUT: only}
    for name in several.items:
        if not _NAME.fullmatch(name):
            hint = "use letters, digits and _, not a digit first"
            note(several.keys[name], f"invalid input name {name!r}", hint)
    return dict(several.items)


def read_names(tree: MappingNode, key: str, form: str, note: Note) -> tuple[Scalar, ...]:
    """A list of different names, or a single one; problems go to `note`."""
    value = tree.items.get(key)
    if value is None:
        return ()
    items = value.items if isinstance(value, SequenceNode) else [value]
    names = tuple([item for item in items if isinstance(item, Scalar) and item.text])
    if not names or len(names) < len(items) or len({name.text for name in names}) < len(names):
        note(value, f"{key} must be a list of different names", form)
        return ()
    return names


def input_overrides(names: Sequence[str], given: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shapes that settings give, by the names of inputs; raises SettingError for an unknown input.

    >>> input_overrides(["image"], {UNNAMED: (3, 64, 64)})
    {'image': (3, 64, 64)}
    """
    found: dict[str, Shape] = {}
    for name, shape in given.items():
        if name == UNNAMED and len(names) > 1:
            which = f"say which one, such as {names[0]}={'x'.join(map(str, shape))}"
            raise SettingError(f"the network has several inputs: {some(names)}", hint=which)
        if name != UNNAMED and name not in names:
            known = did_you_mean(name, names, f"its inputs: {some(names)}")
            raise SettingError(f"the network has no input {name!r}", hint=known)
        found[name or names[0]] = shape
    return found


def unread_inputs(inputs: Mapping[str, Tree], unused: Sequence[Scalar], nodes: Sequence[Node]) -> list[Problem]:
    """The inputs that no layer reads and `unused` does not name, and those of `unused` that one reads, as problems."""
    read = {value for node in nodes for value in node.inputs}
    spare = {name.text: name for name in unused}
    problems: list[Problem] = []
    for value, (name, tree) in enumerate(inputs.items()):
        if value not in read and name not in spare:
            hint = "remove it, or add it to `unused` if that is intended"
            problems.append(problem_at(tree, f"input {name}: no layer reads it", hint))
        elif value in read and name in spare:
            problems.append(problem_at(spare[name], f"unused: {name!r} is read by a layer", "remove it from the list"))
    return problems


def output_values(
    outputs: Sequence[Scalar],
    unused: Sequence[Scalar],
    inputs: Sequence[str],
    nodes: Sequence[Node],
    paths: Mapping[str, int],
    failed: Container[str],
) -> tuple[tuple[int, ...], list[Problem]]:
    """The values that a spec gives as outputs, and the problems with them.

    `paths` are the values that names of layers lead to, those of the `inputs` being the first; of `failed` names the
    errors are known. Without `outputs`, they are all values that no layer reads, but for `unused` ones. With them, a
    layer that no other reads must be one of either.
    """
    problems: list[Problem] = []
    first = len(inputs)
    unused_layers = [name for name in unused if name.text not in inputs]

    def found(names: Sequence[Scalar], key: str) -> list[int]:
        values: list[int] = []
        for name in names:
            value = paths.get(name.text)
            if value is not None and value >= first:
                values.append(value)
            elif name.text not in failed:
                hint = did_you_mean(name.text, paths, f"its layers: {some(paths)}")
                problems.append(problem_at(name, f"{key}: no layer named {name.text!r}", hint))
        return values

    ends = unread(first, nodes)
    given, left = found(outputs, "outputs"), found(unused_layers, "unused")
    for value, name in zip(left, unused_layers, strict=False):
        if not problems and (value not in ends or value in given):
            what = "an output" if value in given else "read by a layer"
            problems.append(problem_at(name, f"unused: {name.text!r} is {what}", "remove it from the list"))
    if not outputs:
        return tuple([value for value in ends if value not in left]), problems
    for value in ends if not problems else ():
        node = nodes[value - first]
        if value not in given and value not in left:
            message = f"{node.name}: no layer reads it, and it is not an output"
            hint = "add it to `outputs`, or to `unused` if that is intended"
            problems.append(Problem(message, hint=hint) if node.origin is None else node.origin.problem(message, hint))
    return tuple(given), problems
