"""Judging a report by a budget: which limits hold, which do not, by how much, and which layers weigh most."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

import msgspec

from archcalc.budget import NO_BUDGET, Budget, Limit
from archcalc.engine.figures import METRICS, Figure, largest
from archcalc.engine.report import LayerReport, Report
from archcalc.errors import Location
from archcalc.gate.rules import (
    BAD_INPUT,
    INTERNAL_ERROR,
    LIMIT_RULES,
    LIMITS_REMOVED,
    MISSING_BUDGET,
    NEW_SPEC,
    NO_BASE,
    NOT_JUDGED,
    NOTHING_MATCHED,
    OVER_BUDGET,
    UNKNOWN_COUNT,
    Rule,
)
from archcalc.units import exact, percent

MOST_NAMED = 3
"""How many layers a finding names."""


class Baseline(msgspec.Struct, frozen=True):
    """The baseline of an increase: the report on the spec as it was, or why there is none.

    `words` say what the base is, or what is missing, and `hint` how to name another; `is_new` where there is a base and
    the spec is not in it. `budget` is what the spec itself allowed then; without a report, `had_limits` says whether it
    may have allowed anything.
    """

    report: Report | None = None
    words: str = "no base given: use --base or --compare-to"
    is_new: bool = False
    budget: Budget = NO_BUDGET
    hint: str | None = None
    had_limits: bool = True


class Weight(msgspec.Struct, frozen=True):
    """A heavy layer, its place, and its share in words."""

    layer: str
    share: str
    location: Location | None

    def words(self, seen_from: str) -> str:
        """The layer with its place, as a message about the file `seen_from` names it."""
        if self.location is None:
            return f"{self.layer}, {self.share}"
        other = "" if self.location.file == seen_from else f"{self.location.file}, "
        return f"{self.layer} ({other}line {self.location.line}), {self.share}"


class Finding(msgspec.Struct, frozen=True):
    """A rule that a spec breaks: where, what, by how much (`over`, in counts or bytes), and how to fix it."""

    rule: Rule
    message: str
    location: Location | None = None
    hint: str | None = None
    limit: Limit | None = None
    over: int | None = None
    heaviest: tuple[Weight, ...] = ()

    def heaviest_words(self) -> str:
        """The layers that weigh most, in one line; empty where there are none."""
        file = self.location.file if self.location else ""
        return "; ".join(weight.words(file) for weight in self.heaviest)

    def text(self) -> str:
        """All of it in one paragraph."""
        heavy = self.heaviest_words()
        parts = (self.message, f"heaviest: {heavy}" if heavy else "", f"hint: {self.hint}" if self.hint else "")
        return " – ".join(part for part in parts if part)


class Judgement(msgspec.Struct, frozen=True):
    """The result for one limit: the figure (None: unknown), that of the base for an increase, and the finding."""

    limit: Limit
    value: int | None
    base: int | None = None
    finding: Finding | None = None


_BY_RULE = {INTERNAL_ERROR: "internal error", NOTHING_MATCHED: "nothing matched", MISSING_BUDGET: "without budget"}
VERDICTS = (
    "internal error",
    "invalid",
    "nothing matched",
    "cannot be judged",
    "without budget",
    "over budget",
    "warning",
    "ok",
)
"""The outcomes of a check, the worst first."""


class Checked(msgspec.Struct, frozen=True):
    """A spec after its check, under the name that the user knows it by; without a report where it is invalid."""

    name: str
    path: str
    report: Report | None = None
    judgements: tuple[Judgement, ...] = ()
    findings: tuple[Finding, ...] = ()
    base: str = ""

    @property
    def exit_code(self) -> int:
        """0 where all is well, warnings included; 1 over budget; 2 anything else that is wrong."""
        return max((finding.rule.exit_code for finding in self.findings), default=0 if self.report else BAD_INPUT)

    @property
    def verdict(self) -> str:
        """The outcome in a word or two."""
        if self.exit_code == BAD_INPUT:
            words = (_BY_RULE[finding.rule] for finding in self.findings if finding.rule in _BY_RULE)
            return next(words, "cannot be judged" if self.report else "invalid")
        if self.exit_code == OVER_BUDGET:
            return "over budget"
        return "warning" if any(finding.rule.level == "warning" for finding in self.findings) else "ok"


Place = Callable[[str], Location | None]


def check(
    report: Report, budget: Budget, base: Baseline | None = None, place: Place = lambda _: None
) -> tuple[Judgement, ...]:
    """The results of all limits of a budget, in its order; a metric over its maximum gets no warning besides.

    Increases are measured from `base`; `place` gives the location of a layer by its name. Raises SettingError where
    figures are symbols or arrays.

    >>> from archcalc import analyze, load
    >>> from archcalc.budget import make_limit
    >>> limit = make_limit("params", "max", "60M")
    >>> (judgement,) = check(analyze(load("alexnet")), Budget({("params", "max"): limit}))
    >>> judgement.finding.rule.id, judgement.finding.message
    ('AC001', 'params: 61,100,840, over the maximum of 60M by 1,100,840 (1.8 %)')
    """
    report.require_plain("checked")
    found = [_judgement(report, limit, budget, base or Baseline(), place) for limit in budget.limits.values()]
    over = {one.limit.metric for one in found if one.limit.kind == "max" and one.finding}
    return tuple(one for one in found if not (one.limit.kind == "warn" and one.limit.metric in over))


def unknown_counts(report: Report, place: Place = lambda _: None) -> Finding | None:
    """The finding that the operations of some layers are unknown; None where all are counted."""
    rows = [row for row in report.layers if row.flops is None]
    if not rows:
        return None
    named = ", ".join(row.name for row in rows[:MOST_NAMED]) + (" …" if len(rows) > MOST_NAMED else "")
    message = f"the operations of {len(rows):,} of {len(report.layers):,} layers are unknown: {named}"
    return Finding(UNKNOWN_COUNT, message, place(rows[0].name), "--allow-unknown accepts it")


def missing_limits(budget: Budget, base: Baseline | None, *, required: bool = False) -> list[Finding]:
    """That there is no limit at all where a budget is `required`, and which of the spec's own limits were removed.

    >>> from archcalc.budget import make_limit
    >>> before = Baseline(is_new=True, budget=Budget({("params", "max"): make_limit("params", "max", "60M")}))
    >>> [finding.message for finding in missing_limits(NO_BUDGET, before, required=True)]
    ['this spec has no limit', 'limits were removed since the base: params max 60M']
    """
    found = []
    if required and not budget.limits:
        hint = "`archcalc budget init` writes limits from today's figures"
        found.append(Finding(MISSING_BUDGET, "this spec has no limit", hint=hint))
    if base is None:
        return found
    if base.report is None and not base.is_new and base.had_limits:
        message = "the limits at the base are unknown, and some may have been removed"
        found.append(Finding(LIMITS_REMOVED, message, hint=base.words))
    removed = [limit for key, limit in base.budget.limits.items() if key not in budget.limits]
    if removed:
        message = "limits were removed since the base: "
        message += ", ".join(f"{METRICS[limit.metric].title} {limit}" for limit in removed)
        hint = f"the spec has them at {base.words}; with --require-budget, a spec without any limit fails"
        found.append(Finding(LIMITS_REMOVED, message, hint=hint))
    return found


def fingerprint(name: str, finding: Finding) -> str:
    """What identifies a finding from run to run: the spec, the rule and the metric, whatever the figures and lines."""
    limit = finding.limit
    what = f"{limit.metric} {limit.kind}" if limit else finding.message
    return hashlib.sha256("\0".join((name, finding.rule.id, what)).encode(errors="surrogateescape")).hexdigest()[:32]


def _judgement(report: Report, limit: Limit, budget: Budget, base: Baseline, place: Place) -> Judgement:
    value = METRICS[limit.metric].of(report)
    if value is None:
        rule, hint = (NOT_JUDGED, None) if budget.allow_unknown else (UNKNOWN_COUNT, "--allow-unknown accepts it")
        message = f"{METRICS[limit.metric].title}: unknown, so {limit} cannot be judged"
        return Judgement(limit, None, finding=Finding(rule, message, limit.location, hint, limit))
    if limit.kind == "max-increase":
        return _increase(report, limit, value, base, place)
    over = limit.bound - value if limit.kind == "min" else value - limit.bound
    if over <= 0:
        return Judgement(limit, value)
    return Judgement(limit, value, finding=_broken(report, limit, value, int(over), place))


_WORDS = {"max": "over the maximum of", "min": "under the minimum of", "warn": "over the warning level of"}


def _broken(report: Report, limit: Limit, value: int, over: int, place: Place) -> Finding:
    metric = METRICS[limit.metric]
    share = f" ({percent(over, int(limit.bound), 1)})" if limit.bound else ""
    figure, by = exact(value, metric.unit), exact(over, metric.unit)
    message = f"{metric.title}: {figure}, {_WORDS[limit.kind]} {limit.text} by {by}{share}"
    if limit.kind == "min":
        return _finding(limit, message, over, (), f"enlarge the network, or lower the limit{_where(limit)}")
    heaviest = _heaviest(report, metric, place)
    lighter = f"make {heaviest[0].layer} lighter, or " if heaviest else ""
    return _finding(limit, message, over, heaviest, f"{lighter}raise the limit{_where(limit)}")


def _increase(report: Report, limit: Limit, value: int, base: Baseline, place: Place) -> Judgement:
    metric = METRICS[limit.metric]

    def without(rule: Rule, words: str, hint: str | None = None) -> Judgement:
        message = f"{metric.title}: {limit} is not judged: {words}"
        return Judgement(limit, value, finding=Finding(rule, message, limit.location, hint, limit))

    if base.is_new:
        return without(NEW_SPEC, base.words)
    if base.report is None:
        return without(NO_BASE, base.words, base.hint)
    for name, words in base.report.settings.differences(report.settings).items():
        if name != "inputs":  # which are a spec's own, and may change with it
            return without(NO_BASE, f"the base was computed at {words}", "use the same for both")
    before = metric.of(base.report)
    if before is None:
        return without(NO_BASE, "the figure is unknown in the base")
    grown = value - before
    if grown <= limit.min_delta or grown <= limit.bound * before:
        return Judgement(limit, value, before)
    more = percent(grown, before, 1) if before else "from 0"
    message = (
        f"{metric.title}: {exact(value, metric.unit)}, {exact(grown, metric.unit)} ({more}) more than the "
        f"{exact(before, metric.unit)} of the base, over the limit of {limit.text}"
    )
    heaviest = _grown(report, base.report, metric, place)
    lighter = f"look at {heaviest[0].layer}, or " if heaviest else ""
    hint = f"{lighter}raise the limit{_where(limit)}" + (f"; {base.hint}" if base.hint else "")
    finding = _finding(limit, message, grown, heaviest, hint)
    return Judgement(limit, value, before, finding)


def _finding(limit: Limit, message: str, over: int, heaviest: tuple[Weight, ...], hint: str) -> Finding:
    """At the heaviest layer, where there is one: that is where to begin; else at the limit."""
    location = heaviest[0].location if heaviest and heaviest[0].location else limit.location
    return Finding(LIMIT_RULES[limit.metric, limit.kind], message, location, hint, limit, over, heaviest)


def _where(limit: Limit) -> str:
    if limit.location is not None:
        return f" in {limit.location.file}, line {limit.location.line}"
    return f" ({limit.source})" if limit.source else ""


def _heaviest(report: Report, metric: Figure, place: Place) -> tuple[Weight, ...]:
    """The layers that hold most of a figure; of one that is the largest of all layers, the one that it is at."""
    parts = metric.made_of or metric
    if parts.total is largest:
        row = max(report.layers, key=lambda row: parts.of_row(row) or 0)
        return (Weight(row.name, f"where {parts.at_most}", place(row.name)),)
    if not parts.adds_up:
        return ()
    figures = [(parts.of_row(row) or 0, row) for row in report.layers]
    return _weights(figures, sum(figure for figure, _ in figures), "", place)


def _grown(report: Report, base: Report, metric: Figure, place: Place) -> tuple[Weight, ...]:
    """The layers that a figure grew by, those that grew most first."""
    parts = metric.made_of or metric
    if not parts.adds_up:
        return ()
    before = {row.name: parts.of_row(row) or 0 for row in base.layers}
    figures = [((parts.of_row(row) or 0) - before.get(row.name, 0), row) for row in report.layers]
    return _weights(figures, sum(figure for figure, _ in figures if figure > 0), " of what was added", place)


def _weights(figures: Iterable[tuple[int, LayerReport]], whole: int, words: str, place: Place) -> tuple[Weight, ...]:
    most: Sequence[tuple[int, LayerReport]] = sorted(figures, key=lambda pair: -pair[0])[:MOST_NAMED]
    return tuple(Weight(row.name, f"{percent(n, whole, 1)}{words}", place(row.name)) for n, row in most if n > 0)
