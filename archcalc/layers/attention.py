"""Attention: every token weighs the values of others by how well their keys fit its query.

The projections to queries, keys and values, and the one of the result, are linear layers of their own; the blocks
`self_attention`, `cross_attention` and `shifted_window_attention` put them together.
"""

from typing import Annotated

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Dim, Shape, divides, equal, maximum, product, require
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
from archcalc.layers.storage import Kept
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
        pairs, scores = product(x[:-1]) * others[0][-2], self._scores(x, others[0])
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

    def kept(self, x: Shape, y: Shape, *others: Shape) -> Kept | None:
        keys, values = others
        if self.softcap is not None:
            if self.heads == 1 or x[-2] == 1 or keys[-2] == 1:
                return None  # what is then laid out anew, and what is kept as it is, is another matter
            tokens = product(keys[:-1])
            return Kept(elements=elements(x) + tokens * (x[-1] + y[-1]) + 2 * self._scores(x, keys))
        width = x[-1] // self.heads
        if len(x) > 2 or values[-1] != self.key_heads * width:
            return None  # PyTorch then takes other operations than the fused one
        logarithms = self.heads * x[0]
        mask = self.workspace_of_batch(x, y, *others)
        if self.key_heads == self.heads:
            return Kept(inputs=3, output=True, statistics=logarithms, batch_elements=mask)
        return Kept(inputs=1, output=True, elements=2 * keys[0] * x[-1], statistics=logarithms, batch_elements=mask)

    def workspace(self, x: Shape, y: Shape, *others: Shape) -> Dim:
        if self.softcap is None:
            return super().workspace(x, y, *others)
        keys, is_one = others[0], self.heads == 1
        # A single head, or token, lies as the input does; all else is laid out anew.
        queries = 0 if is_one or x[-2] == 1 else elements(x)
        held = 0 if is_one or (self.key_heads == self.heads and keys[-2] == 1) else product(keys[:-1])
        scores, numbers = self._scores(x, keys), elements(y)
        # Scores beside queries and keys, and before and after a step, where the output is not there yet; then beside
        # values, and beside what becomes the output in another order.
        before = maximum(queries + held * x[-1], scores) - numbers
        return scores + maximum(before, maximum(held * y[-1], numbers if queries else 0))

    def workspace_of_batch(self, x: Shape, y: Shape, *others: Shape) -> Dim:
        has_mask = self.sliding_window is not None or (self.softcap is not None and self.causal)
        return x[-2] * others[0][-2] if has_mask else 0

    def _scores(self, x: Shape, keys: Shape) -> Dim:
        """How many scores there are: one for each head, query and key of a group."""
        return product(x[:-1]) * self.heads * keys[-2]


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

    def workspace(self, x: Shape, y: Shape, *others: Shape) -> Dim:
        # The scores before and after a step, and the values laid out anew; before that, queries and keys laid out anew.
        scores, numbers = self.scores(x), elements(x)
        return maximum(2 * scores + numbers, scores + 2 * numbers)


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

    def kept(self, x: Shape, y: Shape, *others: Shape) -> Kept | None:
        if self.heads == 1 or x[2] == 1:
            return None  # what is then laid out anew, and what is kept as it is, is another matter
        return Kept(elements=self.scores(x) + 3 * elements(x))  # each head's queries, keys and values lie together


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

    def workspace(self, x: Shape, y: Shape, *others: Shape) -> Dim:
        return 3 * (self.scores(x) + elements(x))  # the unit queries and keys stay, and the scores before their biases
