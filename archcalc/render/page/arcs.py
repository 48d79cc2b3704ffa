"""Outline → an SVG of the graph: boxes in the order in which they run, and arcs for what skips some."""

from html import escape

from archcalc.errors import printable
from archcalc.layers.core.base import fmt_shape
from archcalc.render.charts.diagram import describe
from archcalc.render.charts.outline import OUTPUT, End, Outline, Part
from archcalc.units import COUNT_UNITS, human

WIDTH, BOX, ROW, LEFT, LETTER = 760, 420, 40, 24, 6.4
MOST_REACH = 260


def arcs(outline: Outline) -> str:
    """The graph as an SVG; each edge's title gives the shapes that flow along it."""
    boxes = list(outline.boxes())
    first = len(outline.inputs)
    last = first + len(boxes)
    rows: dict[End | None, int] = {**{id: i for i, id in enumerate(outline.inputs)}, OUTPUT: last}
    rows |= {box.key: i for i, (box, _) in enumerate(boxes, first)}
    height = ROW * (last + 1)
    nodes = [_node(printable(name), "", i, end=True) for i, name in enumerate(outline.inputs.values())]
    nodes.append(_node("output", "", last, end=True))
    nodes += [_node(_name(box), _what(box, times), i, end=False) for i, (box, times) in enumerate(boxes, first)]
    edges = []
    for edge in outline.edges:
        shapes = ", ".join(map(fmt_shape, edge.shapes))
        edges.append(_edge(rows[edge.source], rows[edge.target], shapes))
    label = f"graph of {printable(outline.title)}"
    view = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg class="graph" {view} role="img" aria-label="{escape(label)}">{"".join(edges)}{"".join(nodes)}</svg>'


def _name(box: Part) -> str:
    return printable(box.name)


def _what(box: Part, times: int) -> str:
    """What a box is: its layer, or how many layers and parameters a group has."""
    repeated = f" ×{times}" if times > 1 else ""
    if box.row is not None:
        return f"{describe(box.row)}{repeated}"
    params = f", {human(box.params, COUNT_UNITS)} params" if box.params else ""
    return f"{box.layers} layers{params}{repeated}"


def _node(name: str, what: str, row: int, *, end: bool) -> str:
    y = ROW * row + 5
    letters = int((BOX - 16) / LETTER)
    words = f"{name} · {what}" if what else name
    short = words if len(words) <= letters else f"{words[: letters - 1]}…"
    shape = f'<rect x="{LEFT}" y="{y}" width="{BOX}" height="{ROW - 14}" rx="{12 if end else 3}"/>'
    text = f'<text x="{LEFT + 8}" y="{y + 17}">{escape(short)}</text>'
    return f'<g class="{"end" if end else "box"}"><title>{escape(printable(words))}</title>{shape}{text}</g>'


def _edge(source: int, target: int, shapes: str) -> str:
    start, stop = ROW * source + ROW - 9, ROW * target + 5
    if target == source + 1:
        x = LEFT + BOX / 2
        text = f'<text class="shape" x="{x + 6:g}" y="{stop - 1}">{escape(shapes)}</text>'
        return f'<g class="edge"><path d="M{x:g} {start}V{stop}"/>{text}</g>'
    right = LEFT + BOX
    middle_start, middle_stop = ROW * source + ROW / 2 - 2, ROW * target + ROW / 2 - 2
    reach = min(MOST_REACH, 20 + 10 * (target - source))
    bend = right + reach
    path = f"M{right} {middle_start:g}C{bend} {middle_start:g} {bend} {middle_stop:g} {right} {middle_stop:g}"
    return f'<g class="edge skip"><title>{escape(shapes)}</title><path d="{path}"/></g>'
