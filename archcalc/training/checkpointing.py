"""Checkpointing: segments of layers keep only what they read, and run once more when their backward pass comes.

As torch.utils.checkpoint does without reentry: the second run stops as soon as all that the backward pass needs is
there, so that what follows the last layer that keeps anything does not run again (Chen et al., "Training Deep Nets with
Sublinear Memory Cost", arXiv:1604.06174).
"""

from collections.abc import Sequence

from archcalc.errors import SettingError, did_you_mean
from archcalc.graph import Graph
from archcalc.training.backward import Gradients
from archcalc.training.parameters import Learned

NONE, BLOCKS = "none", "blocks"


def segments_of(graph: Graph, checkpoint: str) -> tuple[range, ...]:
    """The segments that `checkpoint` names: none, blocks, or a list of layers and of what their names begin with.

    A block are layers that follow one another and whose names begin alike up to the first number, `layer1.0` of
    `layer1.0.conv1`, or up to the first dot. Raises SettingError for a name that no layer has or begins with.

    >>> from archcalc.analysis import graph_of
    >>> segments_of(graph_of("resnet18"), "blocks")[:2]
    (range(4, 11), range(11, 18))
    >>> segments_of(graph_of("resnet18"), "layer1")
    (range(4, 18),)
    """
    if checkpoint == NONE:
        return ()
    names = [node.name for node in graph.nodes]
    if checkpoint == BLOCKS:
        found = _runs([_block(name) for name in names])
        if not found:
            hint = "name layers to keep nothing of: --checkpoint conv1,relu1"
            raise SettingError(f"{graph.name} has no blocks: no layer's name has a dot", hint=hint)
        return found
    wanted = _known_names(graph, checkpoint)
    return _runs([next((one for one in wanted if name == one or name.startswith(f"{one}.")), "") for name in names])


def layers_named(graph: Graph, wanted: str) -> tuple[str, ...]:
    """The layers that a comma-separated list names, by their names or what these begin with.

    Raises SettingError for a name that no layer has or begins with.

    >>> from archcalc.analysis import graph_of
    >>> layers_named(graph_of("resnet18"), "conv1, layer1.0")[:3]
    ('conv1', 'layer1.0.conv1', 'layer1.0.bn1')
    """
    names = _known_names(graph, wanted)
    return tuple([node.name for node in graph.nodes if f"{node.name}.".startswith(tuple(f"{one}." for one in names))])


def _known_names(graph: Graph, listed: str) -> list[str]:
    wanted = [name.strip() for name in listed.split(",")]
    split = [node.name.split(".") for node in graph.nodes]
    known = {".".join(parts[:n]) for parts in split for n in range(1, len(parts) + 1)}
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known, "names of layers, or what they begin with")
            raise SettingError(f"{graph.name} has no layer {name!r}", hint=hint)
    return wanted


def _block(name: str) -> str:
    """What the names of a block's layers begin with; nothing for a layer that is in none."""
    parts = name.split(".")
    numbered = next((n for n, part in enumerate(parts[:-1], 1) if part.isdigit()), 1)
    return ".".join(parts[:numbered]) if len(parts) > 1 else ""


def _runs(labels: Sequence[str]) -> tuple[range, ...]:
    """Where the same label stands several times in a row; an empty one is none."""
    found = []
    start = 0
    for k in range(1, len(labels) + 1):
        if k == len(labels) or labels[k] != labels[start]:
            if labels[start]:
                found.append(range(start, k))
            start = k
    return tuple(found)


def recomputed(
    graph: Graph, segment: range, learned: Sequence[Learned], computed: Sequence[Gradients], keeps: Sequence[bool]
) -> range:
    """The layers of a segment whose products run once more; `keeps` tells which layers keep anything but weights.

    The last layer that keeps anything keeps what it reads before it runs: if it is a product, that is not run again.
    """
    last = max((k for k in segment if computed[k].runs and (keeps[k] or learned[k].trains)), default=None)
    if last is None:
        return range(segment.start, segment.start)
    is_product_alone = graph.nodes[last].layer.keeps_before_it_runs
    return range(segment.start, last if is_product_alone else last + 1)
