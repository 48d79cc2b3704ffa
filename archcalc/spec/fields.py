"""Trees → typed values: evaluates the expressions of an entry and builds its layer, or says all that is wrong."""

import contextlib
import functools
import typing
from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from archcalc.errors import MAX_PROBLEMS, Problem, SpecError, did_you_mean
from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import is_plain
from archcalc.layers.core.base import is_structural
from archcalc.spec.architecture import Block
from archcalc.spec.entry import COMMON_FIELDS, LAYER_FIELDS, Entry
from archcalc.spec.expression import Expression
from archcalc.spec.source import MappingNode, Scalar, SequenceNode, Tree, line_words, problem_at
from archcalc.spec.values import (
    ENTRY_STEPS,
    ITEMS_A_STEP,
    MAX_ITEMS,
    ExpressionError,
    OutOfStepsError,
    Steps,
    Value,
    is_open,
    size_of,
)

Variables: TypeAlias = Mapping[str, Value]

MAX_EXPRESSIONS = 200_000


class Evaluator:
    """Evaluates trees; each expression is parsed once, however often it is evaluated.

    All that it evaluates takes from one store of steps. That it is used up is said once.
    """

    def __init__(self) -> None:
        self._steps = Steps()
        self.is_out = False
        """Whether the steps are used up, which is among the problems by now."""
        self._parsed: dict[str, Expression] = {}
        self._length = 0
        self._reads: dict[int, tuple[str, ...]] = {}

    def value(self, tree: Tree, variables: Variables) -> Value:
        """The value of a tree: numbers as they are, text as an expression; raises SpecError."""
        if isinstance(tree, SequenceNode):
            items = tuple(self.value(item, variables) for item in tree.items)
            if size_of(items) > MAX_ITEMS:
                raise self.error(tree, f"a list of more than {MAX_ITEMS:,} values")
            return items
        if not isinstance(tree, Scalar):
            raise self.error(tree, "expected a value, got a mapping")
        try:
            self._steps.take(1)
            if not isinstance(tree.value, str):
                return tree.value
            result = self._expression(tree)(variables)
        except OutOfStepsError as error:
            raise self._out_of_steps(tree, error) from None
        except ExpressionError as error:
            raise self._expression_error(tree, error) from None
        if is_open(result):
            from archcalc.spec.open_numbers import settled  # which few analyses need

            result = settled(result)
        if isinstance(result, float) and result.is_integer() and abs(result) <= 2**53:  # beyond, it may be rounded
            return int(result)
        return result

    def whole(self, tree: Tree, variables: Variables, what: str, least: int) -> int:
        """The value of a tree that must be a whole number of at least `least`; raises SpecError."""
        value = self.value(tree, variables)
        if type(value) is not int or value < least:
            hint = "analyze each number separately" if is_open(value) else None
            raise self.error(tree, f"{what} must be a whole number ≥ {least}, got {show(value)}", hint)
        return value

    def names(self, tree: Tree) -> frozenset[str]:
        """The variables that a tree reads; of one that is no expression, none."""
        if isinstance(tree, SequenceNode):
            return frozenset[str]().union(*(self.names(item) for item in tree.items))
        if not isinstance(tree, Scalar) or not isinstance(tree.value, str):
            return frozenset()
        try:
            return self._expression(tree).names
        except ExpressionError:
            return frozenset()

    def reads(self, entry: Entry) -> tuple[str, ...]:
        """The variables that the fields of an entry read."""
        known = self._reads.get(id(entry))
        if known is None:
            trees = [*entry.fields.values(), *((entry.scalar,) if entry.scalar else ())]
            known = self._reads[id(entry)] = tuple(sorted(frozenset[str]().union(*map(self.names, trees))))
        return known

    def count_entry(self, tree: Tree) -> None:
        """Take the steps of an entry that is built, or left out; raises SpecError where they are not left."""
        self._take(tree, ENTRY_STEPS)

    def count_work(self, tree: Tree, items: int) -> None:
        """Take the steps of going through so many names or branches; raises SpecError where they are not left."""
        self._take(tree, items // ITEMS_A_STEP)

    def _take(self, tree: Tree, steps: int) -> None:
        try:
            self._steps.take(steps)
        except OutOfStepsError as error:
            raise self._out_of_steps(tree, error) from None

    def error(self, tree: Tree, message: str, hint: str | None = None) -> SpecError:
        """A SpecError of one problem at `tree`."""
        return SpecError([problem_at(tree, message, hint)])

    def _expression(self, tree: Scalar) -> Expression:
        parsed = self._parsed.get(tree.text)
        if parsed is None:
            self._length += len(tree.text)
            if self._length > MAX_EXPRESSIONS:
                raise ExpressionError(f"more than {MAX_EXPRESSIONS:,} characters of expressions in one spec")
            parsed = self._parsed[tree.text] = Expression(tree.text, self._steps)
        return parsed

    def _out_of_steps(self, tree: Tree, error: OutOfStepsError) -> SpecError:
        problems = [] if self.is_out else [problem_at(tree, str(error), error.hint)]
        self.is_out = True
        return SpecError(problems)

    def _expression_error(self, tree: Scalar, error: ExpressionError) -> SpecError:
        text = tree.text if len(tree.text) <= 60 else tree.text[:57] + "..."
        location = tree.document.locate(tree.line, tree.column)
        if location.text.startswith(tree.text, tree.column - 1):  # plain text on one line: point inside it
            location = location._replace(column=tree.column + error.offset)
        return SpecError([Problem(f"{text!r}: {error}", location, error.hint)])


def build_layer(cls: type[Layer], entry: Entry, evaluator: Evaluator, variables: Variables) -> Layer:
    """The layer of an entry; raises SpecError with all that is wrong in its fields."""
    trees, problems = entry.fields, []
    types, words = field_types(cls), _field_words(cls)
    if entry.scalar is not None:
        if not types:
            raise evaluator.error(
                entry.scalar, f"{entry.kind} has no fields; it takes no value", f"write `- {entry.kind}`"
            )
        trees = {next(iter(types)): entry.scalar}
    for name in sorted(trees.keys() - types.keys())[: MAX_PROBLEMS + 1]:
        fields = [*types, *LAYER_FIELDS]
        hint = did_you_mean(name, fields, f"fields of {entry.kind}: {', '.join(fields)}")
        if ")" in name or "]" in name:
            hint = "within {…} an expression with brackets or commas needs quotes, such as 'max(a, b)'"
        problems.append(problem_at(entry.keys[name], f"{entry.kind} has no field {name!r}", hint))
    missing = [name for name in required_fields(cls) if name not in trees]
    if missing:
        hint = f"such as {entry.kind}: {{{', '.join(f'{name}: …' for name in missing)}}}"
        message = f"{entry.kind} needs {' and '.join(missing)}"
        problems.append(problem_at(entry.tree, message, hint))
    values: dict[str, Any] = {}
    for name, tree in trees.items():
        if name in types:
            try:
                values[name] = field_value(words[name], tree, evaluator, variables)
            except SpecError as error:
                problems += error.problems
    open_ones = [name for name, value in values.items() if not is_plain(value)]
    fixed = [name for name in open_ones if is_structural(types[name])]
    if not problems and not fixed:
        with contextlib.suppress(msgspec.ValidationError):
            if not open_ones:
                return msgspec.convert(values, cls)
            from archcalc.spec.open_numbers import converted

            return converted(values, cls)
    problems += [
        p for name in values if (p := _invalid(name, values[name], types, trees, entry, is_fixed=name in fixed))
    ]
    raise SpecError(problems)


def block_arguments(
    entry: Entry, block: Block, evaluator: Evaluator, variables: Variables, *, first: bool
) -> dict[str, Value]:
    """The values of a block's parameters in a call; raises SpecError with all that is wrong in it.

    Arguments are evaluated where the block is called, defaults inside it, with the parameters before them. For the
    first repetition, the fields under `first` take the place of the others.
    """
    trees = dict(entry.fields)
    problems = []
    if entry.scalar is not None:
        if not block.params:
            raise evaluator.error(entry.scalar, f"block {block.name} has no parameters; it takes no value")
        trees = {next(iter(block.params)): entry.scalar}
    override = entry.common.get("first")
    if override is not None and not isinstance(override, MappingNode):
        raise evaluator.error(override, "first must be a mapping of parameters", "such as `first: {stride: 2}`")
    overriding = override.items if override is not None else {}
    for name, tree in (*trees.items(), *overriding.items()):
        if name not in block.params:
            known = f"its parameters: {', '.join(block.params)}" if block.params else "it has none"
            hint = did_you_mean(name, [*block.params, *COMMON_FIELDS], known)
            problems.append(
                problem_at(entry.keys.get(name, tree), f"block {block.name} has no parameter {name!r}", hint)
            )
    if first:
        trees |= overriding
    values: dict[str, Value] = {}
    for name, default in block.params.items():
        try:
            if name in trees:
                values[name] = evaluator.value(trees[name], variables)
            elif default is not None:
                values[name] = evaluator.value(default, {**variables, **values})
            else:
                hint = f"such as {entry.kind}: {{{name}: …}}"
                where = line_words(block.tree, entry.tree.document.name)
                problems.append(problem_at(entry.tree, f"block {block.name} ({where}) needs {name}", hint))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return values


def field_value(words: tuple[str, ...], tree: Tree, evaluator: Evaluator, variables: Variables) -> Value:
    """A field's value before its bounds are checked: one of the words that its type allows, or an expression's."""
    if words and isinstance(tree, Scalar) and tree.value in words:
        return tree.value
    return evaluator.value(tree, variables)


def _invalid(
    name: str, value: Value, types: dict[str, Any], trees: dict[str, Tree], entry: Entry, *, is_fixed: bool
) -> Problem | None:
    """The problem with a field; one that `is_fixed` chooses the computation, and takes no symbols and no arrays."""
    from archcalc.spec.open_numbers import stand_ins

    try:
        for plain in stand_ins(value):
            msgspec.convert(plain, types[name])
    except msgspec.ValidationError:
        is_fixed = False
    else:
        if not is_fixed:
            return None
    message = f"{entry.kind}: {name} must be {describe(types[name])}, got {show(value)}"
    hint = "it chooses what is computed, which symbols and arrays cannot; analyze each value separately"
    return problem_at(trees[name], message, hint if is_fixed else None)


@functools.cache
def field_types(cls: type[Layer]) -> dict[str, Any]:
    """The type of every field of a kind, by name, in order."""
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        hints |= getattr(base, "__annotations__", {})
    return {name: hints[name] for name in cls.__struct_fields__}


@functools.cache
def _field_words(cls: type[Layer]) -> dict[str, tuple[str, ...]]:
    """The words that each field of a kind may be."""
    return {name: _words(type_) for name, type_ in field_types(cls).items()}


def required_fields(cls: type[Layer]) -> tuple[str, ...]:
    """The fields of a kind that have no default.

    >>> from archcalc.layers import kinds
    >>> required_fields(kinds()["conv"])
    ('filters', 'kernel')
    """
    fields = cls.__struct_fields__
    return fields[: len(fields) - len(cls.__struct_defaults__)]


def _words(type_: Any) -> tuple[str, ...]:
    """The words that a type allows, such as `same` for a pad."""
    if typing.get_origin(type_) is typing.Literal:
        return tuple(word for word in typing.get_args(type_) if isinstance(word, str))
    return tuple(word for part in typing.get_args(type_) for word in _words(part))


def describe(type_: Any) -> str:
    """What a field must be, for people: the description that its type carries.

    >>> from archcalc.layers.core.base import Size2d
    >>> describe(Size2d), describe(Size2d | None)
    ('a whole number ≥ 1, or [height, width]', 'a whole number ≥ 1, or [height, width]')
    """
    for meta in getattr(type_, "__metadata__", ()):
        if meta.description:
            return str(meta.description)
    return next((text for part in typing.get_args(type_) if (text := describe(part))), "")


def show(value: Value) -> str:
    """A value as a spec would write it.

    >>> show((1, 2)), show(True), show("same"), show(None)
    ('[1, 2]', 'true', "'same'", 'nothing')
    """
    if isinstance(value, tuple):
        return f"[{', '.join(map(show, value))}]"
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else repr(value)
