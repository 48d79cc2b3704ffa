"""A table before it has a format: columns with their priority, cells as finished strings."""

from collections.abc import Iterable
from typing import Literal

import msgspec

MARK = "*"
MOST_ROWS = 10_000
"""How many rows a table or a chart shows: nobody reads more, and a million of them are 90 MB of text."""
HOLD_ALL = "json, jsonl, csv and tsv hold all"


class Column(msgspec.Struct, frozen=True):
    """A column. Its `header` has one or two lines.

    Where room is short, a column of prose is cut down to `least` characters (None: never), then the column with the
    highest `drop_order` goes first (0: it stays).
    """

    name: str
    header: tuple[str, ...]
    align: Literal["left", "right"] = "right"
    drop_order: int = 0
    least: int | None = None

    @property
    def title(self) -> str:
        """The header in one line."""
        return " ".join(part for part in self.header if part)


class Cell(msgspec.Struct, frozen=True):
    """A cell's text, and whether it stands out (the rows that hold most of a figure)."""

    text: str
    strong: bool = False


class Grid(msgspec.Struct, frozen=True):
    """Columns, rows and closing rows (totals) of cells, with a title and a caption above and notes below."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    closing: tuple[tuple[Cell, ...], ...] = ()
    title: str = ""
    caption: str = ""
    notes: tuple[str, ...] = ()

    def lines(self) -> tuple[list[list[str]], list[list[str]], list[list[str]]]:
        """The header, the rows and the closing rows, every cell padded to the width of its column.

        In a column with cells that stand out, those end in MARK, and all others keep its place free.
        """
        marked = [any(row[i].strong for row in self.rows) for i in range(len(self.columns))]
        widths = self.widths()

        def padded(texts: Iterable[str], strong: Iterable[bool]) -> list[str]:
            cells = []
            for column, width, mark, text, stands_out in zip(self.columns, widths, marked, texts, strong, strict=True):
                text += MARK if stands_out else " " * mark
                cells.append(text.ljust(width) if column.align == "left" else text.rjust(width))
            return cells

        def body(rows: Iterable[tuple[Cell, ...]]) -> list[list[str]]:
            return [padded((cell.text for cell in row), (cell.strong for cell in row)) for row in rows]

        height = max(len(column.header) for column in self.columns)
        headers = [("",) * (height - len(column.header)) + column.header for column in self.columns]
        header = [padded((words[i] for words in headers), [False] * len(headers)) for i in range(height)]
        return header, body(self.rows), body(self.closing)

    def widths(self) -> list[int]:
        """The width of every column, its mark included."""
        widths = []
        for i, column in enumerate(self.columns):
            texts = [*column.header, *(row[i].text for row in (*self.rows, *self.closing))]
            widths.append(max(map(len, texts)) + any(row[i].strong for row in self.rows))
        return widths

    def width(self, gap: int) -> int:
        """The width of the whole table with `gap` spaces between columns."""
        return sum(self.widths()) + gap * (len(self.columns) - 1)

    def without(self, index: int) -> "Grid":
        """The same table without one column."""

        def cut(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
            return row[:index] + row[index + 1 :]

        return msgspec.structs.replace(
            self,
            columns=self.columns[:index] + self.columns[index + 1 :],
            rows=tuple(map(cut, self.rows)),
            closing=tuple(map(cut, self.closing)),
        )


def beyond(what: str, holds_all: str = HOLD_ALL) -> str:
    """What is said where there are more rows than are shown.

    >>> beyond("layers")
    'not shown: the layers beyond the first 10,000; json, jsonl, csv and tsv hold all'
    """
    return f"not shown: the {what} beyond the first {MOST_ROWS:,}; {holds_all}"


def narrowed(grid: Grid, width: int, remedy: str = "") -> tuple[Grid, int]:
    """The grid with prose cut and columns dropped until it fits `width`, and the gap to draw it with.

    A note names what was dropped, and the `remedy`. Columns with a drop_order of 0 stay whatever the width.
    """
    dropped: list[str] = []
    for i, column in enumerate(grid.columns):
        room = grid.widths()[i] - max(0, grid.width(gap=2) - width)
        if column.least is not None and room < grid.widths()[i]:
            grid = _cut(grid, i, max(room, column.least))
    while grid.width(gap=1) > width:
        order, index = max((column.drop_order, i) for i, column in enumerate(grid.columns))
        if order == 0:
            break
        dropped.insert(0, grid.columns[index].title)
        grid = grid.without(index)
    if dropped:
        note = f"not shown for lack of room: {', '.join(dropped)}{remedy}"
        grid = msgspec.structs.replace(grid, notes=(*grid.notes, note))
    return grid, 2 if grid.width(gap=2) <= width else 1


def _cut(grid: Grid, index: int, width: int) -> Grid:
    """The grid with one column of prose cut to `width` characters."""

    def cut(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
        text = row[index].text
        short = text if len(text) <= width else f"{text[: width - 1].rstrip()}…"
        return (*row[:index], Cell(short, row[index].strong), *row[index + 1 :])

    return msgspec.structs.replace(grid, rows=tuple(map(cut, grid.rows)), closing=tuple(map(cut, grid.closing)))


def fmt_line(line: int | None) -> str:
    """The line of a spec, empty for a layer that no spec has.

    >>> fmt_line(7), fmt_line(None)
    ('7', '')
    """
    return "" if line is None else str(line)
