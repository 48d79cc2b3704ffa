"""Layers that add places to the sides of a tensor."""

from typing import Annotated, Literal

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, require
from archcalc.layers.core.base import MAX_RANK, AlongAxes, NonNegative, Real, Visibility, fmt_shape
from archcalc.layers.core.execution import Execution, Tensor
from archcalc.layers.core.twin import TorchTwin
from archcalc.layers.slicing import Extent

Sides = Annotated[
    NonNegative | Annotated[tuple[NonNegative, ...], Meta(min_length=2, max_length=2 * MAX_RANK)],
    Meta(
        description="a whole number ≥ 0 for all spatial sides, or [left, right], [left, right, top, bottom], "
        "[left, right, top, bottom, front, back] …"
    ),
]
Mode = Annotated[
    Literal["constant", "reflect", "replicate", "circular"],
    Meta(description="constant, reflect, replicate or circular"),
]


class Pad(Extent, kind="pad"):
    """Pads the sides of a map.

    Fields:
        pad: how many to each side: a list begins with the last axis, as PyTorch's does; a number is for all spatial
            sides
        value: what stands in them
        mode: constant for the value, reflect or replicate for the nearest places, circular for those of the other side
    Shape: (C, H, W) with pad [l, r, t, b] → (C, H + t + b, W + l + r)
    Ops: none
    Raises: a list that has more sides than the input, or is of odd length; a number for an input without spatial axes;
        for a mode other than constant, a value, or a list for other axes than all spatial ones (all axes also do), or
        for more than three; reflecting as many places as there are, or more; wrapping around more often than once
    Source: torch.nn.functional.pad

    >>> Pad(pad=(0, 1, 0, 1)).output((64, 56, 56)), Pad(pad=3, mode="reflect").output((3, 224, 224))
    ((64, 57, 57), (3, 230, 230))
    """

    pad: Sides
    value: Real = 0.0
    mode: Mode = "constant"

    torch = TorchTwin(
        "archcalc.torch_backend.twins.padding.pad", call="function", sides="pad", value="value", mode="mode"
    )

    def output(self, x: Shape) -> Shape:
        pairs = self._pairs(x)
        if self.mode != "constant":
            self._check_mode(pairs, x)
        padded = zip(x[len(x) - len(pairs) :], pairs, strict=True)
        return (*x[: len(x) - len(pairs)], *(before + size + after for size, (before, after) in padded))

    def starts(self, x: Shape) -> Shape:
        pairs = self._pairs(x)
        return (*(0,) * (len(x) - len(pairs)), *(-before for before, _ in pairs))

    def _pairs(self, x: Shape) -> tuple[tuple[Dim, Dim], ...]:
        """What is added before and after, for each of the last axes."""
        if not isinstance(self.pad, tuple):
            require(
                len(x) > 1,
                lambda: LayerError(
                    f"pad needs an input with spatial axes, got {fmt_shape(x)}",
                    field="pad",
                    hint=f"pad: [{self.pad}, {self.pad}] pads the only axis",
                ),
            )
            return ((self.pad, self.pad),) * (len(x) - 1)
        sides = len(self.pad)
        require(
            sides % 2 == 0,
            lambda: LayerError(f"pad needs two numbers for each axis, got {sides}", field="pad"),
        )
        require(
            sides <= 2 * len(x),
            lambda: LayerError(f"pad has {sides} sides, its input of {fmt_shape(x)} {2 * len(x)}", field="pad"),
        )
        return tuple(zip(self.pad[::2], self.pad[1::2], strict=True))[::-1]

    def _check_mode(self, pairs: tuple[tuple[Dim, Dim], ...], x: Shape) -> None:
        require(self.value == 0, lambda: LayerError(f"value needs mode constant, not {self.mode}", field="value"))
        require(
            len(pairs) in (len(x) - 1, len(x)) and len(pairs) <= 3,
            lambda: LayerError(
                f"mode {self.mode} pads all spatial axes, up to three, got {2 * len(pairs)} sides for {fmt_shape(x)}",
                field="pad",
            ),
        )
        if self.mode == "replicate":
            return
        left_out = 1 if self.mode == "reflect" else 0  # the edge is not reflected; going around takes every place once
        for size, sides in zip(x[len(x) - len(pairs) :], pairs, strict=True):
            for side in sides:
                require(
                    side <= size - left_out,
                    lambda size=size, side=side: LayerError(  # type: ignore[misc]
                        f"mode {self.mode} cannot add {side} to a size of {size}",
                        field="pad",
                        hint=f"pad ≤ {size - left_out}",
                        size_matters=True,
                    ),
                )

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        pairs = self._pairs(x.shape[1:])
        if not any(before or after for before, after in pairs) and self.mode == "constant":
            return run.new_like(x, x)
        y = run.new_map(self.batched_output(x), x)
        if self.mode in ("reflect", "replicate"):
            run.keep(y, x)
        return y

    def window(self, x: Shape) -> AlongAxes | Visibility:
        return Visibility.SCATTERED if self.mode == "circular" else super().window(x)
