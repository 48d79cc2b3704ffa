"""What changed between two reports of a spec: its layers, and what they cost."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from archcalc.comparison.alignment import matching_runs
from archcalc.engine.figures import FIGURES, METRICS, Figure
from archcalc.engine.report import LayerReport, Report, plain_shape

SCHEMA_VERSION = 1
OWN = tuple(figure for figure in FIGURES.values() if figure.is_own)
"""The figures that are compared of two rows; live and saved memory are not, since they depend on neighbours."""

Pair: TypeAlias = tuple[LayerReport | None, LayerReport | None]
ChangeKind: TypeAlias = Literal["added", "removed", "changed", "renamed"]


class Delta(msgspec.Struct, frozen=True):
    """A figure before and after; None where it is unknown or missing."""

    before: int | None
    after: int | None

    @property
    def change(self) -> int | None:
        """By how much it grew; None where either is unknown."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def share(self) -> float | None:
        """By what part of what it was it grew; None where that is unknown, or was nothing.

        >>> Delta(200, 250).share
        0.25
        """
        return None if self.change is None or not self.before else self.change / self.before

    def to_dict(self) -> dict[str, Any]:
        """The figure as `archcalc diff --json` prints it."""
        return {"before": self.before, "after": self.after, "change": self.change, "share": self.share}


class LayerChange(msgspec.Struct, frozen=True):
    """A layer that is not the same before and after: None where it was not, or is no longer."""

    before: LayerReport | None
    after: LayerReport | None

    @property
    def kind(self) -> ChangeKind:
        """Whether it was added, removed, changed in fields or costs, or only renamed."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        return "renamed" if _same(self.before, self.after) else "changed"

    @property
    def row(self) -> LayerReport:
        """The layer as it is now, or as it was where it is gone."""
        row = self.after or self.before
        assert row is not None
        return row

    @property
    def name(self) -> str:
        """What it is called, before and after where that differs."""
        if self.before is None or self.after is None or self.before.name == self.after.name:
            return self.row.name
        return f"{self.before.name} → {self.after.name}"

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """The fields that differ, with their values before and after; the kind and the output's shape among them."""
        if self.before is None or self.after is None:
            return {}
        old, new = _described(self.before), _described(self.after)
        return {key: (old.get(key), new.get(key)) for key in old | new if old.get(key) != new.get(key)}

    @property
    def costs(self) -> dict[str, Delta]:
        """Every cost, before and after; a layer that is not there costs nothing."""
        return {
            figure.name: Delta(*(0 if row is None else figure.of_row(row) for row in (self.before, self.after)))
            for figure in OWN
        }

    @property
    def weight(self) -> int:
        """How much it matters: by how much its parameters and its operations changed."""
        costs = self.costs
        return sum(abs(costs[name].change or 0) for name in ("params", "flops"))

    def to_dict(self) -> dict[str, Any]:
        """The change as `archcalc diff --json` prints it."""
        plain = {
            key: [plain_shape(v) if isinstance(v, tuple) else v for v in values] for key, values in self.fields.items()
        }
        return {
            "change": self.kind,
            "before": None if self.before is None else self.before.name,
            "after": None if self.after is None else self.after.name,
            "kind": self.row.kind,
            "line": self.row.line,
            "fields": plain,
            "costs": {name: delta.to_dict() for name, delta in self.costs.items() if delta.change != 0},
        }


class ReportDiff(msgspec.Struct, frozen=True):
    """Two reports side by side, None for one that is not there, and the layers that changed, in the order of now.

    `name` is what the spec is called, its path before and after where it moved.
    """

    name: str
    before: Report | None
    after: Report | None
    layers: tuple[LayerChange, ...]

    @property
    def kind(self) -> Literal["added", "deleted", "changed", "same"]:
        """Whether the spec was added, deleted, changed, or is the same."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "deleted"
        return "changed" if self.layers or any(d.before != d.after for d in self.metrics.values()) else "same"

    @property
    def metrics(self) -> dict[str, Delta]:
        """Every metric, before and after."""
        return {name: self._delta(metric) for name, metric in METRICS.items()}

    def _delta(self, metric: Figure) -> Delta:
        return Delta(*(None if report is None else metric.of(report) for report in (self.before, self.after)))

    @property
    def weight(self) -> float:
        """The sort key: the largest relative change of a metric; added and removed specs come first."""
        if self.before is None or self.after is None:
            return float("inf")
        return max((abs(delta.share or 0) for delta in self.metrics.values()), default=0)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as `archcalc diff --json` prints it."""
        return {
            "name": self.name,
            "change": self.kind,
            "settings": [report and report.settings.to_dict() for report in (self.before, self.after)],
            "metrics": {name: delta.to_dict() for name, delta in self.metrics.items()},
            "layers": [change.to_dict() for change in self.layers],
        }


