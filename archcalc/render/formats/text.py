"""Grid → plain text, for pipes and files: the same layout as on a terminal, without colour."""

from archcalc.render.grid import Grid


def plain(grid: Grid, gap: int = 2, width: int | None = None) -> str:
    """The grid as text. Prose is wrapped to `width`, figures never are.

    >>> from archcalc.render.grid import Cell, Column
    >>> print(plain(Grid((Column("layer", ("layer",), "left"), Column("params", ("params", "(k)"))),
    ...                  ((Cell("conv1"), Cell("23")), (Cell("fc6"), Cell("37,753", strong=True))))), end="")
           params
    layer     (k)
    --------------
    conv1      23
    fc6    37,753*
    """
    header, rows, closing = (["".join((" " * gap).join(cells)).rstrip() for cells in part] for part in grid.lines())
    rule = "-" * grid.width(gap)
    above = [*prose(grid.title, width), *prose(grid.caption, width)]
    below = [line for note in grid.notes for line in prose(note, width)]
    lines = [*above, *([""] if above else []), *header, rule, *rows]
    if closing:
        lines += [rule, *closing]
    if below:
        lines += ["", *below]
    return "\n".join(lines) + "\n"


def prose(text: str, width: int | None) -> list[str]:
    """Text wrapped to a width, its later lines indented; nothing for no text."""
    if not text:
        return []
    if width is None or len(text) <= width:
        return [text]
    import textwrap

    return textwrap.wrap(text, max(width, 20), subsequent_indent="  ", break_on_hyphens=False)
