"""Maps made larger (or smaller) by interpolation, which learns nothing."""

from typing import Annotated, Literal

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Shape, require
from archcalc.layers.core.base import NO_OPS, Flag, Layer, Ops, Positive, Visibility, elements
from archcalc.layers.core.execution import Execution, Tensor
from archcalc.layers.core.twin import OrNone, TorchTwin
from archcalc.layers.core.window import Extent, require_any_map, require_map, spread

_Extent = Annotated[
    Positive | Annotated[tuple[Positive, ...], Meta(min_length=2, max_length=3)],
    Meta(description="a whole number ≥ 1, [height, width], or [depth, height, width]"),
]
Mode = Annotated[
    Literal["nearest", "linear", "bilinear", "bicubic", "trilinear"],
    Meta(description="nearest, linear, bilinear, bicubic or trilinear"),
]
_DIMENSIONS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
_TAPS = {"linear": 2, "bilinear": 4, "bicubic": 16, "trilinear": 8}


class Upsample(Layer, kind="upsample"):
    """Interpolation of every channel to another size, without parameters.

    Fields:
        scale: how many times larger the output is; give either this or size
        size: size of the output
        mode: nearest copies the nearest element; linear (of a length), bilinear and bicubic (of a map) and trilinear
            (of a volume) weigh 2, 4, 16 and 8 of them
        align_corners: whether the first and the last element stay where they are, in all modes but nearest
    Shape: (C, H, W) → (C, scale·H, scale·W), or (C, size, size); (C, L) and (C, D, H, W) likewise
    Params: none
    Ops: nearest none; else, of the 2, 4, 8 or 16 elements that each output weighs, one multiplication for each and one
        addition less, with weights that are known beforehand
    Raises: input is not a map of the dimensions that the mode is for; both size and scale, or neither; another count
        of numbers in them than the input has dimensions; align_corners with nearest
    Source: torch.nn.Upsample

    >>> up = Upsample(scale=2, mode="bilinear")
    >>> y = up.output((256, 28, 28))
    >>> y, up.ops((256, 28, 28), y).multiplications
    ((256, 56, 56), 3211264)
    """

    scale: _Extent | None = None
    size: _Extent | None = None
    mode: Mode = "nearest"
    align_corners: Flag = False

    torch = TorchTwin(
        "torch.nn.Upsample",
        scale_factor="scale",
        size="size",
        mode="mode",
        align_corners=OrNone("align_corners"),
    )

    def output(self, x: Shape) -> Shape:
        if self.mode == "nearest":
            require_any_map(x, self.kind)
        else:
            require_map(x, f"{self.kind} in mode {self.mode}", _DIMENSIONS[self.mode])
        y = self._interpolated(x)
        require(
            not (self.align_corners and self.mode == "nearest"),
            lambda: LayerError(
                "align_corners has no effect in mode nearest, which copies single elements",
                field="align_corners",
                hint="leave it out, or choose another mode",
                assume=y,
            ),
        )
        return y

    def _interpolated(self, x: Shape) -> Shape:
        n = len(x) - 1
        if self.scale is not None and self.size is None:
            self._require_length("scale", self.scale, n)
            return (x[0], *(size * factor for size, factor in zip(x[1:], spread(self.scale, n), strict=True)))
        if self.size is not None and self.scale is None:
            self._require_length("size", self.size, n)
            return (x[0], *spread(self.size, n))
        raise LayerError(f"{self.kind} needs either scale or size", hint="such as upsample: {scale: 2}")

    def _require_length(self, field: str, value: Extent, n: int) -> None:
        given = len(value) if isinstance(value, tuple) else n
        require(
            given == n,
            lambda: LayerError(
                f"{field} has {given} numbers, but the input has {n} dimensions besides its channels",
                field=field,
                hint="give one number for all dimensions, or one for each",
            ),
        )

    def ops(self, x: Shape, y: Shape) -> Ops:
        if self.mode == "nearest":
            return NO_OPS
        taps = _TAPS[self.mode]
        return Ops(multiplications=taps * elements(y), additions=(taps - 1) * elements(y))

    def window(self, x: Shape) -> Visibility:
        return Visibility.UNKNOWN

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        shape = self.batched_output(x)
        return run.new_map(shape, x)
