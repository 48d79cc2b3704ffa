"""Grid → a terminal, in colour, by rich."""

from typing import TextIO

from rich.console import Console
from rich.text import Text

from archcalc.render.formats.text import prose
from archcalc.render.grid import Cell, Grid

HEADER, HEAVY, QUIET = "bold", "bold yellow", "dim"


def show(grid: Grid, gap: int, console: Console) -> None:
    """Print the grid; its layout is that of the plain text, so nothing is ever cut or wrapped but prose."""
    header, rows, closing = grid.lines()
    width = console.width
    _prose(console, grid.title, width, HEADER)
    _prose(console, grid.caption, width, QUIET)
    if grid.title or grid.caption:
        console.print()
    rule = Text("─" * grid.width(gap), style=QUIET)
    for cells in header:
        _print(console, Text((" " * gap).join(cells).rstrip(), style=HEADER))
    _print(console, rule)
    for cells, row in zip(rows, grid.rows, strict=True):
        _print(console, _styled(cells, row, gap))
    if closing:
        _print(console, rule)
        *sums, total = closing
        for cells in sums:
            _print(console, Text((" " * gap).join(cells).rstrip(), style=QUIET))
        _print(console, Text((" " * gap).join(total).rstrip(), style=HEADER))
    if grid.notes:
        console.print()
    for note in grid.notes:
        _prose(console, note, width, QUIET)


def terminal_console(file: TextIO | None = None) -> Console:
    """The console of standard output; rich itself heeds NO_COLOR, COLUMNS and TERM."""
    return Console(file=file, highlight=False, markup=False, emoji=False)


def _styled(cells: list[str], row: tuple[Cell, ...], gap: int) -> Text:
    line = Text()
    for i, (text, cell) in enumerate(zip(cells, row, strict=True)):
        line.append(" " * gap if i else "")
        figure = text.lstrip()
        line.append(text[: len(text) - len(figure)])
        line.append(figure, style=HEAVY if cell.strong else "")
    line.rstrip()
    return line


def _prose(console: Console, text: str, width: int, style: str) -> None:
    for line in prose(text, width):
        _print(console, Text(line, style=style))


def _print(console: Console, line: Text) -> None:
    console.print(line, no_wrap=True, overflow="ignore", crop=False, soft_wrap=True)
