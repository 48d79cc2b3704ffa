"""A spec as it is written: entries with their fields unevaluated, every value with its line and column."""

import os
from collections.abc import Collection

import msgspec

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError, did_you_mean, printable
from archcalc.layers import is_kind
from archcalc.spec.ends import INPUT, read_inputs, read_names
from archcalc.spec.entry import STRUCTURES, Entry, Note, read_entries
from archcalc.spec.evaluation import some
from archcalc.spec.source import Document, MappingNode, Scalar, Tree, parse, problem_at

TOP_LEVEL = {
    "name": "name of the architecture",
    "title": "one line for people",
    "source": "where the architecture was published",
    "extends": "the architecture whose layers come first: a shipped name, or a file beside this one",
    "input": "the input's shape without the batch: [channels, height, width] or [features]",
    "inputs": "several inputs, in place of `input`: a shape without the batch for each name",
    "outputs": "the layers whose results are the network's outputs; by default all that no layer reads",
    "unused": "layers that no layer reads and that are deliberately not outputs",
    "vars": "numbers, lists and expressions that the layers may use, by name; --set overrides them",
    "variants": "architectures of one family: for each name, the vars, inputs and budget it changes, and its title",
    "reduced": "vars of a smaller copy, which `archcalc verify --memory` also runs if the whole does not fit",
    "budget": "limits of its cost, which `archcalc check` enforces: for each metric a maximum, or several limits",
    "blocks": "lists of layers that can be called like a kind: for each name, its `params` and its `layers`",
    "replace": "layers of the extended spec to replace: for each name, a list of layers, empty to remove it",
    "layers": "the layers in order",
}


