"""Verifications of training steps → Grids."""

from collections.abc import Sequence

from archcalc.errors import printable
from archcalc.evidence.layer_agreement import Comparison
from archcalc.evidence.training_agreement import TrainingVerification
from archcalc.render.grid import Cell, Column, Grid

UNKNOWN = "?"
FIGURE_COLUMNS = (
    Column("layer", ("layer",), "left"),
    Column("figure", ("figure",), "left"),
    Column("computed", ("archcalc",)),
    Column("measured", ("PyTorch",)),
    Column("verdict", ("verdict",), "left"),
)
NETWORK_COLUMNS = (
    Column("name", ("name",), "left"),
    Column("verdict", ("verdict",), "left"),
    Column("agrees", ("agree",)),
    Column("differs", ("differ",)),
    Column("open", ("not", "checkable")),
    Column("peak", ("most at", "once"), drop_order=10),
    Column("device", ("device",), "left", drop_order=20),
    Column("seconds", ("seconds",), drop_order=30),
)


def networks_grid(found: Sequence[TrainingVerification], caption: str) -> Grid:
    """A line for each network."""
    rows = [tuple([Cell(text) for text in _line(one)]) for one in found]
    said = [(one.report.architecture, text) for one in found for text in (one.failure, one.note) if text]
    notes = [printable(f"{name}: {text}") for name, text in said]
    reasons = {f"{c.figure}: {c.reason}" for one in found for _, c in one.comparisons() if c.reason}
    return Grid(NETWORK_COLUMNS, tuple(rows), caption=caption, notes=(*notes, *sorted(reasons)))


def figures_grid(one: TrainingVerification) -> Grid:
    """Every figure of one network."""
    return Grid(FIGURE_COLUMNS, tuple([_figure(name, c) for name, c in one.comparisons()]))


def differences_grid(found: Sequence[TrainingVerification]) -> Grid:
    """What differs."""
    rows = [_figure(name, c) for one in found for name, c in one.comparisons() if c.verdict == "differs"]
    return Grid(FIGURE_COLUMNS, tuple(rows))


def _line(one: TrainingVerification) -> tuple[str, ...]:
    counts = [f"{one.count(verdict):,}" for verdict in ("agrees", "differs", "not checkable")]
    peak = next((c for c in one.whole if c.figure == "peak_step_bytes"), None)
    words = ""
    if peak is not None and isinstance(peak.computed, int) and isinstance(peak.measured, int):
        words = "exact" if peak.verdict == "agrees" else f"{peak.computed / peak.measured:.1%}"
    return (printable(one.report.architecture), one.verdict, *counts, words, one.device, f"{one.seconds:.1f}")


def _figure(name: str, one: Comparison) -> tuple[Cell, ...]:
    computed, measured = (f"{n:,}" if isinstance(n, int) else UNKNOWN for n in (one.computed, one.measured))
    return (Cell(printable(name)), Cell(one.figure), Cell(computed), Cell(measured), Cell(one.verdict))
