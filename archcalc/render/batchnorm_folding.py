"""A folding of batch norms, and the reports before and after it → Grids, and JSON."""

from typing import Any

from archcalc._version import __version__
from archcalc.engine.figures import BUFFERS, FLOPS, LAYERS, MACS, MEMORY, PARAMS, PEAK, Figure
from archcalc.engine.report import LayerReport, Report
from archcalc.errors import printable
from archcalc.graph.batchnorm_folding import BatchNormFolding
from archcalc.render.grid import Cell, Column, Grid, fmt_line
from archcalc.render.table import caption

SCHEMA_VERSION = 1
UNKNOWN = "?"
SHOWN = (LAYERS, PARAMS, BUFFERS, MEMORY, PEAK, MACS, FLOPS)


def totals_grid(folding: BatchNormFolding, before: Report, after: Report) -> Grid:
    """The totals before and after, exact; below them every batch norm that stays, and why.

    Raises SettingError where figures are symbols or arrays.
    """
    for report in (before, after):
        report.require_plain("compared")
    columns = (
        Column("figure", ("",), "left"),
        Column("before", ("before",)),
        Column("after", ("after",)),
        Column("change", ("change",), drop_order=1),
    )
    rows = (_line_of(figure, *(_total(figure, report) for report in (before, after))) for figure in SHOWN)
    return Grid(
        columns,
        tuple(tuple(map(Cell, row)) for row in rows),
        title=f"{printable(before.title)}: {len(folding.folds):,} of {folding.norms:,} batch norms folded",
        caption=caption(before),
        notes=tuple(_notes(folding, before)),
    )


def _line_of(figure: Figure, old: int | None, new: int | None) -> tuple[str, ...]:
    title = f"{figure.title} (bytes)" if figure.unit == "bytes" else figure.title
    change = UNKNOWN if old is None or new is None else f"{new - old:+,}" if new != old else "0"
    return title, *(UNKNOWN if value is None else f"{value:,}" for value in (old, new)), change


def _total(figure: Figure, report: Report) -> int | None:
    """What the totals hold of a figure, without the layers whose operations are unknown: a note names those."""
    return getattr(report.totals, figure.field) if figure.field else figure.of(report)


def _notes(folding: BatchNormFolding, before: Report) -> list[str]:
    stay = [(before.layers[kept.norm], kept.reason) for kept in folding.kept]
    notes = [printable(f"{row.name}{_line(row)} stays: {reason}") for row, reason in stay]
    if not before.totals.complete:
        notes.append("totals are incomplete: of some layers the operations are unknown")
    return notes


def _line(row: LayerReport) -> str:
    return "" if row.line is None else f" (line {row.line})"


def folds_grid(folding: BatchNormFolding, before: Report) -> Grid:
    """Every batch norm that was folded, and the layer that it went into."""
    columns = (
        Column("norm", ("batch norm",), "left"),
        Column("line", ("line",), drop_order=2),
        Column("into", ("folded into",), "left"),
        Column("kind", ("kind",), "left", drop_order=1),
    )
    pairs = [(before.layers[fold.norm], before.layers[fold.into]) for fold in folding.folds]
    rows = tuple((norm.name, fmt_line(norm.line), layer.name, layer.kind) for norm, layer in pairs)
    return Grid(columns, tuple(tuple(Cell(printable(text)) for text in row) for row in rows))


def folding_data(folding: BatchNormFolding, before: Report, after: Report) -> dict[str, Any]:
    """What was folded and what stays, and the totals before and after, as `archcalc fold --format json` prints it."""
    rows = before.layers
    return {
        "schema_version": SCHEMA_VERSION,
        "archcalc": __version__,
        "architecture": before.architecture,
        "settings": before.to_dict()["settings"],
        "before": {"layers": len(before.layers), **before.totals.to_dict()},
        "after": {"layers": len(after.layers), **after.totals.to_dict()},
        "folded": [{"norm": rows[fold.norm].name, "into": rows[fold.into].name} for fold in folding.folds],
        "kept": [
            {"norm": rows[kept.norm].name, "line": rows[kept.norm].line, "reason": kept.reason} for kept in folding.kept
        ],
    }
