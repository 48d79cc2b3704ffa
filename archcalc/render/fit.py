"""Fit → Grids: what takes how much of a memory, and what would make a network fit."""

from archcalc.engine.settings import inputs_in_words
from archcalc.errors import printable
from archcalc.hardware.fit import Fit, Need, Verdict, Way
from archcalc.render.grid import Cell, Column, Grid
from archcalc.units import MEMORY_UNITS, human

NEED_COLUMNS = (
    Column("what", ("what takes memory",), "left"),
    Column("bytes", ("bytes",), drop_order=10),
    Column("human", ("",)),
)
WAY_COLUMNS = (
    Column("way", ("what would change it",), "left"),
    Column("needs", ("needs",)),
    Column("fits", ("fits",), "left"),
    Column("largest", ("largest batch",)),
)
WORDS: dict[Verdict, str] = {"yes": "yes", "no": "no", "unknown": "not known"}
LEFT_OUT = "not counted: what kernels take for themselves, the device's context, gaps of the allocator (--reserve)"


def need_grid(fit: Fit, where: str, doubts: tuple[str, ...] = ()) -> Grid:
    """The answer, what takes how much of the memory of `where`, and the largest batch; `doubts` are told below."""
    need = fit.need
    rows = [_line(name, bytes) for name, bytes in need.parts.items()]
    most = [f"the most is alive at {printable(need.at)}"] if need.at else []
    closing = [_line("together", need.bytes, _least(need)), _line(printable(where), fit.memory_bytes)]
    closing += [_line("reserve", fit.reserve_bytes)] if fit.reserve_bytes else []
    if fit.margin_bytes >= 0:
        closing.append(_line("left", fit.margin_bytes, "" if need.exact else "at most "))
    else:
        closing.append(_line("missing", -fit.margin_bytes, _least(need)))
    return Grid(
        NEED_COLUMNS,
        tuple(rows),
        closing=tuple(closing),
        title=printable(_answer(fit, where)),
        caption=printable(_caption(fit)),
        notes=(_largest(fit), *most, *need.notes, *doubts, LEFT_OUT),
    )


def ways_grid(fit: Fit) -> Grid | None:
    """What may be done where it does not fit, each with what it takes and the largest batch; None where nothing is."""
    rows = [(Cell(way.options), *_of(way.need, way.verdict), Cell(_count_of(way))) for way in fit.ways]
    if fit.cards is not None:
        share = -(-fit.settings.batch // fit.cards)
        need = fit.workload.need(share)
        what = f"{fit.cards:,} such devices, a batch of {share:,} on each"
        whole = fit.largest_batch * fit.cards
        rows.append((Cell(what), *_of(need, need.verdict(fit.available_bytes)), Cell(f"{whole:,}")))
    notes = []
    if fit.cards_at_least is not None:
        notes.append(
            "no batch fits: devices that share a batch hold all parameters each, so that more of them do not help"
        )
        notes.append(
            f"where all of it is split evenly, a batch of 1 takes at least {fit.cards_at_least:,} such devices"
        )
    if fit.workload.training is not None and any("bfloat16" in way.options for way in fit.ways):
        notes.append("in bfloat16 the whole network is in 16 bits; torch.autocast keeps more")
    return Grid(WAY_COLUMNS, tuple(rows), notes=tuple(notes)) if rows or notes else None


def _answer(fit: Fit, where: str) -> str:
    left, memory = human(abs(fit.margin_bytes), MEMORY_UNITS), human(fit.memory_bytes, MEMORY_UNITS)
    if fit.verdict == "yes":
        return f"yes: {fit.workload.graph.name} fits {where}, {left} of {memory} are left"
    at_least = "" if fit.need.exact else "at least "
    if fit.verdict == "no":
        return f"no: {fit.workload.graph.name} does not fit {where}, {at_least}{left} more than {memory} are needed"
    needed = human(fit.need.bytes, MEMORY_UNITS)
    return f"not known: {fit.workload.graph.name} needs at least {needed} of the {memory} of {where}"


def _caption(fit: Fit) -> str:
    settings, training = fit.settings, fit.workload.training
    words = [inputs_in_words(settings.inputs), f"batch {settings.batch:,}", settings.dtype]
    if training is None:
        return " · ".join([*words, "inference"])
    words += [training.optimizer, *(["float32 master weights"] if training.master_weights else [])]
    words += [f"checkpoint {training.checkpoint}"] if training.checkpoint != "none" else []
    words += [f"{len(training.frozen)} layers frozen"] if training.frozen else []
    return " · ".join([*words, "training"])


def _largest(fit: Fit) -> str:
    if not fit.largest_batch:
        return "largest batch: none, a batch of 1 does not fit"
    return f"largest batch: {'' if fit.largest_is_exact else 'at most '}{fit.largest_batch:,}"


def _least(need: Need) -> str:
    return "" if need.exact else "at least "


def _line(what: str, bytes: int, least: str = "") -> tuple[Cell, ...]:
    return Cell(what), Cell(f"{bytes:,}"), Cell(f"{least}{human(bytes, MEMORY_UNITS)}")


def _of(need: Need, verdict: Verdict) -> tuple[Cell, Cell]:
    return Cell(f"{_least(need)}{human(need.bytes, MEMORY_UNITS)}"), Cell(WORDS[verdict])


def _count_of(way: Way) -> str:
    at_most = "" if way.largest_is_exact else "at most "
    return f"{at_most}{way.largest_batch:,}" if way.largest_batch else "none"
