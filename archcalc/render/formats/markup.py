"""Grid → Markdown, LaTeX and HTML, by tabulate, with all figures pre-formatted."""

import re
from collections.abc import Callable
from html import escape

import tabulate

from archcalc.errors import printable
from archcalc.render.grid import Cell, Grid


def markdown(grid: Grid) -> str:
    """The grid as a GitHub table under its title; cells that stand out are bold."""

    def cell(cell: Cell) -> str:
        text = escaped(cell.text)
        return f"**{text}**" if cell.strong else text

    above = [f"### {escaped(grid.title)}"] if grid.title else []
    notes = [escaped(note.removeprefix("* ")) for note in grid.notes]
    return _join(above, escaped(grid.caption), _table(grid, "pipe", cell, escaped), notes)


def escaped(text: str) -> str:
    r"""Text that neither HTML nor Markdown takes for anything else: no tag, link, mention or column begins in it.

    >>> print(escaped("<b> @me [x](http://y) a|b #1"))
    &lt;b&gt; @&#8203;me \[x\](http:&#8203;//y) a\|b \#&#8203;1
    """
    text = re.sub(r"[\\`*_\[\]|~#]", r"\\\g<0>", escape(printable(text).strip(" "), quote=False))
    text = _parted(text).replace("$", "&#36;")  # which begins a formula
    # At the beginning of a line: an item of a list, or a line below a heading.
    return re.sub(r"^(\d*)([-+=.)])(?=[\s=-]|$)", r"\1\\\2", text)


def escaped_in_html(text: str) -> str:
    """The same for text within a tag, where a backslash would be seen.

    >>> print(escaped_in_html("<b> @me a_b"))
    &lt;b&gt; @&#8203;me a_b
    """
    return _parted(escape(printable(text), quote=False))


def _parted(text: str) -> str:
    """Text whose mentions, references and links are none any more, for there is a space without width in them.

    An escape would not do: platforms look for these in what has been rendered.
    """
    return re.sub(r"(?i)@|#(?=\d)|(?<![a-z\d])gh-(?=\d)|:(?=//)|(?<![a-z\d])www\.", r"\g<0>&#8203;", text)


def latex(grid: Grid) -> str:
    """The grid as a tabular; title, caption and notes are comments, cells that stand out are bold."""

    def cell(cell: Cell) -> str:
        text = "".join(_LATEX.get(c, c) for c in cell.text)
        return f"\\textbf{{{text}}}" if cell.strong else text

    prose = [f"% {line}" for line in (grid.title, grid.caption) if line]
    table = _table(grid, "latex_raw", cell, heading=lambda h: "".join(_LATEX.get(c, c) for c in h))
    return "\n".join([*prose, table, *(f"% {note}" for note in grid.notes)]) + "\n"


def html(grid: Grid) -> str:
    """The grid as an HTML fragment: a figure with a table and its captions; cells that stand out are strong."""

    def cell(cell: Cell) -> str:
        return f"<strong>{escape(cell.text)}</strong>" if cell.strong else escape(cell.text)

    above = [f"<h3>{escape(grid.title)}</h3>"] if grid.title else []
    notes = [f"<p>{escape(note.removeprefix('* '))}</p>" for note in grid.notes]
    caption = f"<p>{escape(grid.caption)}</p>" if grid.caption else ""
    return "\n".join([*above, caption, _table(grid, "unsafehtml", cell, heading=escape), *notes]) + "\n"


_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "×": r"$\times$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _table(
    grid: Grid, tablefmt: str, cell: Callable[[Cell], str], heading: Callable[[str], str] = lambda text: text
) -> str:
    return tabulate.tabulate(
        [[cell(c) for c in row] for row in (*grid.rows, *grid.closing)],
        headers=[heading(column.title) for column in grid.columns],
        colalign=[column.align for column in grid.columns],
        tablefmt=tablefmt,
        disable_numparse=True,
    )


def _join(above: list[str], caption: str, table: str, notes: list[str]) -> str:
    blocks = [*above, *([caption] if caption else []), table, *notes]
    return "\n\n".join(blocks) + "\n"
