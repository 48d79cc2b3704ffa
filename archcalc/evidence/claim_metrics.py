"""What a claim can be about: each metric computes one value of the rows that a claim chooses."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import msgspec

from archcalc.analysis import analyze, load
from archcalc.engine.figures import FIGURES, LECTURE, Figure
from archcalc.engine.report import LayerReport, Report
from archcalc.engine.stages import stages
from archcalc.errors import ArchcalcError, SettingError, did_you_mean
from archcalc.evidence.claims import Quantity
from archcalc.layers.core.arithmetic import is_plain
from archcalc.layers.core.base import elements
from archcalc.spec.architecture import Architecture, read
from archcalc.spec.expression import Expression
from archcalc.spec.source import Document
from archcalc.training.initialisation import MEAN_SQUARE_KEPT, preserving_std, variance_gain

Number: TypeAlias = int | float

COMMON: dict[str, Callable[[LayerReport], object]] = {
    "kind": lambda row: row.kind,
    "input_channels": lambda row: row.inputs[0][0],
    "input_size": lambda row: _square(row.inputs[0]),
    "output_channels": lambda row: row.output[0],
    "output_size": lambda row: _square(row.output),
}
"""Metrics that must be the same in every chosen row; so is any field of a layer, such as `kernel`."""


class Selection(msgspec.Struct, frozen=True):
    """The rows that a quantity chooses, and the report that they are of."""

    quantity: Quantity
    rows: Sequence[LayerReport]
    report: Report


def _of(figure: Figure, rows: Sequence[LayerReport], report: Report) -> int:
    value = figure.of_rows(rows, report.settings)
    if value is None:
        raise SettingError(f"{report.architecture}: {figure.title} is unknown")
    return value


def _share(figure: Figure) -> Callable[[Selection], float]:
    def share(chosen: Selection) -> float:
        shown = [row for row in chosen.report.layers if not row.costs_nothing]
        return 100 * _of(figure, chosen.rows, chosen.report) / _of(figure, shown, chosen.report)

    return share


def _stages(chosen: Selection) -> list[list[LayerReport]]:
    """The convolutions and pools of each stage that has some."""
    found = [[row for row in stage.rows if row.kind in ("conv", "maxpool")] for stage in stages(chosen.rows)]
    return [rows for rows in found if rows]


def _stage_list(chosen: Selection) -> str:
    return " ".join("-".join(row.layer.label or row.kind for row in stage) for stage in _stages(chosen))


def _stage_growth(chosen: Selection) -> str:
    """By what factor the channels grow after each pool."""
    channels = [stage[0].output[0] for stage in _stages(chosen)]
    return " ".join(f"{after / before:g}" for before, after in pairwise(channels))


def _fan_in(chosen: Selection) -> int:
    return chosen.rows[0].weights // chosen.rows[0].output[0]


def _preserving_std(chosen: Selection) -> float:
    return preserving_std(_fan_in(chosen), _activation(chosen.quantity))


def _variance_gain(chosen: Selection) -> float:
    fan_in, given = _fan_in(chosen), chosen.quantity.std
    std = Expression(str(given))({"Din": fan_in})
    if not isinstance(std, int | float):
        raise SettingError(f"std must be a number or an expression in Din, got {given!r}")
    return variance_gain(std, fan_in, _activation(chosen.quantity))


def _activation(quantity: Quantity) -> str:
    if quantity.activation not in MEAN_SQUARE_KEPT:
        raise SettingError(f"activation must be {' or '.join(MEAN_SQUARE_KEPT)}, got {quantity.activation!r}")
    return quantity.activation


WHOLE: dict[str, Callable[[Selection], Number | str]] = {
    "input_elements": lambda chosen: elements(chosen.report.settings.input),
    **{f"{name}_share": _share(FIGURES[name]) for name in LECTURE},
    "stages": _stage_list,
    "stage_growth": _stage_growth,
    "fan_in": _fan_in,
    "preserving_std": _preserving_std,
    "variance_gain": _variance_gain,
}
"""Metrics of all chosen rows together, besides the figures."""


MEASURED = "activation_verdict"
"""The metric that a forward pass of PyTorch gives: the verdict on a network's activations at an initialisation."""


class UnavailableError(ArchcalcError):
    """What a quantity is measured with is not there."""


