"""Rows in groups, by stage, by kind or each for itself, and the groups of several architectures side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from archcalc.comparison.diff import paired
from archcalc.engine.report import LayerReport, Report
from archcalc.layers.core.base import Operation

By: TypeAlias = Literal["stage", "kind", "layer"]
BY: tuple[By, ...] = ("stage", "kind", "layer")
STEM, HEAD = "stem", "head"


class Group(NamedTuple):
    """Rows that belong together, in their order."""

    name: str
    rows: tuple[LayerReport, ...]


class Aligned(NamedTuple):
    """Groups that stand in one line, one of each architecture in their order; empty where there is none."""

    name: str
    groups: tuple[tuple[LayerReport, ...], ...]


def stages(report: Report) -> list[Group]:
    """The stages of an architecture: the layers whose names begin alike, `layer1` of `layer1.0.conv1`.

    What comes before the first is the stem, what comes after the last the head. Where no name has a dot, a stage ends
    with a pooling layer, as the lecture cuts AlexNet and VGG, and what follows the last one is the head.

    >>> from archcalc import analyze, load
    >>> [stage.name for stage in stages(analyze(load("resnet50")))]
    ['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'head']
    >>> [(stage.name, len(stage.rows)) for stage in stages(analyze(load("alexnet")))]
    [('stage1', 3), ('stage2', 3), ('stage3', 7), ('head', 8)]
    """
    dotted = [i for i, row in enumerate(report.layers) if "." in row.name]
    return _named_stages(report.layers, dotted[0], dotted[-1]) if dotted else _pooled_stages(report.layers)


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


def kinds_of(report: Report) -> list[Group]:
    """The rows of each kind."""
    groups: dict[str, list[LayerReport]] = {}
    for row in report.layers:
        groups.setdefault(row.kind, []).append(row)
    return [Group(kind, tuple(rows)) for kind, rows in groups.items()]


def aligned(reports: Sequence[Report], by: By) -> list[Aligned]:
    """The groups of architectures in common lines.

    Kinds meet by their names. Stages meet by their number, the stems and the heads each other: a stage that is called
    something else in another architecture goes by its number. Layers meet the layers of the first architecture, as
    `archcalc diff` pairs them.

    >>> from archcalc import analyze, load
    >>> reports = [analyze(load("alexnet")), analyze(load("resnet18"))]
    >>> [line.name for line in aligned(reports, "stage")]
    ['stem', 'stage 1', 'stage 2', 'stage 3', 'stage 4', 'head']
    """
    return _ALIGNED[by](reports)


def _by_kind(reports: Sequence[Report]) -> list[Aligned]:
    found = [{group.name: group.rows for group in kinds_of(report)} for report in reports]
    names = dict.fromkeys(name for groups in found for name in groups)
    return [Aligned(name, tuple(groups.get(name, ()) for groups in found)) for name in names]


def _by_stage(reports: Sequence[Report]) -> list[Aligned]:
    found = [stages(report) for report in reports]
    keyed = [{_place(groups, i): group for i, group in enumerate(groups)} for groups in found]
    places = sorted({place for groups in keyed for place in groups})
    names = {place: {groups[place].name for groups in keyed if place in groups} for place in places}
    alike = all(len(found) == 1 for found in names.values())
    lines = []
    for place in places:
        name = names[place].pop() if alike or place[0] != 1 else f"stage {place[1]}"
        lines.append(Aligned(name, tuple(groups[place].rows if place in groups else () for groups in keyed)))
    return lines


def _place(groups: Sequence[Group], i: int) -> tuple[int, int]:
    """Where a stage stands: the stem first, the head last, the others by their number."""
    name = groups[i].name
    if name in (STEM, HEAD):
        return (0, 0) if name == STEM else (2, 0)
    return 1, i + (groups[0].name != STEM)


def _by_layer(reports: Sequence[Report]) -> list[Aligned]:
    first, *others = reports
    nothing: tuple[tuple[LayerReport, ...], ...] = ((),) * len(reports)
    lines = [Aligned(row.name, _put(nothing, 0, row)) for row in first.layers]
    for position, other in enumerate(others, 1):
        at = {line.groups[0][0].name: i for i, line in enumerate(lines) if line.groups[0]}
        last = -1
        more: dict[int, list[Aligned]] = {}
        for old, new in paired(first.layers, other.layers):
            if old is not None:
                last = at[old.name]
            if new is None:
                continue
            if old is None:
                more.setdefault(last, []).append(Aligned(new.name, _put(nothing, position, new)))
            else:
                lines[last] = Aligned(lines[last].name, _put(lines[last].groups, position, new))
        merged = more.get(-1, [])
        for i, line in enumerate(lines):
            merged += [line, *more.get(i, ())]
        lines = merged
    return lines


def _put(
    groups: tuple[tuple[LayerReport, ...], ...], position: int, row: LayerReport
) -> tuple[tuple[LayerReport, ...], ...]:
    return (*groups[:position], (row,), *groups[position + 1 :])


_ALIGNED: Mapping[By, Callable[[Sequence[Report]], list[Aligned]]] = {
    "stage": _by_stage,
    "kind": _by_kind,
    "layer": _by_layer,
}
