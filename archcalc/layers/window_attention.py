"""Attention within the windows of a map, as `window_partition` gives them."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.attention import join_heads, split_heads, turned
from archcalc.layers.core.arithmetic import Dim, Shape, divides, equal, product, require
from archcalc.layers.core.base import (
    STRUCTURAL,
    Layer,
    NonNegative,
    Operation,
    Ops,
    Positive,
    Size2d,
    Visibility,
    elements,
    fmt_shape,
)
from archcalc.layers.core.execution import BOOL_BYTES, FULL_PRECISION_BYTES, INDEX_BYTES, Execution, Keeps, Tensor
from archcalc.layers.core.twin import TorchTwin
from archcalc.layers.core.window import spread

Shift = Annotated[
    NonNegative | Annotated[tuple[NonNegative, ...], Meta(min_length=2, max_length=2)],
    Meta(description="a whole number ≥ 0, or [height, width]", extra=STRUCTURAL),
]


class OfWindows(Layer):
    """What attention within the windows of a map has in common.

    Shape: queries, keys and values (rows, columns, h · w, C), as `window_partition` gives them → as the queries
    Raises: inputs of different shapes, or not in windows of this size; heads that do not divide C; a shift as large as
        the window
    """

    heads: Positive
    size: Size2d
    shift: Shift = 0

    operation = Operation.ATTENTION
    arity = (3, 3)
    label = "attention"

    def output(self, x: Shape, keys: Shape, values: Shape) -> Shape:
        def error() -> LayerError:
            return LayerError(
                f"{self.kind} needs queries, keys and values of one shape, rows × columns × {fmt_shape(tokens)} tokens "
                f"× width, got {', '.join(map(fmt_shape, (x, keys, values)))}",
                field="from",
                hint="`window_partition` with the same size makes windows of a map with channels last",
            )

        tokens = spread(self.size, 2)
        require(len(x) == len(keys) == len(values) == 4, error)
        for other in (keys, values):
            for a, b in zip(x, other, strict=True):
                require(equal(a, b), error)
        require(equal(x[2], product(tokens)), error)
        require(
            divides(self.heads, x[3]),
            lambda: LayerError(f"{self.heads} heads do not divide the width {x[3]}", field="heads"),
        )
        for shift, size in zip(spread(self.shift, 2), tokens, strict=True):
            require(
                size > shift,
                lambda: LayerError(f"shift {self.shift} must be less than the window of {self.size}", field="shift"),
            )
        return x

    @property
    def is_shifted(self) -> bool:
        """Whether the map was rolled, so that a mask must keep apart what were no neighbours."""
        return any(shift != 0 for shift in spread(self.shift, 2))

    @property
    def offsets(self) -> int:
        """How many different offsets two tokens of a window can have."""
        return product(2 * size - 1 for size in spread(self.size, 2))

    def scores(self, x: Shape) -> Dim:
        """How many scores there are: one for each pair of tokens of a window, and head."""
        return product(x[:3]) * x[2] * self.heads

    def backward_macs(
        self, x: Shape, keys: Shape, values: Shape, y: Shape, *, needs_grad: Sequence[bool], trains: bool
    ) -> Dim:
        queries_grad, keys_grad, values_grad = needs_grad[:3]
        scores_grad = queries_grad or keys_grad or trains  # the biases are learned
        return elements(x) * x[2] * (queries_grad + keys_grad + scores_grad + values_grad)

    def window(self, x: Shape, keys: Shape, values: Shape) -> Visibility:
        return Visibility.UNKNOWN

    def attend(self, run: Execution, scores: Tensor, table: Tensor, v: Tensor, *, held: bool = False) -> Tensor:
        """The softmax of the scores with biases of a table (offsets, heads) and mask, times the values.

        `held` tells that the caller still holds the scores.
        """
        _, rows, columns, tokens, _ = v.shape
        biases = run.new((tokens, tokens, self.heads), table)
        biased = run.elementwise(scores, run.permuted(biases, (2, 0, 1)))
        run.free(biases, *[] if held else [scores])
        if self.is_shifted:
            pairs = (rows, columns, 1, tokens, tokens)
            sides = zip((rows, columns), spread(self.size, 2), strict=True)
            small = [run.new((side, size), width=INDEX_BYTES) for side, size in sides]
            pieces = run.new((rows, columns, tokens), width=INDEX_BYTES)
            unlike = run.new(pairs, width=BOOL_BYTES)
            mask = run.new(pairs, width=FULL_PRECISION_BYTES)
            run.free(*small, pieces, unlike)
            if run.width != FULL_PRECISION_BYTES:
                mask, precise = run.new(pairs), mask
                run.free(precise)
            unmasked, biased = biased, run.elementwise(biased, mask)
            run.free(unmasked, mask)
        weights = run.new(biased.shape, biased)
        run.keep(weights, weights)
        joined = run.matmul(weights, split_heads(run, v, self.heads))
        run.free(weights)
        return join_heads(run, joined)


class WindowAttention(OfWindows, kind="window_attention"):
    """Attention within the windows of a map, with a learned bias for each offset between two tokens and each head.

    Fields:
        heads: parts of the width that attend each for itself
        size: height and width of a window
        shift: by how much the map was rolled; a mask then keeps apart what were no neighbours
    Params: (2h - 1) · (2w - 1) · heads weights, the biases of offsets; buffers: the offset of each pair of tokens
    Ops: as `attention` in every window; per score one addition of the bias, and one of the mask if shifted
    Source: Liu et al., "Swin Transformer", arXiv:2103.14030; Tu et al., "MaxViT", arXiv:2204.01697

    >>> attention = WindowAttention(heads=3, size=7)
    >>> x = (8, 8, 49, 96)
    >>> attention.params(x, x, x).weights, attention.ops(x, x, x, x).macs
    (507, 29503488)
    """

    torch = TorchTwin(
        "archcalc.torch_backend.twins.attention.WindowAttention", heads="heads", size="size", shift="shift"
    )

    def parameters(self, x: Shape, keys: Shape, values: Shape) -> dict[str, Shape]:
        return {"offset_weight": (self.offsets, self.heads)}

    def buffers(self, x: Shape, keys: Shape, values: Shape) -> Dim:
        return x[2] * x[2]

    def buffer_bytes(self, x: Shape, keys: Shape, values: Shape, *, width: Dim) -> Dim:
        return self.buffer_bytes_read(x, keys, values, width=width)

    def buffer_bytes_read(self, x: Shape, keys: Shape, values: Shape, *, width: Dim) -> Dim:
        return INDEX_BYTES * x[2] * x[2]

    def ops(self, x: Shape, keys: Shape, values: Shape, y: Shape) -> Ops:
        scores = self.scores(x)
        return Ops(
            macs=2 * elements(x) * x[2],
            multiplications=scores,
            comparisons=scores,
            special=scores,
            additions=(4 if self.is_shifted else 3) * scores,
            divisions=scores,
        )

    def execute(self, run: Execution, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        q, k = split_heads(run, x, self.heads), split_heads(run, keys, self.heads)
        scaled = run.elementwise(q)
        scores = run.matmul(scaled, turned(run, k))
        run.free(scaled)
        table = run.parameter((self.offsets, self.heads))
        return self.attend(run, scores, table, values)


class CosineWindowAttention(OfWindows, kind="cosine_window_attention"):
    """Attention within windows by the cosine between query and key, with a bias that a small network makes of offsets.

    The scores are cos(q, k) · exp(min(scale, ln 100)), with a learned scale for each head, plus 16 · sigmoid(bias). The
    network sees the logarithms of the offsets and has one hidden layer; a batch needs its biases only once, but they
    are counted for every sample, so that a batch of n costs n times one sample.

    Fields:
        heads: parts of the width that attend each for itself
        size: height and width of a window
        shift: by how much the map was rolled; a mask then keeps apart what were no neighbours
        hidden: width of the network's hidden layer
    Params: with P = (2h - 1) · (2w - 1) offsets: heads scales, 2 · hidden + hidden · heads weights and hidden biases of
        the network; buffers: the 2 · P logarithms, and the offset of each pair of tokens
    Ops: as `attention` in every window, and P · hidden · (2 + heads) multiply-adds of the network; per element of q and
        k one multiplication, one addition and one division, per token and head of them one square root and one
        comparison; per score one addition of the bias, and one of the mask if shifted; per head one comparison and one
        exp; per offset and hidden one addition and one comparison, per offset and head a sigmoid (one exp, one
        addition, one division) and one multiplication
    Source: Liu et al., "Swin Transformer V2", arXiv:2111.09883

    >>> attention = CosineWindowAttention(heads=3, size=8)
    >>> x = (8, 8, 64, 96)
    >>> attention.params(x, x, x).total, attention.ops(x, x, x, x).macs
    (3075, 50907648)
    """

    hidden: Positive = 512

    torch = TorchTwin(
        "archcalc.torch_backend.twins.attention.CosineWindowAttention",
        heads="heads",
        size="size",
        shift="shift",
        hidden="hidden",
    )

    def parameters(self, x: Shape, keys: Shape, values: Shape) -> dict[str, Shape]:
        return {
            "scale": (self.heads, 1, 1),
            "network.0.weight": (self.hidden, 2),
            "network.0.bias": (self.hidden,),
            "network.2.weight": (self.heads, self.hidden),
        }

    def buffers(self, x: Shape, keys: Shape, values: Shape) -> Dim:
        return 2 * self.offsets + x[2] * x[2]

    def buffer_bytes(self, x: Shape, keys: Shape, values: Shape, *, width: Dim) -> Dim:
        return self.buffer_bytes_read(x, keys, values, width=width)

    def buffer_bytes_read(self, x: Shape, keys: Shape, values: Shape, *, width: Dim) -> Dim:
        return width * 2 * self.offsets + INDEX_BYTES * x[2] * x[2]

    def ops(self, x: Shape, keys: Shape, values: Shape, y: Shape) -> Ops:
        scores, inputs, vectors = self.scores(x), 2 * elements(x), 2 * product(x[:3]) * self.heads
        units, biases = self.offsets * self.hidden, self.offsets * self.heads
        return Ops(
            macs=2 * elements(x) * x[2] + units * (2 + self.heads),
            multiplications=inputs + scores + biases,
            comparisons=vectors + self.heads + scores + units,
            special=vectors + self.heads + scores + biases,
            additions=inputs + (4 if self.is_shifted else 3) * scores + units + biases,
            divisions=inputs + scores + biases,
        )

    def backward_macs(
        self, x: Shape, keys: Shape, values: Shape, y: Shape, *, needs_grad: Sequence[bool], trains: bool
    ) -> Dim:
        attended = super().backward_macs(x, keys, values, y, needs_grad=needs_grad, trains=trains)
        units = self.offsets * self.hidden  # the network's first layer reads constants, which need no gradient
        return attended + (units * (2 + 2 * self.heads) if trains else 0)

    def execute(self, run: Execution, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        q, k = (_normalised(run, split_heads(run, tensor, self.heads)) for tensor in (x, keys))
        product = run.matmul(q, turned(run, k))
        limit = run.elementwise(run.parameter((self.heads, 1, 1)))
        scale = run.elementwise(limit, keeps=Keeps.OUTPUT)
        run.free(limit)
        scores = run.product(product, scale)
        run.free(product, scale)
        batch = x.shape[0]
        offsets = run.expanded(run.parameter((self.offsets, 2)), batch)
        flat = run.reshaped(offsets, (batch * self.offsets, 2))
        hidden = run.new((batch, self.offsets, self.hidden), flat, trains=True)
        run.keep(hidden, flat)
        run.free_copy(flat, offsets)
        rectified = run.elementwise(hidden, keeps=Keeps.OUTPUT)
        run.free(hidden)
        logits = run.new((batch, self.offsets, self.heads), rectified, trains=True)
        run.free(rectified)
        shares = run.elementwise(logits, keeps=Keeps.OUTPUT)
        run.free(logits)
        tables = run.elementwise(shares)
        run.free(shares)
        table = run.view(tables, (self.offsets, self.heads), (self.heads, 1))
        return self.attend(run, scores, table, values, held=True)


def _normalised(run: Execution, x: Tensor) -> Tensor:
    """Each vector along the last axis divided by its length."""
    length = run.new((*x.shape[:-1], 1), x)
    run.keep(length, x, length)
    divisor = run.elementwise(length, keeps=Keeps.INPUT)
    run.free(length)
    unit = run.elementwise(x, divisor, keeps=Keeps.INPUT)
    run.free(divisor)
    return unit
