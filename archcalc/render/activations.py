"""What activations and gradients are like → a Grid, and JSON."""

from typing import Any

from archcalc.engine.settings import inputs_in_words
from archcalc.errors import printable
from archcalc.render.grid import MOST_ROWS, Cell, Column, Grid, beyond
from archcalc.training.activations import JUST_RIGHT, RULES, Activations, Distribution, LayerActivations

SCHEMA_VERSION = 1
NOTHING, UNKNOWN = "", "?"
HEIGHTS = "▁▂▃▄▅▆▇█"


def activations_grid(found: Activations) -> Grid:
    """A row for each layer; the verdicts that are not just right stand out."""
    columns = (
        Column("layer", ("layer", ""), "left"),
        Column("kind", ("kind", ""), "left", drop_order=60),
        Column("mean", ("mean", ""), drop_order=50),
        Column("std", ("std", "")),
        Column("rms", ("rms", ""), drop_order=30),
        Column("theory", ("rms in", "theory"), drop_order=20),
        Column("flat", ("flat", "(%)"), drop_order=10),
        Column("histogram", (f"from {_reach(found.output_range[0])}", f"to {_reach(found.output_range[1])}"), "left"),
        Column("verdict", ("verdict", ""), "left"),
        Column("gradient", ("gradient", "rms")),
        Column(
            "gradients",
            (f"from {_reach(found.gradient_range[0])}", f"to {_reach(found.gradient_range[1])}"),
            "left",
            drop_order=40,
        ),
        Column("on_gradient", ("verdict on", "gradient"), "left"),
    )
    rows = found.layers[:MOST_ROWS]
    settings = found.settings
    caption = (
        f"{inputs_in_words(settings.inputs)} · batch {settings.batch:,} · {found.initialisation.text}"
        f" ({found.initialisation.rule}) · seed {found.seed} · training mode"
    )
    notes = [
        f"all in all: {found.verdict}",
        *RULES,
        "flat: the share that is saturated, or of units that are dead; rms: the root of the mean square",
        "theory: of wide layers whose inputs are independent; ? where it does not go",
    ]
    cut = (beyond("layers", "json holds all"),) if len(found.layers) > MOST_ROWS else ()
    return Grid(
        columns,
        tuple([_row(row) for row in rows]),
        title=printable(found.title),
        caption=printable(caption),
        notes=(*cut, *notes),
    )


def _row(row: LayerActivations) -> tuple[Cell, ...]:
    flat = row.saturated if row.saturated is not None else row.dead
    gradient = row.gradient
    return (
        Cell(printable(row.name)),
        Cell(row.kind),
        Cell("0.000" if abs(row.output.mean) < 0.0005 else _number(row.output.mean)),
        Cell(_number(row.output.std)),
        Cell(_number(row.output.rms)),
        Cell(UNKNOWN if row.theory is None else _number(row.theory)),
        Cell(NOTHING if flat is None else f"{100 * flat:.1f}"),
        Cell(bars(row.output)),
        Cell(row.verdict, row.verdict != JUST_RIGHT),
        Cell(NOTHING if gradient is None else _number(gradient.rms)),
        Cell(NOTHING if gradient is None else bars(gradient)),
        Cell(row.gradient_verdict or NOTHING, row.gradient_verdict not in (None, JUST_RIGHT)),
    )


def bars(found: Distribution) -> str:
    """A histogram as a row of blocks, a space where there is nothing.

    >>> bars(Distribution(0.0, 1.0, 1.0, (0, 1, 8, 16)))
    ' ▁▄█'
    """
    most = max(found.histogram, default=0)
    return "".join([HEIGHTS[max(0, (8 * n + most - 1) // most - 1)] if n else " " for n in found.histogram])


def _number(value: float) -> str:
    """Three figures of a number, however small; what is none says so."""
    if value != value:
        return "not a number"
    return f"{value:.3g}" if 0 < abs(value) < 0.0005 or abs(value) >= 1000 else f"{value:.3f}"


def _reach(value: float) -> str:
    return f"{value:.2g}"


def activations_data(found: Activations, taken_with: dict[str, str]) -> dict[str, Any]:
    """Every layer, as `archcalc activations --json` prints it."""
    settings = found.settings
    return {
        "architecture": found.architecture,
        "title": found.title,
        "environment": taken_with,
        "settings": {
            **settings.inputs_to_dict(),
            "batch": settings.batch,
            "initialisation": found.initialisation.text,
            "std": found.initialisation.std,
            "seed": found.seed,
        },
        "verdict": found.verdict,
        "rules": list(RULES),
        "output_range": list(found.output_range),
        "gradient_range": list(found.gradient_range),
        "layers": [row.to_dict() for row in found.layers],
    }


def activations_records(found: Activations) -> list[dict[str, Any]]:
    """A record for each layer, without the nesting of JSON."""
    records = []
    for row in found.layers:
        data = row.to_dict()
        output, gradient = (
            data.pop("output"),
            data.pop("gradient") or dict.fromkeys(("mean", "std", "rms", "histogram")),
        )
        parts = {"output": output, "gradient": gradient}
        flat = {f"{part}_{key}": value for part, held in parts.items() for key, value in held.items()}
        records.append({**data, **flat})
    return records
