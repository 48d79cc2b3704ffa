"""Roofline → Grid: the least time of each layer, and what bounds it."""

from collections.abc import Sequence

from archcalc.engine.settings import inputs_in_words
from archcalc.errors import printable
from archcalc.hardware.roofline import Roofline, RooflineRow
from archcalc.render.devices import rate
from archcalc.render.grid import Cell, Column, Grid
from archcalc.render.summary import holding_half
from archcalc.units import COUNT_UNITS, TIME_UNITS, human, in_unit, percent, unit

UNKNOWN, NOTHING = "?", ""
COLUMNS = (
    Column("layer", ("layer",), "left"),
    Column("macs", ("MACs", "(M)"), drop_order=30),
    Column("moved", ("moved", "(MiB)"), drop_order=40),
    Column("intensity", ("MACs", "/byte"), drop_order=20),
    Column("compute", ("compute", "(µs)"), drop_order=15),
    Column("memory", ("memory", "(µs)"), drop_order=12),
    Column("time", ("at least", "(µs)")),
    Column("share", ("time", "(%)"), drop_order=10),
    Column("bound", ("", "bound by"), "left"),
    Column("measured", ("measured", "(µs)")),
)


def roofline_grid(
    found: Roofline, *, measured: Sequence[float | None] = (), measured_on: str = "", all_layers: bool = False
) -> Grid:
    """Every layer that moves anything, and all of them together.

    Beside them stand the `measured` seconds: those of each layer, and of the whole last.
    The layers that together take at least half of the time stand out.
    """
    heavy = {id(layer) for layer in holding_half(found.layers, lambda layer: layer.seconds)}
    beside = [*measured] or [None] * (len(found.layers) + 1)
    shown = [
        (layer, seconds)
        for layer, seconds in zip(found.layers, beside, strict=False)
        if all_layers or layer.bound != "moves nothing"
    ]
    rows = [_line(layer, found.seconds, seconds, strong=id(layer) in heavy) for layer, seconds in shown]
    least = "" if found.is_known else "≥ "
    total = {"layer": "all, one by one", "time": f"{least}{_micro(found.seconds)}", "measured": _micro(beside[-1])}
    closing = tuple([Cell(total.get(column.name, NOTHING)) for column in COLUMNS])
    grid = Grid(
        COLUMNS,
        tuple(rows),
        closing=(closing,),
        title=printable(found.report.title),
        caption=printable(_caption(found)),
        notes=tuple(map(printable, _notes(found, len(found.layers) - len(shown), measured_on))),
    )
    return grid if measured else grid.without(len(COLUMNS) - 1)


def _caption(found: Roofline) -> str:
    settings = found.report.settings
    words = [found.device.title, inputs_in_words(settings.inputs), f"batch {settings.batch:,}", settings.dtype]
    return " · ".join([*words, *(["products in TF32"] if found.dtype == "tf32" else []), "inference"])


def _notes(found: Roofline, hidden: int, measured_on: str) -> list[str]:
    peak, bandwidth = f"{human(found.peak.value, COUNT_UNITS)} FLOP/s", rate(found.bandwidth.value)
    notes = [
        f"time is at least that of 2 FLOPs for each MAC at {peak} in {found.dtype}, and of the bytes at {bandwidth}",
        f"products bound a layer from {found.ridge_macs_per_byte:,.1f} MACs for each byte on",
    ]
    by_bound = {name: seconds for name, seconds in found.seconds_by_bound().items() if seconds}
    if by_bound:
        shares = ", ".join([f"{name} {_share(part, found.seconds)}" for name, part in by_bound.items()])
        notes.append(f"shares of the time by what bounds it: {shares}")
    if found.samples_per_second is not None:
        notes.append(f"at most {found.samples_per_second:,.0f} samples a second")
    if found.share is not None and found.seconds_at_share is not None:
        reached = percent(found.share.numerator, found.share.denominator, 1)
        notes.append(
            f"large products in {found.dtype} were measured to reach {reached} of the peak: "
            f"then at least {_human(found.seconds_at_share)}"
        )
    else:
        notes.append(
            "no kernel reaches the peak; what large products reach of it is not known of this device and dtype"
        )
    notes += [
        f"~ {what} is doubtful: {fact.doubt}"
        for what, fact in (("the peak", found.peak), ("the bandwidth", found.bandwidth))
        if fact.is_doubtful
    ]
    if not found.is_known:
        notes.append("of some layers the operations or the bytes are not known: they take more")
    if hidden:
        notes.append(f"hidden, for they move nothing: {hidden} (--all shows them)")
    return [*notes, *([f"measured: {measured_on}"] if measured_on else [])]


def _line(layer: RooflineRow, whole: float, measured: float | None, *, strong: bool) -> tuple[Cell, ...]:
    row = layer.row
    texts = {
        "layer": printable(row.name),
        "macs": UNKNOWN if row.macs is None else in_unit(row.macs, unit("M").worth, 1),
        "moved": UNKNOWN if layer.bytes_moved is None else in_unit(layer.bytes_moved, unit("MiB").worth, 1),
        "intensity": NOTHING if layer.macs_per_byte is None else f"{layer.macs_per_byte:,.1f}",
        "compute": UNKNOWN if layer.compute_seconds is None else _micro(layer.compute_seconds),
        "memory": UNKNOWN if layer.memory_seconds is None else _micro(layer.memory_seconds),
        "time": f"{'' if layer.is_known else '≥ '}{_micro(layer.seconds)}",
        "share": _share(layer.seconds, whole).removesuffix(" %"),
        "bound": layer.bound or UNKNOWN,
        "measured": _micro(measured),
    }
    return tuple([Cell(texts[column.name], strong and column.name == "time") for column in COLUMNS])


def _micro(seconds: float | None) -> str:
    return NOTHING if seconds is None else in_unit(round(seconds * 10**12), 10**6, 1)


def _human(seconds: float) -> str:
    return human(round(seconds * 10**9), TIME_UNITS)


def _share(part: float, whole: float) -> str:
    return percent(round(part * 10**15), round(whole * 10**15))