def diff(name: str, before: Report | None, after: Report | None) -> ReportDiff:
    """What changed from one report to another; either may be missing.

    Layers belong together by their names, or by their kinds and fields where that leaves fewer of them changed, as when
    an inserted layer renumbers all after it. With both networks swapped, it gives the mirror image.
    Raises SettingError where figures are symbols or arrays.

    >>> from archcalc import analyze, load
    >>> found = diff("resnet", analyze(load("resnet18")), analyze(load("resnet34")))
    >>> found.metrics["params"].change, found.layers[0].kind, found.layers[0].name
    (10108160, 'added', 'layer1.2.conv1')
    """
    for report in (before, after):
        if report is not None:
            report.require_plain("compared")
    pairs = paired(before.layers if before else (), after.layers if after else ())
    return ReportDiff(name, before, after, tuple(LayerChange(*pair) for pair in pairs if _differs(*pair)))


def paired(before: Sequence[LayerReport], after: Sequence[LayerReport]) -> list[Pair]:
    """The layers that belong together, in the order of `after` with those that are gone where they were."""
    if not _goes_first(before, after):  # of two equally good pairings, the same one from either side
        return _in_order([(old, new) for new, old in _best(after, before)], before, after)
    return _in_order(_best(before, after), before, after)


def _best(a: Sequence[LayerReport], b: Sequence[LayerReport]) -> list[Pair]:
    """Of the pairing by names and that by contents the one with fewer changes."""
    return min((_by_names(a, b), _by_contents(a, b)), key=_changes)


def _by_names(a: Sequence[LayerReport], b: Sequence[LayerReport]) -> list[Pair]:
    theirs = {row.name: row for row in b}
    pairs: list[Pair] = [(row, theirs.pop(row.name, None)) for row in a]
    return [*pairs, *((None, row) for row in theirs.values())]


def _by_contents(a: Sequence[LayerReport], b: Sequence[LayerReport]) -> list[Pair]:
    """By runs of equal kinds and fields; what is left over, by names."""
    pairs: list[Pair] = []
    rest_a, rest_b = list[LayerReport](), list[LayerReport]()
    i = j = 0
    for i_next, j_next, size in (
        *matching_runs([_contents(row) for row in a], [_contents(row) for row in b]),
        (len(a), len(b), 0),
    ):
        rest_a += a[i:i_next]
        rest_b += b[j:j_next]
        i, j = i_next + size, j_next + size
        pairs += zip(a[i_next:i], b[j_next:j], strict=True)
    return pairs + _by_names(rest_a, rest_b)


def _in_order(pairs: list[Pair], before: Sequence[LayerReport], after: Sequence[LayerReport]) -> list[Pair]:
    place = {row.name: i for i, row in enumerate(after)}
    gone_at = {row.name: i for i, row in enumerate(before)}
    partner = {old.name: place[new.name] for old, new in pairs if old is not None and new is not None}
    follows: dict[str, int] = {}
    last = -1
    for row in before:  # removed layers come behind the layer that they followed
        last = partner.get(row.name, last)
        follows[row.name] = last

    def key(pair: Pair) -> tuple[int, int, int]:
        old, new = pair
        if new is not None:
            return place[new.name], 0, 0
        assert old is not None
        return follows[old.name], 1, gone_at[old.name]

    return sorted(pairs, key=key)


def _changes(pairs: Iterable[Pair]) -> tuple[int, int]:
    """How many layers changed in a pairing, and how many are called something else."""
    changed = renamed = 0
    for old, new in pairs:
        if old is None or new is None or not _same(old, new):
            changed += 1
        elif old.name != new.name:
            renamed += 1
    return changed, renamed


def _differs(old: LayerReport | None, new: LayerReport | None) -> bool:
    return old is None or new is None or old.name != new.name or not _same(old, new)


def _same(old: LayerReport, new: LayerReport) -> bool:
    """Whether two rows are alike in kind, fields, output and costs."""
    return (
        old.layer == new.layer
        and old.output == new.output
        and all(cost.of_row(old) == cost.of_row(new) for cost in OWN)
    )


def _described(row: LayerReport) -> dict[str, Any]:
    return {"kind": row.kind, **row.fields, "output": row.output}


def _contents(row: LayerReport) -> tuple[Any, ...]:
    return (row.kind, row.layer, row.tied is not None, row.train_only)


def _goes_first(one: Sequence[LayerReport], other: Sequence[LayerReport]) -> bool:
    """Whether one network sorts before another: by the number of layers, then by the first that differ."""
    if len(one) != len(other):
        return len(one) < len(other)
    orders = ((_order(a), _order(b)) for a, b in zip(one, other, strict=True))
    return next((a < b for a, b in orders if a != b), True)


def _order(row: LayerReport) -> str:
    return repr((row.name, row.kind, row.fields, row.output))
