"""What must hold for every shipped architecture."""

import pytest

import archcalc
from archcalc import Report
from archcalc.spec.architecture import read
from archcalc.spec.catalogue import find
from archcalc.spec.expand import expand
from archcalc.spec.source import Document
from archcalc.spec.writer import flat_spec
from tests.spec.test_spec_properties import costs_n_times

every_architecture = pytest.mark.parametrize("name", archcalc.names())
SUMS = ("params", "buffers", "memory_bytes", "macs", "flops")


def written_flat(name: str) -> Report:
    architecture = find(name)
    graph, problems = expand(architecture)
    assert not problems
    text = flat_spec(graph)
    return archcalc.analyze(read(Document("flat.yaml", text)))


@every_architecture
def test_written_flat_it_gives_the_same_report(name: str) -> None:
    report, flat = archcalc.analyze(archcalc.load(name)), written_flat(name)
    assert [{**row.to_dict(), "line": None} for row in flat.layers] == [
        {**row.to_dict(), "line": None} for row in report.layers
    ]
    assert (flat.totals, flat.title, flat.settings) == (report.totals, report.title, report.settings)


def test_what_depends_on_no_input_is_computed_once_a_batch() -> None:
    once = {row.kind for name in archcalc.names() for row in archcalc.analyze(name, batch=2).layers if row.samples == 1}
    assert once == {"exp", "parameter", "relative_position_bias"}


@every_architecture
def test_totals_are_the_sums_of_rows_and_a_batch_costs_its_samples(name: str) -> None:
    architecture = archcalc.load(name)
    one, many = archcalc.analyze(architecture), archcalc.analyze(architecture, batch=7)
    assert one.totals.complete
    for report in (one, many):
        for cost in SUMS:
            assert getattr(report.totals, cost) == sum(getattr(row, cost) for row in report.layers)
    for a, b in zip(one.layers, many.layers, strict=True):
        assert b.samples in (1, 7)
        costs_n_times(a, b, b.samples)
