"""A folding of batch norms, and the reports before and after it → Grids, and JSON."""

from typing import Any

from archcalc._version import __version__
from archcalc.engine.report import LayerReport, Report
from archcalc.errors import printable
from archcalc.graph.batchnorm_folding import BatchNormFolding
from archcalc.render.grid import Cell, Column, Grid, fmt_line
from archcalc.render.table import caption

SCHEMA_VERSION = 1
FIGURES = {
    "layers": "layers",
    "params": "params",
    "buffers": "buffers",
    "memory_bytes": "memory (bytes)",
    "peak_memory_bytes": "peak (bytes)",
    "macs": "MACs",
    "flops": "FLOPs",
}


def totals_grid(folding: BatchNormFolding, before: Report, after: Report) -> Grid:
    """The totals before and after, exact; below them every batch norm that stays, and why."""
    columns = (
        Column("figure", ("",), "left"),
        Column("before", ("before",)),
        Column("after", ("after",)),
        Column("change", ("change",), drop_order=1),
    )
    old, new = _figures(before), _figures(after)
    rows = ((title, f"{old[key]:,}", f"{new[key]:,}", _change(new[key] - old[key])) for key, title in FIGURES.items())
    return Grid(
        columns,
        tuple(tuple(map(Cell, row)) for row in rows),
        title=f"{printable(before.title)}: {len(folding.folds):,} of {folding.norms:,} batch norms folded",
        caption=caption(before),
        notes=tuple(_notes(folding, before)),
    )


def _change(difference: int) -> str:
    return f"{difference:+,}" if difference else "0"


def _figures(report: Report) -> dict[str, int]:
    totals = report.totals.to_dict()
    return {key: len(report.layers) if key == "layers" else totals[key] for key in FIGURES}


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
