"""Architecture → Graph: evaluates vars, conditions, repetitions and fields, calls blocks, and ties names to nodes."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError, did_you_mean
from archcalc.graph import Graph, Input, Node
from archcalc.graph.nodes import unread
from archcalc.layers import Layer, is_kind, joins, kind_named, kinds
from archcalc.layers.core.arithmetic import Shape
from archcalc.layers.core.base import MAX_RANK
from archcalc.spec.architecture import Architecture, Block
from archcalc.spec.ends import INPUT, input_overrides, output_values
from archcalc.spec.entry import MALFORMED, STRUCTURES, Entry
from archcalc.spec.environment import evaluated_vars, input_shapes
from archcalc.spec.evaluation import some
from archcalc.spec.fields import Evaluator, block_arguments, build_layer, show
from archcalc.spec.origin import Call, SpecOrigin, at_call
from archcalc.spec.scope import Scope, Tied
from archcalc.spec.source import Scalar, SequenceNode, Tree, problem_at
from archcalc.spec.standard import standard_blocks
from archcalc.spec.values import Value

MAX_LAYERS = 1_000_000
MAX_CALLS = 50_000
MAX_NAME_CHARACTERS = 100_000_000
MAX_DEPTH = 32
EDGE_ITEMS = 40
"""How much work it is to look up a name in `from`, and then to follow the edge that it makes."""

Inputs: TypeAlias = tuple[int, ...]
_COUNT_WORDS = {2: "two", 3: "three", 4: "four"}


def expand(
    architecture: Architecture, *, input: Mapping[str, Shape] | None = None, vars: Mapping[str, Value] | None = None
) -> tuple[Graph, list[Problem]]:
    """The graph of an architecture, and all that is wrong with it.

    `input` (shapes by names of inputs, UNNAMED for the only one) and `vars` override the spec's own. Where there are
    problems, the graph holds the nodes before the first. Raises SettingError for an input or a variable that the spec
    does not have.

    >>> from archcalc import load
    >>> graph, problems = expand(load("alexnet"))
    >>> [node.name for node in graph.nodes[:3]], problems
    (['conv1', 'relu1', 'pool1'], [])
    """
    given = input_overrides(tuple(architecture.inputs) or (INPUT,), input or {})
    return _Expansion(architecture, given, vars or {}).run()


class _Expansion:
    def __init__(self, architecture: Architecture, given: Mapping[str, Shape], overrides: Mapping[str, Value]) -> None:
        self.architecture, self.given, self.overrides = architecture, given, overrides
        self.inputs = {name: value for value, name in enumerate(architecture.inputs or given or (INPUT,))}
        self.first = len(self.inputs)
        """The value that the first node makes."""
        self.evaluate = Evaluator()
        self.problems: list[Problem] = list(architecture.problems)
        self.nodes: list[Node] = []
        self.paths: dict[str, int] = {}
        """The value that each name leads to, names inside others as paths."""
        self.sound: int | None = None
        """How many nodes were there before the first problem."""
        self.calls = 0
        self.name_characters = 0
        self._layers: dict[tuple[int, tuple[Value, ...]], Layer] = {}

    def run(self) -> tuple[Graph, list[Problem]]:
        variables, problems = evaluated_vars(self.architecture, self.overrides, self.evaluate)
        spec = self.architecture
        shapes, more = input_shapes(spec.inputs, variables, self.evaluate, self.given)
        shapes = {**self.given, **shapes}
        if problems or more or len(shapes) < len(self.inputs):
            self._broken((*problems, *more))
        # Of an input that is in error nothing is known: an index into it must not be an error as well.
        dims: dict[str, Value] = {name: shapes.get(name, (1,) * MAX_RANK) for name in self.inputs}
        scope = Scope("", {**dims, **variables}, spec.entries, inputs=self.inputs)
        self._sequence(spec.entries, scope, 0)
        if self.architecture.entries and not self.nodes and not self.problems:
            self.problems.append(
                self.architecture.document.problem("no layer is left: every `when` is false with these vars")
            )
        outputs, problems = output_values(spec.outputs, spec.unused, self.first, self.nodes, self.paths, scope.failed)
        nodes = self.nodes[: self.sound]
        if self.problems:  # names may lead nowhere for what is wrong before
            outputs, problems = unread(self.first, nodes), []
        inputs = tuple([Input(name, shapes.get(name, ())) for name in self.inputs])
        return Graph(spec.name, spec.title, inputs, tuple(nodes), outputs, spec.source), [*self.problems, *problems]

    def _broken(self, problems: tuple[Problem, ...], calls: tuple[Call, ...] = ()) -> None:
        """Note problems, after which the nodes built so far are the last that can be trusted."""
        for problem in problems:
            place = problem.location
            problem = at_call(problem, calls, self.architecture.document, self.architecture.extended)
            # Once for all repetitions; and what follows the first problem of a shipped block comes from the call.
            same = slice(2) if problem.location == place else slice(1, 2)
            if not any(known[same] == problem[same] for known in self.problems):
                self.problems.append(problem)
        if self.sound is None:
            self.sound = len(self.nodes)

    def _sequence(self, entries: tuple[Entry, ...], scope: Scope, current: int) -> int:
        """Expand entries one after the other; `current` is what the first reads. Returns what the last one gives."""
        for entry in entries:
            if len(self.problems) > MAX_PROBLEMS or self.evaluate.is_out:
                break
            try:
                end = self._entry(entry, scope, current)
                if scope.train_only or end < self.first or not self.nodes[end - self.first].train_only:
                    current = end  # else it is a branch that ends here: the next entry reads what it read
            except SpecError as error:
                self._broken(error.problems, scope.calls)
                if isinstance(name := entry.common.get("name"), Scalar):
                    scope.failed.add(name.text)
        return current

    def _entry(self, entry: Entry, scope: Scope, current: int) -> int:
        if entry.kind == MALFORMED:
            self._broken(())
            return current
        block = self._block(entry.kind)
        if block is None and not is_kind(entry.kind) and entry.kind not in STRUCTURES:
            known = [*kinds(), *STRUCTURES, *self.architecture.blocks, *standard_blocks()]
            hint = did_you_mean(entry.kind, known, "`archcalc kinds` lists all kinds")
            raise self.evaluate.error(entry.tree, f"unknown kind {entry.kind!r}", hint)
        repeat = entry.common.get("repeat")
        if not self._condition("when", entry, scope, otherwise=True):
            self.evaluate.count_entry(entry.tree)
            return current
        cls = kind_named(entry.kind)
        times = 1 if repeat is None else self.evaluate.whole(repeat, scope.variables, "repeat", least=0)
        self.calls += times * (cls is None)
        if len(self.nodes) + times > MAX_LAYERS or self.calls > MAX_CALLS:
            limit = f"{MAX_LAYERS:,} layers" if cls else f"{MAX_CALLS:,} blocks"
            raise self.evaluate.error(repeat or entry.tree, f"more than {limit}")
        name = scope.name(entry)
        if times == 0:
            self.evaluate.count_entry(entry.tree)
            return current
        try:
            inputs = self._inputs(entry, cls or block, times, scope, current)
            if cls is not None:
                return self._repeat(entry, cls, name, inputs, times, scope, repeated=repeat is not None)
        except SpecError as error:
            from archcalc.layers.activation import Identity  # only here: most specs have no mistakes

            # A stand-in keeps the names that come after it in order; no caller gets to see it.
            self._broken(error.problems, scope.calls)
            stands_for = cls or Identity
            if name:
                scope.namer.count(stands_for)
            local = name or scope.namer.name(stands_for)
            scope.failed.add(local)
            return self._add(local, Identity(), (current,), self._origin(entry, scope), scope)
        return self._structures(entry, block, name, inputs, times, scope, repeated=repeat is not None)

    def _block(self, name: str) -> Block | None:
        block = self.architecture.blocks.get(name)
        if block is None and not is_kind(name) and name not in STRUCTURES:
            return standard_blocks().get(name)
        return block

    def _condition(self, field: str, entry: Entry, scope: Scope, *, otherwise: bool) -> bool:
        tree = entry.common.get(field)
        if tree is None:
            return otherwise
        value = self.evaluate.value(tree, scope.variables)
        if not isinstance(value, bool | int):
            message = f"{field} must be a condition, got {show(value)}"
            raise self.evaluate.error(tree, message, f"such as `{field}: depth > 18`")
        return bool(value)

    def _inputs(self, entry: Entry, kind: type[Layer] | Block | None, times: int, scope: Scope, current: int) -> Inputs:
        """The values that an entry reads, as many as its kind takes."""
        tree = entry.common.get("from")
        inputs: Inputs = (current,)
        if tree is not None:
            inputs = self._sources(tree, entry, scope)
            if not self._condition("train_only", entry, scope, otherwise=scope.train_only):
                self._require_run(inputs, tree)
        least, most = _arity(kind)
        where = tree or entry.tree
        if least > 1 and times > 1 and not isinstance(kind, Block):
            raise self.evaluate.error(where, f"{entry.kind} cannot be repeated: it takes several inputs")
        if len(inputs) < least or (most is not None and len(inputs) > most):
            raise self._wrong_count(where, entry, kind, len(inputs))
        if times > 1 and isinstance(kind, Block) and len(kind.outputs) > least:
            message = f"{entry.kind} cannot be repeated: it gives {len(kind.outputs)} results and takes {least}"
            raise self.evaluate.error(where, message, "let it take as many inputs")
        return inputs

    def _sources(self, tree: Tree, entry: Entry, scope: Scope) -> Inputs:
        """The values that an entry's `from` names; raises SpecError with all names that lead nowhere."""
        inputs: list[int] = []
        problems: list[Problem] = []
        is_known = False
        items = tree.items if isinstance(tree, SequenceNode) else [tree]
        self.evaluate.count_work(tree, EDGE_ITEMS * len(items))
        for item in items:
            found = scope.node(item, entry, self.paths)
            if isinstance(found, int):
                inputs.append(found)
            elif found is None:
                is_known = True
            else:
                problems.append(found)
                if len(problems) > MAX_PROBLEMS:
                    break
        if problems or is_known:
            raise SpecError(problems)
        return tuple(inputs)

    def _require_run(self, inputs: Inputs, tree: Tree) -> None:
        for i in inputs:
            if i >= self.first and (node := self.nodes[i - self.first]).train_only:
                message = f"from: {node.name} runs only in training"
                raise self.evaluate.error(tree, message, "layers that read it must also be `train_only`")

    def _wrong_count(self, where: Tree, entry: Entry, kind: type[Layer] | Block | None, got: int) -> SpecError:
        least, most = _arity(kind)
        count = _COUNT_WORDS.get(least, str(least))
        or_more = " or more" if most is None else f" or {_COUNT_WORDS.get(most, most)}" if most > least else ""
        message = f"{entry.kind} needs {count}{or_more} inputs"
        if least == 1:
            hint = "join them first with add or concat"
            return self.evaluate.error(where, f"{entry.kind} takes one input, got {got}", hint)
        names = kind.inputs if isinstance(kind, Block) else "abcdefgh"[:least]
        hint = f"name them: `from: [{', '.join(names)}]`"
        return self.evaluate.error(where, message if got == 1 else f"{message}, got {got}", hint)

    def _tied(self, tree: Tree, entry: Entry, scope: Scope) -> int:
        """The position of the node that a name after `tied` leads to."""
        found = scope.node(tree, entry, self.paths, "tied")
        if isinstance(found, int) and found >= self.first:
            return found - self.first
        at_input = problem_at(tree, "tied: the input holds no weights", "name a layer")
        raise SpecError([found] if isinstance(found, Problem) else [at_input] if found is not None else [])

    def _tied_block(self, entry: Entry, scope: Scope, name: str | None) -> Tied | None:
        """Whose weights the layers of a block use that is called as `name`: what it says, or the block around it."""
        tree = entry.common.get("tied")
        if tree is None:
            return scope.tied
        self._tied(tree, entry, scope)
        other = scope.path(tree.text if isinstance(tree, Scalar) else "", self.paths)
        return Tied(f"{scope.prefix}{name}.", f"{other}.", tree)

    def _counterpart(self, cls: type[Layer], path: str, tied: Tied | None) -> int | None:
        """The position of the node whose weights the layer at a path uses, as its block is tied to another."""
        if tied is None or cls.parameters is Layer.parameters:
            return None
        value = self.paths.get(tied.other + path.removeprefix(tied.own))
        if value is None:
            message = f"tied: {tied.other[:-1]!r} lacks layers that {tied.own[:-1]!r} has"
            hint = "tie it to a call of the same block, with the same parameters"
            raise self.evaluate.error(tied.tree, message, hint)
        return value - self.first

    def _repeat(
        self,
        entry: Entry,
        cls: type[Layer],
        name: str | None,
        inputs: Inputs,
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
            raise self.evaluate.error(
                entry.common["first"], "only blocks have first", "a layer may use `i` in its fields"
            )
        tree = entry.common.get("tied")
        tied = None if tree is None else self._tied(tree, entry, scope)
        train_only = self._condition("train_only", entry, scope, otherwise=scope.train_only)
        self.name_characters += times * len(f"{scope.prefix}{name or ''}")
        if self.name_characters > MAX_NAME_CHARACTERS:
            message = f"the names of all layers exceed {MAX_NAME_CHARACTERS:,} characters in total"
            raise self.evaluate.error(entry.tree, message, "give shorter names")
        origin = self._origin(entry, scope)
        for i in range(times):
            if varies and i:
                layer = self._layer(entry, cls, {**variables, "i": i})
            if name is None:
                local = scope.namer.name(cls)
            else:
                scope.namer.count(cls)
                local = f"{name}.{i}" if repeated else name
            if (repeated or name is not None) and scope.prefix + local in self.paths:
                message = f"duplicate name {local!r}"
                raise self.evaluate.error(entry.place("name"), message, "every layer needs a unique name")
            uses = tied if tree is not None else self._counterpart(cls, scope.prefix + local, scope.tied)
            inputs = (self._add(local, layer, inputs, origin, scope, uses, train_only),)
        if name is not None:
            self.paths[scope.prefix + name] = inputs[0]
        return inputs[0]

    def _layer(self, entry: Entry, cls: type[Layer], variables: Mapping[str, Value]) -> Layer:
        """The layer of an entry with these variables: one object for equal values of those that it reads."""
        key = (id(entry), tuple([variables.get(name) for name in self.evaluate.reads(entry)]))
        try:
            layer = self._layers.get(key)
        except TypeError:  # arrays have no hash
            self.evaluate.count_entry(entry.tree)
            return build_layer(cls, entry, self.evaluate, variables)
        if layer is None:
            self.evaluate.count_entry(entry.tree)
            layer = self._layers[key] = build_layer(cls, entry, self.evaluate, variables)
        return layer

    def _add(
        self,
        local: str,
        layer: Layer,
        inputs: Inputs,
        origin: SpecOrigin,
        scope: Scope,
        tied: int | None = None,
        train_only: bool = False,
    ) -> int:
        path, value = scope.prefix + local, len(self.nodes) + self.first
        self.paths[path] = value
        self.nodes.append(Node(path, layer, inputs, origin, tied, train_only or scope.train_only))
        return value

    def _origin(self, entry: Entry, scope: Scope) -> SpecOrigin:
        return SpecOrigin(entry, scope.calls, self.architecture.document, self.architecture.extended)

    def _structures(
        self,
        entry: Entry,
        block: Block | None,
        name: str | None,
        inputs: Inputs,
        times: int,
        scope: Scope,
        *,
        repeated: bool,
    ) -> int:
        """Expand a block or a structure, `times` in a row; inside one that has a name, names begin with it.

        Of several inputs, as many go through the repetitions as a block gives outputs, and each of them reads the same
        others.
        """
        current, *others = inputs
        train_only = self._condition("train_only", entry, scope, otherwise=scope.train_only)
        if block is not None and name is None:
            name = scope.namer.plain(block.name)
        tied = self._tied_block(entry, scope, name)
        work = _work(block, entry, scope)
        for i in range(times):
            if self.evaluate.is_out:
                break
            self.evaluate.count_work(entry.tree, work)
            variables = {**scope.variables, "i": i} if repeated else scope.variables
            local = f"{name}.{i}" if repeated else name
            prefix = scope.prefix if name is None else f"{scope.prefix}{local}."
            if block is not None:
                arguments = self._arguments(entry, block, scope, variables, first=i == 0)
                inner = Scope(
                    prefix,
                    {**scope.globals, **arguments},
                    block.entries,
                    inputs={INPUT: current, **dict(zip(block.inputs, (current, *others), strict=True))},
                    calls=(*scope.calls, Call(block.name, prefix.removesuffix("."), entry.tree)),
                    globals=scope.globals,
                    network=scope.network,
                    train_only=train_only,
                    tied=tied,
                )
                current = self._sequence(block.entries, inner, current)
                if block.outputs:
                    current, *results = self._results(block, inner, f"{scope.prefix}{name}.")
                    others[: len(results)] = results
            else:
                inner = scope
                if name is not None or repeated or train_only:
                    inside = [e for part in entry.parts for e in part]
                    inner = Scope(prefix, variables, inside, parent=scope, train_only=train_only)
                    if name is None:
                        inner.namer = scope.namer
                current = self._structure(entry, inner, current)
            if name is not None:
                self.paths[f"{scope.prefix}{local}"] = self.paths[f"{scope.prefix}{name}"] = current
        return current

    def _results(self, block: Block, inner: Scope, path: str) -> list[int]:
        """What a block gives; each result can be read as `path` with its name, of repetitions that of the last."""
        results: list[int] = []
        problems: list[Problem] = []
        for name in block.outputs:
            found = inner.inputs.get(name.text, self.paths.get(inner.prefix + name.text))
            if found is not None:
                self.paths[path + name.text] = found
                results.append(found)
            elif name.text not in inner.failed:
                hint = did_you_mean(name.text, inner.given, f"its layers: {some(inner.given)}")
                problems.append(problem_at(name, f"outputs of block {block.name}: no layer named {name.text!r}", hint))
        if problems or len(results) < len(block.outputs):
            raise SpecError(problems)
        return results

    def _arguments(
        self, entry: Entry, block: Block, scope: Scope, variables: dict[str, Value], *, first: bool
    ) -> dict[str, Value]:
        if any(call.block == block.name for call in scope.calls):
            chain = " → ".join([*(call.block for call in scope.calls), block.name])
            raise self.evaluate.error(entry.tree, f"block {block.name} calls itself: {chain}", "remove the cycle")
        if len(scope.calls) >= MAX_DEPTH:
            raise self.evaluate.error(entry.tree, f"blocks nested deeper than {MAX_DEPTH} levels")
        return block_arguments(entry, block, self.evaluate, variables, first=first)

    def _structure(self, entry: Entry, scope: Scope, current: int) -> int:
        ends = [self._sequence(part, scope, current) for part in entry.parts]
        if entry.kind == "sequence":
            return ends[0]
        tree = entry.fields.get("join")
        kind = "add" if tree is None else tree.text if isinstance(tree, Scalar) else ""
        join = kind_named(kind)
        if join is None or join.arity[1] is not None:
            known = joins()
            raise self.evaluate.error(
                tree or entry.tree, f"join must be one of {', '.join(known)}", did_you_mean(kind, known)
            )
        return self._add(scope.namer.name(join), join(), tuple(ends), self._origin(entry, scope), scope)


def _work(block: Block | None, entry: Entry, scope: Scope) -> int:
    """How many names and branches one call of a block, or one pass through a structure, goes through."""
    if block is None:
        return len(scope.variables) + 4 * len(entry.parts)
    # Each default sees the vars and the parameters before it.
    seen = len(block.params) * (len(block.params) + len(scope.globals)) // 10
    return len(scope.variables) + len(scope.globals) + len(block.inputs) + seen


def _arity(kind: type[Layer] | Block | None) -> tuple[int, int | None]:
    """How many inputs a kind, a block or (None) a structure takes, at the least and at the most."""
    if isinstance(kind, Block):
        return len(kind.inputs), len(kind.inputs)
    return (1, 1) if kind is None else kind.arity
