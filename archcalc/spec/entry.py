"""An entry of a list of layers as it is written: a kind, a structure or a call, every value still a tree."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from archcalc.errors import did_you_mean
from archcalc.spec.source import MappingNode, Scalar, SequenceNode, Tree

Note: TypeAlias = Callable[..., None]
"""Takes down a problem: the tree to point at, the message, and a hint or None."""

MALFORMED = ""
"""The kind of an entry that could not be read; why is among the problems."""

COMMON_FIELDS = {
    "name": "name of this layer, for other entries and messages",
    "from": "the layer or list of layers that it reads, by default the entry before; `input` is the spec's",
    "repeat": "how many times to repeat it, one after the other; in its expressions, `i` counts from 0",
    "when": "a condition over the vars; if false, the entry is left out",
    "train_only": "a condition; where true, it is a branch that holds parameters but runs only in training",
    "tied": "another layer whose weights it uses in place of its own; for a call of a block, another call of it",
    "first": "for a block: parameters with another value in the first repetition",
}
LAYER_FIELDS = tuple(name for name in COMMON_FIELDS if name != "first")
"""Those of the common fields that a layer has; a call of a block has them all."""
STRUCTURE_FIELDS = tuple(name for name in COMMON_FIELDS if name not in ("tied", "first"))
"""Those that a structure has."""

STRUCTURES = {
    "residual": "adds what `main` makes of its input to what `shortcut` makes of it: the input itself if left out",
    "parallel": "gives the same input to every list in `branches`, and joins what they make of it by `join`",
    "sequence": "runs `layers` one after the other; with a name, the names inside begin with it",
}


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One entry of a list of layers: its kind, and the trees of its fields and of the common fields.

    `scalar` is the value of the short form `kind: value`, which sets the kind's first field. `parts` are the
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


def read_entries(tree: Tree, what: str, note: Note, *, may_be_empty: bool = False) -> tuple[Entry, ...]:
    """The entries of a list of layers; problems go to `note`."""
    if not isinstance(tree, SequenceNode):
        note(tree, f"{what} must be a list", "begin each layer with `- `")
        return ()
    if not tree.items and not may_be_empty:
        note(tree, f"{what} is empty", "add at least one layer, such as `- relu`")
    return tuple(_entry(item, note) for item in tree.items)


def _entry(tree: Tree, note: Note) -> Entry:
    if isinstance(tree, Scalar) and isinstance(tree.value, str) and tree.value:
        if tree.value in STRUCTURES:
            return _structure(tree.value, tree, tree, note)
        return Entry(tree.text, tree)
    if not isinstance(tree, MappingNode) or not tree.items or "" in tree.items:
        note(
            tree, "a layer must be a kind, or a kind with its fields", "such as `- relu` or `- linear: {features: 10}`"
        )
        return Entry(MALFORMED, tree)
    kind, *more = tree.items
    if more:
        hint = f"indent the fields below `{kind}:`, or write {{...}}; each layer begins with its own `- `"
        note(tree.keys[more[0]], f"unexpected key {more[0]!r} beside {kind!r}", hint)
        return Entry(MALFORMED, tree)
    value, key = tree.items[kind], tree.keys[kind]
    if kind in STRUCTURES:
        return _structure(kind, key, value, note)
    if isinstance(value, Scalar) and value.value is None:
        return Entry(kind, key)
    if not isinstance(value, MappingNode):
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


def _structure(kind: str, key: Scalar, value: Tree, note: Note) -> Entry:
    required, form = _FORMS[kind]
    if not isinstance(value, MappingNode):
        note(key, f"{kind} needs its fields", f"write {form}")
        return Entry(MALFORMED, key)
    common = {name: field for name, field in value.items.items() if name in STRUCTURE_FIELDS}
    fields = {name: field for name, field in value.items.items() if name not in STRUCTURE_FIELDS}
    unknown = [name for name in fields if name not in required]
    missing = [name for name, needed in required.items() if needed and name not in fields]
    for name in unknown:
        hint = did_you_mean(name, [*required, *STRUCTURE_FIELDS], f"write {form}")
        note(value.keys[name], f"{kind} has no field {name!r}", hint)
    if missing:
        note(key, f"{kind} needs {' and '.join(missing)}", f"write {form}")
    if unknown or missing:
        return Entry(MALFORMED, key)
    if kind == "parallel":
        branches = fields["branches"]
        if not isinstance(branches, SequenceNode) or len(branches.items) < 2:
            note(branches, "branches must be a list of two or more lists of layers", f"write {form}")
            return Entry(MALFORMED, key)
        parts = tuple(read_entries(tree, "a branch", note, may_be_empty=True) for tree in branches.items)
    else:
        parts = tuple(
            read_entries(fields[name], name, note, may_be_empty=name == "shortcut") if name in fields else ()
            for name in required
        )
    return Entry(kind, key, {"join": fields["join"]} if "join" in fields else {}, value.keys, common, None, parts)
