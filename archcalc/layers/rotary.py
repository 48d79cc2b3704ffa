"""Positions of tokens encoded by rotating their features; learned.py has vectors that are added."""

from typing import Annotated, Literal

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, divides, product, require, whole
from archcalc.layers.core.base import Layer, NonNegative, Ops, Positive, Visibility, fmt_shape
from archcalc.layers.core.execution import Execution, Tensor
from archcalc.layers.core.twin import TorchTwin

AtLeastOne = Annotated[float, Meta(ge=1, description="a number ≥ 1")]
Pairs = Annotated[Literal["halves", "neighbours"], Meta(description="halves or neighbours")]


class RotaryEmbedding(Layer, kind="rope"):
    """Rotary position embedding: pairs of each head's features turned by angles that grow with the token's position.

    With n features turned, pair i of the token at place t is turned by the angle t · theta^(-2i / n). It is for the
    queries and the keys of attention, whose products then depend on how far apart two tokens are.

    Fields:
        heads: parts of the width that are turned alike
        theta: the base of the angles; the larger, the slower the last pairs turn
        pairs: what makes a pair: halves (feature i and feature i + n/2) or neighbours (2i and 2i + 1)
        skip: how many features at the front of each head stay as they are
        stretch: for how many times the context of training the angles are stretched, as YaRN does
        context: how many tokens that context has; it matters where stretch is not 1
    Shape: as the input, (T, C); axes before these are groups, each of which begins at place 0
    Params: none
    Ops: with n = C / heads - skip features of each head turned, 2 multiplications and one addition for each of these;
        T · n / 2 angles, each of one multiplication, one sine and one cosine: a batch needs them only once, but they
        are counted for every sample
    Raises: an input without tokens; heads that do not divide the width; an odd number of features to turn, or none;
        stretch with a theta of 1
    Source: Su et al., "RoFormer", arXiv:2104.09864; stretch: Peng et al., "YaRN", arXiv:2309.00071, its slow and fast
        bounds at 1 and 32 turns

    >>> rope = RotaryEmbedding(heads=32, theta=500000)
    >>> x = (2048, 4096)
    >>> rope.output(x), rope.ops(x, x).additions
    ((2048, 4096), 8388608)
    """

    heads: Positive
    theta: AtLeastOne = 10000.0
    pairs: Pairs = "halves"
    skip: NonNegative = 0
    stretch: AtLeastOne = 1.0
    context: Positive = 4096

    torch = TorchTwin(
        "archcalc.torch_backend.twins.rotary.RotaryEmbedding",
        heads="heads",
        theta="theta",
        pairs="pairs",
        skip="skip",
        stretch="stretch",
        context="context",
    )

    def output(self, x: Shape) -> Shape:
        require(
            len(x) >= 2,
            lambda: LayerError(f"rope needs tokens × features, got {fmt_shape(x)}", assume=x),
        )
        require(
            divides(self.heads, x[-1]),
            lambda: LayerError(f"{self.heads} heads do not divide the width {x[-1]}", field="heads", assume=x),
        )
        turned = self.turned(x)
        require(
            turned >= 2,
            lambda: LayerError(
                f"skip {self.skip} leaves {turned} of the {x[-1] // self.heads} features of a head to rotate",
                field="skip",
                assume=x,
            ),
        )
        require(
            divides(2, turned),
            lambda: LayerError(f"{turned} features of each head cannot be rotated in pairs", field="heads", assume=x),
        )
        require(
            self.stretch == 1 or self.theta > 1,
            lambda: LayerError(
                "stretch needs pairs of different frequencies, but theta 1 makes all equal", field="stretch", assume=x
            ),
        )
        return x

    def turned(self, x: Shape) -> Dim:
        """How many features of each head are turned."""
        return x[-1] // self.heads - self.skip

    def ops(self, x: Shape, y: Shape) -> Ops:
        turned = self.turned(x)
        numbers, table = product(x[:-1]) * self.heads * turned, x[-2] * turned
        return Ops(multiplications=2 * numbers + table // 2, additions=numbers, special=table)

    def window(self, x: Shape) -> Visibility:
        return Visibility.UNKNOWN

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        tables = [self._table(run, x) for _ in range(2)]  # the cosines and the sines
        y = run.new(x.shape, x)
        run.keep(y, *tables)
        run.free(*tables)
        return y

    def _table(self, run: Execution, x: Tensor) -> Tensor:
        """The cosines or sines of the angles of each place and pair: these in at least float32, so that they differ."""
        (pairs,) = whole([self.turned(x.shape[1:]) // 2])
        tokens, precise = x.shape[-2], run.statistics_width
        speeds, places = run.new((pairs,), width=precise), run.new((tokens,), width=precise)
        angles = run.new((tokens, pairs), width=precise)
        run.free(speeds, places)
        if run.width == precise:
            return angles
        table = run.new((tokens, pairs))
        run.free(angles)
        return table
