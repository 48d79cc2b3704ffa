"""Costs → a treemap: areas as large as the figures, those of one stage together.

The layout is that of Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000).
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from archcalc.engine.figures import FIGURES
from archcalc.engine.report import LayerReport
from archcalc.engine.stages import Group
from archcalc.errors import printable
from archcalc.render.charts.bars import COLOURS
from archcalc.render.compare import figure
from archcalc.units import percent

WIDTH, HEIGHT, TITLE = 960.0, 420.0, 16.0
LETTER = 6.2
"""About how wide a letter is, in the units of the picture."""
MOST_GROUPS, MOST_LEAVES = 100, 2_000
"""How many groups and rows are drawn, the heaviest first; lighter ones are too small to see, and drawn as one."""


class Box(NamedTuple):
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


def squarified(values: Sequence[float], box: Box) -> list[Box]:
    """Rectangles in a box, with areas in proportion to values from the largest down, and sides as equal as may be.

    >>> [tuple(round(side, 1) for side in part) for part in squarified([3, 1], Box(0, 0, 4, 1))]
    [(0, 0, 3.0, 1.0), (3.0, 0, 1.0, 1.0)]
    """
    total = sum(values)
    if not total or not box.width * box.height:
        return [Box(box.x, box.y, 0, 0)] * len(values)
    scale = box.width * box.height / total
    areas, placed = [value * scale for value in values], list[Box]()
    while areas:
        count, side = 1, min(box.width, box.height)
        while count < len(areas) and _worst(areas[: count + 1], side) <= _worst(areas[:count], side):
            count += 1
        row, areas = areas[:count], areas[count:]
        parts, box = _laid(row, box)
        placed += parts
    return placed


def _worst(row: Sequence[float], side: float) -> float:
    """The largest ratio of sides in a row that is laid along a side."""
    total = sum(row)
    if not total or not side or not row[-1]:
        return float("inf")
    return max(side * side * row[0] / (total * total), total * total / (side * side * row[-1]))


def _laid(row: Sequence[float], box: Box) -> tuple[list[Box], Box]:
    """A row of areas along the shorter side of a box, and the rest of the box."""
    total, parts = sum(row), list[Box]()
    if box.width >= box.height:
        thick, at = total / box.height if box.height else 0, box.y
        for area in row:
            length = area / thick if thick else 0
            parts.append(Box(box.x, at, thick, length))
            at += length
        return parts, Box(box.x + thick, box.y, max(0, box.width - thick), box.height)
    thick, at = total / box.width if box.width else 0, box.x
    for area in row:
        length = area / thick if thick else 0
        parts.append(Box(at, box.y, length, thick))
        at += length
    return parts, Box(box.x, box.y + thick, box.width, max(0, box.height - thick))


def treemap(groups: Sequence[Group], metric: str, label: str) -> str:
    """An SVG of the rows of each group, as large as what they cost; groups that cost nothing are left out."""
    colours = {group.name: COLOURS[i % len(COLOURS)] for i, group in enumerate(groups)}
    costs = [(group, [(row, FIGURES[metric].of_row(row) or 0) for row in group.rows]) for group in groups]
    sums = sorted(((sum(c for _, c in rows), group, rows) for group, rows in costs), key=lambda found: -found[0])
    there = [found for found in sums if found[0]]
    if rest := there[MOST_GROUPS:]:
        together = Group(f"{len(rest):,} lighter stages", tuple(row for _, group, _ in rest for row in group.rows))
        there = [
            *there[:MOST_GROUPS],
            (sum(cost for cost, *_ in rest), together, [pair for *_, rows in rest for pair in rows]),
        ]
        there.sort(key=lambda found: -found[0])
    total = sum(found[0] for found in there)
    everyone = sorted((pair for *_, rows in there for pair in rows if pair[1]), key=lambda found: -found[1])
    drawn = {row.name for row, _ in everyone[:MOST_LEAVES]}
    boxes = squarified([found[0] for found in there], Box(0, 0, WIDTH, HEIGHT))
    parts = [
        _group(group, rows, cost, total, metric, colours.get(group.name, COLOURS[-1]), box, drawn)
        for (cost, group, rows), box in zip(there, boxes, strict=True)
    ]
    view = f'viewBox="0 0 {WIDTH:g} {HEIGHT:g}"'
    return f'<svg class="treemap" {view} role="group" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _group(
    group: Group,
    rows: Sequence[tuple[LayerReport, int]],
    cost: int,
    total: int,
    metric: str,
    colour: str,
    box: Box,
    drawn: set[str],
) -> str:
    label = f"{printable(group.name)}: {figure(metric, cost)}, {percent(cost, total, 1)}"
    title = TITLE if box.height > 3 * TITLE else 0
    inner = Box(box.x + 1, box.y + title + 1, max(0, box.width - 2), max(0, box.height - title - 2))
    leaves = [(*_names(row, group), value) for row, value in rows if value and row.name in drawn]
    lighter = [value for row, value in rows if value and row.name not in drawn]
    if lighter:
        words = f"{len(lighter):,} lighter layers"
        leaves.append((words, words, sum(lighter)))
    leaves.sort(key=lambda leaf: -leaf[2])
    pictures = "".join(
        _leaf(name, short, value, total, metric, part)
        for (name, short, value), part in zip(leaves, squarified([leaf[2] for leaf in leaves], inner), strict=True)
    )
    frame = f'<rect {_place(box)} fill="{colour}" class="stage"/>'
    head = _text(label, box.x + 4, box.y + 12, box.width) if title else ""
    return f'<g tabindex="0" role="img" aria-label="{escape(label)}">{frame}{head}{pictures}</g>'


def _names(row: LayerReport, group: Group) -> tuple[str, str]:
    """What a row is called where it is pointed at, and inside of its group."""
    name = printable(row.name)
    return f"{name} ({row.kind})", name.removeprefix(f"{printable(group.name)}.")


def _leaf(name: str, short: str, value: int, total: int, metric: str, box: Box) -> str:
    words = f"{name}: {figure(metric, value)}, {percent(value, total, 1)}"
    text = _text(short, box.x + 4, box.y + 13, box.width) if box.height > TITLE else ""
    return f'<g><title>{escape(words)}</title><rect {_place(box)} class="leaf"/>{text}</g>'


def _text(words: str, x: float, y: float, width: float) -> str:
    """A text that fits the width, none where hardly a letter would."""
    letters = int((width - 8) / LETTER)
    if letters < 3:
        return ""
    short = words if len(words) <= letters else f"{words[: letters - 1]}…"
    return f'<text x="{x:.1f}" y="{y:.1f}">{escape(short)}</text>'


def _place(box: Box) -> str:
    return f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
