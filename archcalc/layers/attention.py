"""Attention: every token weighs the values of others by how well their keys fit its query.

The projections to queries, keys and values, and the one of the result, are linear layers of their own; the blocks
`self_attention`, `cross_attention` and `shifted_window_attention` put them together.
"""

from typing import Annotated

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Dim, Shape, divides, equal, product, require
from archcalc.layers.base import (
    STRUCTURAL,
    Flag,
    Layer,
    NonNegative,
    NonNegativeReal,
    Ops,
    Positive,
    Real,
    Sight,
    Size2d,
    elements,
    fmt_shape,
)
from archcalc.layers.execution import BOOL_BYTES, FULL_PRECISION_BYTES, INDEX_BYTES, Execution, Keeps, Tensor
from archcalc.layers.twin import TorchTwin
from archcalc.layers.window import spread

Shift = Annotated[
    NonNegative | Annotated[tuple[NonNegative, ...], Meta(min_length=2, max_length=2)],
    Meta(description="a whole number ≥ 0, or [height, width]", extra=STRUCTURAL),
]


class Attention(Layer, kind="attention"):
    """Scaled dot-product attention in several heads: softmax(q · kᵀ / √d) · v, with d the width of a head's queries.

    Fields:
        heads: parts of the width that attend each for itself
        kv_heads: heads of keys and values, each shared by as many heads of queries; heads where left out
        causal: whether a token sees only those before it and itself
        sliding_window: how many of these it sees at the most, itself included; all where left out
        scale: what the products q · k are multiplied by; 1/√d where left out
        softcap: a bound that scores approach instead of passing it: a score s becomes softcap · tanh(s / softcap)
    Shape: queries (T, C), keys (S, C · kv_heads / heads), values (S, V) → (T, V · heads / kv_heads); axes before these
        are groups that do not see one another
    Params: none
    Ops: T · S · (C + V · heads / kv_heads) multiply-adds, whole even where a mask hides part of them; per score (of
        T · S · heads) one multiplication by the scale, softmax (one comparison, one exp, two additions, one division),
        one addition of the mask if causal, and one tanh and one multiplication with softcap
    Raises: inputs without tokens; keys and values of different length; groups that differ; heads that do not divide the
        widths; sliding_window without causal; softcap of 0
    Source: torch.nn.functional.scaled_dot_product_attention; Vaswani et al., arXiv:1706.03762; kv_heads: Ainslie et
        al., arXiv:2305.13245; sliding_window: Beltagy et al., arXiv:2004.05150; softcap: Gemma team, arXiv:2408.00118

    >>> attention = Attention(heads=12)
    >>> x = (197, 768)
    >>> y = attention.output(x, x, x)
    >>> y, attention.ops(x, y, x, x).macs
    ((197, 768), 59610624)
    """

    heads: Positive
    kv_heads: Positive | None = None
    causal: Flag = False
    sliding_window: Positive | None = None
    scale: Real | None = None
    softcap: NonNegativeReal | None = None

    arity = (3, 3)
    torch = TorchTwin(
        "archcalc.torch_backend.twins.attention.Attention",
        heads="heads",
        kv_heads="kv_heads",
        causal="causal",
        sliding_window="sliding_window",
        scale="scale",
        softcap="softcap",
    )

    def output(self, x: Shape, *others: Shape) -> Shape:
        keys, values = others
        shapes = ", ".join(map(fmt_shape, (x, keys, values)))

        def error(what: str, field: str = "from", hint: str | None = None) -> LayerError:
            return LayerError(f"attention needs {what}, got {shapes}", field=field, hint=hint)

        order = "write `from: [q, k, v]`: queries, keys, values"
        require(
            len(x) >= 2 and len(x) == len(keys) == len(values),
            lambda: error("queries, keys and values of tokens × width", hint=order),
        )
        for a, b, c in zip(x[:-2], keys[:-2], values[:-2], strict=True):
            require(equal(a, b) & equal(a, c), lambda: error("the same groups of tokens in all three", hint=order))
        require(equal(keys[-2], values[-2]), lambda: error("as many keys as values", hint=order))
        self._require_fields(x[-1])
        require(
            equal(keys[-1] * self.heads, x[-1] * self.key_heads),
            lambda: error("keys as wide as queries, times kv_heads / heads", hint=order),
        )
        require(
            divides(self.key_heads, values[-1]),
            lambda: error(f"values whose width {self.key_heads} heads divide", "heads"),
        )
        return (*x[:-1], values[-1] // self.key_heads * self.heads)

    def _require_fields(self, width: Dim) -> None:
        require(
            self.sliding_window is None or self.causal,
            lambda: LayerError(
                "sliding_window is for tokens that see those before them",
                field="sliding_window",
                hint="add `causal: true`",
            ),
        )
        require(self.softcap != 0, lambda: LayerError("attention divides by softcap, which is 0", field="softcap"))
        require(
            divides(self.heads, width),
            lambda: LayerError(f"{self.heads} heads do not divide the width {width}", field="heads"),
        )
        require(
            divides(self.key_heads, self.heads),
            lambda: LayerError(f"{self.key_heads} kv_heads do not divide the {self.heads} heads", field="kv_heads"),
        )

    @property
    def key_heads(self) -> Dim:
        """The heads of keys and values in force."""
        return self.heads if self.kv_heads is None else self.kv_heads

    def ops(self, x: Shape, y: Shape, *others: Shape) -> Ops:
        pairs = product(x[:-1]) * others[0][-2]
        scores = self.heads * pairs
        capped = 1 if self.softcap is None else 2
        return Ops(
            macs=pairs * (x[-1] + y[-1]),
            multiplications=capped * scores,
            comparisons=scores,
            special=capped * scores,
            additions=(3 if self.causal else 2) * scores,
            divisions=scores,
        )

    def window(self, x: Shape) -> Sight:
        return Sight.WHOLE if len(x) == 2 and not self.causal else Sight.UNKNOWN

    def execute(self, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
        keys, values = others
        q = split_heads(run, x, self.heads)
        if self.softcap is not None:
            return self._in_steps(run, q, keys, values)
        k, v = self._shared(run, keys), self._shared(run, values)
        mask = [run.new((q.shape[-2], k.shape[-2]))] if self.sliding_window is not None else []
        if _is_fused(q, k, v):
            y = run.new((x.shape[0], x.shape[1], v.shape[-1] * self.heads), q, k, v)
            run.keep(y, q, k, v, y, run.new(q.shape[:-1], width=run.statistics_width), *mask)
            return y
        return join_heads(run, self._attended(run, q, k, v))

    def _shared(self, run: Execution, x: Tensor) -> Tensor:
        """The heads of keys or values, each as often as queries share it: a copy where that is more than once."""
        x = split_heads(run, x, self.key_heads)
        *groups, _, tokens, d = x.shape
        return x if self.key_heads == self.heads else run.new((*groups, self.heads, tokens, d), x)

    def _in_steps(self, run: Execution, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """What the operations give that bounded scores take."""
        mask = [run.new((q.shape[-2], keys.shape[-2]))] if self.causal else []
        k = self._shared(run, keys)
        in_order = run.contiguous(q), run.contiguous(k)
        scores = run.matmul(in_order[0], turned(run, in_order[1]))
        run.free(*_copies(q, in_order[0]), *_copies(keys, in_order[1]))
        for keeps in (Keeps.NOTHING, Keeps.OUTPUT, Keeps.NOTHING):  # of its factor, the tanh, and the bound
            scores, last = run.elementwise(scores, keeps=keeps), scores
            run.free(last)
        for seen in mask:
            scores, last = run.elementwise(scores, seen), scores
            run.free(last)
        weights = run.elementwise(scores, keeps=Keeps.OUTPUT)
        run.free(scores)
        v = run.contiguous(self._shared(run, values))
        y = run.matmul(weights, v)
        run.free(*_copies(values, v))
        return join_heads(run, y)

    def _attended(self, run: Execution, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What the operations give that PyTorch takes where the fused one does not fit."""
        precise = run.statistics_width
        held = []
        if run.width < precise:
            q, k, v = held = [run.cast(tensor, precise) for tensor in (q, k, v)]
        scaled = run.elementwise(q)
        held.append(scaled)
        if self.causal and self.sliding_window is None:
            pairs = (q.shape[-2], k.shape[-2])
            made = [run.new(pairs, width=BOOL_BYTES) for _ in range(2)]
            made += [run.new((), width=precise) for _ in range(2)]
            held.append(run.new(pairs, width=precise))
            run.free(*made)
        keys = run.elementwise(turned(run, k))
        scores = run.matmul(scaled, keys)
        run.free(keys)
        weights = run.new(scores.shape, scores)
        run.keep(weights, weights)
        run.free(scores)
        held.append(weights)
        if run.width < precise:
            held.append(run.new(weights.shape, width=run.width))  # the weights are a result that nobody asked for
        y = run.matmul(weights, v)
        if run.width < precise:
            y, sums = run.cast(y, run.width), y
            run.free(sums)
        run.free(*held)
        return y


def split_heads(run: Execution, x: Tensor, heads: int) -> Tensor:
    """(…, tokens, heads · d) → (…, heads, tokens, d), a view."""
    *groups, tokens, width = x.shape
    *steps, of_token, step = x.strides
    d = width // heads
    return run.view(x, (*groups, heads, tokens, d), (*steps, d * step, of_token, step))


def join_heads(run: Execution, x: Tensor) -> Tensor:
    """(…, heads, tokens, d) → (…, tokens, heads · d)."""
    last = len(x.shape) - 1
    turned = run.permuted(x, (*range(last - 2), last - 1, last - 2, last))
    return run.reshaped(turned, (*turned.shape[:-2], turned.shape[-2] * turned.shape[-1]))


def turned(run: Execution, x: Tensor) -> Tensor:
    """The last two axes swapped, a view."""
    last = len(x.shape) - 1
    return run.permuted(x, (*range(last - 1), last, last - 1))


def _copies(x: Tensor, y: Tensor) -> list[Tensor]:
    """`y`, unless it is in the memory of `x`."""
    return [y] if y.storage is not x.storage else []


def _is_fused(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether PyTorch computes attention in one operation: ungrouped, heads of one width whose numbers are together."""
    if len(q.shape) != 4 or v.shape[-1] != q.shape[-1]:
        return False
    return all(tensor.strides[-1] == 1 for tensor in (q, k, v))


class OfWindows(Layer):
    """What attention within the windows of a map has in common.

    Shape: queries, keys and values (rows, columns, h · w, C), as `window_partition` gives them → as the queries
    Raises: inputs of different shapes, or not in windows of this size; heads that do not divide C; a shift as large as
        the window
    """

    heads: Positive
    size: Size2d
    shift: Shift = 0

    arity = (3, 3)
    label = "attention"

    def output(self, x: Shape, *others: Shape) -> Shape:
        def error() -> LayerError:
            return LayerError(
                f"{self.kind} needs queries, keys and values of one shape, rows × columns × {fmt_shape(tokens)} tokens "
                f"× width, got {', '.join(map(fmt_shape, (x, *others)))}",
                field="from",
                hint="`window_partition` with the same size makes windows of a map with channels last",
            )

        tokens = spread(self.size, 2)
        require(len(x) == 4 and all(len(other) == 4 for other in others), error)
        for other in others:
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
    def offsets(self) -> Dim:
        """How many different offsets two tokens of a window can have."""
        return product(2 * size - 1 for size in spread(self.size, 2))

    def scores(self, x: Shape) -> Dim:
        """How many scores there are: one for each pair of tokens of a window, and head."""
        return product(x[:3]) * x[2] * self.heads

    def window(self, x: Shape) -> Sight:
        return Sight.UNKNOWN

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
    >>> attention.params(x).weights, attention.ops(x, x, x, x).macs
    (507, 29503488)
    """

    torch = TorchTwin(
        "archcalc.torch_backend.twins.attention.WindowAttention", heads="heads", size="size", shift="shift"
    )

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {"offset_weight": (self.offsets, self.heads)}

    def buffers(self, x: Shape) -> Dim:
        return x[2] * x[2]

    def ops(self, x: Shape, y: Shape, *others: Shape) -> Ops:
        scores = self.scores(x)
        return Ops(
            macs=2 * elements(x) * x[2],
            multiplications=scores,
            comparisons=scores,
            special=scores,
            additions=(4 if self.is_shifted else 3) * scores,
            divisions=scores,
        )

    def execute(self, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
        q, k = split_heads(run, x, self.heads), split_heads(run, others[0], self.heads)
        scaled = run.elementwise(q)
        scores = run.matmul(scaled, run.permuted(k, (0, 1, 2, 3, 5, 4)))
        run.free(scaled)
        table = run.parameter((self.offsets, self.heads))
        return self.attend(run, scores, table, others[1])


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
    >>> attention.params(x).total, attention.ops(x, x, x, x).macs
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

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {
            "scale": (self.heads, 1, 1),
            "network.0.weight": (self.hidden, 2),
            "network.0.bias": (self.hidden,),
            "network.2.weight": (self.heads, self.hidden),
        }

    def buffers(self, x: Shape) -> Dim:
        return 2 * self.offsets + x[2] * x[2]

    def ops(self, x: Shape, y: Shape, *others: Shape) -> Ops:
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

    def execute(self, run: Execution, x: Tensor, *others: Tensor) -> Tensor:
        q, k = (_normalised(run, split_heads(run, tensor, self.heads)) for tensor in (x, others[0]))
        product = run.matmul(q, run.permuted(k, (0, 1, 2, 3, 5, 4)))
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
        if flat.storage is not offsets.storage:
            run.free(flat)
        rectified = run.elementwise(hidden, keeps=Keeps.OUTPUT)
        run.free(hidden)
        logits = run.new((batch, self.offsets, self.heads), rectified, trains=True)
        run.free(rectified)
        shares = run.elementwise(logits, keeps=Keeps.OUTPUT)
        run.free(logits)
        tables = run.elementwise(shares)
        run.free(shares)
        table = run.view(tables, (self.offsets, self.heads), (self.heads, 1))
        return self.attend(run, scores, table, others[1], held=True)


def _normalised(run: Execution, x: Tensor) -> Tensor:
    """Each vector along the last axis divided by its length."""
    length = run.new((*x.shape[:-1], 1), x)
    run.keep(length, x, length)
    divisor = run.elementwise(length, keeps=Keeps.INPUT)
    run.free(length)
    unit = run.elementwise(x, divisor, keeps=Keeps.INPUT)
    run.free(divisor)
    return unit
