"""Devices → Grids: all of them side by side, and all that is known of one."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from archcalc.errors import printable
from archcalc.hardware.devices import CERTAINTIES, PEAKS, Device, Fact
from archcalc.render.grid import Cell, Column, Grid
from archcalc.units import COUNT_UNITS, MEMORY_UNITS, human, percent

if TYPE_CHECKING:
    from fractions import Fraction

UNKNOWN = "?"
DOUBTFUL = "~"
COLUMNS = (
    Column("name", ("device",), "left"),
    Column("title", ("title",), "left", drop_order=30),
    Column("memory", ("memory",)),
    Column("bandwidth", ("bandwidth",)),
    Column("float32", ("float32", "FLOP/s")),
    Column("float16", ("float16", "FLOP/s")),
    Column("bfloat16", ("bfloat16", "FLOP/s")),
    Column("float8", ("float8", "FLOP/s"), drop_order=20),
    Column("int8", ("int8", "FLOP/s"), drop_order=10),
)
FACT_COLUMNS = (
    Column("what", ("what",), "left"),
    Column("value", ("value",)),
    Column("certainty", ("certainty",), "left"),
    Column("note", ("note",), "left", least=14),
)


def rate(value: int) -> str:
    """Bytes a second, in powers of 1000 as data sheets have them.

    >>> rate(1008 * 10**9)
    '1.01 TB/s'
    """
    return f"{human(value, COUNT_UNITS)}B/s"


def devices_grid(devices: Iterable[Device]) -> Grid:
    """One line a device; `~` before a value on which no two sources agree."""
    listed = list(devices)
    rows = [
        (
            Cell(printable(device.name)),
            Cell(printable(device.title)),
            Cell(_short(device.memory, _memory)),
            Cell(_short(device.bandwidth, rate)),
            *[Cell(_short(device.peak.get(column.name), _count)) for column in COLUMNS[4:]],
        )
        for device in listed
    ]
    notes = [
        "peaks are those of dense products, a multiply-add being two operations; none is with sparsity",
        f"{DOUBTFUL} no two sources agree; {UNKNOWN} not known; archcalc devices NAME says more of one",
    ]
    own = [device.name for device in listed if device.is_own]
    notes += [f"of your configuration: {', '.join(map(printable, own))}"] if own else []
    return Grid(COLUMNS, tuple(rows), notes=tuple(notes))


def device_grid(device: Device) -> Grid:
    """All that is known of a device, with how sure it is and where it is from."""
    facts: list[tuple[str, Fact | None, str]] = [
        ("memory", device.memory, "memory"),
        ("memory by its driver", device.memory_reported, "memory"),
        ("bandwidth", device.bandwidth, "rate"),
    ]
    facts += [(f"peak in {dtype}", device.peak.get(dtype), "count") for dtype in PEAKS]
    words: dict[str, Callable[[int], str]] = {
        "memory": _memory,
        "rate": rate,
        "count": lambda value: f"{_count(value)} FLOP/s",
    }
    rows = [
        (Cell(what), Cell(UNKNOWN), Cell("not known"), Cell(""))
        if fact is None
        else (
            Cell(what),
            Cell(words[of](fact.value)),
            Cell(CERTAINTIES[fact.certainty]),
            Cell(printable(fact.note)),
        )
        for what, fact, of in facts
    ]
    rows += [_share_line(dtype, share) for dtype, share in device.matmul_share.items()]
    about = [device.vendor, device.kind, device.released]
    notes = [device.note] if device.note else []
    notes += ["computed: units times rate times clock"] if any(_is_computed(fact) for _, fact, _ in facts) else []
    notes += [f"source: {source}" for source in device.sources]
    caption = " · ".join([part for part in about if part])
    return Grid(
        FACT_COLUMNS,
        tuple(rows),
        title=printable(device.title),
        caption=printable(caption),
        notes=tuple(map(printable, notes)),
    )


def _is_computed(fact: Fact | None) -> bool:
    return fact is not None and fact.certainty == "computed"


def _share_line(dtype: str, share: "Fraction") -> tuple[Cell, Cell, Cell, Cell]:
    reached = percent(share.numerator, share.denominator, 1)
    return Cell(f"matmul share, {dtype}"), Cell(reached), Cell("measured"), Cell("what large products reach")


def _memory(value: int) -> str:
    return human(value, MEMORY_UNITS)


def _count(value: int) -> str:
    return human(value, COUNT_UNITS)


def _short(fact: Fact | None, words: Callable[[int], str]) -> str:
    return UNKNOWN if fact is None else f"{DOUBTFUL if fact.is_doubtful else ''}{words(fact.value)}"
