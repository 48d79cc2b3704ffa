"""Architecture → Graph: evaluates the vars, conditions, repetitions and fields, and ties names to nodes."""

from collections.abc import Mapping
from typing import Any

from archcalc.errors import MAX_PROBLEMS, Problem, SettingError, SpecError, did_you_mean
from archcalc.layers import Layer, kinds
from archcalc.layers.activation import Identity
from archcalc.layers.arithmetic import Shape
from archcalc.spec.architecture import MALFORMED, Architecture, Entry
from archcalc.spec.expression import Value
from archcalc.spec.fields import Evaluator, build_layer, show
from archcalc.spec.graph import INPUT, Graph, Node
from archcalc.spec.naming import Namer
from archcalc.spec.source import Scalar, Sequence, Tree

MAX_LAYERS = 1_000_000


def expand(
    architecture: Architecture, *, input: Shape | None = None, vars: Mapping[str, Value] | None = None
) -> tuple[Graph, list[Problem]]:
    """The graph of an architecture, and all that is wrong with it.

    `input` and `vars` override the spec's own. Where there are problems, the graph holds the nodes before the first.
    Raises SettingError for a variable that the spec does not have.

    >>> from archcalc import load
    >>> graph, problems = expand(load("alexnet"))
    >>> [node.name for node in graph.nodes[:3]], problems
    (['conv1', 'relu1', 'pool1'], [])
    """
    return _Expansion(architecture, input, vars or {}).run()


