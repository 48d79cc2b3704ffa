"""The steps of a transfer → a Grid, and JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from archcalc.engine.report import Report
from archcalc.engine.settings import inputs_in_words
from archcalc.errors import printable
from archcalc.render.grid import Cell, Column, Grid
from archcalc.training.transfer import TransferStep
from archcalc.units import COUNT_UNITS, MEMORY_UNITS, Unit, human, percent

SCHEMA_VERSION = 1
UNKNOWN = "?"
ALL, EXTRACT, FINETUNE = "all", "extract", "finetune"
RATES = {ALL: "1", EXTRACT: "1", FINETUNE: "1/10"}
"""The learning rates of the steps, as parts of the one that all is trained at."""
MOST_NAMED = 6


class Transfer(msgspec.Struct, frozen=True):
    """What a transfer costs: the steps of it, beside training all; which layers are new, and how many outputs they had.

    `frozen_up_to` is the layer up to which the step of fine-tuning freezes; None for nothing.
    """

    report: Report
    everything: TransferStep
    steps: tuple[TransferStep, ...]
    new: dict[str, int]
    outputs: int
    frozen_up_to: str | None = None


def steps_grid(found: Transfer) -> Grid:
    """A row for each step, and one for all layers trained, to compare with."""
    columns = (
        Column("step", ("step", ""), "left"),
        Column("rate", ("learning", "rate"), drop_order=20),
        Column("trained", ("trained", "params")),
        Column("frozen", ("frozen", "params"), drop_order=10),
        Column("forward", ("forward", "MACs"), drop_order=2),
        Column("backward", ("backward", "MACs")),
        Column("share", ("MACs", "of all"), drop_order=1),
        Column("kept", ("kept for", "backward")),
        Column("peak", ("most", "at once"), drop_order=15),
    )
    steps = [found.everything, *found.steps]
    settings = found.report.settings
    closing = () if len(found.steps) < 2 else (_both(found),)
    return Grid(
        columns,
        tuple([_row(step, label, found.everything) for step, label in zip(steps, _labels(found), strict=True)]),
        closing=closing,
        title=printable(found.report.title),
        caption=f"{inputs_in_words(settings.inputs)} · batch {settings.batch:,} · {settings.dtype} · one training step",
        notes=tuple([printable(note) for note in _notes(found)]),
    )


def _labels(found: Transfer) -> list[str]:
    several = len(found.steps) > 1
    return ["train all", *[f"{i}. {step.name}" if several else step.name for i, step in enumerate(found.steps, 1)]]


def _row(step: TransferStep, label: str, everything: TransferStep) -> tuple[Cell, ...]:
    texts = (
        label,
        RATES[step.name],
        human(step.cost.trained, COUNT_UNITS),
        human(step.frozen, COUNT_UNITS),
        _quantity(step.cost.forward_macs, COUNT_UNITS),
        _quantity(step.cost.backward_macs, COUNT_UNITS),
        _share(step.cost.step_macs, everything.cost.step_macs),
        _quantity(step.cost.saved_bytes, MEMORY_UNITS),
        f"{'' if step.cost.peak_is_exact else '≥ '}{human(step.cost.peak_bytes, MEMORY_UNITS)}",
    )
    return tuple(map(Cell, texts))


def _both(found: Transfer) -> tuple[Cell, ...]:
    """A step of each: what they take together, as a part of as many steps of training all."""
    macs = [step.cost.step_macs for step in found.steps]
    whole = found.everything.cost.step_macs
    forward = [step.cost.forward_macs for step in found.steps]
    backward = [step.cost.backward_macs for step in found.steps]
    both = None if None in macs else sum([n for n in macs if n is not None])
    share = _share(both, None if whole is None else len(macs) * whole)
    texts = ("1 + 2", "", "", "", _added(forward), _added(backward), share, "", "")
    return tuple(map(Cell, texts))


def _added(values: Sequence[int | None]) -> str:
    return UNKNOWN if None in values else human(sum([n for n in values if n is not None]), COUNT_UNITS)


def _quantity(value: int | None, units: tuple[Unit, ...]) -> str:
    return UNKNOWN if value is None else human(value, units)


def _share(part: int | None, whole: int | None) -> str:
    return UNKNOWN if part is None or not whole else percent(part, whole)


def _notes(found: Transfer) -> Iterator[str]:
    new = list(found.new)
    more = f" and {len(new) - MOST_NAMED:,} more" if len(new) > MOST_NAMED else ""
    had = " and ".join(dict.fromkeys([f"{n:,}" for n in found.new.values()]))
    verb = "are" if len(new) > 1 else "is"
    yield f"{', '.join(new[:MOST_NAMED])}{more} {verb} new: {found.outputs:,} outputs in place of {had}"
    for step in found.steps:
        if step.name == EXTRACT:
            yield "extract: all layers before what is new are frozen"
        elif found.frozen_up_to is None:
            yield "finetune: all layers are trained, at a tenth of the learning rate"
        else:
            yield f"finetune: frozen up to {found.frozen_up_to}; the rest is trained at a tenth of the learning rate"
        if step.frozen_norms:
            yield (
                f"{step.name}: {step.frozen_norms:,} frozen batch norm{'s' if step.frozen_norms > 1 else ''} in eval "
                "mode, with the statistics that they have"
            )
    if any(step.frozen for step in found.steps):
        yield "frozen layers before the first trained one have no backward pass and keep nothing for it"
    yield (
        f"most at once: with parameters, gradients and the state of {found.everything.cost.options.optimizer}; ≥ is at "
        "the least"
    )
    if any(step.cost.saved_bytes is None for step in (found.everything, *found.steps)):
        yield "?: of some layers it is unknown what they keep"


def transfer_data(found: Transfer, spec: str) -> dict[str, Any]:
    """The steps with their layers, and the spec, as `archcalc transfer --json` prints them."""
    steps = {step.name: step for step in (found.everything, *found.steps)}
    settings = found.report.settings
    return {
        "architecture": found.report.architecture,
        "title": found.report.title,
        "settings": {
            **settings.inputs_to_dict(),
            "batch": settings.batch,
            "dtype": settings.dtype,
            "optimizer": found.everything.cost.options.optimizer,
        },
        "outputs": found.outputs,
        "new": [{"layer": name, "outputs_before": before} for name, before in found.new.items()],
        "frozen_up_to": found.frozen_up_to,
        "steps": {name: _step_data(step) for name, step in steps.items()},
        "spec": spec,
    }


def _step_data(step: TransferStep) -> dict[str, Any]:
    frozen = set(step.cost.options.frozen)
    return {
        "learning_rate": RATES[step.name],
        **figures(step),
        "layers": [{**row.to_dict(), "frozen": row.name in frozen} for row in step.cost.layers],
    }


def figures(step: TransferStep) -> dict[str, Any]:
    """The figures of a step; None for what is unknown."""
    return {
        "trained_params": step.cost.trained,
        "frozen_params": step.frozen,
        "frozen_norms": step.frozen_norms,
        "forward_macs": step.cost.forward_macs,
        "backward_macs": step.cost.backward_macs,
        "saved_bytes": step.cost.saved_bytes,
        "gradient_bytes": step.cost.gradient_bytes,
        "optimizer_bytes": step.cost.optimizer_bytes,
        "peak_bytes": step.cost.peak_bytes,
        "peak_is_exact": step.cost.peak_is_exact,
    }


def transfer_records(found: Transfer) -> list[dict[str, Any]]:
    """A record for each step."""
    steps = (found.everything, *found.steps)
    return [{"step": step.name, "learning_rate": RATES[step.name], **figures(step)} for step in steps]
