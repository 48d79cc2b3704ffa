"""The rules of `archcalc check`: stable ids, which annotations, reports and suppressions go by."""

from typing import Literal, NamedTuple, TypeAlias

from archcalc.budget import LimitKind
from archcalc.engine.figures import METRICS

Level: TypeAlias = Literal["error", "warning", "note"]

OVER_BUDGET, BAD_INPUT = 1, 2


class Rule(NamedTuple):
    """What can be found: its id and name, how grave it is, and the exit code that it leads to."""

    id: str
    name: str
    level: Level
    exit_code: int
    statement: str

    def to_dict(self) -> dict[str, object]:
        """The rule as `archcalc rules --json` prints it."""
        return self._asdict()


_KINDS: dict[LimitKind, tuple[int, str, Level, int, str]] = {
    "max": (0, "over-budget", "error", OVER_BUDGET, "more {title} than the budget's max"),
    "min": (100, "under-minimum", "error", OVER_BUDGET, "fewer {title} than the budget's min"),
    "warn": (200, "near-budget", "warning", 0, "more {title} than the budget's warn"),
    "max-increase": (300, "increased", "error", OVER_BUDGET, "{title} grew by more than the budget's max-increase"),
}

LIMIT_RULES: dict[tuple[str, LimitKind], Rule] = {
    (metric.name, kind): Rule(
        f"AC{first + number:03}",
        f"{metric.name.replace('_', '-')}-{name}",
        level,
        code,
        statement.format(title=metric.title),
    )
    for kind, (first, name, level, code, statement) in _KINDS.items()
    for metric in METRICS.values()
    if (number := metric.rule) is not None
}
"""The rule that a broken limit breaks, by metric and kind of limit."""

INVALID_SPEC = Rule("AC901", "invalid-spec", "error", BAD_INPUT, "the spec or its budget has an error")
UNKNOWN_COUNT = Rule("AC902", "unknown-count", "error", BAD_INPUT, "a figure cannot be counted")
NO_BASE = Rule("AC903", "no-base", "error", BAD_INPUT, "a max-increase has no base to compare with")
NEW_SPEC = Rule("AC904", "new-spec", "note", 0, "a max-increase does not apply: the spec is not in the base")
NOT_JUDGED = Rule("AC905", "not-judged", "warning", 0, "a limit is on a figure that is unknown, and unknown is allowed")
NOTHING_MATCHED = Rule(
    "AC906", "nothing-matched", "error", BAD_INPUT, "a pattern of the configuration, or a folder, matches nothing"
)
MISSING_BUDGET = Rule("AC907", "no-budget", "error", BAD_INPUT, "a budget is required, but the spec has no limit")
LIMITS_REMOVED = Rule("AC908", "limits-removed", "warning", 0, "limits that the spec had at the base were removed")
INTERNAL_ERROR = Rule("AC999", "internal-error", "error", BAD_INPUT, "a bug in archcalc")

RULES = (
    *LIMIT_RULES.values(),
    INVALID_SPEC,
    UNKNOWN_COUNT,
    NO_BASE,
    NEW_SPEC,
    NOT_JUDGED,
    NOTHING_MATCHED,
    MISSING_BUDGET,
    LIMITS_REMOVED,
    INTERNAL_ERROR,
)
