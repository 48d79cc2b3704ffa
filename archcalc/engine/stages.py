"""What a stage of an architecture is: the layers whose names begin alike, or those up to a pooling layer."""

from collections.abc import Sequence
from typing import NamedTuple

from archcalc.engine.report import LayerReport
from archcalc.layers.core.base import Operation

STEM, HEAD = "stem", "head"


class Group(NamedTuple):
    """Rows that belong together, in their order."""

    name: str
    rows: tuple[LayerReport, ...]


def stages(rows: Sequence[LayerReport]) -> list[Group]:
    """The stages of the rows of an architecture: the layers whose names begin alike, `layer1` of `layer1.0.conv1`.

    What comes before the first is the stem, what comes after the last the head. Where no name has a dot, a stage ends
    with a pooling layer, as the lecture cuts AlexNet and VGG, and what follows the last one is the head.

    >>> from archcalc import analyze
    >>> [stage.name for stage in stages(analyze("resnet50").layers)]
    ['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'head']
    >>> [(stage.name, len(stage.rows)) for stage in stages(analyze("alexnet").layers)]
    [('stage1', 3), ('stage2', 3), ('stage3', 7), ('head', 8)]
    """
    dotted = [i for i, row in enumerate(rows) if "." in row.name]
    return _named_stages(rows, dotted[0], dotted[-1]) if dotted else _pooled_stages(rows)


def _named_stages(rows: Sequence[LayerReport], first: int, last: int) -> list[Group]:
    groups: dict[str, list[LayerReport]] = {}
    between = ""
    for i, row in enumerate(rows):
        stage, dot, _ = row.name.partition(".")
        if dot:
            between = ""
            name = stage
        elif i < first:
            name = STEM
        elif i > last:
            name = HEAD
        else:
            name = between = between or row.name
        groups.setdefault(name, []).append(row)
    return [Group(name, tuple(found)) for name, found in groups.items()]


def _pooled_stages(rows: Sequence[LayerReport]) -> list[Group]:
    groups: list[Group] = []
    found: list[LayerReport] = []
    for row in rows:
        found.append(row)
        if row.layer.operation is Operation.POOLING:
            groups.append(Group(f"stage{len(groups) + 1}", tuple(found)))
            found = []
    return [*groups, Group(HEAD, tuple(found))] if found else groups
