"""A spec as it is written: entries with their fields unevaluated, every value with its line and column."""

import os
from typing import Any

import msgspec

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError, did_you_mean
from archcalc.spec.source import Document, Mapping, Scalar, Sequence, Tree, parse

MALFORMED = ""
"""The kind of an entry that could not be read; why is among the problems."""

COMMON_FIELDS = {
    "name": "what other entries and messages call this layer",
    "from": "the layer or list of layers that it reads: the entry before where left out; `input` is the spec's",
    "repeat": "how many times it stands one after the other; `i` counts from 0 in its expressions",
    "when": "a condition over the vars; where it is false the entry is left out",
}
TOP_LEVEL = {
    "name": "what the architecture is called",
    "title": "one line for people",
    "source": "where the architecture was published",
    "input": "the input's shape without the batch: [channels, height, width] or [features]",
    "vars": "numbers, lists and expressions that the layers may use, by name; --set overrides them",
    "layers": "the layers in order",
}


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One entry of `layers`: its kind, and the trees of its fields and of the common fields.

    `scalar` is the value of the short form `kind: value`, which stands for the kind's first field.
    """

    kind: str
    tree: Tree
    fields: dict[str, Tree] = {}
    keys: dict[str, Scalar] = {}
    common: dict[str, Tree] = {}
    scalar: Tree | None = None

    @property
    def line(self) -> int:
        """The 1-based line that the entry begins in."""
        return self.tree.line

    def place(self, field: str | None) -> Tree:
        """The tree to point at for a field: its value, or the entry where the field was left out."""
        if field is None:
            return self.tree
        return self.fields.get(field) or self.common.get(field) or self.scalar or self.tree


class Architecture(msgspec.Struct, frozen=True, eq=False):
    """A spec that has been read. Expressions are evaluated when it is analysed, with the vars of that run.

    `problems` are those found while reading; analysing it raises them together with all others.

    >>> from archcalc import load
    >>> load("alexnet").title
    'AlexNet, single tower, as the lecture draws it'
    """

    name: str
    title: str
    source: str
    input: Tree | None
    vars: dict[str, Tree]
    entries: tuple[Entry, ...]
    document: Document
    problems: tuple[Problem, ...] = ()

    @property
    def text(self) -> str:
        """The spec's text as it was read."""
        return self.document.text


def read(document: Document) -> Architecture:
    """The architecture that a document's text describes; raises SpecError where the text is no YAML at all."""
    tree, problems = parse(document)
    if not isinstance(tree, Mapping):
        hint = "a spec begins with keys such as `input:` and `layers:`"
        raise SpecError(
            [*problems, document.problem(tree, "a spec must be a mapping, not a single value or list", hint)]
        )

    def note(where: Tree | None, message: str, hint: str | None = None) -> None:
        if len(problems) < MAX_PROBLEMS:
            problems.append(document.problem(where, message, hint))

    for key, scalar in tree.keys.items():
        if key not in TOP_LEVEL and len(problems) < MAX_PROBLEMS:
            note(scalar, f"unknown key {key!r}", did_you_mean(key, TOP_LEVEL, f"known keys: {', '.join(TOP_LEVEL)}"))
    for key in ("input", "layers"):
        if key not in tree.items:
            note(None, f"{key!r} is missing", f"add `{key}:`, {TOP_LEVEL[key]}")
    words = {key: _text(tree, key, note) for key in ("name", "title", "source")}
    variables = tree.items.get("vars")
    if variables is not None and not isinstance(variables, Mapping):
        note(variables, "vars must be a mapping of names to values", "such as `vars: {width: 64}`")
    layers = tree.items.get("layers")
    if layers is not None and not isinstance(layers, Sequence):
        note(layers, "layers must be a list", "begin each layer with `- `")
    elif layers is not None and not layers.items:
        note(layers, "layers is empty", "add at least one layer, such as `- relu`")
    name = words["name"] or os.path.splitext(os.path.basename(document.name.strip("<>")))[0]
    return Architecture(
        name=name,
        title=words["title"] or name,
        source=words["source"],
        input=tree.items.get("input"),
        vars=variables.items if isinstance(variables, Mapping) else {},
        entries=tuple(_entry(item, note) for item in layers.items) if isinstance(layers, Sequence) else (),
        document=document,
        problems=tuple(problems),
    )


def _text(tree: Mapping, key: str, note: Any) -> str:
    value = tree.items.get(key)
    if value is None:
        return ""
    if not isinstance(value, Scalar) or value.value is None:
        note(value, f"{key} must be text")
        return ""
    return value.text


def _entry(tree: Tree, note: Any) -> Entry:
    if isinstance(tree, Scalar) and isinstance(tree.value, str) and tree.value:
        return Entry(tree.text, tree)
    if not isinstance(tree, Mapping) or not tree.items or "" in tree.items:
        note(
            tree, "a layer must be a kind, or a kind with its fields", "such as `- relu` or `- linear: {features: 10}`"
        )
        return Entry(MALFORMED, tree)
    kind, *more = tree.items
    if more:
        hint = f"indent the fields below `{kind}:`, or write {{...}}; each layer begins with its own `- `"
        note(tree.keys[more[0]], f"{more[0]!r} stands beside {kind!r} in one entry", hint)
        return Entry(MALFORMED, tree)
    value, key = tree.items[kind], tree.keys[kind]
    if isinstance(value, Scalar) and value.value is None:
        return Entry(kind, key)
    if not isinstance(value, Mapping):
        return Entry(kind, key, scalar=value)
    common = {name: field for name, field in value.items.items() if name in COMMON_FIELDS}
    fields = {name: field for name, field in value.items.items() if name not in COMMON_FIELDS}
    return Entry(kind, key, fields, value.keys, common)
