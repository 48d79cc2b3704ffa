"""Which parameters decay → Grids, and JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

from archcalc.engine.report import Report
from archcalc.engine.settings import inputs_in_words
from archcalc.errors import printable
from archcalc.layers.core.base import ParameterRole
from archcalc.render.grid import MOST_ROWS, Cell, Column, Grid, beyond
from archcalc.training.weight_decay import TITLES, DecayedTensor, DecayRule, WeightDecay
from archcalc.units import percent

SCHEMA_VERSION = 1
IN_WORDS = {True: "decay", False: "keep", None: "?"}
NUMBERS = (("decays", True, "decay"), ("keeps", False, "keep"), ("unknown", None, "unknown"))
"""The columns of numbers that decay, that do not, and that may do either."""


def roles_grid(found: WeightDecay, report: Report) -> Grid:
    """A row for each use of parameters, and the sums of what decays and what does not."""
    columns = (
        Column("use", ("parameters",), "left"),
        Column("rule", ("weight decay",), "left"),
        Column("tensors", ("tensors",), drop_order=20),
        Column("numbers", ("numbers",)),
        Column("share", ("share",), drop_order=10),
    )
    whole = sum([tensor.numbers for tensor in found.tensors])

    def row(title: str, rule: str, tensors: list[DecayedTensor]) -> tuple[Cell, ...]:
        numbers = sum([tensor.numbers for tensor in tensors])
        return tuple(map(Cell, (title, rule, f"{len(tensors):,}", f"{numbers:,}", percent(numbers, whole, 2))))

    rows = [row(TITLES[role], IN_WORDS[tensors[0].decays], tensors) for role, tensors in found.by_role().items()]
    sums = [(word, [t for t in found.tensors if t.decays is decays]) for decays, word in IN_WORDS.items()]
    return Grid(
        columns,
        tuple(rows),
        closing=tuple(row("total", word, tensors) for word, tensors in sums if tensors),
        title=printable(report.title),
        caption=f"weight decay · {inputs_in_words(report.settings.inputs)}",
        notes=tuple(_notes(found)),
    )


def _notes(found: WeightDecay) -> Iterator[str]:
    unknown = [t for t in found.tensors if t.role is None]
    if unknown:
        names = ", ".join([f"{t.layer}.{t.name}" for t in unknown[:3]])
        more = f" and {len(unknown) - 3:,} more" if len(unknown) > 3 else ""
        kinds = ", ".join(dict.fromkeys([t.kind for t in unknown]))
        chosen = "" if unknown[0].decays is None else f" (--unknown {IN_WORDS[unknown[0].decays]} was given)"
        yield printable(f"a {kinds} may be anything, so {names}{more} could do either: --unknown chooses{chosen}")
    tied = any(t.role is ParameterRole.EMBEDDING for t in found.tensors)
    if tied:
        yield "embeddings: --embeddings decay or keep; a table that a linear layer is tied to counts once, as a table"


def layers_grid(found: WeightDecay) -> Grid:
    """A row for each layer with parameters: how many decay and how many do not."""
    columns = (
        Column("layer", ("layer",), "left"),
        Column("kind", ("kind",), "left", drop_order=10),
        *(Column(name, (word,)) for name, decays, word in NUMBERS if decays is not None or found.count(None)),
    )
    shown = [decays for _, decays, _ in NUMBERS if decays is not None or found.count(None)]

    def numbers(tensors: Iterable[DecayedTensor], decays: bool | None) -> str:
        return f"{sum([tensor.numbers for tensor in tensors if tensor.decays is decays]):,}"

    layers = list(found.by_layer().items())
    rows = [
        tuple(map(Cell, (printable(name), tensors[0].kind, *[numbers(tensors, decays) for decays in shown])))
        for name, tensors in layers[:MOST_ROWS]
    ]
    total = tuple(map(Cell, ("total", "", *[numbers(found.tensors, decays) for decays in shown])))
    return Grid(columns, tuple(rows), closing=(total,), notes=(beyond("layers"),) if len(layers) > MOST_ROWS else ())


def decay_data(found: WeightDecay, rule: DecayRule, report: Report) -> dict[str, Any]:
    """Every tensor, and the sums, as `archcalc weight-decay --json` prints them."""
    return {
        "architecture": report.architecture,
        "title": report.title,
        "settings": {**report.settings.inputs_to_dict(), "embeddings": rule.embeddings, "unknown": rule.unknown},
        "totals": {name: found.count(decays) for name, decays, _ in NUMBERS},
        "roles": {
            "unknown" if role is None else role.value: {
                "decays": tensors[0].decays,
                "tensors": len(tensors),
                "numbers": sum([tensor.numbers for tensor in tensors]),
            }
            for role, tensors in found.by_role().items()
        },
        "layers": [
            {"name": name, "kind": tensors[0].kind, "tensors": [tensor.to_dict() for tensor in tensors]}
            for name, tensors in found.by_layer().items()
        ],
    }


def decay_records(found: WeightDecay) -> list[dict[str, Any]]:
    """A record for each tensor."""
    return [{"layer": t.layer, "kind": t.kind, "tensor": t.name, **_without_name(t)} for t in found.tensors]


def _without_name(tensor: DecayedTensor) -> dict[str, Any]:
    return {key: value for key, value in tensor.to_dict().items() if key != "name"}
