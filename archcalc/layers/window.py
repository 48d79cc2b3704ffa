"""A window that slides over a map, as convolutions and pools have it, in any number of spatial dimensions."""

from typing import Any

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Dim, Shape, ceil_div, minimum, require
from archcalc.layers.base import Window, fmt_shape


def spread(size: Any, n: int) -> tuple[Dim, ...]:
    """A size given once, or once for each of `n` dimensions, as a tuple of `n`.

    >>> spread(3, 2), spread((3, 5), 2)
    ((3, 3), (3, 5))
    """
    return size if isinstance(size, tuple) else (size,) * n


def span(kernel: Dim, dilation: Dim) -> Dim:
    """How far a dilated kernel reaches from its first tap to its last.

    >>> span(3, 2)
    5
    """
    return dilation * (kernel - 1) + 1


def positions(x: Dim, kernel: Dim, stride: Dim, pad: Dim, dilation: Dim = 1, ceil: bool = False) -> Dim:
    """How many positions a window takes along one dimension of size `x`.

    `ceil` rounds up: a last window may then hang over the edge, but none starts in the padding beyond it.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285; for `ceil`,
    torch.nn.MaxPool2d.

    >>> positions(227, kernel=11, stride=4, pad=2)
    56
    >>> positions(56, kernel=3, stride=2, pad=0), positions(56, kernel=3, stride=2, pad=0, ceil=True)
    (27, 28)
    """
    room = x + 2 * pad - span(kernel, dilation)
    if not ceil:
        return room // stride + 1
    return minimum(ceil_div(room, stride) + 1, ceil_div(x + pad, stride))


def slide(
    x: Shape, kernel: object, stride: object, pad: object, dilation: object = 1, ceil: bool = False
) -> tuple[Dim, ...]:
    """The spatial size of what a window makes of a map `x`; raises LayerError where it does not fit.

    >>> slide((3, 227, 227), kernel=11, stride=4, pad=2)
    (56, 56)
    >>> slide((64, 5, 5), kernel=7, stride=1, pad=0)
    Traceback (most recent call last):
    ...
    archcalc.errors.LayerError: error: kernel 7 does not fit its input of 5×5 (pad 0)
      hint: pad ≥ 1 or kernel ≤ 5
    """
    n = len(x) - 1

    def misfit(size: Dim, reach: Dim, pad_one: Dim) -> LayerError:
        dilated = "" if str(reach) in map(str, spread(kernel, n)) else f", spanning {reach} with its dilation,"
        return LayerError(
            f"kernel {_fmt(kernel)}{dilated} does not fit its input of {fmt_shape(x[1:])} (pad {_fmt(pad)})",
            field="kernel",
            hint=f"pad ≥ {ceil_div(reach - size, 2)} or {'span' if dilated else 'kernel'} ≤ {size + 2 * pad_one}",
            size_matters=True,
        )

    taps = zip(x[1:], spread(kernel, n), spread(stride, n), spread(pad, n), spread(dilation, n), strict=True)
    y = []
    for size, k, s, p, d in taps:
        count, reach = positions(size, k, s, p, d, ceil), span(k, d)
        require(count >= 1, lambda args=(size, reach, p): misfit(*args))  # type: ignore[misc]
        y.append(count)
    return tuple(y)


def receptive_window(n: int, kernel: object, stride: object, dilation: object = 1) -> Window:
    """What one position of the window sees, for each of `n` dimensions.

    >>> receptive_window(2, kernel=3, stride=1, dilation=2)
    ((5, 1), (5, 1))
    """
    taps = zip(spread(kernel, n), spread(stride, n), spread(dilation, n), strict=True)
    return tuple((span(k, d), s) for k, s, d in taps)


def require_map(x: Shape, kind: str) -> None:
    """Raise LayerError unless `x` is channels × height × width."""
    require(
        len(x) == 3,
        lambda: LayerError(
            f"{kind} needs an input of channels × height × width, got {fmt_shape(x)}",
            hint="put it before flatten and linear, or give the spec an input such as [3, 224, 224]",
        ),
    )


def _fmt(size: object) -> str:
    return "×".join(map(str, size)) if isinstance(size, tuple) else str(size)
