"""Comparison → bars of text, as the lecture draws them: for each metric, a bar for each group of each architecture."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from archcalc.comparison.compare import Comparison
from archcalc.comparison.grouping import Aligned
from archcalc.engine.figures import METRICS
from archcalc.errors import printable
from archcalc.render.compare import UNKNOWN, figure
from archcalc.render.grid import MOST_ROWS, beyond
from archcalc.render.output import terminal_width, write

PIPE_WIDTH = 80
LEAST_BAR = 8
EIGHTHS = " ▏▎▍▌▋▊▉"
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
"""Okabe and Ito's, which people with any kind of colour vision can distinguish (jfly.uni-koeln.de/color)."""


class Bar(NamedTuple):
    """A line of a chart: what it is of, how long it is, the figure behind it, and which architecture it is of."""

    label: str
    length: str
    figure: str
    architecture: int


def draw(found: Comparison, metrics: Sequence[str], output: str | None = None) -> None:
    """Print the bars of a comparison: in colour on a terminal, else plain."""
    width = terminal_width()
    parts = [(heading(found, metric), bars(found, metric, width or PIPE_WIDTH)) for metric in metrics]
    _, note = shown(found)
    if output or width is None:
        write("\n".join([*(_plain(title, lines) for title, lines in parts), *([f"{note}\n"] if note else [])]), output)
        return
    from rich.text import Text

    from archcalc.render.terminal import terminal_console

    console = terminal_console()
    for title, lines in parts:
        console.print(Text(f"\n{title}", style="bold"))
        for bar in lines:
            text = Text(f"{bar.label}  ").append(bar.length, style=COLOURS[bar.architecture % len(COLOURS)])
            console.print(text.append(f" {bar.figure}"), soft_wrap=True)
    if note:
        console.print(Text(f"\n{note}"), soft_wrap=True)


def heading(found: Comparison, metric: str) -> str:
    """What the bars are of, with the totals of the architectures."""
    totals = (
        f"{printable(report.architecture)} {figure(metric, value)}"
        for report, value in zip(found.reports, found.totals(metric), strict=True)
    )
    return f"{METRICS[metric].title} by {found.by}: {', '.join(totals)}"


def shown(found: Comparison) -> tuple[list[Aligned], str]:
    """The groups that are drawn, and a note if that is not all of them.

    Of single layers, those that compute nothing and change no shape do not count.
    """
    lines = list(found.lines)
    if found.by == "layer":
        lines = [line for line in lines if not all(row.costs_nothing for rows in line.groups for row in rows)]
    note = beyond(f"{found.by}s", "the data formats of table and compare hold all") if len(lines) > MOST_ROWS else ""
    return lines[:MOST_ROWS], note


def bars(found: Comparison, metric: str, width: int) -> list[Bar]:
    """A bar for each group of each architecture, from 0 and of one scale; groups that cost nothing are left out."""
    lines = [(line, found.figures(line, metric)) for line in shown(found)[0]]
    lines = [(line, values) for line, values in lines if any(value is None or value for value in values)]
    several = len(found.reports) > 1
    names = [f" {printable(report.architecture)}" if several else "" for report in found.reports]
    labels = [
        [f"{printable(line.name) if i == 0 or not several else ''}", names[i]]
        for line, values in lines
        for i in range(len(values))
    ]
    first, second = (max((len(label[k]) for label in labels), default=0) for k in (0, 1))
    figures = [figure(metric, value) for _, values in lines for value in values]
    room = max(LEAST_BAR, width - first - second - max(map(len, figures), default=0) - 3)
    largest = max((value or 0 for _, values in lines for value in values), default=0)
    found_bars = []
    flat = [(value, i) for _, values in lines for i, value in enumerate(values)]
    for (head, tail), text, (value, i) in zip(labels, figures, flat, strict=True):
        drawn = UNKNOWN if value is None else blocks(value, largest, room)
        found_bars.append(Bar(f"{head:<{first}}{tail:<{second}}", drawn, text, i))
    return found_bars


def blocks(value: int, largest: int, room: int) -> str:
    """A bar of blocks, to an eighth of a character; any value above 0 is visible.

    >>> blocks(3, 4, 4), blocks(1, 10_000, 4), blocks(0, 4, 4)
    ('███', '▏', '')
    """
    if not value:
        return ""
    eighths = max(1, (16 * room * value + largest) // (2 * largest))
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (EIGHTHS[rest] if rest else "")


def _plain(title: str, lines: Iterable[Bar]) -> str:
    return "\n".join([title, *(f"{bar.label}  {bar.length} {bar.figure}" for bar in lines), ""])
