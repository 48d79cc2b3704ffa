"""Timings → Grids: the layers of one architecture, or a line for each of several, with what the roof was."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from archcalc.errors import printable
from archcalc.evidence.timing import (
    FASTER_THAN_MEMORY,
    NEAR_THE_ROOF,
    NOISY,
    TIMES_THE_SHORTEST,
    LayerTiming,
    Roof,
    Samples,
    Timing,
)
from archcalc.render.grid import Cell, Column, Grid
from archcalc.render.summary import holding_half
from archcalc.units import COUNT_UNITS, MEMORY_UNITS, TIME_UNITS, human, in_unit, percent, unit

UNKNOWN, NOTHING = "?", ""
LAYER_COLUMNS = (
    Column("layer", ("layer",), "left"),
    Column("macs", ("MACs", "(M)"), drop_order=40),
    Column("moved", ("moved", "(MiB)"), drop_order=50),
    Column("intensity", ("MACs", "/byte"), drop_order=20),
    Column("time", ("time", "(ms)")),
    Column("share", ("time", "(%)"), drop_order=15),
    Column("spread", ("spread", "(%)"), drop_order=30),
    Column("mac_rate", ("GMAC", "/s"), drop_order=10),
    Column("byte_rate", ("GiB", "/s"), drop_order=12),
    Column("roof", ("of roof", "(%)"), drop_order=25),
    Column("bound", ("", "bound by"), "left"),
)
NETWORK_COLUMNS = (
    Column("name", ("name",), "left"),
    Column("layers", ("layers",), drop_order=30),
    Column("macs", ("MACs",), drop_order=5),
    Column("time", ("time", "(ms)")),
    Column("compiled", ("compiled", "(ms)")),
    Column("spread", ("spread", "(%)"), drop_order=20),
    Column("mac_rate", ("GMAC", "/s"), drop_order=10),
    Column("rate", ("samples", "/s"), drop_order=8),
    Column("memory", ("memory-", "bound (%)"), drop_order=15),
)


def caption(timing: Timing, taken_with: Mapping[str, object]) -> str:
    """What the times were taken with."""
    settings, device = timing.report.settings, taken_with["device_name"]
    where = f"{device}, threads {taken_with['threads']}" if taken_with["device"] == "cpu" else device
    runs = f"median of {len(timing.whole.seconds):,}"
    return f"torch {taken_with['torch']} on {where} · batch {settings.batch:,} · {settings.dtype} · eval mode · {runs}"


def layers_grid(timing: Timing, caption: str, *, all_layers: bool = False) -> Grid:
    """Every layer that takes part, and the whole; those that move nothing only with `all_layers`.

    The layers that together take at least half of the time stand out.
    """
    hidden = [layer for layer in timing.layers if layer.bound == "moves nothing" and not all_layers]
    shown = [layer for layer in timing.layers if all_layers or layer.bound != "moves nothing"]
    heavy = {layer.row.name for layer in holding_half(timing.layers, lambda layer: layer.seconds or 0)}
    rows = tuple(_layer_cells(layer, timing, layer.row.name in heavy) for layer in shown)
    closing = [_closing("sum of layers", timing.layers_seconds, None), _whole_line("whole", timing.whole, timing)]
    if timing.compiled is not None:
        closing.append(_whole_line("compiled", timing.compiled, timing))
    return Grid(
        LAYER_COLUMNS,
        rows,
        closing=tuple(closing),
        title=printable(timing.report.title),
        caption=caption,
        notes=tuple(_layer_notes(timing, hidden)),
    )


def networks_grid(timings: Sequence[Timing], roof: Roof, caption: str) -> Grid:
    """A line for each architecture."""
    rows = tuple(tuple(map(Cell, _network_line(timing))) for timing in timings)
    notes = (
        "spread: the middle half of the times, as a share of the median; memory-bound: of the time of the layers",
        _roof_words(roof),
        *_noise(timings),
    )
    grid = Grid(NETWORK_COLUMNS, rows, caption=caption, notes=notes)
    names = [column.name for column in NETWORK_COLUMNS]
    return grid if any(timing.compiled for timing in timings) else grid.without(names.index("compiled"))


def _layer_cells(layer: LayerTiming, timing: Timing, heavy: bool) -> tuple[Cell, ...]:
    row, samples = layer.row, layer.samples
    texts = {
        "layer": printable(row.name),
        "macs": _count(row.macs, "M"),
        "moved": _count(layer.bytes_moved, "MiB"),
        "intensity": _rate(layer.macs_per_byte, 1, 1) if layer.bytes_moved else NOTHING,
        "time": NOTHING if layer.seconds is None else _milliseconds(layer.seconds),
        "share": _percent(layer.seconds, timing.layers_seconds, 1),
        "spread": NOTHING if samples is None else _spread(samples),
        "mac_rate": _rate(layer.macs_per_second, unit("G").worth),
        "byte_rate": _rate(layer.bytes_per_second, unit("GiB").worth),
        "roof": _percent(layer.share_of_roof, 1),
        "bound": "does not run" if samples is None else layer.bound or UNKNOWN,
    }
    if samples is None or layer.bound in ("too short", "moves nothing"):
        texts |= dict.fromkeys(("mac_rate", "byte_rate", "roof"), NOTHING)
    return tuple(Cell(texts[column.name], heavy and column.name == "time") for column in LAYER_COLUMNS)


def _whole_line(label: str, samples: Samples, timing: Timing) -> tuple[Cell, ...]:
    return _closing(label, samples.median, timing, samples)


def _closing(label: str, seconds: float, timing: Timing | None, samples: Samples | None = None) -> tuple[Cell, ...]:
    texts = {"layer": label, "time": _milliseconds(seconds)}
    if timing is not None and samples is not None:
        texts["spread"] = _spread(samples)
        texts["macs"] = _count(timing.macs, "M")
        texts["mac_rate"] = _rate(timing.macs_per_second(samples), unit("G").worth)
    return tuple(Cell(texts.get(column.name, NOTHING)) for column in LAYER_COLUMNS)


def _network_line(timing: Timing) -> tuple[str, ...]:
    in_memory = timing.seconds_by_bound()["memory"]
    return (
        printable(timing.report.architecture),
        f"{len(timing.layers):,}",
        UNKNOWN if timing.macs is None else human(timing.macs, COUNT_UNITS),
        _milliseconds(timing.whole.median),
        NOTHING if timing.compiled is None else _milliseconds(timing.compiled.median),
        _spread(timing.best),
        _rate(timing.macs_per_second(timing.best), unit("G").worth),
        _rate(timing.samples_per_second, 1, 1),
        _percent(in_memory, timing.layers_seconds),
    )


def _layer_notes(timing: Timing, hidden: Sequence[LayerTiming]) -> Iterable[str]:
    heavy = holding_half(timing.layers, lambda layer: layer.seconds or 0)
    if heavy:
        more = f" and {len(heavy) - 3:,} more" if len(heavy) > 3 else ""
        names = printable(", ".join(layer.row.name for layer in heavy[:3]))
        share = _percent(sum(layer.seconds or 0 for layer in heavy), timing.layers_seconds)
        yield f"* {names}{more} take {share} % of the layers' time"
    by_bound = [
        f"{bound} {_percent(s, timing.layers_seconds)} %" for bound, s in timing.seconds_by_bound().most_common()
    ]
    if by_bound:
        yield f"the layers' time by what bounds them: {', '.join(by_bound)}"
    yield _roof_words(timing.roof)
    yield (
        f"bound by compute or memory: the layer reaches {100 * NEAR_THE_ROOF:.0f} % of that part of the roof; cache: "
        f"over {100 * FASTER_THAN_MEMORY:.0f} % of the memory's rate; too short: below {TIMES_THE_SHORTEST} times the "
        f"{_short(timing.roof.shortest_seconds)} that one element takes"
    )
    yield (
        "moved: inputs, output and parameters, each once, at the least; layers are timed between hooks, the whole "
        "without"
    )
    if timing.compiled is not None:
        yield "torch.compile fuses layers, so their times are those of the network as it is, not compiled"
    kinds = Counter(layer.row.kind for layer in hidden)
    if kinds:
        counted = ", ".join(f"{kind} ×{n:,}" for kind, n in kinds.items())
        yield f"not shown: {counted} (views of their input, which move nothing; --all shows them)"
    yield from _noise([timing])


def _roof_words(roof: Roof) -> str:
    memory = f"{human(round(roof.bytes_per_second), MEMORY_UNITS)}/s"
    return (
        f"roof, measured in this run: matrix product {_macs_rate(roof.matmul_macs_per_second)}, convolution "
        f"{_macs_rate(roof.conv_macs_per_second)}, memory (copy or sum) {memory}"
    )


def _noise(timings: Sequence[Timing]) -> Iterable[str]:
    for n in sorted({len(t.best.seconds) for t in timings if t.best.spread is None}):
        yield f"{n:,} repetition{'s' if n > 1 else ''}: too few for a spread"
    noisy = [timing for timing in timings if timing.best.is_noisy]
    if noisy:
        most = max((timing.best for timing in noisy), key=lambda samples: samples.spread or 0)
        spread = f"{_up_to(noisy)}{_spread(most)} % of the median, more than {100 * NOISY:.0f} %"
        yield f"warning: noise in {_first(noisy)}: the middle half of the times spreads over {spread}"
    busy = [timing for timing in timings if timing.is_disturbed]
    if busy:
        most_often = max(timing.preemptions_per_second or 0 for timing in busy)
        yield (
            f"warning: while {_first(busy)} ran, the system interrupted it for other work {_up_to(busy)}"
            f"{most_often:,.0f} times a second: the machine was busy; fewer --threads may help"
        )


def _first(timings: Sequence[Timing]) -> str:
    more = f" and {len(timings) - 3:,} more" if len(timings) > 3 else ""
    return printable(", ".join(timing.report.architecture for timing in timings[:3])) + more


def _up_to(timings: Sequence[Timing]) -> str:
    return "up to " if len(timings) > 1 else ""


def _macs_rate(macs_per_second: float) -> str:
    return f"{human(round(macs_per_second), COUNT_UNITS)}MAC/s"


def _milliseconds(seconds: float) -> str:
    return in_unit(round(seconds * 1e9), unit("ms").worth, 3)


def _short(seconds: float) -> str:
    return human(round(seconds * 1e9), TIME_UNITS)


def _spread(samples: Samples) -> str:
    return UNKNOWN if samples.spread is None else _percent(samples.spread, 1)


def _count(count: int | None, symbol: str) -> str:
    return UNKNOWN if count is None else in_unit(count, unit(symbol).worth, 2)


def _rate(rate: float | None, worth: int, decimals: int = 2) -> str:
    """A rate in units of `worth`, as whole thousandths of one until it is rounded."""
    return UNKNOWN if rate is None else in_unit(round(1000 * rate), 1000 * worth, decimals)


def _percent(part: float | None, whole: float, decimals: int = 0) -> str:
    if part is None or not whole:
        return UNKNOWN
    return percent(round(part / whole * 10**6), 10**6, decimals).removesuffix(" %")
