"""A window that slides over a map, as convolutions and pools have it, in any number of spatial dimensions."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, overload

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, Sizes, ceil_div, maximum, minimum, require
from archcalc.layers.core.base import Window, fmt_shape

Extent: TypeAlias = Dim | tuple[Dim, ...]
"""A number for all dimensions, or one for each of them."""


@overload
def spread(size: int | tuple[int, ...], n: int) -> Sizes: ...
@overload
def spread(size: Extent, n: int) -> Shape: ...
def spread(size: Extent, n: int) -> Shape:
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
    x: Shape,
    kernel: Extent,
    stride: Extent,
    pad: Extent,
    dilation: Extent = 1,
    ceil: bool = False,
    pads_by_half: bool = False,
) -> tuple[Dim, ...]:
    """The spatial size of what a window makes of a map `x`; raises LayerError where it does not fit.

    `pads_by_half` says that the layer refuses a pad of more than half of its kernel, and so no such pad is advised.

    >>> slide((3, 227, 227), kernel=11, stride=4, pad=2)
    (56, 56)
    >>> slide((64, 5, 5), kernel=7, stride=1, pad=0)
    Traceback (most recent call last):
    ...
    archcalc.errors.LayerError: error: kernel 7 does not fit its input of 5×5 (pad 0)
      hint: pad ≥ 1 or kernel ≤ 5
    """
    n = len(x) - 1
    kernels, pads, dilations = spread(kernel, n), spread(pad, n), spread(dilation, n)
    reaches = tuple(map(span, kernels, dilations))

    def misfit() -> LayerError:
        is_dilated = per_dimension(reaches) != per_dimension(kernels)
        dilated = f", spanning {per_dimension(reaches)} with its dilation," if is_dilated else ""
        enough = per_dimension([maximum(ceil_div(r - size, 2), 0) for r, size in zip(reaches, x[1:], strict=True)])
        room = per_dimension([size + 2 * p for size, p in zip(x[1:], pads, strict=True)])
        shorter = f"{'span' if is_dilated else 'kernel'} ≤ {room}"
        return LayerError(
            f"kernel {_fmt(kernel)}{dilated} does not fit its input of {fmt_shape(x[1:])} (pad {_fmt(pad)})",
            field="kernel",
            hint=shorter if is_dilated and pads_by_half else f"pad ≥ {enough} or {shorter}",
            size_matters=True,
        )

    y = tuple(
        positions(size, k, s, p, d, ceil)
        for size, k, s, p, d in zip(x[1:], kernels, spread(stride, n), pads, dilations, strict=True)
    )
    for count in y:
        require(count >= 1, misfit)
    return y


def receptive_window(
    n: int, kernel: Extent, stride: Extent, pad: Extent | Literal["same"], dilation: Extent = 1
) -> Window:
    """What one position of the window sees, for each of `n` dimensions.

    `pad: same` adds the smaller half of an odd number of zeros before the map.

    >>> receptive_window(2, kernel=3, stride=1, pad=1, dilation=2), receptive_window(1, kernel=4, stride=1, pad="same")
    (((5, 1, -1), (5, 1, -1)), ((4, 1, -1),))
    """
    spans = tuple(map(span, spread(kernel, n), spread(dilation, n)))
    pads = tuple((reach - 1) // 2 for reach in spans) if isinstance(pad, str) else spread(pad, n)
    return tuple((reach, s, -p) for reach, s, p in zip(spans, spread(stride, n), pads, strict=True))


_MAPS = {
    1: ("channels × length", "[1, 16000]"),
    2: ("channels × height × width", "[3, 224, 224]"),
    3: ("channels × depth × height × width", "[3, 16, 112, 112]"),
}
"""By its number of spatial dimensions: what a map's axes are, and an example."""


def require_map(x: Shape, kind: str, n: int = 2) -> None:
    """Raise LayerError unless `x` is a map of `n` spatial dimensions: for two, channels × height × width."""
    axes, example = _MAPS[n]
    require(len(x) == n + 1, lambda: _no_map(x, f"{kind} needs an input of {axes}", example))


def require_any_map(x: Shape, kind: str) -> None:
    """Raise LayerError unless `x` is a map of one, two or three spatial dimensions."""
    axes, example = _MAPS[2]
    what = f"{kind} needs a map of one to three dimensions, such as {axes}"
    require(len(x) - 1 in _MAPS, lambda: _no_map(x, what, example))


def _no_map(x: Shape, what: str, example: str) -> LayerError:
    return LayerError(
        f"{what}, got {fmt_shape(x)}",
        hint=f"put it before flatten and linear, or give the spec an input such as {example}",
    )


def per_dimension(values: Sequence[Dim]) -> str:
    """Values as a spec writes them: once where they are equal, else one for each dimension.

    >>> per_dimension((3, 3)), per_dimension((3, 5))
    ('3', '[3, 5]')
    """
    texts = list(map(str, values))
    return texts[0] if len(set(texts)) == 1 else f"[{', '.join(texts)}]"


def _fmt(size: Extent) -> str:
    return "×".join(map(str, size)) if isinstance(size, tuple) else str(size)
