"""Transfer learning: the layers that make a network's outputs are new, and earlier ones stay as they are.

Frozen layers compute no gradients of their weights. Those before the first trained one have no backward pass at all,
and keep nothing for it; those behind a trained one pass gradients on.
"""

from collections.abc import Iterable, Sequence, Set

import msgspec

from archcalc.engine.report import Report
from archcalc.errors import SettingError, did_you_mean
from archcalc.graph import Graph, Node
from archcalc.layers.core.base import ParameterRole
from archcalc.training.cost import training_cost
from archcalc.training.report import TrainingReport

OUTPUT_FIELDS = ("features", "filters")
"""The fields by which kinds say how many outputs they make."""
MOST_NAMED = 12


def output_field(node: Node) -> str | None:
    """The field that says how many outputs a layer of weights makes; None where it says so otherwise, or has none.

    >>> from archcalc.analysis import graph_of
    >>> [output_field(node) for node in graph_of("alexnet").nodes[-3:]]
    ['features', None, 'features']
    """
    if node.layer.learns is not ParameterRole.WEIGHT:
        return None
    return next((field for field in OUTPUT_FIELDS if field in node.layer.__struct_fields__), None)


def find_heads(graph: Graph, named: Sequence[str] = ()) -> tuple[int, ...]:
    """The positions of the layers that make the outputs: the only one, or those that are named, and auxiliary ones.

    It is the last convolution or linear layer on the way to an output. Those of outputs that are there in training
    alone come with it. Raises SettingError where there is none, where there are several and none is named, and for
    names of other layers.

    >>> from archcalc.analysis import graph_of
    >>> graph = graph_of("inception_v3")
    >>> [graph.nodes[i].name for i in find_heads(graph)]
    ['aux.fc', 'fc']
    """
    always = [i for i in graph.outputs if (node := graph.node(i)) is not None and not node.train_only]
    auxiliary = [i for i in graph.outputs if (node := graph.node(i)) is not None and node.train_only]
    found = {_position(graph, name) for name in named} or _last_of_weights(graph, always)
    if not found:
        message = f"{graph.name}: no convolution or linear layer makes its outputs"
        raise SettingError(message, hint="--head LAYER names the layer to replace")
    if len(found) > 1 and not named:
        names = [graph.nodes[i].name for i in sorted(found)]
        more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
        message = f"{graph.name}: {len(names):,} layers make its outputs: {', '.join(names[:MOST_NAMED])}{more}"
        raise SettingError(message, hint="--head LAYER says which to replace; it may be given several times")
    return tuple(sorted(found | _last_of_weights(graph, auxiliary)))


def _position(graph: Graph, name: str) -> int:
    """The position of a layer whose outputs can be of another number."""
    names = [node.name for node in graph.nodes]
    if name not in names:
        raise _unknown(graph, name, names)
    position = names.index(name)
    if output_field(graph.nodes[position]) is None:
        known = [node.name for node in graph.nodes if output_field(node)]
        hint = f"convolutions and linear layers, the last of them: {', '.join(known[-3:])}" if known else None
        raise SettingError(f"{name} is a {graph.nodes[position].layer.kind}, which cannot be replaced", hint=hint)
    tied = graph.nodes[position].tied
    return position if tied is None or output_field(graph.nodes[tied]) is None else tied


def _unknown(graph: Graph, name: str, names: Sequence[str]) -> SettingError:
    known = names[:MOST_NAMED]
    hint = did_you_mean(name, names, f"its layers: {', '.join(known)}{' …' if len(names) > MOST_NAMED else ''}")
    return SettingError(f"{graph.name} has no layer {name!r}", hint=hint)


def _last_of_weights(graph: Graph, values: Iterable[int]) -> set[int]:
    """Where layers of weights lead to these values, with nothing learned in between; tied ones where they tie to."""
    found, seen, ahead = set[int](), set[int](), list(values)
    while ahead:
        value = ahead.pop()
        position = graph.position(value)
        if position is None or value in seen:
            continue
        seen.add(value)
        node = graph.nodes[position]
        if output_field(node) is not None:
            tied = node.tied
            found.add(position if tied is None or output_field(graph.nodes[tied]) is None else tied)
        elif node.layer.learns is None:
            ahead += node.inputs
    return found


def behind(graph: Graph, positions: Iterable[int]) -> frozenset[int]:
    """The positions of layers that read, over others or at once, what those at these positions make."""
    first = len(graph.inputs)
    values = {first + position for position in positions}
    for value, node in enumerate(graph.nodes, first):
        if not values.isdisjoint(node.inputs):
            values.add(value)
    return frozenset([value - first for value in values]) - frozenset(positions)


def features(graph: Graph, heads: Sequence[int]) -> frozenset[int]:
    """The positions of all layers before the heads: neither heads, nor tied to one, nor behind one.

    >>> from archcalc.analysis import graph_of
    >>> graph = graph_of("alexnet")
    >>> len(graph.nodes) - len(features(graph, find_heads(graph)))
    1
    """
    new = {*heads, *[i for i, node in enumerate(graph.nodes) if node.tied in heads]}
    return frozenset(range(len(graph.nodes))) - new - behind(graph, new)


def up_to(graph: Graph, layer: str, heads: Sequence[int]) -> frozenset[int]:
    """The positions of all layers up to and with one, or with the last of those whose names begin with `layer.`.

    Raises SettingError where there is no such layer, or where it would freeze one that makes outputs.

    >>> from archcalc.analysis import graph_of
    >>> graph = graph_of("resnet18")
    >>> graph.nodes[max(up_to(graph, "layer3", find_heads(graph)))].name
    'layer3.1.relu2'
    """
    named = [i for i, node in enumerate(graph.nodes) if node.name == layer or node.name.startswith(f"{layer}.")]
    if not named:
        names = dict.fromkeys(part for node in graph.nodes for part in _prefixes(node.name))
        raise _unknown(graph, layer, list(names))
    found = frozenset(range(max(named) + 1))
    late = found - features(graph, heads)
    if late:
        new = graph.nodes[min(late)].name
        raise SettingError(f"freezing all up to {layer} would freeze {new}, which is new", hint="name an earlier layer")
    return found


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]


class TransferStep(msgspec.Struct, frozen=True):
    """A step of training in which some layers are frozen: what it costs, and how many numbers stay as they are.

    `frozen_norms` is the number of batch norms that are frozen, and so run with the statistics that they have.
    """

    name: str
    cost: TrainingReport
    frozen: int
    frozen_norms: int


def transfer_step(
    name: str, graph: Graph, report: Report, frozen: Set[int] = frozenset(), *, optimizer: str = "sgd"
) -> TransferStep:
    """What a training step costs with the layers at these positions frozen, at the batch and dtype of the report.

    Raises SettingError where nothing is left to train, and as `training_cost` does.

    >>> from archcalc.analysis import analyze_graph
    >>> graph, report = analyze_graph("alexnet")
    >>> step = transfer_step("extract", graph, report, features(graph, find_heads(graph)))
    >>> step.cost.trained, step.cost.backward_macs, step.cost.saved_bytes
    (4097000, 4096000, 16384)
    """
    names = [graph.nodes[position].name for position in sorted(frozen)]
    cost = training_cost(graph, report, optimizer=optimizer, frozen=names)
    if not cost.trained:
        raise SettingError(f"{graph.name}: {name} has nothing to train", hint="archcalc weight-decay lists parameters")
    norms = [i for i in frozen if report.layers[i].buffers and graph.nodes[i].layer.learns is ParameterRole.NORM]
    return TransferStep(name, cost, report.totals.params - cost.trained, len(norms))
