"""Equivalences → Grids: a line for each architecture, the outputs that differ, and the layers of one architecture."""

from collections.abc import Iterable, Sequence

from archcalc.errors import printable
from archcalc.evidence.output_agreement import Difference, OutputAgreement, summary
from archcalc.render.grid import Cell, Column, Grid

MOST_SHOWN = 20
"""How many differing outputs of one architecture are printed: everything after a wrong one is wrong as well."""


def architectures_grid(found: Sequence[OutputAgreement], caption: str) -> Grid:
    """A line for each architecture: how many of its batch norms were folded, and how far the outputs are apart."""
    columns = (
        Column("name", ("name",), "left"),
        Column("norms", ("batch", "norms"), drop_order=6),
        Column("folded", ("", "folded")),
        Column("outputs", ("outputs", "compared")),
        Column("absolute", ("largest", "difference"), drop_order=7),
        Column("relative", ("", "relative")),
        Column("device", ("", "device"), "left", drop_order=8),
        Column("seconds", ("", "seconds"), drop_order=10),
        Column("verdict", ("", "verdict"), "left"),
    )
    notes = [f"{printable(one.report.architecture)}: {printable(one.failure)}" for one in found if one.failure]
    counts = summary(found)
    verdicts = ", ".join(f"{verdict} ×{n}" for verdict, n in counts["verdicts"].items())
    folded = f"{counts['folded']:,} of {counts['batch_norms']:,} batch norms folded"
    notes.append(f"{verdicts}; {folded}, {counts['compared']:,} outputs compared")
    return Grid(columns, _cells(map(_line, found)), caption=caption, notes=tuple(notes))


def _line(one: OutputAgreement) -> tuple[str, ...]:
    absolute, relative = map(_number, one.largest) if one.differences else ("", "")
    return (
        printable(one.report.architecture),
        f"{one.norms:,}",
        f"{one.folded:,}",
        f"{len(one.differences):,}",
        absolute,
        relative,
        one.device,
        f"{one.seconds:.1f}",
        f"differs: {len(one.beyond):,} outputs" if one.verdict == "differs" else one.verdict,
    )


def differences_grid(found: Sequence[OutputAgreement]) -> Grid:
    """The outputs that differ, the first few of each architecture."""
    rows, notes = [], []
    for one in found:
        name = printable(one.report.architecture)
        rows += [(name, *_difference(difference)) for difference in one.beyond[:MOST_SHOWN]]
        if len(one.beyond) > MOST_SHOWN:
            notes.append(f"{name}: {len(one.beyond) - MOST_SHOWN:,} more (--json holds all)")
    columns = (Column("name", ("name",), "left", drop_order=5), *_COLUMNS)
    return Grid(columns, _cells(rows), title="What differs", notes=tuple(notes))


def layers_grid(one: OutputAgreement) -> Grid:
    """Every layer that the folded network runs, against its counterpart in the original."""
    return Grid(_COLUMNS, _cells(map(_difference, one.differences)), title=printable(one.report.title))


_COLUMNS = (
    Column("layer", ("layer",), "left"),
    Column("counterpart", ("compared with",), "left", drop_order=3),
    Column("magnitude", ("magnitude",), drop_order=4),
    Column("absolute", ("difference",)),
    Column("relative", ("relative",)),
)


def _difference(one: Difference) -> tuple[str, ...]:
    figures = map(_number, (one.magnitude, one.absolute, one.relative))
    return printable(one.layer), printable(one.counterpart), *figures


def _cells(rows: Iterable[tuple[str, ...]]) -> tuple[tuple[Cell, ...], ...]:
    return tuple(tuple(map(Cell, row)) for row in rows)


def _number(value: float) -> str:
    return f"{value:.1e}" if value else "0"
