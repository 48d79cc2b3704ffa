"""Relative positions as a bias of attention, by the distance of two tokens; rotary.py rotates features instead."""

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, require
from archcalc.layers.core.base import Flag, Layer, Ops, ParameterRole, Positive, Visibility, fmt_shape
from archcalc.layers.core.execution import BOOL_BYTES, FULL_PRECISION_BYTES, INDEX_BYTES, Execution, Tensor
from archcalc.layers.core.twin import TorchTwin


class RelativePositionBias(Layer, kind="relative_position_bias"):
    """A learned bias for each distance between two tokens and each head, for the scores of attention.

    Distances share biases in buckets: up to half of those of a direction are for one distance each, the others get
    wider and wider up to max_distance, and the last one is for all beyond. It reads only how many tokens there are, so
    that it is computed once a batch, and all layers of a stack can read the same one.

    Fields:
        heads: heads of the attention that reads it
        buckets: how many biases there are for each head
        max_distance: the distance from which on all share the last bucket
        bidirectional: whether tokens behind another have half of the buckets; if not, they share its own place's
    Shape: (T,) or (T, C) → (heads, T, T), one row for each query
    Params: buckets · heads weights
    Ops: per pair of tokens (T · T) 3 comparisons, 2 additions (3 if bidirectional), 2 divisions, one multiplication and
        one logarithm
    Raises: an input that is no sequence; fewer than 2 buckets of a direction; max_distance no larger than half of them
    Source: Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer",
        arXiv:1910.10683, section 2.1; the buckets as its code has them, mesh_tensorflow.transformer

    >>> bias = RelativePositionBias(heads=12)
    >>> bias.output((512, 768)), bias.params((512, 768)).total
    ((12, 512, 512), 384)
    """

    heads: Positive
    buckets: Positive = 32
    max_distance: Positive = 128
    bidirectional: Flag = True

    learns = ParameterRole.POSITION
    reads_values = False
    torch = TorchTwin(
        "archcalc.torch_backend.twins.relative_position.RelativePositionBias",
        heads="heads",
        buckets="buckets",
        max_distance="max_distance",
        bidirectional="bidirectional",
    )

    @property
    def exact(self) -> Dim:
        """How many distances of a direction have a bucket of their own."""
        return self.buckets // (4 if self.bidirectional else 2)

    def output(self, x: Shape) -> Shape:
        require(
            len(x) in (1, 2),
            lambda: LayerError(f"{self.kind} needs a sequence (tokens × features, or tokens), got {fmt_shape(x)}"),
        )
        y = (self.heads, x[0], x[0])
        require(
            self.exact >= 1,
            lambda: LayerError(
                f"buckets {self.buckets} are too few",
                field="buckets",
                hint=f"buckets ≥ {4 if self.bidirectional else 2}",
                assume=y,
            ),
        )
        require(
            self.max_distance > self.exact,
            lambda: LayerError(
                f"max_distance {self.max_distance} leaves no distances to share buckets: the first {self.exact} have "
                "one each",
                field="max_distance",
                hint=f"max_distance > {self.exact}",
                assume=y,
            ),
        )
        return y

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {"weight": (self.buckets, self.heads)}

    def ops(self, x: Shape, y: Shape) -> Ops:
        pairs = x[0] * x[0]
        return Ops(
            additions=(3 if self.bidirectional else 2) * pairs,
            multiplications=pairs,
            divisions=2 * pairs,
            comparisons=3 * pairs,
            special=pairs,
        )

    def window(self, x: Shape) -> Visibility:
        return Visibility.UNKNOWN

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        tokens = x.shape[1]
        pairs = (tokens, tokens)
        places = [run.new((tokens,), width=INDEX_BYTES) for _ in range(2)]
        held = [run.new(pairs, width=INDEX_BYTES)]  # how far apart
        run.free(*places)
        if self.bidirectional:
            is_behind = run.new(pairs, width=BOOL_BYTES)
            held.append(run.new(pairs, width=INDEX_BYTES))
            run.free(is_behind)
        logarithms = run.new(pairs, width=FULL_PRECISION_BYTES)
        held.append(run.new(pairs, width=INDEX_BYTES))
        run.free(logarithms)
        held.append(run.new(pairs, width=BOOL_BYTES))
        bucket = run.new(pairs, width=INDEX_BYTES)
        run.free(*held)
        y = run.new((*pairs, self.heads), trains=True)
        run.keep(y, bucket)
        run.free(bucket)
        of_heads = run.permuted(y, (2, 0, 1))
        return run.view(of_heads, (1, *of_heads.shape), (self.heads, *of_heads.strides))
