"""A spec as it is written: entries with their fields unevaluated, every value with its line and column."""

import os
from typing import Any

import msgspec

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError, did_you_mean
from archcalc.layers import kinds
from archcalc.spec.source import Document, Mapping, Scalar, Sequence, Tree, parse

MALFORMED = ""
"""The kind of an entry that could not be read; why is among the problems."""

COMMON_FIELDS = {
    "name": "what other entries and messages call this layer",
    "from": "the layer or list of layers that it reads: the entry before where left out; `input` is the spec's",
    "repeat": "how many times it stands one after the other; `i` counts from 0 in its expressions",
    "when": "a condition over the vars; where it is false the entry is left out",
    "first": "of a block: parameters that take another value in the first repetition",
}
LAYER_FIELDS = tuple(name for name in COMMON_FIELDS if name != "first")
"""Those of the common fields that a layer has; `first` is for blocks."""

STRUCTURES = {
    "residual": "adds what `main` makes of its input to what `shortcut` makes of it: the input itself if left out",
    "parallel": "gives the same input to every list in `branches`, and joins what they make of it by `join`",
    "sequence": "runs `layers` one after the other; with a name, the names inside begin with it",
}
TOP_LEVEL = {
    "name": "what the architecture is called",
    "title": "one line for people",
    "source": "where the architecture was published",
    "input": "the input's shape without the batch: [channels, height, width] or [features]",
    "vars": "numbers, lists and expressions that the layers may use, by name; --set overrides them",
    "variants": "architectures of one family: for each name, the vars and the input that it changes, and its title",
    "blocks": "runs of layers that can be called like a kind: for each name, its `params` and its `layers`",
    "layers": "the layers in order",
}


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One entry of a list of layers: its kind, and the trees of its fields and of the common fields.

    `scalar` is the value of the short form `kind: value`, which stands for the kind's first field. `parts` are the
    lists of layers inside a structure: main and shortcut, the branches, or the layers of a sequence.
    """

    kind: str
    tree: Tree
    fields: dict[str, Tree] = {}
    keys: dict[str, Scalar] = {}
    common: dict[str, Tree] = {}
    scalar: Tree | None = None
    parts: "tuple[tuple[Entry, ...], ...]" = ()

    @property
    def line(self) -> int:
        """The 1-based line that the entry begins in."""
        return self.tree.line

    def place(self, field: str | None) -> Tree:
        """The tree to point at for a field: its value, or the entry where the field was left out."""
        if field is None:
            return self.tree
        return self.fields.get(field) or self.common.get(field) or self.scalar or self.tree


class Block(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A run of layers that can be called like a kind. A parameter without a default (null) must be given."""

    name: str
    params: dict[str, Tree | None]
    entries: tuple[Entry, ...]
    line: int


