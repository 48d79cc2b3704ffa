"""The figures of `archcalc list` for each shipped architecture, precomputed because analysing all takes seconds."""

import os

import msgspec

from archcalc.spec.catalogue import names, shipped_texts
from archcalc.spec.precompiled import checksum

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "figures.json")


class Figures(msgspec.Struct, frozen=True):
    """An architecture's name, title and input shapes, and what it costs at batch 1 by the lecture convention."""

    name: str
    title: str
    input: tuple[int, ...]
    inputs: dict[str, tuple[int, ...]]
    params: int
    macs: int
    flops: int


class Stored(msgspec.Struct, frozen=True):
    """The figures of all, and the checksum of the texts that they follow from."""

    made_of: int
    architectures: tuple[Figures, ...]


def shipped_figures() -> tuple[Figures, ...]:
    """The figures of all shipped architectures, by name: those worked out beforehand, unless a spec was changed.

    >>> [figures.params for figures in shipped_figures() if figures.name == "alexnet"]
    [61100840]
    """
    with open(PATH, "rb") as file:
        stored = msgspec.json.decode(file.read(), type=Stored)
    return stored.architectures if stored.made_of == texts_checksum() else computed_figures()


def computed_figures() -> tuple[Figures, ...]:
    """The figures of all shipped architectures, each analysed."""
    from archcalc.analysis import analyze  # only here: the engine is not needed where nothing has changed

    found = []
    for report in map(analyze, names()):
        totals = report.totals
        settings = report.settings
        sums = (totals.params, totals.macs, totals.flops)
        found.append(Figures(report.architecture, report.title, settings.input, settings.inputs, *sums))
    return tuple(found)


def texts_checksum() -> int:
    """A number that changes with the text of any shipped spec."""
    return checksum("\0".join(shipped_texts()))
