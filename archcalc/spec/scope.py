"""Where a name means something: the spec itself, a block that is called, or a structure that has a name."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import NamedTuple

from archcalc.errors import Problem, SpecError, did_you_mean
from archcalc.graph.naming import Namer
from archcalc.spec.ends import INPUT
from archcalc.spec.entry import Entry
from archcalc.spec.evaluation import some
from archcalc.spec.origin import Call
from archcalc.spec.source import Scalar, Tree, problem_at
from archcalc.spec.values import Value

MAX_NAME = 10_000
"""Characters of the name that an entry gives."""


class Tied(NamedTuple):
    """Two paths of blocks of which the first uses the weights of the second, and where that is said."""

    own: str
    other: str
    tree: Tree


class Scope:
    """The variables and names of a run of entries.

    `inputs` are the values that it begins from, by the name that `from` knows them by; in a block, `input` is always
    there. `network` are those that the network begins from, which are known everywhere. `calls` are the blocks that it
    is inside of, the innermost last; `globals` are the vars of the spec, which a block sees besides its own parameters.
    Inside `train_only` everything runs only in training, and inside a `tied` call layers use weights of others.
    """

    def __init__(
        self,
        prefix: str,
        variables: dict[str, Value],
        entries: Iterable[Entry],
        *,
        inputs: Mapping[str, int] | None = None,
        parent: "Scope | None" = None,
        calls: tuple[Call, ...] | None = None,
        globals: dict[str, Value] | None = None,
        network: Mapping[str, int] | None = None,
        train_only: bool = False,
        tied: Tied | None = None,
    ) -> None:
        self.prefix, self.variables, self.parent = prefix, variables, parent
        self.inputs: Mapping[str, int] = inputs or (parent.inputs if parent else {})
        self.calls: tuple[Call, ...] = calls if calls is not None else parent.calls if parent else ()
        self.globals: dict[str, Value] = globals if globals is not None else parent.globals if parent else variables
        self.network: Mapping[str, int] = network or (parent.network if parent else self.inputs)
        self.train_only: bool = train_only or (parent is not None and parent.train_only)
        self.tied: Tied | None = tied or (parent.tied if parent else None)
        self.given = dict(_given(entries))
        self.lines: dict[str, int] = {}
        self.failed: set[str] = set()
        """Names of layers that are in error themselves: what reads them is not reported as well."""
        self.namer = Namer(tuple(self.given))

    def name(self, entry: Entry) -> str | None:
        """The name that an entry gives itself; raises SpecError where it cannot have it."""
        tree = entry.common.get("name")
        if tree is None:
            return None
        if not isinstance(tree, Scalar) or tree.value is None or not tree.text:
            raise SpecError([problem_at(tree, "name must be text")])
        if len(tree.text) > MAX_NAME:
            raise SpecError(
                [problem_at(tree, f"a name has {len(tree.text):,} characters", f"use at most {MAX_NAME:,}")]
            )
        if tree.text == INPUT or (tree.text in self.network and not self.prefix):
            message = f"the name {tree.text!r} is an input's"
            raise SpecError([problem_at(tree, message, "choose another name")])
        if tree.text in self.lines:
            message = f"duplicate name {tree.text!r} (first in line {self.lines[tree.text]})"
            raise SpecError([problem_at(tree, message, "every layer needs a unique name")])
        self.lines[tree.text] = entry.line
        return tree.text

    def node(self, tree: Tree, entry: Entry, paths: Mapping[str, int], field: str = "from") -> int | Problem | None:
        """The value that a name in an entry refers to, or the problem with it; None if that is reported already."""
        name = tree.text if isinstance(tree, Scalar) else ""
        if name in self.inputs:
            return self.inputs[name]
        path = self.path(name, paths)
        found = self.network.get(name) if path is None else paths[path]
        if found is not None:
            return found
        if not name:
            lists = " or a list of names" if field == "from" else ""
            return problem_at(tree, f"{field} must be a name{lists}", f"such as `{field}: conv1`")
        if not self.failed.isdisjoint(accumulate(name.split("."), "{}.{}".format)):
            return None  # it, or what it is inside of
        if name in self.given:
            return self._not_there(name, tree, entry, field)
        known = [*dict.fromkeys((*self.inputs, *self.network)), *paths]
        hint = did_you_mean(name, known, f"known: {some(known)}")
        return problem_at(tree, f"{field}: no layer named {name!r}", hint)

    def path(self, name: str, paths: Mapping[str, int]) -> str | None:
        """The path that a name refers to: from here, from the scopes around, or as a path from the outside."""
        scope: Scope | None = self
        while scope is not None:
            if scope.prefix + name in paths:
                return scope.prefix + name
            scope = scope.parent
        return name if name in paths else None

    def _not_there(self, name: str, tree: Tree, entry: Entry, field: str) -> Problem:
        line = self.given[name]
        if line == entry.line:
            return problem_at(tree, f"{field}: {name!r} is this layer itself", "a layer can only read earlier layers")
        if line < entry.line:
            message = f"{field}: {name!r} (line {line}) is left out: its `when` is false or its `repeat` 0"
            return problem_at(tree, message, "give both the same `when`")
        return problem_at(
            tree, f"{field}: {name!r} is defined later, in line {line}", "a layer can only read earlier layers"
        )


def _given(entries: Iterable[Entry]) -> Iterator[tuple[str, int]]:
    """The names that entries give themselves, with their lines; structures without a name are looked into."""
    for entry in entries:
        name = entry.common.get("name")
        if isinstance(name, Scalar):
            yield name.text, entry.line
        else:
            for part in entry.parts:
                yield from _given(part)
