"""Quantities as people write them: exactly what they say, or an error that names the allowed forms."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc import SettingError
from archcalc.units import (
    COUNT_UNITS,
    FORMS,
    MEMORY_UNITS,
    PERCENT_FORM,
    Measure,
    exact,
    human,
    in_unit,
    parse_percent,
    parse_quantity,
    written_up,
)

# Each unit by its definition, spelled out: an independent witness of the table that the parser reads.
COUNTS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000, "T": 1_000_000_000_000}
BYTES = {
    "B": 1,
    "bytes": 1,
    "kB": 1_000,
    "KB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "TB": 1_000_000_000_000,
    "KiB": 1_024,
    "MiB": 1_048_576,
    "GiB": 1_073_741_824,
    "TiB": 1_099_511_627_776,
}


PRINTED = {"count": COUNT_UNITS, "bytes": MEMORY_UNITS}


@pytest.mark.parametrize(
    ("text", "measure", "value"),
    [
        ("60M", "count", 60_000_000),
        ("1.5G", "count", 1_500_000_000),
        ("1_000_000", "count", 1_000_000),
        ("6e7", "count", 60_000_000),
        (" 12 k ", "count", 12_000),
        ("0", "count", 0),
        ("512 MiB", "bytes", 536_870_912),
        ("512MB", "bytes", 512_000_000),
        ("1_000_000", "bytes", 1_000_000),
        ("66,698", "count", 66_698),
        ("1,012 KiB", "bytes", 1_012 * 1_024),
    ],
)
def test_what_the_issue_writes_parses(text: str, measure: Measure, value: int) -> None:
    assert parse_quantity(text, measure) == value


@pytest.mark.parametrize("measure", ["count", "bytes"])
@pytest.mark.parametrize(
    "text",
    [
        *[
            "60m",
            "-1",
            "+1",
            "12 parsecs",
            "nan",
            "inf",
            "",
            " ",
            "1e400",
            "1e999",
            "0x10",
            "1,00",
            "1000,000",
            "1,000_000",
            ",100",
            "1__0",
            "_1",
            "1_",
        ],
        *[".5", "5.", "1e-3", "60 M M", "²", "٣", "1\n2", "9" * 1000, "1k\0", "60%", "True"],
    ],
)
def test_anything_else_is_an_error_that_names_the_forms(text: str, measure: Measure) -> None:
    with pytest.raises(SettingError) as caught:
        parse_quantity(text, measure)
    (problem,) = caught.value.problems
    assert problem.hint == FORMS[measure]
    assert len(problem.message) < 200


@pytest.mark.parametrize(
    ("text", "measure"), [("60M", "bytes"), ("512 MiB", "count"), ("3MB", "count"), ("1k", "bytes")]
)
def test_a_unit_of_the_other_measure_is_an_error(text: str, measure: Measure) -> None:
    with pytest.raises(SettingError, match="is not a unit of"):
        parse_quantity(text, measure)


@pytest.mark.parametrize("text", ["2", "-2%", "2 percent", "nan%", "%", "", "1e3%", "2%%"])
def test_a_percentage_needs_its_sign(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_percent(text)
    assert caught.value.problems[0].hint == PERCENT_FORM


@given(st.decimals(0, 10**9, places=6, allow_nan=False), st.sampled_from(sorted(COUNTS)), st.sampled_from(["", " "]))
def test_counts_are_exact(number: Decimal, unit: str, space: str) -> None:
    assert parse_quantity(f"{number:f}{space}{unit}", "count") == COUNTS[unit] * Fraction(number)


@given(st.decimals(0, 10**9, places=6, allow_nan=False), st.sampled_from(sorted(BYTES)), st.sampled_from(["", " "]))
def test_bytes_are_exact(number: Decimal, unit: str, space: str) -> None:
    assert parse_quantity(f"{number:f}{space}{unit}", "bytes") == BYTES[unit] * Fraction(number)


@given(st.decimals(0, 1000, places=4, allow_nan=False))
def test_percentages_are_exact(number: Decimal) -> None:
    assert parse_percent(f"{number:f}%") * 100 == Fraction(number)


@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_a_user_error(text: str) -> None:
    for measure in FORMS:
        try:
            assert parse_quantity(text, measure) >= 0
        except SettingError as error:
            assert error.problems[0].hint == FORMS[measure]  # noqa: PT017  # both outcomes are right


@given(st.integers(0, 10**20), st.sampled_from(["count", "bytes"]))
def test_what_is_written_up_is_the_next_round_quantity(value: int, measure: Measure) -> None:
    up = parse_quantity(written_up(value, measure), measure)
    assert value <= up
    assert 100 * (up - value) < max(value, 1)  # three digits: less than one per cent more
    digits = len(re.sub(r"[^0-9]", "", written_up(value, measure)))
    assert digits <= 3 + (measure == "bytes") or value >= 10**15  # up to 1023 KiB; there are no more units than T


@given(st.integers(0, 10**20), st.sampled_from(["count", "bytes"]))
def test_what_is_printed_is_read_as_the_same_quantity(value: int, measure: Measure) -> None:
    printed = human(value, PRINTED[measure])
    read = parse_quantity(printed, measure)
    assert abs(read - value) <= half_of_the_last_digit(printed, measure)
    assert 200 * abs(read - value) <= value  # three digits
    assert parse_quantity(exact(value, measure), measure) == value
    assert (read == 0) == (value == 0)


@given(st.integers(0, 10**13), st.sampled_from([1, 1000, 1024, 10**6, 1024**2, 10**9]), st.integers(0, 3))
def test_what_is_not_0_is_not_printed_as_0(value: int, worth: int, decimals: int) -> None:
    printed = in_unit(value, worth, decimals)
    half = Fraction(worth, 2 * 10**decimals)
    if printed.startswith("<"):
        assert 0 < value < half
        assert Fraction(printed[1:]) * worth == 2 * half
    else:
        number = Fraction(printed.replace(",", ""))
        assert abs(number * worth - value) <= half
        assert (number == 0) == (value == 0)


def half_of_the_last_digit(printed: str, measure: Measure) -> Fraction:
    number, _, symbol = printed.partition(" ")
    return Fraction({**COUNTS, **BYTES}[symbol], 2 * 10 ** len(number.partition(".")[2]))