class Block(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A run of layers that can be called like a kind. A parameter without a default (null) must be given.

    `inputs` are the names by which its layers may read what it is given, the first being what they begin with.
    `outputs` are the names of what it gives, if that is not what its last layer gives; the next repetition gets them
    in place of as many inputs.
    """

    name: str
    params: dict[str, Tree | None]
    entries: tuple[Entry, ...]
    tree: Tree
    inputs: tuple[str, ...] = (INPUT,)
    outputs: tuple[Scalar, ...] = ()
    title: str = ""


class Variant(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One architecture of a family: what it changes of the spec."""

    vars: dict[str, Tree]
    inputs: dict[str, Tree]
    title: str
    budget: Tree | None = None


class Replacement(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The entries that take the place of one entry of the architecture that is extended, whose name `tree` is."""

    tree: Scalar
    entries: tuple[Entry, ...]


class Architecture(msgspec.Struct, frozen=True, eq=False):
    """A spec that has been read. Expressions are evaluated when it is analysed, with the vars of that run.

    `problems` are those found while reading; analysing it raises them together with all others. `budgets` are kept as
    they are written: those that hold, each overriding those before it, and `all_budgets` with those of other
    variants and of what it extends.

    >>> from archcalc import load
    >>> load("alexnet").title
    'AlexNet, single tower, as the lecture draws it'
    """

    name: str
    title: str
    source: str
    inputs: dict[str, Tree]
    vars: dict[str, Tree]
    entries: tuple[Entry, ...]
    document: Document
    problems: tuple[Problem, ...] = ()
    blocks: dict[str, Block] = {}
    variants: dict[str, Variant] = {}
    extends: Scalar | None = None
    replace: dict[str, Replacement] = {}
    reduced: dict[str, Scalar] = {}
    budgets: tuple[Tree, ...] = ()
    all_budgets: tuple[Tree, ...] = ()
    outputs: tuple[Scalar, ...] = ()
    unused: tuple[Scalar, ...] = ()
    extended: Scalar | None = None
    """The `extends` of the text where the layers of the other are already among the entries."""

    def variant(self, name: str) -> "Architecture":
        """The architecture of the family that has this name; raises KeyError where there is none."""
        chosen = self.variants[name]
        return msgspec.structs.replace(
            self,
            name=name,
            title=chosen.title or f"{self.title}: {name}",
            inputs=self.inputs | chosen.inputs,
            vars=self.vars | chosen.vars,
            variants={},
            budgets=(*self.budgets, *_trees(chosen.budget)),
        )

    @property
    def reduced_vars(self) -> dict[str, int]:
        """The vars that make a smaller copy of it; empty where the spec names none.

        >>> from archcalc import load
        >>> load("llama3-8b").reduced_vars
        {'depth': 2, 'length': 256}
        """
        return {name: value for name, tree in self.reduced.items() if isinstance(value := tree.value, int)}

    @property
    def text(self) -> str:
        """The spec's text as it was read."""
        return self.document.text


def read(document: Document) -> Architecture:
    """The architecture that a document's text describes; raises SpecError where the text is no YAML at all."""
    tree, problems = parse(document)
    if is_report(tree):
        hint = "archcalc show NAME prints the spec; --compare-to takes a report"
        raise SpecError([problem_at(tree, "this is a report that archcalc wrote, not a spec", hint)])
    if not isinstance(tree, MappingNode):
        hint = "a spec begins with keys such as `input:` and `layers:`"
        raise SpecError([*problems, problem_at(tree, "a spec must be a mapping, not a single value or list", hint)])

    def note(where: Tree, message: str, hint: str | None = None) -> None:
        if len(problems) <= MAX_PROBLEMS:
            problems.append(problem_at(where, message, hint))

    for key, scalar in tree.keys.items():
        if key not in TOP_LEVEL and len(problems) <= MAX_PROBLEMS:
            note(scalar, f"unknown key {key!r}", did_you_mean(key, TOP_LEVEL, f"known keys: {', '.join(TOP_LEVEL)}"))
    base = tree.items.get("extends")
    if base is not None and (not isinstance(base, Scalar) or not base.text):
        note(base, "extends must be a name or a file", "such as `extends: resnet50` or `extends: base.yaml:small`")
    for key in ("input", "layers"):
        if key not in tree.items and base is None and not (key == "input" and "inputs" in tree.items):
            problems.append(document.problem(f"{key!r} is missing", f"add `{key}:`, {TOP_LEVEL[key]}"))
    words = {key: _text(tree, key, note) for key in ("name", "title", "source")}
    # A file's name may hold bytes that no text can.
    name = words["name"] or printable(os.path.splitext(os.path.basename(document.name.strip("<>")))[0])
    variables = _mapping(tree, "vars", "such as `vars: {width: 64}`", note)
    entries = () if "layers" not in tree.items else read_entries(tree.items["layers"], "layers", note)
    blocks = _blocks(tree, note)
    variants = _mapping(tree, "variants", "such as `variants: {small: {width: 32}}`", note)
    inputs = read_inputs(tree, note)

    changes = {
        key: _variant(value, variables, None if base is not None else inputs, note) for key, value in variants.items()
    }
    budgets = _trees(tree.items.get("budget"))

    return Architecture(
        name=name,
        title=words["title"] or name,
        source=words["source"],
        inputs=inputs,
        vars=variables,
        entries=entries,
        document=document,
        blocks=blocks,
        variants=changes,
        extends=base if isinstance(base, Scalar) else None,
        replace=_replacements(tree, note),
        reduced=_reduced(tree, None if base is not None else variables, note),
        budgets=budgets,
        all_budgets=(*budgets, *[budget for change in changes.values() for budget in _trees(change.budget)]),
        outputs=read_names(tree, "outputs", "such as `outputs: [boxes, classes]`", note),
        unused=read_names(tree, "unused", "such as `unused: [aux_pool]`", note),
        problems=tuple(problems),
    )


def is_report(tree: Tree) -> bool:
    """Whether a tree is what a command of archcalc wrote as JSON."""
    return isinstance(tree, MappingNode) and {"schema_version", "archcalc"} <= tree.items.keys()


BLOCK_KEYS = {
    "title": "one line for people",
    "params": "its parameters with their defaults; null means required",
    "inputs": "names of its inputs, if it has several",
    "outputs": "the layers whose results it gives, if there are several",
    "layers": "the layers in order",
}
VARIANT_KEYS = ("input", "inputs", "title", "budget")
"""The keys of a variant that are not vars."""
_BLOCK_FORM = "such as `blocks: {double: {params: {width: 64}, layers: [{conv: {filters: width, kernel: 3}}]}}`"


def _mapping(tree: MappingNode, key: str, form: str, note: Note) -> dict[str, Tree]:
    value = tree.items.get(key)
    if value is None or isinstance(value, MappingNode):
        return value.items if isinstance(value, MappingNode) else {}
    note(value, f"{key} must be a mapping of names to values", form)
    return {}


def _replacements(tree: MappingNode, note: Note) -> dict[str, Replacement]:
    found = _mapping(tree, "replace", "such as `replace: {fc: [{linear: 10}]}`", note)
    if found and "extends" not in tree.items:
        note(tree.keys["replace"], "replace needs `extends`", "add `extends: NAME`")
    keys = replace.keys if isinstance(replace := tree.items.get("replace"), MappingNode) else {}
    return {
        name: Replacement(keys[name], read_entries(value, f"replace {name}", note, may_be_empty=True))
        for name, value in found.items()
    }


def _reduced(tree: MappingNode, variables: dict[str, Tree] | None, note: Note) -> dict[str, Scalar]:
    """The vars of the smaller copy. Where the spec extends another, `variables` is None: not all are known yet."""
    form = "such as `reduced: {depth: 2}`"
    found: dict[str, Scalar] = {}
    for name, value in _mapping(tree, "reduced", form, note).items():
        if not isinstance(value, Scalar) or type(value.value) is not int or value.value < 1:
            note(value, f"reduced {name} must be a whole number ≥ 1", form)
        elif variables is not None and name not in variables:
            note(value, *unknown_variable(name, variables))
        else:
            found[name] = value
    return found


def unknown_variable(name: str, variables: Collection[str], *others: str) -> tuple[str, str | None]:
    """The message and the hint for a variable that a spec does not have; `others` could have been meant as well."""
    known = f"its vars: {some(variables)}" if variables else "the spec has no vars"
    return f"unknown variable {name!r}", did_you_mean(name, [*variables, *others], known)


def unknown_input(name: str, inputs: Collection[str]) -> tuple[str, str | None]:
    """The message and the hint for an input that a spec does not have."""
    return f"the spec has no input {name!r}", did_you_mean(name, inputs, f"its inputs: {some(inputs)}")


def read_blocks(document: Document) -> dict[str, Block]:
    """The blocks of a document that holds nothing else; raises SpecError where something is wrong with them."""
    tree, problems = parse(document)
    if not isinstance(tree, MappingNode):
        raise SpecError(problems or [problem_at(tree, "blocks must be a mapping", _BLOCK_FORM)])
    blocks = _blocks(tree, lambda *problem: problems.append(problem_at(*problem)))
    if problems:
        raise SpecError(problems)
    return blocks


def _blocks(tree: MappingNode, note: Note) -> dict[str, Block]:
    read = (_block(name, value, note) for name, value in _mapping(tree, "blocks", _BLOCK_FORM, note).items())
    return {block.name: block for block in read if block is not None}


def _block(name: str, tree: Tree, note: Note) -> Block | None:
    if not isinstance(tree, MappingNode) or not tree.items.keys() <= BLOCK_KEYS.keys() or "layers" not in tree.items:
        note(
            tree,
            f"block {name} must have `layers`, and may have `params`, `inputs`, `outputs` and `title`",
            _BLOCK_FORM,
        )
        return None
    if is_kind(name) or name in STRUCTURES:
        note(tree, f"block {name}: a layer kind has this name", "choose another name")
        return None
    params = _mapping(tree, "params", "such as `params: {width: null, stride: 1}`; null means required", note)
    defaults = {key: None if isinstance(t, Scalar) and t.value is None else t for key, t in params.items()}
    inputs = read_names(tree, "inputs", f"inputs of block {name}, such as `inputs: [below, skip]`", note)
    outputs = read_names(tree, "outputs", f"outputs of block {name}, such as `outputs: [hidden, state]`", note)
    entries = read_entries(tree.items["layers"], f"layers of block {name}", note)
    names = tuple([input.text for input in inputs]) or (INPUT,)
    return Block(name, defaults, entries, tree, names, outputs, _text(tree, "title", note))


def _variant(tree: Tree, variables: dict[str, Tree], inputs: dict[str, Tree] | None, note: Note) -> Variant:
    """A variant; where the spec extends another, `inputs` is None: not all inputs and vars are known yet."""
    if not isinstance(tree, MappingNode):
        if not (isinstance(tree, Scalar) and tree.value is None):
            note(tree, "a variant must be a mapping of vars to values", "such as `small: {width: 32}`")
        return Variant({}, {}, "")
    changed = {key: value for key, value in tree.items.items() if key not in VARIANT_KEYS}
    for key in () if inputs is None else changed.keys() - variables.keys():
        note(tree.keys[key], *unknown_variable(key, variables, *VARIANT_KEYS))
    own = read_inputs(tree, note)
    for name in own:
        if inputs is not None and name not in inputs:
            note(own[name], *unknown_input(name, inputs))
    return Variant(changed, own, _text(tree, "title", note), tree.items.get("budget"))


def _trees(tree: Tree | None) -> tuple[Tree, ...]:
    return () if tree is None else (tree,)


def _text(tree: MappingNode, key: str, note: Note) -> str:
    value = tree.items.get(key)
    if value is None:
        return ""
    if not isinstance(value, Scalar) or value.value is None:
        note(value, f"{key} must be text")
        return ""
    return value.text
