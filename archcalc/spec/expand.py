"""Architecture → Graph: evaluates vars, conditions, repetitions and fields, calls blocks, and ties names to nodes."""

from collections.abc import Mapping
from typing import Any

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError, did_you_mean
from archcalc.graph import Graph, Input
from archcalc.graph.nodes import unread
from archcalc.layers import Layer, is_kind, kind_named, kinds
from archcalc.layers.core.arithmetic import Shape
from archcalc.layers.core.base import MAX_RANK
from archcalc.spec.architecture import Architecture, Block
from archcalc.spec.calls import expand_parts
from archcalc.spec.draft import Draft
from archcalc.spec.ends import INPUT, input_overrides, output_values, unread_inputs
from archcalc.spec.entry import MALFORMED, STRUCTURES, Entry
from archcalc.spec.environment import evaluated_vars, input_shapes
from archcalc.spec.fields import build_layer
from archcalc.spec.origin import Call, at_call
from archcalc.spec.references import Inputs, counterpart, inputs_of, tied_layer
from archcalc.spec.scope import Scope
from archcalc.spec.source import Scalar
from archcalc.spec.standard import standard_blocks
from archcalc.spec.values import Value

MAX_LAYERS = 1_000_000
MAX_CALLS = 50_000
MAX_NAME_CHARACTERS = 30_000_000


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
        self.draft = Draft(architecture, len(self.inputs))
        self.evaluate = self.draft.evaluate
        self.problems: list[Problem] = list(architecture.problems)
        self.sound: int | None = None
        """How many nodes were there before the first problem."""
        self.blocks = 0
        self.name_characters = 0
        self._layers: dict[tuple[int, tuple[Value, ...]], Layer] = {}

    def run(self) -> tuple[Graph, list[Problem]]:
        spec, draft = self.architecture, self.draft
        variables, problems = evaluated_vars(spec, self.overrides, self.evaluate)
        shapes, more = input_shapes(spec.inputs, variables, self.evaluate, self.given)
        shapes = {**self.given, **shapes}
        if problems or more or len(shapes) < len(self.inputs):
            self._broken((*problems, *more))
        # Of an input that is in error nothing is known: an index into it must not be an error as well.
        dims: dict[str, Value] = {name: shapes.get(name, (1,) * MAX_RANK) for name in self.inputs}
        scope = Scope("", {**dims, **variables}, spec.entries, inputs=self.inputs)
        self._sequence(spec.entries, scope, 0)
        if spec.entries and not draft.nodes and not self.problems:
            self.problems.append(spec.document.problem("no layer is left: every `when` is false with these vars"))
        outputs, problems = output_values(
            spec.outputs, spec.unused, tuple(self.inputs), draft.nodes, draft.paths, scope.failed
        )
        problems += unread_inputs(spec.inputs, spec.unused, draft.nodes)
        if not problems and draft.nodes and not any(map(draft.runs, outputs)):
            message, hint = (
                "the network has no output in eval mode",
                "name a layer in `outputs` that is not `train_only`",
            )
            problems.append(spec.document.problem(message, hint))
        nodes = draft.nodes[: self.sound]
        if self.problems:  # names may lead nowhere for what is wrong before
            outputs, problems = unread(draft.first, nodes), []
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
            self.sound = len(self.draft.nodes)

    def _sequence(self, entries: tuple[Entry, ...], scope: Scope, current: int) -> int:
        """Expand entries one after the other; `current` is what the first reads. Returns what the last one gives."""
        for entry in entries:
            if len(self.problems) > MAX_PROBLEMS or self.evaluate.is_out:
                break
            try:
                end = self._entry(entry, scope, current)
                if scope.train_only or self.draft.runs(end):
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
        if not self.draft.condition("when", entry, scope, otherwise=True):
            self.evaluate.count_entry(entry.tree)
            return current
        cls = kind_named(entry.kind)
        times = 1 if repeat is None else self.evaluate.whole(repeat, scope.variables, "repeat", least=0)
        self.blocks += times * (cls is None)
        if len(self.draft.nodes) + times > MAX_LAYERS or self.blocks > MAX_CALLS:
            limit = f"{MAX_LAYERS:,} layers" if cls else f"{MAX_CALLS:,} blocks"
            raise self.evaluate.error(repeat or entry.tree, f"more than {limit}")
        name = scope.name(entry)
        if times == 0:
            self.evaluate.count_entry(entry.tree)
            return current
        try:
            inputs = inputs_of(self.draft, entry, cls or block, times, scope, current)
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
            return self.draft.add(local, Identity(), (current,), self.draft.origin(entry, scope), scope)
        return expand_parts(
            self.draft, self._sequence, entry, block, name, inputs, times, scope, repeated=repeat is not None
        )

    def _block(self, name: str) -> Block | None:
        block = self.architecture.blocks.get(name)
        if block is None and not is_kind(name) and name not in STRUCTURES:
            return standard_blocks().get(name)
        return block

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
        draft = self.draft
        variables: dict[str, Any] = {**scope.variables, "i": 0} if repeated else scope.variables
        layer = self._layer(entry, cls, variables)
        varies = repeated and "i" in self.evaluate.reads(entry)
        if entry.common.get("first") is not None:
            raise self.evaluate.error(
                entry.common["first"], "only blocks have first", "a layer may use `i` in its fields"
            )
        tree = entry.common.get("tied")
        tied = None if tree is None else tied_layer(draft, tree, entry, scope)
        train_only = draft.condition("train_only", entry, scope, otherwise=scope.train_only)
        self.name_characters += times * len(f"{scope.prefix}{name or ''}")
        if self.name_characters > MAX_NAME_CHARACTERS:
            message = f"the names of all layers exceed {MAX_NAME_CHARACTERS:,} characters in total"
            raise self.evaluate.error(entry.tree, message, "give shorter names")
        origin = draft.origin(entry, scope)
        for i in range(times):
            if varies and i:
                layer = self._layer(entry, cls, {**variables, "i": i})
            if name is None:
                local = scope.namer.name(cls)
            else:
                scope.namer.count(cls)
                local = f"{name}.{i}" if repeated else name
            if (repeated or name is not None) and scope.prefix + local in draft.paths:
                message = f"duplicate name {local!r}"
                raise self.evaluate.error(entry.place("name"), message, "every layer needs a unique name")
            uses = tied if tree is not None else counterpart(draft, cls, scope.prefix + local, scope.tied)
            inputs = (draft.add(local, layer, inputs, origin, scope, uses, train_only),)
        if name is not None:
            draft.paths[scope.prefix + name] = inputs[0]
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
