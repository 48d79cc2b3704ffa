"""Specs from text: their reports, their figures, their messages."""

from typing import Any

import pytest

from archcalc import ArchcalcError, Architecture, Report, analyze
from archcalc.analysis import analyze_graph
from archcalc.graph import Graph
from archcalc.render.charts.outline import Outline, outline_of
from archcalc.spec.architecture import read
from archcalc.spec.expand import expand
from archcalc.spec.source import Document


def layers(*lines: str, head: str = "input: [3, 8, 8]") -> str:
    """A spec with these layers, the first of them in line 3 where `head` is one line."""
    return "\n".join([head, "layers:", *(f"  - {line}" for line in lines), ""])


def spec(text: str) -> Architecture:
    return read(Document("net.yaml", text))


def graph(text: str) -> Graph:
    expanded, problems = expand(spec(text))
    assert problems == []
    return expanded


def outline(text: str, depth: int | None = None) -> Outline:
    """What a picture of a spec shows."""
    return outline_of(*analyze_graph(spec(text)), depth)


def report(text: str, **settings: Any) -> Report:
    return analyze(spec(text), **settings)


def numbers(text: str, **settings: Any) -> list[tuple[Any, ...]]:
    """All figures of a spec's rows."""
    rows = report(text, **settings).layers
    return [(r.inputs, r.output, r.params, r.buffers, r.memory_bytes, r.macs, r.flops, r.receptive_field) for r in rows]


def names(text: str) -> list[str]:
    return [row.name for row in report(text).layers]


def messages(text: str, **settings: Any) -> str:
    """All messages about a spec as the command line prints them."""
    with pytest.raises(ArchcalcError) as caught:
        report(text, **settings)
    return "\n".join(map(str, caught.value.problems))
