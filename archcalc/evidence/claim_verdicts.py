"""The verdict on a claim: agrees at the printed precision, a known and explained misprint, or differs."""

import itertools
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, Literal

import msgspec

from archcalc.errors import ArchcalcError, SettingError
from archcalc.evidence.claim_metrics import Computer, Number, UnavailableError, close
from archcalc.evidence.claims import Claim, Quantity
from archcalc.spec.composer import resolve
from archcalc.spec.expression import Expression
from archcalc.spec.values import ExpressionError
from archcalc.units import unit

_BOUNDS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    "=": lambda a, b: close(a, b),
}


UNKNOWN = "?"


class Verdict(msgspec.Struct, frozen=True):
    """The verdict on a claim: the figure as printed, as computed (in the printed unit), and whether they agree."""

    claim: Claim
    published: Number | str
    computed: Number | str
    verdict: Literal["agrees", "misprint", "differs", "skipped"]
    note: str

    @property
    def unit(self) -> str:
        """The unit of both figures; a ratio has none."""
        return "" if self.claim.over else self.claim.unit

    def to_dict(self, source: str) -> dict[str, Any]:
        """The verdict as `archcalc reproduce --json` prints it."""
        return {
            "id": self.claim.id,
            "source": source,
            "where": self.claim.where,
            "published": self.published,
            "computed": self.computed,
            "correct": None if self.claim.misprint is None else _as_number(self.claim.misprint.correct),
            "unit": self.unit,
            "verdict": self.verdict,
            "note": self.note,
        }


def judge(claim: Claim, computer: Computer) -> Verdict:
    """Compute a claim and compare.

    A misprint is one only if the figure that it calls correct comes out, the printed one does not, and what it says
    was printed instead gives just that. What needs PyTorch is skipped where that is not there. Raises SettingError for
    a claim that cannot be computed.
    """
    try:
        agrees, computed = _compare(claim, str(claim.published), computer)
        published = _as_number(claim.published)
        if claim.misprint is None:
            return Verdict(claim, published, computed, "agrees" if agrees else "differs", claim.note)
        misprint = claim.misprint
        correct, computed = _compare(claim, str(misprint.correct), computer)
        if agrees:
            return Verdict(claim, published, computed, "differs", "declared a misprint, but it agrees")
        if not correct:
            note = f"declared a misprint of {misprint.correct}, which is not the computed value either"
            return Verdict(claim, published, computed, "differs", note)
        if misprint.printed_is is not None:
            value = _scaled(misprint.printed_is, computer.value(misprint.printed_is))
            if not _rounds_to(value, str(claim.published)):
                note = f"the figure that its misprint says was printed is computed as {_shown(value)}"
                return Verdict(claim, published, computed, "differs", note)
        return Verdict(claim, published, computed, "misprint", misprint.why)
    except UnavailableError as error:
        return Verdict(claim, _as_number(claim.published), UNKNOWN, "skipped", error.problems[0].message)
    except (ArchcalcError, ExpressionError) as error:
        problem = error.problems[0] if isinstance(error, ArchcalcError) else None
        message = problem.message if problem else str(error)
        raise SettingError(f"claim {claim.id}: {message}", hint=problem.hint if problem else None) from None


def _compare(claim: Claim, expected: str, computer: Computer) -> tuple[bool, Number | str]:
    """Whether the computation gives the expected figure, and what it gives."""
    if claim.at is not None:
        return _compare_formula(claim, expected, computer)
    value = _scaled(claim, computer.value(claim))
    if claim.over is not None:
        over = _scaled(claim.over, computer.value(claim.over))
        if isinstance(value, str) or isinstance(over, str):
            raise SettingError("a ratio needs two numbers")
        value = value / over
    if claim.bound is not None:
        match = re.fullmatch(r"([<>=])\s*([0-9.]+)", claim.bound)
        if match is None or isinstance(value, str):
            raise SettingError(f"bound must be <, > or = and a number, got {claim.bound!r}")
        return _BOUNDS[match[1]](float(value), float(match[2])), _shown(value)
    return _rounds_to(value, expected), _shown(value)


def _compare_formula(claim: Claim, expected: str, computer: Computer) -> tuple[bool, Number | str]:
    """Formula against computation at every combination of the variables' values: enough of them prove a polynomial."""
    formula = Expression(expected)
    at = claim.at or {}
    for values in itertools.product(*at.values()):
        variables: Mapping[str, int] = dict(zip(at, values, strict=True))
        computed, printed = computer.value(claim, variables), formula(variables)
        if not isinstance(printed, int | float) or not close(computed, printed):
            where = ", ".join(f"{name}={value}" for name, value in variables.items())
            return False, f"{computed} at {where}, where the formula gives {printed}"
    return True, expected


def _scaled(quantity: Quantity, value: Number | str) -> Fraction | str:
    if isinstance(value, str):
        return value
    try:
        scaled = Fraction(value) / unit(quantity.unit).worth
    except KeyError:
        raise SettingError(f"unknown unit {quantity.unit!r}", hint="units: KB, MB, GB (1024), k, M, G, T") from None
    return scaled if quantity.decimals is None else round(scaled, quantity.decimals)


def _rounds_to(value: Fraction | str, printed: str) -> bool:
    """Whether a value is the printed one at the precision that it is printed with."""
    number = resolve(printed)
    if isinstance(value, str) or isinstance(number, bool) or not isinstance(number, int | float):
        return str(value) == printed
    decimals = len(printed.partition(".")[2])
    return abs(value - Fraction(printed)) <= Fraction(1, 2 * 10**decimals)


def _shown(value: Fraction | str) -> Number | str:
    if isinstance(value, str):
        return value
    return value.numerator if value.denominator == 1 else float(value)


def _as_number(printed: int | float | str) -> Number | str:
    value = resolve(str(printed))
    return value if isinstance(value, int | float) else str(printed)
