"""Arrays of whole numbers whose arithmetic ends in an error where an int64 would wrap around.

Imported only when somebody gives an array.
"""

from typing import Any

import numpy

from archcalc.errors import SettingError

_LIMIT = 2.0**63 * (1 - 1e-9)
"""Nearly what an int64 can hold, so that the rounding of floats does no harm."""
_GROWING = frozenset({"add", "subtract", "multiply", "power", "square", "matmul", "lcm", "left_shift"})


class ExactArray(numpy.ndarray):
    """An array that refuses what exceeds an int64, in which NumPy itself wraps around silently.

    >>> (exact(numpy.array([3, 10**10])) * 5).tolist()
    [15, 50000000000]
    >>> exact(numpy.array([3, 10**10])) ** 2
    Traceback (most recent call last):
    ...
    archcalc.errors.SettingError: error: a number exceeds 2^63 for some variants
      hint: analyze the largest variants separately, at whole numbers
    """

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        """The result of an operation, checked in floats where it may have grown."""
        operation = getattr(ufunc, method)
        plain = [_plain(value) for value in inputs]
        try:
            result = operation(*plain, **options, **({} if out is None else {"out": tuple(map(_plain, out))}))
        except OverflowError:
            raise _too_large() from None
        if ufunc.__name__ in _GROWING and result.dtype.kind in "iuO":
            size = operation(*[numpy.asarray(value, dtype="float64") for value in plain], **options)
            if result.dtype.kind != "i" or (numpy.abs(size) > _LIMIT).any():
                raise _too_large()
        return result.view(ExactArray) if isinstance(result, numpy.ndarray) else result


def exact(array: Any) -> Any:
    """A NumPy array as one that does not wrap around."""
    return array.view(ExactArray)


def _plain(value: Any) -> Any:
    return value.view(numpy.ndarray) if isinstance(value, ExactArray) else value


def _too_large() -> SettingError:
    return SettingError(
        "a number exceeds 2^63 for some variants", hint="analyze the largest variants separately, at whole numbers"
    )
