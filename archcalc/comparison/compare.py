"""Architectures side by side: their totals, how many times those of the first they are, and where they differ."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec

from archcalc.comparison.grouping import Aligned, By, aligned
from archcalc.engine.figures import FIGURES, LECTURE, METRICS
from archcalc.engine.report import Report

SCHEMA_VERSION = 1


class Comparison(msgspec.Struct, frozen=True):
    """Reports, the first being what the others are measured by, and their groups in common lines."""

    reports: tuple[Report, ...]
    by: By
    lines: tuple[Aligned, ...]

    def totals(self, metric: str) -> list[int | None]:
        """The metric of every architecture."""
        return [METRICS[metric].of(report) for report in self.reports]

    def ratios(self, metric: str) -> list[Fraction | None]:
        """How many times the first's the metric of every architecture is; None where that cannot be said."""
        first, *_ = totals = self.totals(metric)
        return [None if not first or value is None else Fraction(value, first) for value in totals]

    def figures(self, line: Aligned, metric: str) -> list[int | None]:
        """The metric of one line, of every architecture: None where it is unknown, 0 where nothing is."""
        return [
            FIGURES[metric].of_rows(rows, report.settings)
            for rows, report in zip(line.groups, self.reports, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """The comparison as `archcalc compare --json` prints it."""
        return {
            "architectures": [
                {
                    "name": report.architecture,
                    "title": report.title,
                    "settings": report.settings.to_dict(),
                }
                for report in self.reports
            ],
            "totals": {name: self.totals(name) for name in METRICS},
            "ratios": {
                name: [None if ratio is None else round(float(ratio), 6) for ratio in self.ratios(name)]
                for name in METRICS
            },
            "by": self.by,
            "breakdown": [
                {"name": line.name, **{metric: self.figures(line, metric) for metric in LECTURE}} for line in self.lines
            ],
        }


def compare(reports: Sequence[Report], by: By = "stage") -> Comparison:
    """Reports side by side. Raises SettingError where figures are symbols or arrays.

    >>> from archcalc import analyze, load
    >>> found = compare([analyze(load("alexnet")), analyze(load("vgg16"))])
    >>> [round(float(ratio), 1) for ratio in found.ratios("params")], found.lines[0].name
    ([1.0, 2.3], 'stage1')
    """
    for report in reports:
        report.require_plain("compared")
    return Comparison(tuple(reports), by, tuple(aligned(reports, by)))
