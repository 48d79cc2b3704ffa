"""Budgets: what an architecture may cost, as it is written in a spec or a configuration file.

A spec keeps its `budget:` as a tree. It is read here, where the figures and settings are known that limits are on.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from archcalc.engine.conventions import CONVENTIONS
from archcalc.engine.figures import METRICS
from archcalc.errors import MAX_PROBLEMS, Location, Problem, SettingError, did_you_mean
from archcalc.spec.architecture import Architecture
from archcalc.spec.entry import Note
from archcalc.spec.source import MappingNode, Scalar, SequenceNode, Tree, problem_at
from archcalc.units import BYTES_PER_ELEMENT, MAX_BATCH, parse_percent, parse_quantity

if TYPE_CHECKING:
    from fractions import Fraction

LimitKind: TypeAlias = Literal["max", "min", "warn", "max-increase"]
LIMIT_KEYS = {
    "max": "more than this fails",
    "min": "less than this fails",
    "warn": "more than this warns",
    "max-increase": "more than this percentage above the base fails, such as 2%",
    "min-delta": "an increase of no more than this never fails, whatever its percentage",
}
SETTING_KEYS = {
    "batch": "the batch size",
    "input": "the input's shape without the batch, in place of the spec's; for several inputs, shapes by name",
    "dtype": "the type of the activations and parameters",
    "convention": "the FLOP convention",
}
BUDGET_KEYS = {
    **{metric.name: f"{metric.title}: {metric.statement}" for metric in METRICS.values()},
    "settings": "the settings of the analysis",
    "allow-unknown": "whether operations that cannot be counted are allowed",
}
FORM = "such as `budget: {params: 60M, flops: {max: 1.5G, warn: 1.2G}, memory: 512 MiB}`"


class Limit(msgspec.Struct, frozen=True):
    """A limit on one metric, as `text` at `location` says it (None: on the command line, as `source` says it).

    `bound` is in counts or bytes, of a max-increase the share of the base; `min_delta` is in counts or bytes.
    """

    metric: str
    kind: LimitKind
    bound: "int | Fraction"
    text: str
    location: Location | None = None
    source: str = ""
    min_delta: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.text}"


class Budget(msgspec.Struct, frozen=True):
    """Limits by metric and kind, the settings that the figures are taken at, and whether unknown counts are allowed."""

    limits: Mapping[tuple[str, LimitKind], Limit] = {}
    settings: Mapping[str, Any] = {}
    allow_unknown: bool | None = None

    def overridden_by(self, other: "Budget") -> "Budget":
        """This budget with each limit and each setting of the other in place of its own."""
        allow = self.allow_unknown if other.allow_unknown is None else other.allow_unknown
        return Budget({**self.limits, **other.limits}, {**self.settings, **other.settings}, allow)

    @property
    def is_relative(self) -> bool:
        """Whether some limit needs a base to compare with."""
        return any(kind == "max-increase" for _, kind in self.limits)


NO_BUDGET = Budget()


def budget_of(architecture: Architecture) -> Budget:
    """The budget that a spec has of its own, a variant's after its family's; invalid parts are left out.

    >>> from archcalc.spec.architecture import read
    >>> from archcalc.spec.source import Document
    >>> spec = read(Document("net.yaml", "{input: [3], budget: {params: 60M}, layers: [{linear: 4}]}"))
    >>> budget_of(spec).limits["params", "max"].bound
    60000000
    """
    budget = NO_BUDGET
    for tree in architecture.budgets:
        budget = budget.overridden_by(read_budget(tree, lambda *_: None))
    return budget


def budget_problems(architecture: Architecture) -> list[Problem]:
    """The problems of the budgets in a spec, including those of its other variants and of the specs it extends."""
    problems: list[Problem] = []

    def note(where: Tree, message: str, hint: str | None = None) -> None:
        if len(problems) <= MAX_PROBLEMS:
            problems.append(problem_at(where, message, hint))

    for tree in architecture.all_budgets:
        read_budget(tree, note)
    return problems


def read_budget(tree: Tree, note: Note) -> Budget:
    """The budget that a tree describes; problems go to `note`."""
    if not isinstance(tree, MappingNode):
        note(tree, "budget must be a mapping of metrics to limits", FORM)
        return NO_BUDGET
    limits: dict[tuple[str, LimitKind], Limit] = {}
    for key, value in tree.items.items():
        if key in METRICS:
            for limit in _limits(key, value, note):
                limits[key, limit.kind] = limit
        elif key not in BUDGET_KEYS:
            note(tree.keys[key], f"unknown metric {key!r}", _hint(key, BUDGET_KEYS, "metrics and settings"))
    allow = tree.items.get("allow-unknown")
    if allow is not None and not (isinstance(allow, Scalar) and isinstance(allow.value, bool)):
        note(allow, "allow-unknown must be true or false")
        allow = None
    return Budget(limits, _settings(tree, note), allow.value if isinstance(allow, Scalar) else None)  # type: ignore[arg-type]  # a bool, as checked above


def make_limit(
    metric: str, kind: LimitKind, text: str, *, location: Location | None = None, source: str = "", min_delta: int = 0
) -> Limit:
    """A limit of what `text` says; raises SettingError where it is no quantity, or no percentage for a max-increase.

    >>> make_limit("params", "max", "60M").bound, make_limit("params", "max-increase", "2%").bound
    (60000000, Fraction(1, 50))
    """
    if kind == "max-increase":
        return Limit(metric, kind, parse_percent(text), text, location, source, min_delta)
    value = parse_quantity(text, METRICS[metric].unit)
    # Figures are whole: at most 1.5 is at most 1, at least 1.5 is at least 2.
    bound = -(-value.numerator // value.denominator) if kind == "min" else int(value)
    return Limit(metric, kind, bound, text, location, source)


def _limits(metric: str, tree: Tree, note: Note) -> list[Limit]:
    """The limits on one metric; a single value is its maximum."""
    if isinstance(tree, Scalar):
        limit = _limit(metric, "max", tree, note)
        return [limit] if limit else []
    if not isinstance(tree, MappingNode) or not tree.items:
        note(tree, f"the limit on {metric} must be a quantity, or a mapping of {', '.join(LIMIT_KEYS)}", FORM)
        return []
    found: dict[str, Limit] = {}
    for key, value in tree.items.items():
        if key not in LIMIT_KEYS:
            note(tree.keys[key], f"unknown limit {key!r}", _hint(key, LIMIT_KEYS, "limits"))
        elif key != "min-delta" and (limit := _limit(metric, key, value, note)):
            found[key] = limit
    delta = tree.items.get("min-delta")
    if delta is not None:
        least = _limit(metric, "max", delta, note)
        if "max-increase" not in tree.items:
            hint = "such as `{max-increase: 2%, min-delta: 1k}`"
            note(tree.keys["min-delta"], "min-delta needs max-increase", hint)
        elif least and "max-increase" in found:
            found["max-increase"] = msgspec.structs.replace(found["max-increase"], min_delta=int(least.bound))
    for low, high in (("min", "max"), ("warn", "max"), ("min", "warn")):
        if low in found and high in found and found[low].bound > found[high].bound:
            message = f"{metric}: {low} {found[low].text} is above {high} {found[high].text}"
            note(tree.items[low], message, f"{low} must not be above {high}")
    return list(found.values())


def _limit(metric: str, kind: Any, tree: Tree, note: Note) -> Limit | None:
    if not isinstance(tree, Scalar) or tree.value is None or isinstance(tree.value, bool):
        note(tree, f"{kind} of {metric} must be a quantity", FORM)
        return None
    try:
        return make_limit(metric, kind, tree.text, location=tree.document.locate(tree.line, tree.column))
    except SettingError as error:
        note(tree, f"{metric}: {error.problems[0].message}", error.problems[0].hint)
        return None


def _settings(tree: MappingNode, note: Note) -> dict[str, Any]:
    given = tree.items.get("settings")
    if given is None:
        return {}
    if not isinstance(given, MappingNode):
        note(given, "settings must be a mapping", "such as `settings: {batch: 8, dtype: float16}`")
        return {}
    found = {}
    for key, value in given.items.items():
        try:
            if key not in SETTING_KEYS:
                note(given.keys[key], f"unknown setting {key!r}", _hint(key, SETTING_KEYS, "settings"))
            else:
                found[key] = _SETTINGS[key](_plain(value))
        except SettingError as error:
            note(value, error.problems[0].message, error.problems[0].hint)
    return found


def _plain(tree: Tree) -> Any:
    """The value of a scalar, the tuple of those of a list, or the mapping of either."""
    if isinstance(tree, MappingNode):
        return {name: _plain(value) for name, value in tree.items.items()}
    if isinstance(tree, SequenceNode):
        return tuple(item.value if isinstance(item, Scalar) else None for item in tree.items)
    return tree.value if isinstance(tree, Scalar) else None


def _batch(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= MAX_BATCH:
        raise SettingError(f"batch must be a whole number from 1 to {MAX_BATCH:,}", hint="such as 8")
    return value


def _input(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _input(shape) for name, shape in value.items() if not isinstance(shape, dict)}
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}(x[0-9]{1,18})*", value):
        value = tuple(map(int, value.split("x")))
    dims = value if isinstance(value, tuple) else (value,)
    if not dims or not all(type(dim) is int and dim >= 1 for dim in dims):
        raise SettingError("input must be a list of whole numbers ≥ 1", hint="such as [3, 224, 224]")
    return dims


def _word(what: str, known: Mapping[str, Any]) -> Any:
    def check(value: Any) -> str:
        if value not in known:
            hint = did_you_mean(str(value), known, f"{what}s: {', '.join(known)}")
            raise SettingError(f"unknown {what} {value!r}", hint=hint)
        return str(value)

    return check


_SETTINGS: Mapping[str, Any] = {
    "batch": _batch,
    "input": _input,
    "dtype": _word("dtype", BYTES_PER_ELEMENT),
    "convention": _word("convention", CONVENTIONS),
}


def _hint(key: str, known: Mapping[str, Any], what: str) -> str | None:
    return did_you_mean(key, known, f"{what}: {', '.join(known)}")
