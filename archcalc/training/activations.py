"""What activations and gradients are like at initialisation: their statistics, what theory predicts, and verdicts."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from archcalc.engine.report import Report
from archcalc.engine.settings import Settings
from archcalc.errors import SettingError
from archcalc.graph import Graph, Node
from archcalc.layers import kinds
from archcalc.layers.activation import Activation
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.core.base import NO_OPS, ParameterRole, elements
from archcalc.layers.dropout import Dropout
from archcalc.training.initialisation import MEAN_SQUARE_KEPT, Initialisation, fan_in, mean_square_of_tanh
from archcalc.training.transfer import output_field

VANISHING, EXPLODING = 0.2, 5.0
SATURATED, DEAD = 0.2, 0.5
NEAR = 0.99
JUST_RIGHT = "just right"
RULES = (
    f"vanishing: the root mean square is below {VANISHING:g} times the input's, of gradients the outputs'",
    f"exploding: it is above {EXPLODING:g} times that, or no number",
    f"saturated: {100 * SATURATED:.0f} % of the outputs of tanh are beyond ±{NEAR:g} (of sigmoid, as near 0 or 1)",
    f"dead: {100 * DEAD:.0f} % of the outputs of relu are 0 for every sample",
)
"""What the verdicts mean, in words."""
BINS = 12
REPLACED_BY = tuple(MEAN_SQUARE_KEPT)
GATES = ("sigmoid", "hardsigmoid", "exp", "scale", "identity")
"""Activations that stay what they are where others are replaced: they weigh, or do nothing."""


class Distribution(msgspec.Struct, frozen=True):
    """How numbers are spread: `histogram` counts them in BINS bins over the range that all layers share."""

    mean: float
    std: float
    rms: float
    histogram: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: what is no number there is null."""
        numbers = {name: _finite(getattr(self, name)) for name in ("mean", "std", "rms")}
        return {**numbers, "histogram": list(self.histogram)}


class LayerActivations(msgspec.Struct, frozen=True):
    """What a layer gives and what gradient its output gets; `saturated` and `dead` are shares where they make sense.

    `theory` is the predicted root mean square of the output, None where theory does not go.
    """

    name: str
    kind: str
    output: Distribution
    gradient: Distribution | None
    saturated: float | None
    dead: float | None
    theory: float | None
    verdict: str
    gradient_verdict: str | None

    def to_dict(self) -> dict[str, Any]:
        """The layer as `archcalc activations --json` prints it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "output": self.output.to_dict(),
            "gradient": None if self.gradient is None else self.gradient.to_dict(),
            "saturated": self.saturated,
            "dead": self.dead,
            "theory_rms": _finite(self.theory),
            "verdict": self.verdict,
            "gradient_verdict": self.gradient_verdict,
        }


class Activations(msgspec.Struct, frozen=True):
    """The layers of a network, at an initialisation, with the ranges of their histograms."""

    architecture: str
    title: str
    settings: Settings
    initialisation: Initialisation
    seed: int
    layers: tuple[LayerActivations, ...]
    output_range: tuple[float, float]
    gradient_range: tuple[float, float]

    @property
    def verdict(self) -> str:
        """That of the last layer that is not just right; just right where all are."""
        return next((row.verdict for row in reversed(self.layers) if row.verdict != JUST_RIGHT), JUST_RIGHT)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None


def verdict_of(rms: float, reference: float, saturated: float | None = None, dead: float | None = None) -> str:
    """The verdict on numbers of this root mean square, where the input's, or the outputs' gradient's, is `reference`.

    >>> verdict_of(0.1, 1.0), verdict_of(0.9, 1.0, saturated=0.3), verdict_of(0.9, 1.0)
    ('vanishing', 'saturated', 'just right')
    """
    if not math.isfinite(rms) or rms > EXPLODING * reference:
        return "exploding"
    if saturated is not None and saturated >= SATURATED:
        return "saturated"
    if dead is not None and dead >= DEAD:
        return "dead"
    return "vanishing" if rms < VANISHING * reference else JUST_RIGHT


def is_replaceable(node: Node) -> bool:
    """Whether a node is an activation that another may replace."""
    return isinstance(node.layer, Activation) and node.layer.kind not in GATES


def with_activation(graph: Graph, kind: str | None) -> Graph:
    """The graph with all activations replaced by those of a kind, tanh or relu; those that weigh or gate stay.

    Raises SettingError where it has none.
    """
    if kind is None:
        return graph
    layer = kinds()[kind]()
    nodes = [msgspec.structs.replace(node, layer=layer) if is_replaceable(node) else node for node in graph.nodes]
    if not any(node.layer == layer for node in nodes):
        raise SettingError(f"{graph.name} has no activations to replace", hint="leave --activation out")
    return msgspec.structs.replace(graph, nodes=tuple(nodes))


def shown(graph: Graph) -> Iterator[int]:
    """The positions of activations, and of layers of weights that none directly follows.

    >>> from archcalc.analysis import graph_of
    >>> graph = graph_of("alexnet")
    >>> [graph.nodes[i].name for i in shown(graph)][-2:]
    ['relu7', 'fc8']
    """
    first = len(graph.inputs)
    activated = {i for node in graph.nodes if isinstance(node.layer, Activation) for i in node.inputs}
    for value, node in enumerate(graph.nodes, first):
        if isinstance(node.layer, Activation) or (output_field(node) is not None and value not in activated):
            yield value - first


def theory(graph: Graph, report: Report, initial: Initialisation, input_square: float | None) -> list[float | None]:
    """The root mean square of each layer's output that theory predicts, for wide layers of independent inputs.

    Sums of many inputs times weights of mean 0 are normal numbers, whose mean square is Din · std² · that of the
    inputs. What is padded is left out. None where an operation is none whose mean square follows from its input's.
    """
    squares: list[float | None] = [input_square] * len(graph.inputs)
    for node, row in zip(graph.nodes, report.layers, strict=True):
        read = [squares[i] for i in node.inputs]
        known = [x for x in read if x is not None]
        if node.layer.learns is ParameterRole.NORM:
            squares.append(1.0)  # whatever it reads
        else:
            squares.append(_square(node, row.inputs, row.output, initial, known) if len(known) == len(read) else None)
    return [None if x is None else math.sqrt(x) for x in squares[len(graph.inputs) :]]


def _square(
    node: Node, inputs: tuple[Sizes, ...], output: Sizes, initial: Initialisation, read: list[float]
) -> float | None:
    layer = node.layer
    if output_field(node) is not None:
        held = layer.parameters(*inputs)
        weight: Any = held["weight"]
        summed = fan_in(layer, weight)
        square = summed * initial.std_of(summed) ** 2 * read[0]
        return square + (1 / (3 * summed) if initial.std is None and "bias" in held else 0.0)
    if layer.kind == "tanh":
        return mean_square_of_tanh(read[0]) if math.isfinite(read[0]) else None
    if layer.kind == "relu":
        return MEAN_SQUARE_KEPT["relu"] * read[0]
    if layer.kind == "add":
        return sum(read)
    if isinstance(layer, Dropout):
        return read[0] / (1 - layer.p) if layer.p < 1 else 0.0
    keeps = len(inputs) == 1 and elements(inputs[0]) == elements(output) and not layer.parameters(*inputs)
    return read[0] if keeps and layer.ops(*inputs, output) == NO_OPS else None
