"""Placement → Grids: what each device holds of a network, and what crosses between them."""

from archcalc.engine.settings import inputs_in_words
from archcalc.errors import printable
from archcalc.hardware.placement import Part, Placement
from archcalc.render.fit import LEFT_OUT, WORDS
from archcalc.render.grid import Cell, Column, Grid
from archcalc.units import MEMORY_UNITS, human

UNKNOWN = "?"
PART_COLUMNS = (
    Column("name", ("card",), "left"),
    Column("layers", ("layers",), drop_order=20),
    Column("parameters", ("parameters",)),
    Column("gradients", ("gradients",), drop_order=10),
    Column("state", ("state",), drop_order=10),
    Column("saved", ("saved",)),
    Column("received", ("received",)),
    Column("at_least", ("at least",)),
    Column("at_most", ("at most",)),
    Column("fits", ("fits",), "left"),
)
CROSSING_COLUMNS = (
    Column("layer", ("what crosses",), "left"),
    Column("from", ("from",), "left"),
    Column("to", ("to",), "left"),
    Column("bytes", ("bytes",)),
    Column("human", ("",)),
)


def parts_grid(found: Placement, where: str, doubts: tuple[str, ...] = ()) -> Grid:
    """One line a device, and whether its part fits."""
    settings, training = found.settings, found.training
    words = [inputs_in_words(settings.inputs), f"batch {settings.batch:,}", settings.dtype]
    words += ["inference"] if training is None else [training.optimizer, "training"]
    memory = human(found.memory_bytes, MEMORY_UNITS)
    answer = f"{WORDS[found.verdict]}: {found.architecture} on {len(found.parts)} of {where}, {memory} each"
    notes = ["saved: what the backward pass needs of its layers; received: what crosses to it"]
    notes.append("at most: with all that the whole network has alive at once")
    if any(part.at_most is None for part in found.parts):
        notes.append("of some layers it is not known what they have alive, so that the most is not known")
    notes += [f"reserve: {human(found.reserve_bytes, MEMORY_UNITS)} of each"] if found.reserve_bytes else []
    return Grid(
        PART_COLUMNS,
        tuple([_line(part, found.available_bytes) for part in found.parts]),
        title=printable(answer),
        caption=printable(" · ".join(words)),
        notes=(*notes, *doubts, LEFT_OUT),
    )


def crossings_grid(found: Placement) -> Grid:
    """One line for each tensor that crosses."""
    rows = [
        (
            Cell(printable(one.layer)),
            Cell(one.source),
            Cell(one.target),
            Cell(f"{one.bytes:,}"),
            Cell(_human(one.bytes)),
        )
        for one in found.crossings
    ]
    total = sum([one.bytes for one in found.crossings])
    closing = (Cell("together"), Cell(""), Cell(""), Cell(f"{total:,}"), Cell(_human(total)))
    notes = ("as many bytes go back, as gradients",) if found.training is not None else ()
    return Grid(CROSSING_COLUMNS, tuple(rows), closing=(closing,), notes=notes)


def _line(part: Part, available: int) -> tuple[Cell, ...]:
    figures = (part.parameters, part.gradients, part.state, part.saved, part.received, part.at_least, part.at_most)
    cells = [Cell(UNKNOWN if bytes is None else _human(bytes)) for bytes in figures]
    return Cell(printable(part.name)), Cell(f"{part.layers:,}"), *cells, Cell(WORDS[part.verdict(available)])


def _human(bytes: int) -> str:
    return human(bytes, MEMORY_UNITS)
