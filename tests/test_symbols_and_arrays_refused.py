"""What needs whole numbers says so of a report, or a graph, of symbols or arrays."""

import copy
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy
import pytest
import sympy

from archcalc import Builder, Graph, Report, SettingError, analyze, to_torch
from archcalc.analysis import analyze_graph, graph_of
from archcalc.budget import Budget, make_limit
from archcalc.comparison.compare import compare
from archcalc.comparison.diff import diff
from archcalc.comparison.grouping import BY
from archcalc.engine.figures import METRICS
from archcalc.evidence import layer_agreement
from archcalc.evidence.claim_metrics import Computer
from archcalc.evidence.claims import Quantity
from archcalc.gate import initial, judge
from archcalc.graph.batchnorm_folding import fold_batchnorms
from archcalc.layers.conv import Conv2d
from archcalc.layers.linear import Linear
from archcalc.render import batchnorm_folding, table
from archcalc.render.charts.outline import outline_of
from archcalc.render.charts.picture import scatter_picture
from archcalc.render.formats.data import report_data
from archcalc.render.page.document import page
from archcalc.spec.writer import flat_spec
from archcalc.torch_backend.measure import measure
from archcalc.torch_backend.memory import measure_memory
from archcalc.torch_backend.timing import time_network
from archcalc.torch_backend.verify import memory_needed, verify
from archcalc.torch_backend.verify_folding import verify_folding

A = sympy.Symbol("a", integer=True, positive=True)
ARRAY = numpy.array([10, 1000])
PLAIN = analyze("alexnet")
OPEN: dict[str, dict[str, Any]] = {
    "a symbol among the vars": {"vars": {"classes": A}},
    "an array among the vars": {"vars": {"classes": ARRAY}},
    "a symbol as a size": {"input": (3, A, A)},
    "an array as a size": {"input": (3, 227, numpy.array([227, 259]))},
    "a symbol as the batch": {"batch": A},
    "an array as the batch": {"batch": ARRAY},
}
LIMIT = Budget({("params", "max"): make_limit("params", "max", "60M")})


def folding(graph: Graph, report: Report) -> object:
    found = fold_batchnorms(graph, [row.output for row in report.layers])
    return batchnorm_folding.totals_grid(found, report, report)


TREATMENTS: dict[str, tuple[Callable[[Graph, Report], object], str]] = {
    "written as JSON": (lambda _, report: report.to_dict(), "written"),
    **{
        f"compared by {by}": (lambda _, report, by=by: compare([PLAIN, report], by), "compared")  # type: ignore[misc]
        for by in BY
    },
    "as what others are compared with": (lambda _, report: compare([report, PLAIN]), "compared"),
    "compared with before": (lambda _, report: diff("net", PLAIN, report), "compared"),
    "compared with itself": (lambda _, report: diff("net", report, report), "compared"),
    "as what is gone": (lambda _, report: diff("net", report, None), "compared"),
    "held to a budget": (lambda _, report: judge.check(report, LIMIT), "checked"),
    "given a budget": (lambda _, report: initial.maxima([report], ["params"], Fraction(0)), "given a budget"),
    "as a table": (lambda _, report: table.report_grid(report), "shown as a table"),
    "as csv": (lambda _, report: report_data(report, "csv", ("layer", "params")), "written"),
    "as jsonl": (lambda _, report: report_data(report, "jsonl", ()), "written"),
    "as a page": (lambda graph, report: page([(graph, report)], ""), "written"),
    "as a graph": (outline_of, "drawn"),
    "as a point": (
        lambda _, report: scatter_picture([PLAIN, report], METRICS["params"], METRICS["flops"], "", "svg"),
        "drawn",
    ),
    "folded": (folding, "compared"),
    "against measurements": (lambda _, report: layer_agreement.compare(report, []), "compared"),
    "verified": (verify, "run in PyTorch"),
    "verified without batch norms": (verify_folding, "run in PyTorch"),
    "timed": (lambda graph, report: time_network(graph, report, None), "run in PyTorch"),  # type: ignore[arg-type]
    "as memory": (lambda _, report: memory_needed(report), "run in PyTorch"),
}


@pytest.mark.parametrize("settings", OPEN.values(), ids=OPEN)
@pytest.mark.parametrize(("treat", "words"), TREATMENTS.values(), ids=TREATMENTS)
def test_a_report_of_symbols_or_arrays(
    treat: Callable[[Graph, Report], object], words: str, settings: dict[str, Any]
) -> None:
    graph, report = analyze_graph("alexnet", **settings)
    with pytest.raises(SettingError) as caught:
        treat(graph, report)
    (problem,) = caught.value.problems
    assert problem.message == f"a report whose figures are symbols or arrays cannot be {words}"
    assert problem.hint == "analyze it at whole numbers, or read its figures in Python"


@pytest.mark.parametrize("settings", OPEN.values(), ids=OPEN)
def test_reports_of_symbols_and_arrays_are_equal_where_all_variants_are(settings: dict[str, Any]) -> None:
    report, same, other = analyze("alexnet", **settings), analyze("alexnet", **settings), analyze("alexnet")
    assert report == same == copy.deepcopy(report)
    assert report.totals == same.totals
    assert report != other
    assert other != report
    assert report.totals != other.totals
    assert repr(report)


def with_size(size: Any) -> Graph:
    net = Builder("net", input=(3, size, 8))
    net.add(Conv2d(filters=4, kernel=3))
    return net.graph()


def with_field(field: Any) -> Graph:
    net = Builder("net", input=(8,))
    net.add(Linear(features=field))
    return net.graph()


GRAPHS: dict[str, tuple[Callable[[Graph], object], str]] = {
    "as a module": (to_torch, "built in PyTorch"),
    "measured": (lambda graph: measure(graph, device="meta"), "built in PyTorch"),
    "measured in memory": (lambda graph: measure_memory(graph, device="meta"), "built in PyTorch"),
    "as a spec": (flat_spec, "written as a spec"),
}


@pytest.mark.parametrize("value", [A, ARRAY], ids=["symbol", "array"])
@pytest.mark.parametrize("made", [with_size, with_field])
@pytest.mark.parametrize(("treat", "words"), GRAPHS.values(), ids=GRAPHS)
def test_a_graph_of_symbols_or_arrays(
    treat: Callable[[Graph], object], words: str, made: Callable[[Any], Graph], value: Any
) -> None:
    with pytest.raises(SettingError, match=f"a graph of symbols or arrays cannot be {words}\n  hint: give whole"):
        treat(made(value))


@pytest.mark.parametrize("settings", [{"vars": {"classes": A}}, {"input": (3, ARRAY, 227)}])
def test_settings_of_symbols_or_arrays_for_a_module(settings: dict[str, Any]) -> None:
    for take in (to_torch, graph_of):
        with pytest.raises(SettingError, match="a graph needs whole numbers, got symbols or arrays"):
            take("alexnet", **settings)


@pytest.mark.parametrize("value", [A, ARRAY], ids=["symbol", "array"])
def test_claims_are_computed_at_whole_numbers(value: Any) -> None:
    quantity = Quantity(architecture="alexnet", metric="params")
    with pytest.raises(SettingError, match="a claim is computed at whole numbers, got symbols or arrays"):
        Computer().value(quantity, {"classes": value})
