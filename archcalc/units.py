"""The only parsing and printing of quantities. KB = 1024 bytes; k, M, G = powers of 1000."""

from typing import NamedTuple

BYTES_PER_ELEMENT = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "int8": 1}
INTEGERS = ("int8",)
"""The dtypes of BYTES_PER_ELEMENT that cannot be trained in."""


class Unit(NamedTuple):
    """What one of the unit is worth, in bytes, in nanoseconds or in plain counts."""

    symbol: str
    worth: int


MEMORY_UNITS = (Unit("bytes", 1), Unit("KB", 1024), Unit("MB", 1024**2), Unit("GB", 1024**3), Unit("TB", 1024**4))
TIME_UNITS = (Unit("ns", 1), Unit("µs", 10**3), Unit("ms", 10**6), Unit("s", 10**9))
COUNT_UNITS = (Unit("", 1), Unit("k", 10**3), Unit("M", 10**6), Unit("G", 10**9), Unit("T", 10**12))


def unit(symbol: str) -> Unit:
    """The unit of this symbol; raises KeyError where there is none.

    >>> unit("KB").worth, unit("M").worth
    (1024, 1000000)
    """
    return _UNITS[symbol]


def in_unit(value: int, worth: int, decimals: int = 0) -> str:
    """An exact count in units of `worth`, rounded half up, with thousands separators.

    >>> in_unit(802816, 1024), in_unit(186624, 1024, 2), in_unit(61100840, 10**6, 1)
    ('784', '182.25', '61.1')
    """
    scaled = (2 * value * 10**decimals + worth) // (2 * worth)
    whole, fraction = divmod(scaled, 10**decimals)
    return f"{whole:,}.{fraction:0{decimals}}" if decimals else f"{whole:,}"


def human(value: int, units: tuple[Unit, ...]) -> str:
    """A count in the largest unit that leaves at least 1, with three significant figures.

    >>> human(61100840, COUNT_UNITS), human(2395392, MEMORY_UNITS), human(999, COUNT_UNITS), human(999999, COUNT_UNITS)
    ('61.1 M', '2.28 MB', '999', '1.00 M')
    """
    # What three figures would round up to 1,000 of a unit is 1.00 of the next.
    best = max((u for u in units if u.worth * 9995 <= value * 10_000), key=lambda u: u.worth, default=units[0])
    digits = len(str(value // best.worth))
    text = in_unit(value, best.worth, 0 if best.worth == 1 else max(0, 3 - digits))
    return f"{text} {best.symbol}".rstrip()


def percent(part: int, whole: int, decimals: int = 0) -> str:
    """A share of a total in percent; of nothing, a dash.

    >>> percent(1331, 2340), percent(1, 0)
    ('57 %', '–')
    """
    return f"{in_unit(100 * part, whole, decimals)} %" if whole else "–"


_UNITS = {u.symbol: u for u in (*MEMORY_UNITS, *TIME_UNITS, *COUNT_UNITS)}
