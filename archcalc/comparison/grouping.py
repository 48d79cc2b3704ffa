"""Rows in groups, by stage, by kind or each for itself, and the groups of several architectures side by side."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

from archcalc.comparison.diff import paired
from archcalc.engine.report import LayerReport, Report
from archcalc.engine.stages import HEAD, STEM, Group, stages

By: TypeAlias = Literal["stage", "kind", "layer"]
BY: tuple[By, ...] = ("stage", "kind", "layer")


class Aligned(NamedTuple):
    """Groups that share a line, one for each architecture in order; empty where an architecture has none."""

    name: str
    groups: tuple[tuple[LayerReport, ...], ...]


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
    found = [stages(report.layers) for report in reports]
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
    """The position of a stage: the stem first, the head last, the others by their number."""
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
