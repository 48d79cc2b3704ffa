"""Draws the pictures of the README anew: `python docs/make_pictures.py`."""

import io
import re
from pathlib import Path

from rich.console import Console

import archcalc
from archcalc.render.table import report_grid
from archcalc.render.terminal import show

DOCS = Path(__file__).parent


def table_svg(name: str) -> str:
    """The table of an architecture as a terminal shows it; rich draws the window."""
    grid = report_grid(archcalc.analyze(archcalc.load(name)))
    console = Console(record=True, file=io.StringIO(), width=112, force_terminal=True, color_system="truecolor")
    show(grid, 2, console)
    svg = console.export_svg(title=f"archcalc table {name}", unique_id="archcalc")
    # rich names a font on a server; a picture should not call one.
    return re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    (DOCS / "table.svg").write_text(table_svg("alexnet"), encoding="utf-8")
