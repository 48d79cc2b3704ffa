"""Reports and graphs → the HTML of one page: no network, no outside file, and nothing of a spec is ever run.

All that comes from a spec is escaped as text. The page's security policy allows this style and this script alone.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from importlib import resources

import msgspec

from archcalc._version import __version__
from archcalc.comparison.compare import compare
from archcalc.engine.figures import FIGURES, LECTURE, METRICS
from archcalc.engine.report import LayerReport, Report
from archcalc.engine.stages import stages
from archcalc.errors import printable
from archcalc.graph import Graph
from archcalc.layers.core.base import fmt_shape
from archcalc.render.charts.outline import outline_of
from archcalc.render.compare import UNKNOWN, breakdown_grid, figure, totals_grid
from archcalc.render.formats.markup import html
from archcalc.render.grid import Grid
from archcalc.render.page.arcs import arcs
from archcalc.render.page.treemap import treemap
from archcalc.render.table import caption

SHOWN_FIRST = "flops"
MOST_ROWS = 2_000
"""How many layers the table has: a page of a hundred thousand would be 50 MB, and no browser sorts them."""
MOST_BOXES = 500
"""How many boxes of the graph are drawn."""


def page(networks: Sequence[tuple[Graph, Report]], caption_of_all: str) -> str:
    """The page of one architecture or several, which are then set side by side first.

    Raises SettingError where figures are symbols or arrays.

    >>> from archcalc import load
    >>> from archcalc.analysis import analyze_graph
    >>> page([analyze_graph(load("lenet5"))], "")[:15]
    '<!doctype html>'
    """
    reports = [report for _, report in networks]
    for report in reports:
        report.require_plain("written")
    title = printable(" and ".join(report.title for report in reports))
    style, script = _own("report.css"), _own("report.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    parts = [_side_by_side(reports, caption_of_all)] if len(reports) > 1 else []
    parts += [_architecture(i, graph, report, alone=len(reports) == 1) for i, (graph, report) in enumerate(networks)]
    links = "".join(
        f'<li><a href="#net{i}">{escape(printable(report.architecture))}</a></li>' for i, report in enumerate(reports)
    )
    nav = f'<nav aria-label="Architectures"><ul>{links}</ul></nav>' if len(reports) > 1 else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{nav}
<main>
{"".join(parts)}
</main>
<footer><p>archcalc {__version__}. Memory is the size of each output (KB = 1024 bytes).</p></footer>
<script>{script}</script>
</body>
</html>
"""


def _side_by_side(reports: Sequence[Report], words: str) -> str:
    found = compare(reports)
    grids = (totals_grid(found, words), _cut(breakdown_grid(found, LECTURE)))
    # The page's policy allows no style in an element; quotes of a text are escaped, so that this meets nothing else.
    tables = "".join(re.sub(r' style="[^"]*"', "", f'<div class="wide">{html(grid)}</div>') for grid in grids)
    return f"<section><h2>Side by side</h2>{tables}</section>"


def _cut(grid: Grid) -> Grid:
    """The grid with as many rows as the page shows; a note says how many there are."""
    if len(grid.rows) <= MOST_ROWS:
        return grid
    note = f"not shown: the lines beyond the first {MOST_ROWS:,} of {len(grid.rows):,}"
    return msgspec.structs.replace(grid, rows=grid.rows[:MOST_ROWS], notes=(*grid.notes, note))


def _architecture(number: int, graph: Graph, report: Report, *, alone: bool) -> str:
    name = escape(printable(report.architecture))
    totals = "".join(
        f'<tr><th scope="row">{metric.title}</th><td>{figure(key, metric.of(report))}</td>'
        f'<td class="words">{metric.statement}</td></tr>'
        for key, metric in METRICS.items()
    )
    head = "" if alone else f"<h2>{escape(printable(report.title))}</h2>\n"
    return f"""<section id="net{number}">
{head}<p>{escape(caption(report))}</p>
<div class="wide"><table class="totals"><tbody>{totals}</tbody></table></div>
<h3>Where the cost is</h3>
{_treemaps(number, report)}
<h3>Layers</h3>
<div class="wide">{_layers(report, name)}</div>
<h3>Graph</h3>
<details open><summary>How the layers are connected; repetitions are drawn once</summary>
<div class="wide">{_graph(graph, report)}</div></details>
</section>
"""


def _graph(graph: Graph, report: Report) -> str:
    outline = outline_of(graph, report)
    boxes = sum(1 for _ in outline.boxes())
    if boxes <= MOST_BOXES:
        return arcs(outline)
    return f"<p>Not drawn: it has {boxes:,} boxes, and the page shows up to {MOST_BOXES:,}.</p>"


def _treemaps(number: int, report: Report) -> str:
    groups = stages(report.layers)
    choices, pictures = [], []
    for cost in LECTURE:
        chosen = " checked" if cost == SHOWN_FIRST else ""
        title = METRICS[cost].title
        choices.append(f'<label><input type="radio" name="cost{number}" value="{cost}"{chosen}> {title}</label>')
        label = f"{title} of {printable(report.architecture)} by stage"
        pictures.append(f'<figure class="{cost}">{treemap(groups, cost, label)}</figure>')
    legend = "<fieldset><legend>Areas are as large as</legend>"
    return f'<div class="choice">{legend}{" ".join(choices)}</fieldset>{"".join(pictures)}</div>'


def _layers(report: Report, name: str) -> str:
    largest = {cost: max((FIGURES[cost].of_row(row) or 0 for row in report.layers), default=0) for cost in LECTURE}
    heads = [("layer", "text"), ("kind", "text"), ("output", "text")]
    heads += [(METRICS[cost].title, "number") for cost in LECTURE]
    head = "".join(f'<th scope="col" data-kind="{kind}">{title}</th>' for title, kind in heads)
    body = "".join(_row(row, largest) for row in report.layers[:MOST_ROWS])
    totals = "".join(f"<td>{figure(cost, METRICS[cost].of(report))}</td>" for cost in LECTURE)
    foot = f"<tfoot><tr><td>total</td><td></td><td></td>{totals}</tr></tfoot>"
    thead = f"<thead><tr>{head}</tr></thead>"
    table = f'<table class="layers" data-name="{name}">{thead}<tbody>{body}</tbody>{foot}</table>'
    more = len(report.layers) - MOST_ROWS
    if more <= 0:
        return table
    words = f"{more:,} more layers are in the total but not in this table, which holds the first {MOST_ROWS:,}."
    return f"<p>{words} <code>archcalc table --format csv</code> holds all.</p>{table}"


def _row(row: LayerReport, largest: dict[str, int]) -> str:
    words = (printable(row.name), row.kind, fmt_shape(row.output))
    cells = [f'<td class="words" data-value="{escape(word)}">{escape(word)}</td>' for word in words]
    for cost in LECTURE:
        value = FIGURES[cost].of_row(row)
        if value is None:
            cells.append(f'<td data-value="">{UNKNOWN}</td>')
            continue
        share = f"{100 * value / largest[cost]:.1f}" if largest[cost] else "0"
        bar = f'<svg class="bar" aria-hidden="true"><rect width="{share}%" height="100%"/></svg>'
        cells.append(f'<td data-value="{value}">{bar}{figure(cost, value)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _own(name: str) -> str:
    """One of this package's files."""
    return (resources.files(__package__ or "") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """What a security policy knows a style or script by."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
