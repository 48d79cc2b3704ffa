"""What a whole architecture is measured by, in comparisons, budgets and charts: one number of a Report each."""

from collections.abc import Callable, Mapping

import msgspec

from archcalc.engine.report import LayerReport, Report
from archcalc.errors import SettingError, did_you_mean
from archcalc.units import BYTES_PER_ELEMENT, Measure


class Metric(msgspec.Struct, frozen=True):
    """A number that tells what an architecture costs: None where it is unknown. `statement` says what it is."""

    name: str
    title: str
    unit: Measure
    statement: str
    of: Callable[[Report], int | None]


def _operations(name: str) -> Callable[[Report], int | None]:
    return lambda report: getattr(report.totals, name) if report.totals.complete else None


def _receptive_field(report: Report) -> int | None:
    """The larger side of what one output of the last layer sees."""
    last = next((row for row in reversed(report.layers) if not row.train_only), None)
    return None if last is None or not last.receptive_field else max(last.receptive_field)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("params", "params", "count", "weights and biases", lambda r: r.totals.params),
        Metric("macs", "MACs", "count", "multiply-adds of convolutions and matrix products", _operations("macs")),
        Metric("flops", "FLOPs", "count", "by the convention", _operations("flops")),
        Metric("memory", "memory", "bytes", "the outputs of all layers together", lambda r: r.totals.memory_bytes),
        Metric("peak", "peak memory", "bytes", "the most alive at once", lambda r: r.totals.peak_memory_bytes),
        Metric(
            "saved",
            "saved for backward",
            "bytes",
            "what training keeps for the backward pass",
            lambda r: r.totals.saved_for_backward_bytes,
        ),
        Metric(
            "weights",
            "weights",
            "bytes",
            "all parameters at the dtype",
            lambda r: r.totals.params * BYTES_PER_ELEMENT[r.settings.dtype],
        ),
        Metric("layers", "layers", "count", "all layers of the spec", lambda r: len(r.layers)),
        Metric("depth", "depth", "count", "convolutions and linear layers one after another", lambda r: r.totals.depth),
        Metric("receptive_field", "receptive field", "count", "elements along the larger side", _receptive_field),
    )
}


OF_ROW: Mapping[str, Callable[[LayerReport], int | None]] = {
    "params": lambda row: row.params,
    "macs": lambda row: row.macs,
    "flops": lambda row: row.flops,
    "memory": lambda row: row.memory_bytes,
    "saved": lambda row: row.saved_for_backward_bytes,
}
"""What a row adds to a metric, of those that are sums over rows; None where it is unknown."""


def metric_named(name: str) -> Metric:
    """The metric of this name; raises SettingError where there is none.

    >>> from archcalc import analyze, load
    >>> report = analyze(load("resnet50"))
    >>> metric_named("depth").of(report), metric_named("weights").of(report)
    (50, 102228128)
    """
    try:
        return METRICS[name]
    except KeyError:
        known = f"metrics: {', '.join(METRICS)}"
        raise SettingError(f"unknown metric {name!r}", hint=did_you_mean(name, METRICS, known)) from None
