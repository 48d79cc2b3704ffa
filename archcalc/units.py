"""The only parsing and printing of quantities.

What is printed is read back as the same quantity: KiB, MiB and GiB are powers of 1024, and so is memory wherever it is
printed; k, M and G are powers of 1000. The lecture's table keeps the lecture's KB of 1024 bytes, and says so; in a
limit, KB and MB are powers of 1000, as the standard has them. What is not 0 is never printed as 0, and less than all
is never printed as 100 %.
"""

import re
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from archcalc.errors import SettingError

if TYPE_CHECKING:
    from fractions import Fraction

Measure: TypeAlias = Literal["count", "bytes"]
"""What a quantity is of: elements, operations and layers are counted, memory is in bytes."""

BYTES_PER_ELEMENT = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "int8": 1}
MAX_BATCH = 10**9
KNOWN_DTYPES = f"dtypes: {', '.join(BYTES_PER_ELEMENT)}"
"""The hint where another one is named."""
INTEGERS = ("int8",)
"""The dtypes of BYTES_PER_ELEMENT that cannot be trained in."""


class Unit(NamedTuple):
    """What one of the unit is worth, in bytes, in nanoseconds or in plain counts."""

    symbol: str
    worth: int


MEMORY_UNITS = (Unit("bytes", 1), Unit("KiB", 2**10), Unit("MiB", 2**20), Unit("GiB", 2**30), Unit("TiB", 2**40))
PUBLISHED_UNITS = (Unit("KB", 2**10), Unit("MB", 2**20), Unit("GB", 2**30))
"""Units of memory as the lecture prints them, in its table and in claims about published figures."""
TIME_UNITS = (Unit("ns", 1), Unit("µs", 10**3), Unit("ms", 10**6), Unit("s", 10**9))
COUNT_UNITS = (Unit("", 1), Unit("k", 10**3), Unit("M", 10**6), Unit("G", 10**9), Unit("T", 10**12))


def unit(symbol: str) -> Unit:
    """The unit that is printed with this symbol; raises KeyError where there is none.

    >>> unit("KB").worth, unit("M").worth
    (1024, 1000000)
    """
    return _UNITS[symbol]


def in_unit(value: int, worth: int, decimals: int = 0) -> str:
    """An exact count in units of `worth`, rounded half up, with thousands separators; `<1` of what would come out as 0.

    >>> in_unit(802816, 1024), in_unit(186624, 1024, 2), in_unit(61100840, 10**6, 1)
    ('784', '182.25', '61.1')
    >>> in_unit(128, 1000), in_unit(128, 10**6, 2), in_unit(0, 1000)
    ('<1', '<0.01', '0')
    """
    scaled = (2 * value * 10**decimals + worth) // (2 * worth)
    if scaled == 0 < value:
        return f"<{in_unit(1, 10**decimals, decimals)}"
    whole, fraction = divmod(scaled, 10**decimals)
    return f"{whole:,}.{fraction:0{decimals}}" if decimals else f"{whole:,}"


def human(value: int, units: tuple[Unit, ...]) -> str:
    """A count in the largest unit that leaves at least 1, with three significant figures.

    >>> human(61100840, COUNT_UNITS), human(2395392, MEMORY_UNITS), human(999, COUNT_UNITS), human(999999, COUNT_UNITS)
    ('61.1 M', '2.28 MiB', '999', '1.00 M')
    """
    # What three figures would round up to 1,000 of a unit is 1.00 of the next.
    best = max((u for u in units if u.worth * 9995 <= value * 10_000), key=lambda u: u.worth, default=units[0])
    return f"{in_unit(value, best.worth, _decimals(value, best))} {best.symbol}".rstrip()


