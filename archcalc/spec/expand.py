"""Architecture → Graph: evaluates vars, conditions, repetitions and fields, calls blocks, and ties names to nodes."""

from collections.abc import Mapping
from typing import Any

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError, did_you_mean
from archcalc.layers import Layer, kinds
from archcalc.layers.activation import Identity
from archcalc.layers.arithmetic import Shape
from archcalc.layers.merge import joins
from archcalc.spec.architecture import MALFORMED, STRUCTURES, Architecture, Block, Entry
from archcalc.spec.environment import evaluated_vars, input_shape
from archcalc.spec.expression import Value
from archcalc.spec.fields import Evaluator, block_arguments, build_layer, show
from archcalc.spec.graph import INPUT, Call, Graph, Node
from archcalc.spec.scope import Scope
from archcalc.spec.source import Scalar, Sequence, Tree

MAX_LAYERS = 1_000_000
MAX_CALLS = 50_000
MAX_DEPTH = 32


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
        self.nodes: list[Node] = []
        self.paths: dict[str, int] = {}
        """Where each name leads, names inside others as paths."""
        self.sound: int | None = None
        """How many nodes were there before the first problem."""
        self.calls = 0
        self._layers: dict[tuple[int, tuple[Value, ...]], Layer] = {}

    def run(self) -> tuple[Graph, list[Problem]]:
        variables, problems = evaluated_vars(self.architecture, self.overrides, self.evaluate)
        shape, more = (self.input, []) if self.input else input_shape(self.architecture, variables, self.evaluate)
        if problems or more or not shape:
            self._broken((*problems, *more))
        scope = Scope("", variables, self.architecture.entries, INPUT)
        self._sequence(self.architecture.entries, scope, INPUT)
        if self.architecture.entries and not self.nodes and not self.problems:
            self.problems.append(
                self.architecture.document.problem(None, "no layer is left: every `when` is false with these vars")
            )
        nodes = self.nodes if self.sound is None else self.nodes[: self.sound]
        return Graph(shape, tuple(nodes)), self.problems

    def _broken(self, problems: tuple[Problem, ...], calls: tuple[Call, ...] = ()) -> None:
        """Note problems, after which the nodes built so far are the last that can be trusted."""
        for problem in problems:
            if calls:
                where = calls[-1].words()
                problem = problem._replace(hint=f"{problem.hint}; {where}" if problem.hint else where)
            if not any(known[:2] == problem[:2] for known in self.problems):  # once for all repetitions
                self.problems.append(problem)
        if self.sound is None:
            self.sound = len(self.nodes)

    def _sequence(self, entries: tuple[Entry, ...], scope: Scope, current: int) -> int:
        """Expand entries one after the other; `current` is what the first reads. Returns what the last one gives."""
        for entry in entries:
            if len(self.problems) >= MAX_PROBLEMS:
                break
            try:
                current = self._entry(entry, scope, current)
            except SpecError as error:
                self._broken(error.problems, scope.calls)
                if isinstance(name := entry.common.get("name"), Scalar):
                    scope.failed.add(name.text)
        return current

    def _entry(self, entry: Entry, scope: Scope, current: int) -> int:
        if entry.kind == MALFORMED:
            self._broken(())
            return current
        cls, block = kinds().get(entry.kind), self.architecture.blocks.get(entry.kind)
        if cls is None and block is None and entry.kind not in STRUCTURES:
            known = [*kinds(), *STRUCTURES, *self.architecture.blocks]
            hint = did_you_mean(entry.kind, known, "`archcalc kinds` lists all kinds")
            raise self.evaluate.error(entry.tree, f"unknown kind {entry.kind!r}", hint)
        when, repeat = entry.common.get("when"), entry.common.get("repeat")
        if when is not None and not self._condition(when, scope):
            return current
        times = 1 if repeat is None else self.evaluate.whole(repeat, scope.variables, "repeat", least=0)
        self.calls += times * (cls is None)
        if len(self.nodes) + times > MAX_LAYERS or self.calls > MAX_CALLS:
            limit = f"{MAX_LAYERS:,} layers" if cls else f"{MAX_CALLS:,} blocks"
            raise self.evaluate.error(repeat or entry.tree, f"more than {limit}")
        name = self._name(entry, scope)
        if times == 0:
            return current
        try:
            inputs = self._inputs(entry, cls, times, scope, current)
            if cls is not None:
                return self._repeat(entry, cls, name, inputs, times, scope, repeated=repeat is not None)
        except SpecError as error:
            # A stand-in keeps the names that come after it in order; no caller gets to see it.
            self._broken(error.problems, scope.calls)
            stands_for = cls or Identity
            if name:
                scope.namer.count(stands_for)
            return self._add(name or scope.namer.name(stands_for), Identity(), (current,), entry, scope)
        return self._structures(entry, block, name, inputs[0], times, scope, repeated=repeat is not None)

    def _condition(self, tree: Tree, scope: Scope) -> bool:
        value = self.evaluate.value(tree, scope.variables)
        if not isinstance(value, bool | int):
            raise self.evaluate.error(
                tree, f"when must be a condition, got {show(value)}", "such as `when: depth > 18`"
            )
        return bool(value)

    def _name(self, entry: Entry, scope: Scope) -> str | None:
        tree = entry.common.get("name")
        if tree is None:
            return None
        if not isinstance(tree, Scalar) or tree.value is None or not tree.text:
            raise self.evaluate.error(tree, "name must be text")
        if tree.text == "input":
            raise self.evaluate.error(tree, "the name 'input' stands for the spec's input", "choose another name")
        if tree.text in scope.lines:
            message = f"name {tree.text!r} is given twice (first in line {scope.lines[tree.text]})"
            raise self.evaluate.error(tree, message, "every layer needs a name of its own")
        scope.lines[tree.text] = entry.line
        return tree.text

    def _inputs(self, entry: Entry, cls: type[Layer] | None, times: int, scope: Scope, current: int) -> tuple[int, ...]:
        tree = entry.common.get("from")
        inputs: tuple[int, ...] = (current,)
        if tree is not None:
            items = tree.items if isinstance(tree, Sequence) else [tree]
            found = [self._source(item, entry, scope) for item in items[:MAX_PROBLEMS]]
            problems = [item for item in found if isinstance(item, Problem)]
            if problems or None in found:
                raise SpecError(problems)
            inputs = tuple(item for item in found if isinstance(item, int))
        where = tree or entry.tree
        least, most = (1, 1) if cls is None else cls.arity
        if least > 1 and times > 1:
            raise self.evaluate.error(where, f"{entry.kind} cannot be repeated: it takes several inputs")
        if len(inputs) < least or (most is not None and len(inputs) > most):
            takes = f"{_COUNT_WORDS.get(least, least)} or more" if most is None else _COUNT_WORDS.get(least, str(least))
            got = "" if len(inputs) == 1 else f", got {len(inputs)}"
            message = f"{entry.kind} {'takes' if least == 1 else 'needs'} {takes} input{'s' * (least > 1)}{got}"
            names = ", ".join("abcdefgh"[:least])
            hint = "join them first with add or concat" if least == 1 else f"name them: `from: [{names}]`"
            raise self.evaluate.error(where, message, hint)
        return inputs

    def _source(self, tree: Tree, entry: Entry, scope: Scope) -> int | Problem | None:
        name = tree.text if isinstance(tree, Scalar) else ""
        if name == "input":
            return scope.input
        found = scope.find(name, self.paths)
        if found is not None:
            return found
        problem, given = self.architecture.document.problem, scope.given
        if not name:
            return problem(tree, "from must be a name or a list of names", "such as `from: [a, b]`")
        if name in scope.failed:
            return None
        if given.get(name) == entry.line:
            return problem(tree, f"from: {name!r} is this layer itself", "a layer reads earlier ones")
        if name in given and given[name] < entry.line:
            message = f"from: {name!r} (line {given[name]}) is left out: its `when` is false or its `repeat` 0"
            return problem(tree, message, "give both the same `when`")
        if name in given:
            return problem(tree, f"from: {name!r} comes later, in line {given[name]}", "a layer reads earlier ones")
        known = ["input", *self.paths]
        return problem(tree, f"from: no layer is called {name!r}", did_you_mean(name, known, f"known: {_some(known)}"))

    def _repeat(
        self,
        entry: Entry,
        cls: type[Layer],
        name: str | None,
        inputs: tuple[int, ...],
        times: int,
        scope: Scope,
        *,
        repeated: bool,
    ) -> int:
        """Add a layer, or a chain of its repetitions; where its fields do not read `i`, they are one object."""
        variables: dict[str, Any] = {**scope.variables, "i": 0} if repeated else scope.variables
        layer = self._layer(entry, cls, variables)
        varies = repeated and "i" in self.evaluate.reads(entry)
        if entry.common.get("first") is not None:
            raise self.evaluate.error(entry.common["first"], "first is for blocks", "a layer may use `i` in its fields")
        for i in range(times):
            if varies and i:
                layer = self._layer(entry, cls, {**variables, "i": i})
            if name is None:
                local = scope.namer.name(cls)
            else:
                scope.namer.count(cls)
                local = f"{name}.{i}" if repeated else name
            if (repeated or name is not None) and scope.prefix + local in self.paths:
                message = f"name {local!r} is given twice"
                raise self.evaluate.error(entry.place("name"), message, "every layer needs a name of its own")
            inputs = (self._add(local, layer, inputs, entry, scope),)
        if name is not None:
            self.paths[scope.prefix + name] = inputs[0]
        return inputs[0]

    def _layer(self, entry: Entry, cls: type[Layer], variables: Mapping[str, Value]) -> Layer:
        """The layer of an entry with these variables: one object for equal values of those that it reads."""
        key = (id(entry), tuple([variables.get(name) for name in self.evaluate.reads(entry)]))
        layer = self._layers.get(key)
        if layer is None:
            layer = self._layers[key] = build_layer(cls, entry, self.evaluate, variables)
        return layer

    def _add(self, local: str, layer: Layer, inputs: tuple[int, ...], entry: Entry, scope: Scope) -> int:
        path, position = scope.prefix + local, len(self.nodes)
        self.paths[path] = position
        self.nodes.append(Node(path, layer, inputs, entry, scope.calls))
        return position

    def _structures(
        self,
        entry: Entry,
        block: Block | None,
        name: str | None,
        current: int,
        times: int,
        scope: Scope,
        *,
        repeated: bool,
    ) -> int:
        """Expand a block or a structure, `times` in a row; inside one that has a name, names begin with it."""
        if block is not None and name is None:
            name = scope.namer.plain(block.name)
        for i in range(times):
            variables = {**scope.variables, "i": i} if repeated else scope.variables
            local = f"{name}.{i}" if repeated else name
            prefix = scope.prefix if name is None else f"{scope.prefix}{local}."
            if block is not None:
                inner = self._call(entry, block, scope, variables, prefix, current, first=i == 0)
                current = self._sequence(block.entries, inner, current)
            else:
                inner = scope
                if name is not None or repeated:
                    inside = [e for part in entry.parts for e in part]
                    inner = Scope(prefix, variables, inside, scope.input, scope)
                    if name is None:
                        inner.namer = scope.namer
                current = self._structure(entry, inner, current)
            if name is not None:
                self.paths[f"{scope.prefix}{local}"] = self.paths[f"{scope.prefix}{name}"] = current
        return current

    def _call(
        self,
        entry: Entry,
        block: Block,
        scope: Scope,
        variables: dict[str, Value],
        prefix: str,
        current: int,
        *,
        first: bool,
    ) -> Scope:
        if any(call.block == block.name for call in scope.calls):
            chain = " → ".join([*(call.block for call in scope.calls), block.name])
            raise self.evaluate.error(
                entry.tree, f"block {block.name} calls itself: {chain}", "a block must come to an end"
            )
        if len(scope.calls) >= MAX_DEPTH:
            raise self.evaluate.error(entry.tree, f"blocks inside one another more than {MAX_DEPTH} deep")
        arguments = block_arguments(entry, block, self.evaluate, variables, first=first)
        call = Call(block.name, prefix.removesuffix("."), entry.line)
        return Scope(
            prefix, {**scope.globals, **arguments}, block.entries, current, None, (*scope.calls, call), scope.globals
        )

    def _structure(self, entry: Entry, scope: Scope, current: int) -> int:
        ends = [self._sequence(part, scope, current) for part in entry.parts]
        if entry.kind == "sequence":
            return ends[0]
        tree, known = entry.fields.get("join"), joins()
        kind = "add" if tree is None else tree.text if isinstance(tree, Scalar) else ""
        if tree is not None and kind not in known:
            raise self.evaluate.error(tree, f"join must be one of {', '.join(known)}", did_you_mean(kind, known))
        join = known[kind]
        return self._add(scope.namer.name(join), join(), tuple(ends), entry, scope)


_COUNT_WORDS = {1: "one", 2: "two", 3: "three"}


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 12 else f"{', '.join(names[:12])} and {len(names) - 12} more"
