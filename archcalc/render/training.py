"""Training reports → Grids: the ladder of memory, the operations of each layer, and a whole run."""

from archcalc.engine.settings import inputs_in_words
from archcalc.errors import printable
from archcalc.hardware.roofline import DeviceHours
from archcalc.layers.core.base import Ops
from archcalc.render.grid import Cell, Column, Grid
from archcalc.render.summary import holding_half
from archcalc.training.report import Run, TrainingReport, TrainingRow
from archcalc.units import COUNT_UNITS, MEMORY_UNITS, human, in_unit, unit

UNKNOWN = "?"
LAYER_COLUMNS = (
    Column("layer", ("layer",), "left"),
    Column("trained", ("trained", "(k)"), drop_order=20),
    Column("saved", ("saved", "(KiB)")),
    Column("forward", ("forward", "(M MACs)")),
    Column("backward", ("backward", "(M MACs)")),
    Column("again", ("once more", "(M MACs)"), drop_order=10),
)
LADDER_COLUMNS = (
    Column("what", ("memory of a step",), "left"),
    Column("bytes", ("bytes",)),
    Column("human", ("",)),
)
RUN_COLUMNS = (Column("what", ("a whole run",), "left"), Column("count", ("",)))


def caption(report: TrainingReport) -> str:
    """The settings that all figures are for."""
    settings, options = report.settings, report.options
    words = [inputs_in_words(settings.inputs), f"batch {settings.batch:,}", settings.dtype, options.optimizer]
    words += ["float32 master weights"] if options.master_weights else []
    words += [f"checkpoint {options.checkpoint}"] if options.checkpoint != "none" else []
    words += [f"{len(options.frozen)} layers frozen"] if options.frozen else []
    return " · ".join([*words, "training mode"])


def ladder_grid(report: TrainingReport) -> Grid:
    """What takes how much memory, and the most that is alive at once."""
    lines = [
        ("parameters", report.parameter_bytes),
        ("gradients of parameters", report.gradient_bytes),
        (f"state of {report.options.optimizer}", report.optimizer_bytes),
        *([("float32 master weights", report.master_bytes)] if report.options.master_weights else []),
        ("buffers", report.buffer_bytes),
        ("saved activations", report.saved_bytes),
        ("saved, inputs and outputs", report.held_bytes),
    ]
    least = "" if report.peak_is_exact else "at least "
    closing = [(f"most at once in a step, at {report.peak_at}", report.peak_bytes, least)]
    notes = ["not counted: what kernels take for themselves, the loss, and tensors of the update"]
    if report.saved_bytes is None:
        notes.append("of some layers it is not known what they save")
    if not report.peak_is_exact:
        notes.append("of some layers it is not known what their backward pass has alive: the most is a lower bound")
    return Grid(
        LADDER_COLUMNS,
        tuple([_memory_line(*line) for line in lines]),
        closing=tuple([_memory_line(*line) for line in closing]),
        title=printable(report.title),
        caption=printable(caption(report)),
        notes=tuple(notes),
    )


def layers_grid(report: TrainingReport, *, all_layers: bool = False, exact: bool = False) -> Grid:
    """What each layer takes forward and backward; those that multiply and save nothing only with `all_layers`."""
    shown = [row for row in report.layers if all_layers or _counts(row)]
    heavy = {row.name for row in holding_half(report.layers, lambda row: row.backward_macs or 0)}
    rows = [
        (
            Cell(printable(row.name)),
            Cell(_in("k", row.trained, exact)),
            Cell(_in("KiB", row.saved_bytes, exact)),
            Cell(_in("M", row.forward_macs, exact)),
            Cell(_in("M", row.backward_macs, exact), strong=row.name in heavy),
            Cell(_in("M", row.recomputed_macs, exact)),
        )
        for row in shown
    ]
    total = (
        Cell("total"),
        Cell(_in("k", report.trained, exact)),
        Cell(_in("KiB", report.saved_bytes, exact)),
        Cell(_in("M", report.forward_macs, exact)),
        Cell(_in("M", report.backward_macs, exact)),
        Cell(_in("M", report.recomputed_macs, exact)),
    )
    hidden = len(report.layers) - len(shown)
    notes = [f"update ({report.options.optimizer}): {_update(report.update)}"]
    if hidden:
        notes.append(f"hidden, for they multiply and save nothing: {hidden} (--all shows them)")
    columns = tuple(
        [
            Column(column.name, column.header[:1] if exact else column.header, column.align, column.drop_order)
            for column in LAYER_COLUMNS
        ]
    )
    keep = [k for k, column in enumerate(columns) if column.name != "again" or report.options.checkpoint != "none"]
    return Grid(
        tuple([columns[k] for k in keep]),
        tuple([tuple([row[k] for k in keep]) for row in rows]),
        closing=(tuple([total[k] for k in keep]),),
        notes=tuple(notes),
    )


def run_grid(run: Run, hours: DeviceHours | None = None) -> Grid:
    """What a whole training takes, and how many hours of a device."""
    lines = [
        (f"{run.images:,} images · {run.epochs:,} epochs", f"{run.steps:,} steps"),
        ("multiply-adds of training", _human(run.macs)),
        (f"multiply-adds of testing an image, {run.views:,} views of it", _human(run.test_macs)),
    ]
    notes = []
    if hours is not None:
        lines.append(
            (f"hours of one {printable(hours.device)}", UNKNOWN if hours.hours is None else f"{hours.hours:,.1f}")
        )
        at = f"{hours.utilisation:.4g} % of {human(hours.peak, COUNT_UNITS)} FLOP/s in {hours.dtype}"
        notes.append(f"hours are those of 2 FLOPs for each multiply-add at {at}, the update left out")
        notes += [f"~ the peak is doubtful: {hours.doubt}"] if hours.doubt else []
    return Grid(RUN_COLUMNS, tuple([(Cell(what), Cell(count)) for what, count in lines]), notes=tuple(notes))


def _counts(row: TrainingRow) -> bool:
    figures = (row.trained, row.saved_bytes, row.forward_macs, row.backward_macs)
    return any(figure != 0 for figure in figures)


def _memory_line(what: str, bytes: int | None, least: str = "") -> tuple[Cell, ...]:
    if bytes is None:
        return Cell(what), Cell(UNKNOWN), Cell(UNKNOWN)
    return Cell(what), Cell(f"{bytes:,}"), Cell(f"{least}{human(bytes, MEMORY_UNITS)}")


def _in(symbol: str, value: int | None, exact: bool) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,}" if exact else in_unit(value, unit(symbol).worth)


def _human(value: int | None) -> str:
    return UNKNOWN if value is None else f"{human(value, COUNT_UNITS)} ({value:,})"


def _update(ops: Ops | None) -> str:
    if ops is None:
        return "operations not known"
    names = ("additions", "multiplications", "divisions", "special")
    counts = [f"{human(count, COUNT_UNITS)} {name}" for name in names if (count := getattr(ops, name))]
    return ", ".join(counts) or "none"
