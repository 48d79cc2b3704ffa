"""Every figure of every layer that ships, exact, in one file: what a change of a rule changes shows in its diff."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import archcalc
from archcalc import LayerReport
from archcalc.layers.core.base import fmt_shape

FIGURES = Path(__file__).parent / "figures.tsv"
FIGURES_OF_A_ROW = ("params", "buffers", "macs", "flops", "memory_bytes", "live_bytes", "saved_for_backward_bytes")
HEAD = ("layer", "kind", "output", *FIGURES_OF_A_ROW, "receptive_field", "depth")


def line(row: LayerReport) -> str:
    figures = [getattr(row, name) for name in FIGURES_OF_A_ROW]
    seen = "" if row.receptive_field is None else fmt_shape(row.receptive_field)
    cells = (row.name, row.kind, fmt_shape(row.output), *figures, seen, row.depth)
    return "\t".join("?" if cell is None else str(cell) for cell in cells)


def lines(name: str) -> list[str]:
    return [line(row) for row in archcalc.analyze(name).layers]


def kept() -> Iterator[tuple[str, list[str]]]:
    """The names of all architectures in the file, and their lines."""
    _, *parts = FIGURES.read_text(encoding="utf-8").split("\n# ")
    for part in parts:
        name, *rows = part.rstrip("\n").split("\n")
        yield name, rows


def test_the_file_is_of_what_ships(update_golden: bool) -> None:
    if update_golden:
        parts = ["\t".join(HEAD), *(f"\n# {name}\n" + "\n".join(lines(name)) for name in archcalc.names())]
        FIGURES.write_text("".join(parts) + "\n", encoding="utf-8")
    assert [name for name, _ in kept()] == list(archcalc.names()), "regenerate it with `pytest --update-golden`"


@pytest.mark.parametrize("name", archcalc.names())
def test_every_layer_has_the_figures_in_the_file(name: str) -> None:
    assert lines(name) == dict(kept()).get(name), f"{FIGURES} differs; `pytest --update-golden` regenerates it"
