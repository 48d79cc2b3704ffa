"""What type checkers are told of a report's totals: each figure of the registry, and what it may be."""

from typing import assert_type, get_type_hints

import pytest

from archcalc import analyze
from archcalc.engine.figures import IN_TOTALS, Figure
from archcalc.engine.report import LayerReport
from archcalc.engine.totals import Totals

DECLARED = {name: hint for name, hint in get_type_hints(Totals).items() if not name.startswith("_")}
WHERE = "archcalc/engine/totals.py: declare it in the class Totals"


def type_of(figure: Figure) -> object:
    """A whole number where it is known of every network, else that or None."""
    if figure.leaves_out_unknown:
        return int
    if figure.whole is not None:
        told = get_type_hints(figure.whole, {"LayerReport": LayerReport, "Sequence": list, "Settings": object})
        return told.get("return", int | None)
    return get_type_hints(LayerReport).get(figure.field, int | None)


@pytest.mark.parametrize("field", IN_TOTALS)
def test_every_figure_of_the_totals_is_declared_with_its_type(field: str) -> None:
    expected = type_of(IN_TOTALS[field])
    words = "int" if expected is int else "int | None"
    assert DECLARED.get(field) == expected, f"{WHERE}: {field}: {words}"


def test_no_other_figure_is_declared() -> None:
    assert set(DECLARED) == set(IN_TOTALS)


def test_mypy_sees_the_types_and_no_other_names() -> None:
    totals = analyze("lenet5").totals
    assert_type(totals.params, int)
    assert_type(totals.peak_memory_bytes, int | None)
    with pytest.raises(AttributeError, match="'Totals' object has no attribute 'parms'"):
        totals.parms  # type: ignore[attr-defined]  # noqa: B018  # where mypy sees no error, it says so
