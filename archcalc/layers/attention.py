"""Attention: every token weighs the values of others by how well their keys fit its query.

The projections to queries, keys and values, and the one of the result, are linear layers of their own; the blocks
`self_attention`, `cross_attention` and `shifted_window_attention` put them together.
"""

from collections.abc import Sequence

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, divides, equal, product, require
from archcalc.layers.core.base import (
    Flag,
    Layer,
    NonNegativeReal,
    Operation,
    Ops,
    Positive,
    Real,
    Visibility,
    fmt_shape,
)
from archcalc.layers.core.execution import BOOL_BYTES, Execution, Gradient, Keeps, Tensor
from archcalc.layers.core.twin import TorchTwin


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
        are groups that do not see one another. A fourth input (heads, T, S), such as `relative_position_bias` makes, is
        added to the scores
    Params: none
    Ops: T · S · (C + V · heads / kv_heads) multiply-adds, whole even where a mask hides part of them; per score (of
        T · S · heads) one multiplication by the scale, softmax (one comparison, one exp, two additions, one division),
        one addition of the mask if causal, one of the fourth input, and one tanh and one multiplication with softcap
    Raises: inputs without tokens; keys and values of different length; groups that differ; heads that do not divide the
        widths; a fourth input of another shape than the scores; sliding_window without causal; softcap of 0
    Source: torch.nn.functional.scaled_dot_product_attention; Vaswani et al., arXiv:1706.03762; kv_heads: Ainslie et
        al., arXiv:2305.13245; sliding_window: Beltagy et al., arXiv:2004.05150; softcap: Gemma team, arXiv:2408.00118

    >>> attention = Attention(heads=12)
    >>> x = (197, 768)
    >>> y = attention.output(x, x, x)
    >>> y, attention.ops(x, x, x, y).macs
    ((197, 768), 59610624)
    """

    heads: Positive
    kv_heads: Positive | None = None
    causal: Flag = False
    sliding_window: Positive | None = None
    scale: Real | None = None
    softcap: NonNegativeReal | None = None

    gradient = Gradient.NEW
    operation = Operation.ATTENTION
    arity = (3, 4)
    torch = TorchTwin(
        "archcalc.torch_backend.twins.attention.Attention",
        heads="heads",
        kv_heads="kv_heads",
        causal="causal",
        sliding_window="sliding_window",
        scale="scale",
        softcap="softcap",
    )

    def output(self, x: Shape, keys: Shape, values: Shape, *biases: Shape) -> Shape:
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
        for bias in biases:
            _require_shape(bias, (*x[:-2], self.heads, x[-2], keys[-2]))
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
    def key_heads(self) -> int:
        """The heads of keys and values in force."""
        return self.heads if self.kv_heads is None else self.kv_heads

    def ops(self, x: Shape, keys: Shape, values: Shape, *biases_and_output: Shape) -> Ops:
        *biases, y = biases_and_output
        pairs = product(x[:-1]) * keys[-2]
        scores = self.heads * pairs
        capped = 1 if self.softcap is None else 2
        return Ops(
            macs=pairs * (x[-1] + y[-1]),
            multiplications=capped * scores,
            comparisons=scores,
            special=capped * scores,
            additions=(2 + len(biases) + self.causal) * scores,
            divisions=scores,
        )

    def backward_macs(
        self,
        x: Shape,
        keys: Shape,
        values: Shape,
        *biases_and_output: Shape,
        needs_grad: Sequence[bool],
        trains: bool,
    ) -> Dim:
        pairs = product(x[:-1]) * keys[-2]
        queries_grad, keys_grad, values_grad, *biases_grad = needs_grad[: 2 + len(biases_and_output)]
        scores_grad = queries_grad or keys_grad or any(biases_grad)
        return pairs * (x[-1] * (queries_grad + keys_grad) + biases_and_output[-1][-1] * (scores_grad + values_grad))

    def window(self, x: Shape, keys: Shape, values: Shape, *biases: Shape) -> Visibility:
        return Visibility.WHOLE if len(x) == 2 and not self.causal else Visibility.UNKNOWN

    def execute(self, run: Execution, x: Tensor, keys: Tensor, values: Tensor, *biases: Tensor) -> Tensor:
        q = split_heads(run, x, self.heads)
        if self.softcap is not None or biases:
            return self._in_steps(run, q, keys, values, *biases)
        k, v = split_heads(run, keys, self.key_heads), split_heads(run, values, self.key_heads)
        mask = [run.new((q.shape[-2], k.shape[-2]))] if self.sliding_window is not None else []
        if _is_fused(q, k, v):
            y = run.new((x.shape[0], x.shape[1], v.shape[-1] * self.heads), q, k, v)
            run.keep(y, q, k, v, y, run.new(q.shape[:-1], width=run.statistics_width), *mask)
            return y
        return join_heads(run, self._attended(run, q, k, v))

    def _repeated(self, run: Execution, x: Tensor) -> Tensor:
        """The heads of keys or values, each as often as queries share it: a copy where that is more than once."""
        *groups, _, tokens, d = x.shape
        return x if self.key_heads == self.heads else run.new((*groups, self.heads, tokens, d), x)

    def _in_steps(self, run: Execution, q: Tensor, keys: Tensor, values: Tensor, *biases: Tensor) -> Tensor:
        """What the operations give that scores take which are bounded, or to which something is added."""
        mask = [run.new((q.shape[-2], keys.shape[-2]))] if self.causal else []
        k = self._repeated(run, split_heads(run, keys, self.key_heads))
        in_order = run.contiguous(q), run.contiguous(k)
        scores = run.matmul(in_order[0], turned(run, in_order[1]))
        run.free_copy(in_order[0], q)
        run.free_copy(in_order[1], keys)
        # Of its factor, and where scores are bounded, the tanh and the bound.
        for keeps in (Keeps.NOTHING, *(() if self.softcap is None else (Keeps.OUTPUT, Keeps.NOTHING))):
            scores, last = run.elementwise(scores, keeps=keeps), scores
            run.free(last)
        for added in (*biases, *mask):
            scores, last = run.elementwise(scores, added), scores
            run.free(last)
        weights = run.elementwise(scores, keeps=Keeps.OUTPUT)
        run.free(scores)
        v = run.contiguous(self._repeated(run, split_heads(run, values, self.key_heads)))
        y = run.matmul(weights, v)
        run.free_copy(v, values)
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
        if self.key_heads != self.heads:
            k, v = copies = [self._repeated(run, tensor) for tensor in (k, v)]
            held += copies
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


def _require_shape(bias: Shape, scores: Shape) -> None:
    def error() -> LayerError:
        return LayerError(
            f"attention adds its fourth input to scores of {fmt_shape(scores)}, got {fmt_shape(bias)}",
            field="from",
            hint="it needs one number for each head, query and key",
        )

    require(len(bias) == len(scores), error)
    for a, b in zip(bias, scores, strict=True):
        require(equal(a, b), error)


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


def _is_fused(q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether PyTorch computes attention in one operation: ungrouped, heads of one width whose numbers are together.

    That operation reads heads of keys and values that queries share without a copy.
    """
    if len(q.shape) != 4 or v.shape[-1] != q.shape[-1]:
        return False
    return all(tensor.strides[-1] == 1 for tensor in (q, k, v))