class _Expansion:
    def __init__(self, architecture: Architecture, input: Shape | None, overrides: Mapping[str, Value]) -> None:
        self.architecture, self.input, self.overrides = architecture, input, overrides
        self.evaluate = Evaluator(architecture.document)
        self.problems: list[Problem] = list(architecture.problems)
        self.variables: dict[str, Value] = {}
        self.nodes: list[Node] = []
        self.index = {"input": INPUT}
        self.lines: dict[str, int] = {}
        self.given = {
            name.text: entry.line
            for entry in reversed(architecture.entries)
            if isinstance(name := entry.common.get("name"), Scalar)
        }
        self.namer = Namer(tuple(self.given))
        self.sound: int | None = None
        self.failed: set[str] = set()
        """Names of layers that are in error themselves: what reads them is not reported as well."""

    def run(self) -> tuple[Graph, list[Problem]]:
        self._variables()
        shape = self._input()
        for entry in self.architecture.entries:
            if len(self.problems) >= MAX_PROBLEMS:
                break
            try:
                self._entry(entry)
            except SpecError as error:
                self._broken(error.problems)
                if isinstance(name := entry.common.get("name"), Scalar):
                    self.failed.add(name.text)
        if self.architecture.entries and not self.nodes and not self.problems:
            self._note(None, "no layer is left: every `when` is false with these vars")
        nodes = self.nodes if self.sound is None else self.nodes[: self.sound]
        return Graph(shape, tuple(nodes)), self.problems

    def _note(self, tree: Tree | None, message: str, hint: str | None = None) -> None:
        self.problems.append(self.architecture.document.problem(tree, message, hint))

    def _broken(self, problems: tuple[Problem, ...]) -> None:
        """Note problems, after which the nodes built so far are the last that can be trusted."""
        self.problems += problems
        if self.sound is None:
            self.sound = len(self.nodes)

    def _variables(self) -> None:
        trees = self.architecture.vars
        for name in self.overrides:
            if name not in trees:
                known = f"its vars: {', '.join(trees)}" if trees else "it has no vars"
                message = f"{self.architecture.name} has no variable {name!r}"
                raise SettingError(message, hint=did_you_mean(name, trees, known))
        for name, tree in trees.items():
            try:
                overridden = name in self.overrides
                later = [n for n in self.evaluate.names(tree) if n in trees and n not in self.variables]
                if later and not overridden:
                    message = f"{name} reads {min(later)!r}, which is not given above it"
                    raise self.evaluate.error(tree, message, "vars are computed in their order: move it up")
                self.variables[name] = self.overrides[name] if overridden else self.evaluate.value(tree, self.variables)
            except SpecError as error:
                self._broken(error.problems)
                self.variables[name] = 1  # so that what reads it is not reported as well

    def _input(self) -> Shape:
        if self.input is not None:
            return self.input
        tree = self.architecture.input
        if tree is None:
            self._broken(())  # it is missing, which is among the problems
            return ()
        try:
            value = self.evaluate.value(tree, self.variables)
        except SpecError as error:
            self._broken(error.problems)
            return ()
        dims = value if isinstance(value, tuple) else (value,)
        if dims and all(type(dim) is int and dim >= 1 for dim in dims):
            return tuple(dim for dim in dims if isinstance(dim, int))
        message = f"input must be a list of whole numbers ≥ 1, got {show(value)}"
        self._broken((self.architecture.document.problem(tree, message, "such as [3, 224, 224]"),))
        return ()

    def _entry(self, entry: Entry) -> None:
        if entry.kind == MALFORMED:
            self._broken(())
            return
        cls = kinds().get(entry.kind)
        if cls is None:
            hint = did_you_mean(entry.kind, kinds(), "`archcalc kinds` lists all kinds")
            raise self.evaluate.error(entry.tree, f"unknown kind {entry.kind!r}", hint)
        when = entry.common.get("when")
        if when is not None and not self._condition(when):
            return
        repeat = entry.common.get("repeat")
        times = 1 if repeat is None else self.evaluate.whole(repeat, self.variables, "repeat", least=0)
        if len(self.nodes) + times > MAX_LAYERS:
            raise self.evaluate.error(repeat or entry.tree, f"more than {MAX_LAYERS:,} layers")
        name = self._name(entry)
        if times == 0:
            return
        try:
            inputs = self._inputs(entry, cls, times)
            self._repeat(entry, cls, name, inputs, times, repeated=repeat is not None)
        except SpecError as error:
            # A stand-in keeps the names that come after it in order; no caller gets to see it.
            self._broken(error.problems)
            self._add(name or self.namer.name(cls), Identity(), (INPUT,), entry)
            if name:
                self.namer.count(cls)

    def _condition(self, tree: Tree) -> bool:
        value = self.evaluate.value(tree, self.variables)
        if not isinstance(value, bool | int):
            raise self.evaluate.error(
                tree, f"when must be a condition, got {show(value)}", "such as `when: depth > 18`"
            )
        return bool(value)

    def _name(self, entry: Entry) -> str | None:
        tree = entry.common.get("name")
        if tree is None:
            return None
        if not isinstance(tree, Scalar) or tree.value is None or not tree.text:
            raise self.evaluate.error(tree, "name must be text")
        if tree.text == "input":
            raise self.evaluate.error(tree, "the name 'input' stands for the spec's input", "choose another name")
        if tree.text in self.lines:
            first = self.lines[tree.text]
            message = f"name {tree.text!r} is given twice (first in line {first})"
            raise self.evaluate.error(tree, message, "every layer needs a name of its own")
        self.lines[tree.text] = entry.line
        return tree.text

    def _inputs(self, entry: Entry, cls: type[Layer], times: int) -> tuple[int, ...]:
        tree = entry.common.get("from")
        if tree is None:
            inputs: tuple[int, ...] = (len(self.nodes) - 1,)
        else:
            items = tree.items if isinstance(tree, Sequence) else [tree]
            found = [self._source(item, entry) for item in items[:MAX_PROBLEMS]]
            problems = [item for item in found if isinstance(item, Problem)]
            if problems or None in found:
                raise SpecError(problems)
            inputs = tuple(item for item in found if isinstance(item, int))
        where = tree or entry.tree
        if cls.many_inputs and len(inputs) < 2:
            raise self.evaluate.error(where, f"{entry.kind} needs two or more inputs", "name them: `from: [a, b]`")
        if cls.many_inputs and times > 1:
            raise self.evaluate.error(where, f"{entry.kind} cannot be repeated: it takes several inputs")
        if not cls.many_inputs and len(inputs) != 1:
            hint = "join them first with add or concat"
            raise self.evaluate.error(where, f"{entry.kind} takes one input, got {len(inputs)}", hint)
        return inputs

    def _source(self, tree: Tree, entry: Entry) -> int | Problem | None:
        name = tree.text if isinstance(tree, Scalar) else ""
        if name in self.index:
            return self.index[name]
        problem = self.architecture.document.problem
        if not name:
            return problem(tree, "from must be a name or a list of names", "such as `from: [a, b]`")
        if name in self.failed:
            return None
        if name in self.given and self.given[name] == entry.line:
            return problem(tree, f"from: {name!r} is this layer itself", "a layer reads earlier ones")
        if name in self.given and self.given[name] < entry.line:
            message = f"from: {name!r} (line {self.given[name]}) is left out: its `when` is false or its `repeat` 0"
            return problem(tree, message, "give both the same `when`")
        if name in self.given:
            return problem(
                tree, f"from: {name!r} comes later, in line {self.given[name]}", "a layer reads earlier ones"
            )
        known = list(self.index)
        return problem(tree, f"from: no layer is called {name!r}", did_you_mean(name, known, f"known: {_some(known)}"))

    def _repeat(
        self, entry: Entry, cls: type[Layer], name: str | None, inputs: tuple[int, ...], times: int, *, repeated: bool
    ) -> None:
        trees = [*entry.fields.values(), *((entry.scalar,) if entry.scalar else ())]
        varies = repeated and any("i" in self.evaluate.names(tree) for tree in trees)
        variables: dict[str, Any] = {**self.variables, "i": 0} if repeated else self.variables
        layer = build_layer(cls, entry, self.evaluate, variables)
        for i in range(times):
            if varies and i:
                layer = build_layer(cls, entry, self.evaluate, {**variables, "i": i})
            if name is None:
                full = self.namer.name(cls)
            else:
                self.namer.count(cls)
                full = f"{name}.{i}" if repeated else name
            if full in self.index and (repeated or name is not None):
                raise self.evaluate.error(
                    entry.place("name"), f"name {full!r} is given twice", "every layer needs a name of its own"
                )
            self._add(full, layer, inputs, entry)
            inputs = (len(self.nodes) - 1,)
        if name is not None:
            self.index[name] = len(self.nodes) - 1

    def _add(self, name: str, layer: Layer, inputs: tuple[int, ...], entry: Entry) -> None:
        self.index[name] = len(self.nodes)
        self.nodes.append(Node(name, layer, inputs, entry))


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])} and {len(names) - 12} more"