class Variant(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One architecture of a family: what it changes of the spec."""

    vars: dict[str, Tree]
    input: Tree | None
    title: str


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
    blocks: dict[str, Block] = {}
    variants: dict[str, Variant] = {}

    def variant(self, name: str) -> "Architecture":
        """The architecture of the family that has this name; raises KeyError where there is none."""
        chosen = self.variants[name]
        return msgspec.structs.replace(
            self,
            name=name,
            title=chosen.title or f"{self.title}: {name}",
            input=chosen.input or self.input,
            vars=self.vars | chosen.vars,
            variants={},
        )

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
    name = words["name"] or os.path.splitext(os.path.basename(document.name.strip("<>")))[0]
    variables = _mapping(tree, "vars", "such as `vars: {width: 64}`", note)
    entries = () if "layers" not in tree.items else _entries(tree.items["layers"], "layers", note)
    blocks = {key: _block(key, value, note) for key, value in _mapping(tree, "blocks", _BLOCK_FORM, note).items()}
    variants = _mapping(tree, "variants", "such as `variants: {small: {width: 32}}`", note)
    return Architecture(
        name=name,
        title=words["title"] or name,
        source=words["source"],
        input=tree.items.get("input"),
        vars=variables,
        entries=entries,
        document=document,
        blocks={key: block for key, block in blocks.items() if block is not None},
        variants={key: _variant(value, variables, note) for key, value in variants.items()},
        problems=tuple(problems),
    )


_BLOCK_FORM = "such as `blocks: {double: {params: {width: 64}, layers: [{conv: {filters: width, kernel: 3}}]}}`"


def _mapping(tree: Mapping, key: str, form: str, note: Any) -> dict[str, Tree]:
    value = tree.items.get(key)
    if value is None or isinstance(value, Mapping):
        return value.items if isinstance(value, Mapping) else {}
    note(value, f"{key} must be a mapping of names to values", form)
    return {}


def _block(name: str, tree: Tree, note: Any) -> Block | None:
    if not isinstance(tree, Mapping) or not tree.items.keys() <= {"params", "layers"} or "layers" not in tree.items:
        note(tree, f"block {name} must have `layers`, and may have `params`", _BLOCK_FORM)
        return None
    if name in kinds() or name in STRUCTURES:
        note(tree, f"block {name} has the name of a kind", "choose another name")
        return None
    params = _mapping(tree, "params", "such as `params: {width: null, stride: 1}`; null must be given", note)
    defaults = {key: None if isinstance(t, Scalar) and t.value is None else t for key, t in params.items()}
    return Block(name, defaults, _entries(tree.items["layers"], f"layers of block {name}", note), tree.line)


def _variant(tree: Tree, variables: dict[str, Tree], note: Any) -> Variant:
    if not isinstance(tree, Mapping):
        if not (isinstance(tree, Scalar) and tree.value is None):
            note(tree, "a variant must be a mapping of vars to values", "such as `small: {width: 32}`")
        return Variant({}, None, "")
    changed = {key: value for key, value in tree.items.items() if key not in ("input", "title")}
    for key in changed.keys() - variables.keys():
        known = f"its vars: {', '.join(variables)}" if variables else "the spec has no vars"
        note(tree.keys[key], f"unknown variable {key!r}", did_you_mean(key, [*variables, "input", "title"], known))
    return Variant(changed, tree.items.get("input"), _text(tree, "title", note))


def _entries(tree: Tree, what: str, note: Any, *, may_be_empty: bool = False) -> tuple[Entry, ...]:
    if not isinstance(tree, Sequence):
        note(tree, f"{what} must be a list", "begin each layer with `- `")
        return ()
    if not tree.items and not may_be_empty:
        note(tree, f"{what} is empty", "add at least one layer, such as `- relu`")
    return tuple(_entry(item, note) for item in tree.items)


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
        if tree.value in STRUCTURES:
            return _structure(tree.value, tree, tree, note)
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
    if kind in STRUCTURES:
        return _structure(kind, key, value, note)
    if isinstance(value, Scalar) and value.value is None:
        return Entry(kind, key)
    if not isinstance(value, Mapping):
        return Entry(kind, key, scalar=value)
    common = {name: field for name, field in value.items.items() if name in COMMON_FIELDS}
    fields = {name: field for name, field in value.items.items() if name not in COMMON_FIELDS}
    return Entry(kind, key, fields, value.keys, common)


_FORMS = {
    "residual": ({"main": True, "shortcut": False}, "`residual: {main: [...], shortcut: [...]}`"),
    "parallel": ({"branches": True, "join": True}, "`parallel: {join: concat, branches: [[...], [...]]}`"),
    "sequence": ({"layers": True}, "`sequence: {layers: [...]}`"),
}
"""The fields of each structure, and whether they must be given."""


def _structure(kind: str, key: Scalar, value: Tree, note: Any) -> Entry:
    required, form = _FORMS[kind]
    if not isinstance(value, Mapping):
        note(key, f"{kind} needs its fields", f"write {form}")
        return Entry(MALFORMED, key)
    common = {name: field for name, field in value.items.items() if name in COMMON_FIELDS}
    fields = {name: field for name, field in value.items.items() if name not in COMMON_FIELDS}
    unknown = [name for name in fields if name not in required]
    missing = [name for name, needed in required.items() if needed and name not in fields]
    for name in unknown:
        hint = did_you_mean(name, [*required, *COMMON_FIELDS], f"write {form}")
        note(value.keys[name], f"{kind} has no field {name!r}", hint)
    if missing:
        note(key, f"{kind} needs {' and '.join(missing)}", f"write {form}")
    if unknown or missing:
        return Entry(MALFORMED, key)
    if kind == "parallel":
        branches = fields["branches"]
        if not isinstance(branches, Sequence) or len(branches.items) < 2:
            note(branches, "branches must be a list of two or more lists of layers", f"write {form}")
            return Entry(MALFORMED, key)
        parts = tuple(_entries(tree, "a branch", note, may_be_empty=True) for tree in branches.items)
    else:
        parts = tuple(
            _entries(fields[name], name, note, may_be_empty=name == "shortcut") if name in fields else ()
            for name in required
        )
    return Entry(kind, key, {"join": fields["join"]} if "join" in fields else {}, value.keys, common, None, parts)
