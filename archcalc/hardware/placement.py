"""A network on several devices: which layers are where, what each device holds, and what crosses between them."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from archcalc._version import __version__
from archcalc.analysis import analyze_graph
from archcalc.engine.memory import ForwardPass
from archcalc.engine.settings import Settings
from archcalc.errors import SettingError, did_you_mean
from archcalc.graph import Graph
from archcalc.hardware.fit import SCHEMA_VERSION, Training, Verdict
from archcalc.layers.core.execution import FULL_PRECISION_BYTES
from archcalc.training.checkpointing import NONE
from archcalc.training.cost import training_cost
from archcalc.training.memory import training_pass
from archcalc.training.optimizers import optimizer_named
from archcalc.training.parameters import learned_tensors
from archcalc.units import BYTES_PER_ELEMENT


class Crossing(msgspec.Struct, frozen=True):
    """A tensor of one device that layers of another read: its bytes forward, and as many back where it is trained."""

    layer: str
    source: str
    target: str
    bytes: int


class Part(msgspec.Struct, frozen=True):
    """What one device has of a network, in bytes for the whole batch.

    `state` is that of the optimizer and the float32 master weights, `saved` what the backward pass needs of the layers
    that are there, None where that is unknown; `received` come from other devices. It needs `at_least` so much at once,
    and `at_most` its parameters and the like with all that the whole network ever has alive, None where that is
    unknown.
    """

    name: str
    layers: int
    parameters: int
    buffers: int
    gradients: int
    state: int
    saved: int | None
    received: int
    at_least: int
    at_most: int | None

    def verdict(self, available: int) -> Verdict:
        """Whether it fits so many bytes."""
        if self.at_least > available:
            return "no"
        return "unknown" if self.at_most is None or self.at_most > available else "yes"


class Placement(msgspec.Struct, frozen=True):
    """A network on devices of `memory_bytes` each, of which `reserve_bytes` are left free."""

    architecture: str
    title: str
    settings: Settings
    training: Training | None
    memory_bytes: int
    reserve_bytes: int
    parts: tuple[Part, ...]
    crossings: tuple[Crossing, ...]

    @property
    def available_bytes(self) -> int:
        """What may be taken of each."""
        return self.memory_bytes - self.reserve_bytes

    @property
    def verdict(self) -> Verdict:
        """Whether every device has room for its part."""
        verdicts = {part.verdict(self.available_bytes) for part in self.parts}
        return "no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"

    def to_dict(self) -> dict[str, Any]:
        """The placement as `archcalc fits --cards … --json` prints it."""
        fits = {"yes": True, "no": False, "unknown": None}
        return {
            "schema_version": SCHEMA_VERSION,
            "archcalc": __version__,
            "architecture": self.architecture,
            "title": self.title,
            "settings": self.settings.to_dict(),
            "training": None if self.training is None else msgspec.to_builtins(self.training),
            "fits": fits[self.verdict],
            "memory_bytes": self.memory_bytes,
            "reserve_bytes": self.reserve_bytes,
            "cards": [
                {**msgspec.to_builtins(part), "fits": fits[part.verdict(self.available_bytes)]} for part in self.parts
            ],
            "crossings": msgspec.to_builtins(self.crossings),
        }


def place(
    graph: Graph,
    cards: Sequence[str],
    memory_bytes: int,
    *,
    batch: int = 1,
    dtype: str = "float32",
    training: Training | None = None,
    reserve_bytes: int = 0,
) -> Placement:
    """Place the layers whose names begin with that of a device there, and tell what each holds.

    Raises SettingError for a layer that is on no device, a device without layers, a layer that uses the weights of one
    on another device, and checkpointing.
    """
    if training is not None and training.checkpoint != NONE:
        raise SettingError("checkpointing on several cards is not computed", hint="leave out --checkpoint or --cards")
    if memory_bytes <= reserve_bytes:
        raise SettingError("the reserve leaves nothing of the memory", hint="a smaller --reserve")
    graph, report = analyze_graph(graph, batch=batch, dtype=dtype)
    where = [_card_of(node.name, cards) for node in graph.nodes]
    _refuse(graph, cards, where)
    width, first = BYTES_PER_ELEMENT[dtype], len(graph.inputs)
    crossings = dict[tuple[int, str], Crossing]()
    for k, node in enumerate(graph.nodes):
        for i in node.inputs:
            if i >= first and where[i - first] != where[k]:
                made = report.layers[i - first]
                crossing = Crossing(made.name, where[i - first], where[k], made.memory_bytes)
                crossings.setdefault((i, where[k]), crossing)
    whole = None
    alive = report.totals.peak_memory_bytes
    frozen = frozenset[int]()
    if training is not None:
        whole = training_cost(
            graph,
            report,
            optimizer=training.optimizer,
            master_weights=training.master_weights,
            frozen=training.frozen,
        )
        alive = max(whole.peak_step_bytes, whole.gradient_bytes) if whole.peak_is_exact else None
        frozen = frozenset([k for k, node in enumerate(graph.nodes) if node.name in training.frozen])
    learned = learned_tensors(graph, report, frozen)
    forward = None if training is None else training_pass(graph, report, learned)
    parts = []
    for card in cards:
        here = [k for k, name in enumerate(where) if name == card]
        parameters = width * sum([learned[k].numbers for k in here])
        trained = [shape for k in here for shape in learned[k].trained] if whole is not None else []
        gradients = width * sum([whole.layers[k].trained for k in here]) if whole is not None else 0
        state = 0
        if training is not None:
            masters = training.master_weights
            state = optimizer_named(training.optimizer).state_bytes(trained, FULL_PRECISION_BYTES if masters else width)
            state += FULL_PRECISION_BYTES * gradients // width if masters else 0
        rows = [report.layers[k] for k in here]
        buffers = sum([cast("int", row.layer.buffer_bytes(*row.inputs, width=width)) for row in rows])
        saved, is_all = (0, True) if forward is None else _saved(forward, here)
        received = sum([one.bytes for one in crossings.values() if one.target == card])
        stays = parameters + buffers + state
        most_at_once = max([row.memory_bytes for row in rows]) if whole is None else max(gradients, saved)
        parts.append(
            Part(
                name=card,
                layers=len(here),
                parameters=parameters,
                buffers=buffers,
                gradients=gradients,
                state=state,
                saved=saved if is_all else None,
                received=received,
                at_least=stays + most_at_once,
                # What is received is there besides, and going back a gradient of it.
                at_most=None if alive is None else stays + alive + (received if whole is None else 2 * received),
            )
        )
    return Placement(
        report.architecture,
        report.title,
        report.settings,
        training,
        memory_bytes,
        reserve_bytes,
        tuple(parts),
        tuple(crossings.values()),
    )


def _saved(forward: ForwardPass, here: Sequence[int]) -> tuple[int, bool]:
    """The bytes that layers keep for the backward pass, those of others and of inputs too, and whether that is all."""
    first, effects = len(forward.input_bytes), forward.effects
    sizes = [*forward.input_bytes, *[effect.output_bytes for effect in effects]]
    kept = set[int]()
    for k in here:
        kept.update([forward.owner[forward.nodes[k].inputs[i]] for i in effects[k].kept_inputs])
        kept.update([forward.owner[first + k]] if effects[k].keeps_output else [])
    own = [effects[k].kept_bytes for k in here]
    return sum([sizes[tensor] for tensor in kept]) + sum([bytes or 0 for bytes in own]), None not in own


def _card_of(layer: str, cards: Sequence[str]) -> str:
    return next((card for card in cards if layer == card or layer.startswith(f"{card}.")), "")


def _refuse(graph: Graph, cards: Sequence[str], where: Sequence[str]) -> None:
    for card in cards:
        if card not in where or cards.count(card) > 1:
            begins = dict.fromkeys([node.name.partition(".")[0] for node in graph.nodes])
            what = "is given twice" if cards.count(card) > 1 else "has no layer: no name begins with it"
            raise SettingError(f"card {card!r} {what}", hint=did_you_mean(card, begins, "names such as gpu1.conv1"))
    for node, card in zip(graph.nodes, where, strict=True):
        if not card:
            hint = "the names of all layers must begin with that of a card and a dot"
            raise SettingError(f"{node.name} is on no card", hint=hint)
        if node.tied is not None and where[node.tied] != card:
            other = graph.nodes[node.tied].name
            raise SettingError(f"{node.name} uses the weights of {other}, which is on another card")
