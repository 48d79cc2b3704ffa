"""Hypothesis strategies that draw layers of any kind, and inputs for them, from the annotations of the fields alone.

Everything is drawn in two steps: first a *form* (scalar or pair, which word, how many dimensions), then numbers for
it. That way several variants of one layer can be drawn that differ in nothing but their numbers.
"""

import os
import typing
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeAlias

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.core.base import STRUCTURAL
from archcalc.spec.fields import field_types

CRAFTED: dict[str, SearchStrategy["Case"]] = {}
"""Cases of kinds whose fields must suit their inputs in a way that chance seldom hits: most of theirs are these."""

Numbers: TypeAlias = SearchStrategy[Any]
"""Draws the numbers of a value whose form is settled."""

_CHANNELS = st.integers(1, 8)
_SPATIAL = st.integers(1, 9) | st.integers(6, 9)  # more large ones, so that windows fit
_RANKS = (1, 1, 3, 3, 3, 3, 3, 2, 4)  # flat inputs and maps most often: most kinds want one of them


MOST_EXAMPLES = int(os.environ.get("ARCHCALC_EXAMPLES", "120"))
"""For each kind; the nightly run takes more of those with many fields."""


class Case(NamedTuple):
    """A layer and the shapes of its inputs, which may or may not fit it."""

    layer: Layer
    inputs: tuple[Sizes, ...]


def enough(cls: type[Layer]) -> settings:
    """The more fields a kind has, the more examples. Not random: tests assert how many of them fit at the least."""
    examples = min(30 * (1 + len(cls.__struct_fields__)), MOST_EXAMPLES)
    return settings(max_examples=examples, deadline=None, derandomize=True)


def cases(cls: type[Layer]) -> SearchStrategy[Case]:
    """A layer of this kind and inputs for it."""
    return variants(cls, count=1).map(lambda drawn: drawn[0])


@st.composite
def variants(draw: DrawFn, cls: type[Layer], count: int) -> list[Case]:
    """Layers of this kind and their inputs, which differ in nothing but their numbers."""
    defaults = _defaults(cls)
    fields = {name: draw(_forms(type_, defaults.get(name))) for name, type_ in field_types(cls).items()}
    layers = st.fixed_dictionaries(fields).map(lambda values: msgspec.convert(values, cls))
    one: SearchStrategy[Case] = st.builds(Case, layers, _inputs(draw, cls))
    if (crafted := CRAFTED.get(cls.kind)) is not None and draw(st.integers(0, 2)):
        return [draw(crafted)] * count
    return draw(st.lists(one, min_size=count, max_size=count))


@st.composite
def field_values(draw: DrawFn, cls: type[Layer]) -> dict[str, Any]:
    """Values for the fields of a kind, within their bounds."""
    defaults = _defaults(cls)
    return {name: draw(draw(_forms(type_, defaults.get(name)))) for name, type_ in field_types(cls).items()}


def _defaults(cls: type[Layer]) -> dict[str, Any]:
    fields, defaults = cls.__struct_fields__, cls.__struct_defaults__
    return dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=True))


def _forms(type_: Any, default: Any, meta: msgspec.Meta | None = None, among: bool = False) -> SearchStrategy[Numbers]:
    """The forms that values of a type can take. `among`: the type is one of several, or part of a pair."""
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        meta = next(m for m in args[1:] if isinstance(m, msgspec.Meta))
        forms = _forms(args[0], default, meta, among)
        # What chooses what is computed belongs to the form: it is the same for all numbers.
        return forms.flatmap(lambda numbers: numbers).map(st.just) if meta.extra == STRUCTURAL else forms
    if origin in (typing.Union, UnionType):
        return st.one_of([_forms(arm, default, among=True) for arm in args])
    if origin is typing.Literal:
        return st.sampled_from(args).map(st.just)
    if origin is tuple:
        least = meta.min_length if meta and meta.min_length else 1
        most = meta.max_length if meta and meta.max_length else least
        part = _forms(args[0], default, among=True)
        lengths = st.integers(least, min(most, 4))
        return lengths.flatmap(lambda n: st.tuples(*[part] * n)).map(lambda parts: st.tuples(*parts))
    if type_ is bool:
        return st.booleans().map(st.just)
    if type_ is NoneType:
        return st.just(st.none())
    if type_ is int:
        return st.just(_or_default(_integers(meta, among), int, default))
    if type_ is float:
        return _or_default(_floats(meta), float, default).map(st.just)
    raise TypeError(f"no strategy for a field of type {type_}")


def _or_default(numbers: Numbers, type_: type, default: Any) -> Numbers:
    """The default about half of the time: fields that all leave it behind rarely fit one another."""
    return st.just(default) | numbers if type(default) is type_ else numbers


def _integers(meta: msgspec.Meta | None, among: bool) -> Numbers:
    """Small whole numbers within the bounds: counts such as filters to 8, sizes to 5, pads to 2."""
    low = max(-3, int(meta.ge)) if meta and meta.ge is not None else -2
    if low < 0:
        return st.integers(low, 3)
    high = low + (2 if low < 1 else 4 if among else 7)
    return st.integers(low, high if meta is None or meta.le is None else min(high, int(meta.le)))


def _floats(meta: msgspec.Meta | None) -> Numbers:
    low = float(meta.ge) if meta and meta.ge is not None else -2.0
    high = float(meta.le) if meta and meta.le is not None else 2.0
    return st.floats(low, high, width=32, allow_subnormal=False)  # PyTorch rejects what overflows when divided by


def _shapes(rank: int) -> SearchStrategy[Sizes]:
    return st.tuples(_CHANNELS, *[_SPATIAL] * (rank - 1))


def _inputs(draw: DrawFn, cls: type[Layer]) -> SearchStrategy[tuple[Sizes, ...]]:
    """The form of the inputs, as a strategy of their numbers."""
    least, most = cls.arity
    dimensions = getattr(cls, "dimensions", None)  # of a kind that there is for each number of them
    ranks = st.sampled_from(_RANKS if dimensions is None else (*[dimensions + 1] * 6, 1, 2, 3, 4))
    first = _shapes(draw(ranks))
    if most == 1:
        return st.tuples(first)
    unlike = _shapes(draw(ranks))
    likenesses = (st.just, st.just, _of_other_channels, _of_other_channels, lambda _: unlike)
    longest = least if most is None else most - 1
    return _related(first, draw(st.lists(st.sampled_from(likenesses), min_size=least - 1, max_size=longest)))


def _of_other_channels(x: Sizes) -> SearchStrategy[Sizes]:
    return st.tuples(_CHANNELS, *map(st.just, x[1:]))


@st.composite
def _related(
    draw: DrawFn, first: SearchStrategy[Sizes], others: list[Callable[[Sizes], SearchStrategy[Sizes]]]
) -> tuple[Sizes, ...]:
    x = draw(first)
    return (x, *(draw(other(x)) for other in others))
