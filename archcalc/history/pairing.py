"""Which architecture that came since a commit is which of those that are gone: by their places, names and layers."""

import os
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias, TypeVar

from archcalc.graph import Graph
from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import Shape

T = TypeVar("T")
_SAME_STRUCTURE = 0.95
"""The share of equal connections from which two networks are the same one, whatever its layers are called."""
_ALIKE = 0.6
"""The likeness from which they are. Of the shipped architectures, only relatives reach it."""
_MARGIN = 0.05
"""By how much the most alike must be ahead of others."""
_MAX_COMPARED = 20_000
"""How many pairs of networks are compared; where there are more, only those of equal place or name are."""


class Spec(NamedTuple):
    """Where an architecture is: the file's path from the root of its repository, and the variant in it."""

    path: str
    variant: str | None = None

    def __str__(self) -> str:
        return f"{self.path}:{self.variant}" if self.variant else self.path

    @property
    def place(self) -> str:
        """The file but for its ending, in whatever case."""
        return os.path.splitext(self.path)[0].casefold()

    @property
    def label(self) -> str:
        """What it is called: the variant, or else the file."""
        return (self.variant or os.path.basename(self.place)).casefold()


class Sketch(NamedTuple):
    """What a network is by its layers: the kinds that are connected, the names, and the layers with their fields."""

    inputs: tuple[Shape, ...]
    connections: Counter[tuple[str, str]]
    names: Counter[tuple[str, str]]
    layers: Counter[Layer]

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for equal networks."""
        return self.inputs, *(frozenset(counter.items()) for counter in self[1:])

    @classmethod
    def of(cls, graph: Graph) -> "Sketch":
        """The sketch of a graph: nothing that stands in a spec beside its network is in it."""
        kinds = [""] * len(graph.inputs) + [type(node.layer).__name__ for node in graph.nodes]
        nodes = list(zip(kinds[len(graph.inputs) :], graph.nodes, strict=True))
        return cls(
            tuple(input.shape for input in graph.inputs),
            Counter((kinds[value], kind) for kind, node in nodes for value in node.inputs),
            Counter((node.name, kind) for kind, node in nodes),
            Counter(node.layer for _, node in nodes),
        )

    def likeness(self, other: "Sketch") -> float:
        """From 0 to 1, which is the same network; 0 for one that is no relative.

        >>> from archcalc.analysis import graph_of
        >>> vgg16, vgg19, nin = (Sketch.of(graph_of(name)) for name in ("vgg16", "vgg19", "nin"))
        >>> round(vgg16.likeness(vgg19), 2), vgg16.likeness(nin)
        (0.9, 0.0)
        """
        shares = [
            _share(self.connections, other.connections),
            _share(self.names, other.names),
            _share(self.layers, other.layers),
        ]
        likeness = sum(shares) / len(shares)
        return likeness if shares[0] >= _SAME_STRUCTURE or likeness >= _ALIKE else 0.0


Sketches: TypeAlias = Mapping[Spec, Sketch | None]
"""Architectures with their sketches; None for what cannot be expanded."""


class Pairs(NamedTuple):
    """What each architecture that came was, where that is certain; and else what it may have been, if anything."""

    certain: dict[Spec, Spec]
    doubtful: dict[Spec, list[Spec]]


def pair(came: Sketches, gone: Sketches) -> Pairs:
    """What each architecture that came was.

    That is certain of equal networks; of one in the place of another, as a variant under another name is, or a file
    with another ending; and of one that is more like another than any, unless place or name contradict, or something
    else that came is more like that. Any other may have been what it is like, or all that is left, and is new where
    nothing is.

    >>> a, b = Spec("a.yaml"), Spec("b.yaml")
    >>> pair({b: None}, {a: None})
    Pairs(certain={}, doubtful={Spec(path='b.yaml', variant=None): [Spec(path='a.yaml', variant=None)]})
    """
    certain = _equal(came, gone)
    waiting = {new: sketch for new, sketch in came.items() if new not in certain}
    left = _others(gone, certain)
    compares_all = len(waiting) * len(left) <= _MAX_COMPARED
    suits = {new: _suits(new, sketch, left, compares_all=compares_all) for new, sketch in waiting.items()}
    for new, sketch in waiting.items():
        there = {old: before for old, before in gone.items() if old.place == new.place}
        if not suits[new] and len(there) == 1:  # a copy elsewhere does not make it a new one
            suits[new] = _suits(new, sketch, there, compares_all=compares_all)
    best = {new: _best(suits[new]) for new in waiting}
    chosen = {new: olds[0] for new, olds in best.items() if olds and _are_one(olds, gone)}
    most: dict[Spec, float] = {}
    for new, old in chosen.items():
        most[old] = max(most.get(old, 0.0), suits[new][old].likeness)
    for new, old in chosen.items():
        if old.place == new.place or suits[new][old].likeness >= most[old] - _MARGIN:
            certain[new] = old
    left = _others(left, certain)
    doubtful = {new: best[new] or [*left] for new in waiting if new not in certain}
    return Pairs(certain, {new: olds for new, olds in doubtful.items() if olds})


class _Suit(NamedTuple):
    """How well a removed spec matches an added one: whether place or name are the same, and the likeness."""

    is_named: bool
    likeness: float


def _equal(came: Sketches, gone: Sketches) -> dict[Spec, Spec]:
    """Equal networks, of several those of the same name first, unless place or name say something else."""
    equal: dict[object, list[Spec]] = {}
    named: dict[str, set[Spec]] = {}
    for old, sketch in gone.items():
        if sketch is not None:
            equal.setdefault(sketch.key, []).append(old)
        for name in {old.place, old.label}:
            named.setdefault(name, set()).add(old)
    certain: dict[Spec, Spec] = {}
    free: list[tuple[Spec, list[Spec]]] = []
    for new, sketch in came.items():
        olds = equal.get(sketch.key, []) if sketch is not None else []
        others = named.get(new.place, set()) | named.get(new.label, set())
        same = [old for old in olds if old in others]
        if same:
            certain[new] = same[0]
        elif olds and not others:
            free.append((new, olds))
    taken = set(certain.values())
    for new, olds in free:
        certain[new] = next((old for old in olds if old not in taken), olds[0])  # which a further copy is, too
        taken.add(certain[new])
    return certain


def _suits(new: Spec, sketch: Sketch | None, gone: Sketches, *, compares_all: bool) -> dict[Spec, _Suit]:
    found = {}
    for old, before in gone.items():
        is_there = new.place == old.place
        is_named = is_there or new.label == old.label
        likeness = sketch.likeness(before) if sketch and before and (is_named or compares_all) else 0.0
        if is_there or likeness:
            found[old] = _Suit(is_named, likeness)
    return found


def _best(suits: Mapping[Spec, _Suit]) -> list[Spec]:
    """Those that place or name speak for as well as the layers do, or else all that either speaks for."""
    most = max((suit.likeness for suit in suits.values()), default=0.0)
    named = [old for old, suit in suits.items() if suit.is_named]
    alike = [old for old, suit in suits.items() if suit.likeness and suit.likeness >= most - _MARGIN]
    return [old for old in named if old in alike] or named + alike


def _others(gone: Sketches, certain: Mapping[Spec, Spec]) -> Sketches:
    """What nothing has certainly been."""
    known = set(certain.values())
    return {old: sketch for old, sketch in gone.items() if old not in known}


def _are_one(olds: list[Spec], sketches: Sketches) -> bool:
    """Whether it is one, or one network under several names: then it makes no difference which."""
    first = sketches[olds[0]]
    return len(olds) == 1 or (first is not None and all(sketches[old] == first for old in olds))


def _share(a: Counter[T], b: Counter[T]) -> float:
    both = a.total() + b.total()
    return 2 * (a & b).total() / both if both else 0.0
