"""Verifications → Grids: a line for each architecture, the figures that differ, and the layers of one architecture."""

from collections.abc import Sequence

from archcalc.engine.figures import IN_ROWS, SAVED
from archcalc.errors import printable
from archcalc.evidence.layer_agreement import (
    MEASURED,
    OUTPUT,
    Comparison,
    Found,
    LayerAgreement,
    LayerVerdict,
    reasons,
    summary,
)
from archcalc.layers.core.base import fmt_shape
from archcalc.render.grid import Cell, Column, Grid, fmt_line
from archcalc.units import MEMORY_UNITS, human, in_unit

MOST_SHOWN = 20
"""How many differing figures of one architecture are printed: one wrong rule shows in hundreds of layers."""


def architectures_grid(verifications: Sequence[LayerAgreement], caption: str) -> Grid:
    """A line for each architecture; below it what was not compared and why, and the summary."""
    columns = (
        Column("name", ("name",), "left"),
        Column("layers", ("layers",)),
        Column("checked", ("figures", "checked")),
        Column("share", ("", "(%)"), drop_order=10),
        Column("device", ("", "device"), "left", drop_order=5),
        Column("seconds", ("", "seconds"), drop_order=8),
        Column("verdict", ("", "verdict"), "left"),
    )
    rows = tuple(tuple(map(Cell, _line(verification))) for verification in verifications)
    return Grid(columns, rows, caption=caption, notes=tuple(_notes(verifications)))


def _line(v: LayerAgreement) -> tuple[str, ...]:
    share = _percent(v.checked, v.figures)
    verdict = f"{v.verdict}: {v.count('differs'):,} figures" if v.count("differs") else v.verdict
    seconds = f"{v.seconds:.1f}"
    return (
        printable(v.name),
        f"{len(v.report.layers):,}",
        f"{v.checked:,}",
        share,
        v.device,
        seconds,
        verdict,
    )


def differences_grid(verifications: Sequence[LayerAgreement]) -> Grid:
    """The figures that differ, as computed and as measured; the first few of each architecture."""
    columns = (
        Column("name", ("name",), "left", drop_order=5),
        Column("layer", ("layer",), "left"),
        Column("kind", ("kind",), "left", drop_order=8),
        Column("line", ("line",), drop_order=10),
        Column("figure", ("figure",), "left"),
        Column("computed", ("computed",)),
        Column("measured", ("measured",)),
    )
    rows, notes = [], []
    for v in verifications:
        found = [(layer.row, comparison) for layer in v.layers for comparison in layer.of("differs")]
        if v.memory is not None and v.memory.peak.verdict == "differs":
            peak = v.memory.peak
            rows.append(
                (
                    printable(v.name),
                    "",
                    "",
                    "",
                    peak.figure,
                    _figure(peak.computed),
                    _figure(peak.measured),
                )
            )
        for row, c in found[:MOST_SHOWN]:
            name, layer = printable(v.name), printable(row.name)
            rows.append(
                (
                    name,
                    layer,
                    row.kind,
                    fmt_line(row.line),
                    c.figure,
                    _figure(c.computed),
                    _figure(c.measured),
                )
            )
        if len(found) > MOST_SHOWN:
            notes.append(f"{printable(v.name)}: {len(found) - MOST_SHOWN:,} more (--json holds all)")
    return Grid(columns, tuple(tuple(map(Cell, row)) for row in rows), title="What differs", notes=tuple(notes))


def memory_grid(verifications: Sequence[LayerAgreement]) -> Grid:
    """What training keeps, and the most that is alive at once, as computed and as measured, of each architecture."""
    columns = (
        Column("name", ("", "name"), "left"),
        Column("saved", ("saved for", "backward")),
        Column("measured_saved", ("", "measured")),
        Column("peak", ("", "peak")),
        Column("measured_peak", ("", "measured")),
        Column("apart", ("apart", "(%)"), drop_order=5),
        Column("allocated", ("", "allocated"), drop_order=8),
    )
    rows = []
    for v in verifications:
        if v.memory is None:
            continue
        computed, measured = v.report.totals.peak_memory_bytes, v.memory.peak.measured
        assert isinstance(measured, int)
        saved = (v.report.totals.saved_for_backward_bytes, v.memory.measured_saved_bytes)
        apart = "–"
        if computed is not None:
            apart = in_unit(abs(10_000 * (computed - measured)), 100 * max(measured, 1), 2)
        figures = (*saved, computed, measured, v.memory.allocated_bytes)
        *shown, allocated = ("–" if figure is None else human(figure, MEMORY_UNITS) for figure in figures)
        rows.append((printable(v.name), *shown, apart, allocated))
    grid = Grid(
        columns, tuple(tuple(map(Cell, row)) for row in rows), title="Memory of activations, for the whole batch"
    )
    has_allocator = any(v.memory is not None and v.memory.allocated_bytes is not None for v in verifications)
    return grid if has_allocator else grid.without(len(columns) - 1)


def layers_grid(verification: LayerAgreement) -> Grid:
    """Every layer of one architecture: its figures as measured, `computed ≠ measured` where they differ."""
    figures = MEASURED if verification.memory is None else (*MEASURED, SAVED.field)
    columns = (
        Column("layer", ("layer",), "left"),
        Column("kind", ("kind",), "left", drop_order=8),
        *(Column(figure, _header(figure)) for figure in figures),
        Column("verdict", ("verdict",), "left"),
    )
    rows = tuple(tuple(map(Cell, _layer_line(layer))) for layer in verification.layers)
    return Grid(columns, rows, title=printable(verification.report.title))


def _header(figure: str) -> tuple[str, ...]:
    if figure == OUTPUT:
        return (figure,)
    found = IN_ROWS[figure]
    heading = found.title if found.column is None else found.column.heading
    return (heading, "(bytes)") if found.unit == "bytes" else (heading,)


def _layer_line(layer: LayerVerdict) -> tuple[str, ...]:
    return printable(layer.row.name), layer.row.kind, *map(_compared, layer.comparisons), layer.verdict


def _compared(comparison: Comparison) -> str:
    """What was measured, beside what was computed where the two differ; `?` where they were not compared."""
    if comparison.verdict == "differs":
        return f"{_figure(comparison.computed)} ≠ {_figure(comparison.measured)}"
    return "?" if comparison.verdict == "not checkable" else _figure(comparison.measured)


def _notes(verifications: Sequence[LayerAgreement]) -> list[str]:
    lines = [f"{printable(v.name)}: {text}" for v in verifications for text in (v.note, v.failure) if text]
    lines += [f"not checkable, {reason}: {n:,} figures" for reason, n in reasons(verifications).most_common()]
    counts = summary(verifications)
    verdicts = ", ".join(f"{verdict} ×{n}" for verdict, n in counts["verdicts"].items())
    checked = f"{counts['checked']:,} of {counts['figures']:,} figures checked"
    return [*lines, f"{verdicts}; {checked} ({_percent(counts['checked'], counts['figures'])} %)"]


def _percent(part: float, whole: float) -> str:
    """A share, rounded down, so that 100 means all."""
    return f"{int(1000 * part // whole) / 10:g}" if whole else "–"


def _figure(figure: Found) -> str:
    if isinstance(figure, tuple):
        return fmt_shape(figure)
    return "?" if figure is None else f"{figure:,}"