def _decimals(value: int, unit: Unit) -> int:
    """How many decimals give a quantity three digits in a unit; none where the unit itself is counted."""
    return 0 if unit.worth == 1 else max(0, 3 - len(str(value // unit.worth)))


WRITTEN: dict[Measure, dict[str, int]] = {
    "count": {unit.symbol: unit.worth for unit in COUNT_UNITS},
    "bytes": {
        **dict.fromkeys(("", "B", "bytes"), 1),
        **{f"{prefix}B": 1000**power for power, prefix in enumerate("kMGT", start=1)},
        "KB": 1000,
        **{unit.symbol: unit.worth for unit in MEMORY_UNITS},
    },
}
"""The units that a limit may be written in, and what each is worth."""
FORMS: dict[Measure, str] = {
    "count": "write a whole number such as 1_000_000, or one with k, M, G or T (powers of 1000), such as 60M or 1.5G",
    "bytes": "write bytes such as 1_000_000, or KB, MB, GB, TB (powers of 1000) or KiB, MiB, GiB, TiB (powers of "
    "1024), such as 512MB or 1.5 GiB",
}
PERCENT_FORM = "write a percentage such as 2% or 0.5%"
MAX_WRITTEN = 10**24
# Compiled where they are used: most runs read no quantity.
_QUANTITY = r"([0-9]+(?:_[0-9]+)*|[0-9]{1,3}(?:,[0-9]{3})+)((?:\.[0-9]+)?(?:[eE]\+?[0-9]{1,3})?) ?([A-Za-z]*)"
_PERCENT = r"([0-9]+(?:\.[0-9]+)?) ?%"
_LONGEST = 64


def parse_quantity(text: str, measure: Measure) -> "Fraction":
    """The exact value of a quantity as a person writes it, in counts or bytes.

    Raises SettingError, with the allowed forms, for anything else: a sign, an unknown unit, a unit of the other
    measure, more than 10^24.

    >>> parse_quantity("60M", "count"), parse_quantity("512 MiB", "bytes"), parse_quantity("512MB", "bytes")
    (Fraction(60000000, 1), Fraction(536870912, 1), Fraction(512000000, 1))
    """
    from fractions import Fraction  # start-up does not pay for it

    written = re.fullmatch(_QUANTITY, text.strip(), flags=re.ASCII) if len(text) <= _LONGEST else None
    if written is None:
        raise SettingError(f"{_quoted(text)} is not a quantity", hint=FORMS[measure])
    whole, rest, symbol = written.groups()
    if symbol not in WRITTEN[measure]:
        other: Measure = "bytes" if measure == "count" else "count"
        known = symbol in WRITTEN[other]
        wanted = "bytes" if measure == "bytes" else "a count"
        what = f"is not a unit of {wanted}" if known else "is an unknown unit"
        raise SettingError(f"{_quoted(text)}: {symbol!r} {what}", hint=FORMS[measure])
    value = Fraction(whole.replace(",", "") + rest) * WRITTEN[measure][symbol]
    if value > MAX_WRITTEN:
        raise SettingError(f"{_quoted(text)} is out of range: more than 10^24", hint=FORMS[measure])
    return value


def parse_percent(text: str) -> "Fraction":
    """The exact share that a percentage is; raises SettingError where it is none.

    >>> parse_percent("2%"), parse_percent("12.5 %")
    (Fraction(1, 50), Fraction(1, 8))
    """
    from fractions import Fraction  # the same

    written = re.fullmatch(_PERCENT, text.strip(), flags=re.ASCII) if len(text) <= _LONGEST else None
    if written is None:
        raise SettingError(f"{_quoted(text)} is not a percentage", hint=PERCENT_FORM)
    return Fraction(written[1]) / 100


def written_up(value: int, measure: Measure) -> str:
    """The quantity of three digits, rounded up, that is at least `value`, as `parse_quantity` reads it.

    >>> written_up(67210924, "count"), written_up(4894000, "bytes"), written_up(7, "count"), written_up(999999, "count")
    ('67.3M', '4.67 MiB', '7', '1.00M')
    """
    units, space = (COUNT_UNITS, "") if measure == "count" else (MEMORY_UNITS, " ")
    # More than 999 of a unit would be rounded up to 1,000 of it.
    best = max((u for u in units if u.worth * 999 < value * 1000), key=lambda u: u.worth, default=units[0])
    decimals = _decimals(value, best)
    up = -(-value * 10**decimals // best.worth)
    if decimals and len(str(up)) > 3:  # 9.99 was rounded up to 10.00
        decimals, up = decimals - 1, -(-up // 10)
    return f"{in_unit(up, 10**decimals, decimals).replace(',', '')}{space}{best.symbol}"


def exact(value: int, measure: Measure) -> str:
    """A figure to the last unit, as messages give it.

    >>> exact(61100840, "count"), exact(4449124, "bytes")
    ('61,100,840', '4,449,124 bytes')
    """
    return f"{value:,} bytes" if measure == "bytes" else f"{value:,}"


def _quoted(text: str) -> str:
    return repr(text) if len(text) <= _LONGEST else repr(f"{text[:_LONGEST]}…")


def percent(part: int, whole: int, decimals: int = 0) -> str:
    """A share of a total in percent, `>99` if it is less than all but would round to 100; of nothing, a dash.

    >>> percent(1331, 2340), percent(1, 0), percent(999, 1000), percent(9999, 10000, 1), percent(1, 1)
    ('57 %', '–', '>99 %', '>99.9 %', '100 %')
    """
    if not whole:
        return "–"
    text, most = (in_unit(100 * n, whole, decimals) for n in (part, whole))
    return (
        f">{in_unit(100 * 10**decimals - 1, 10**decimals, decimals)} %"
        if text == most and part < whole
        else f"{text} %"
    )


_UNITS = {u.symbol: u for u in (*MEMORY_UNITS, *PUBLISHED_UNITS, *TIME_UNITS, *COUNT_UNITS)}