class Computer:
    """Computes quantities; an architecture is analysed once for each set of variables.

    `verdict_on` tells the verdict on an architecture's activations, by its name, at an initialisation and with an
    activation; it raises UnavailableError where it cannot.
    """

    def __init__(self, verdict_on: Callable[[str, str, str | None], str] | None = None) -> None:
        self._verdict_on = verdict_on
        self._architectures: dict[str, Architecture] = {}
        self._reports: dict[tuple[str, tuple[tuple[str, int], ...]], Report] = {}

    def value(self, quantity: Quantity, variables: Mapping[str, int] | None = None) -> Number | str:
        """The value of a quantity in its base unit: bytes, or a plain count.

        Raises ArchcalcError if the quantity names something that does not exist, or variables are symbols or arrays.
        """
        if not is_plain(*(variables or {}).values()):
            message = "a claim is computed at whole numbers, got symbols or arrays"
            raise SettingError(message, hint="`analyze` takes them")
        if quantity.metric == MEASURED:
            return self._measured(quantity)
        report = self._report(quantity, variables or {})
        rows = _chosen(report, quantity)
        if quantity.metric in FIGURES:
            return _of(FIGURES[quantity.metric], rows, report)
        if quantity.metric in WHOLE:
            return WHOLE[quantity.metric](Selection(quantity, rows, report))
        return _common(quantity.metric, rows)

    def _measured(self, quantity: Quantity) -> str:
        if quantity.architecture is None or quantity.init is None:
            raise SettingError(f"{MEASURED} needs an architecture and an init", hint="such as init: xavier")
        if self._verdict_on is None:
            raise UnavailableError(f"{MEASURED} is measured in PyTorch")
        return self._verdict_on(quantity.architecture, quantity.init, quantity.activation)

    def _report(self, quantity: Quantity, variables: Mapping[str, int]) -> Report:
        key = quantity.architecture or json.dumps(quantity.spec)
        if key not in self._architectures:
            inline = quantity.spec is not None
            self._architectures[key] = read(Document("the claim's spec", key)) if inline else load(key)
        run = (key, tuple(variables.items()))
        if run not in self._reports:
            self._reports[run] = analyze(self._architectures[key], vars=variables)
        return self._reports[run]


def _chosen(report: Report, quantity: Quantity) -> list[LayerReport]:
    names = [quantity.layers] if isinstance(quantity.layers, str) else quantity.layers
    known = [row.name for row in report.layers]
    for name in (*(names or ()), *quantity.without):
        if name not in known:
            hint = did_you_mean(name, known, f"its layers: {', '.join(known[:12])} …")
            raise SettingError(f"{report.architecture} has no layer {name!r}", hint=hint)
    rows = [row for row in report.layers if (names is None or row.name in names) and row.name not in quantity.without]
    rows = [row for row in rows if quantity.kinds is None or row.kind in quantity.kinds]
    if not rows:
        raise SettingError(f"{report.architecture} has no layer of kind {' or '.join(quantity.kinds or ['?'])}")
    return rows


def _common(metric: str, rows: Sequence[LayerReport]) -> Number | str:
    values = []
    for row in rows:
        value = COMMON[metric](row) if metric in COMMON else row.fields.get(metric)
        if value is None and metric == "stride":
            value = row.fields.get("kernel")
        if value is None:
            known = [*FIGURES, *WHOLE, MEASURED, *COMMON, *row.fields]
            raise SettingError(f"{row.name} has no {metric!r}", hint=did_you_mean(metric, known, ", ".join(known)))
        values.append(value)
    distinct = list(dict.fromkeys(values))
    first = distinct[0]
    if len(distinct) == 1 and isinstance(first, int | float | str):
        return first
    return " ".join(map(str, distinct))


def _square(shape: tuple[int, ...]) -> object:
    spatial = dict.fromkeys(shape[1:])
    return None if not spatial else next(iter(spatial)) if len(spatial) == 1 else "×".join(map(str, shape[1:]))


def close(a: Number | str, b: Number | str) -> bool:
    """Equal, floats up to rounding error."""
    if isinstance(a, str) or isinstance(b, str):
        return str(a) == str(b)
    return a == b if isinstance(a, int) and isinstance(b, int) else math.isclose(a, b, rel_tol=1e-12)
