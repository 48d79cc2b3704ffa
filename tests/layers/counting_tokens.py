"""Naive loops of activations, of linear layers on sequences, and of layers with a learned tensor of their own.

The numbers that they go through count what is done with them.
"""

import math
from collections.abc import Callable
from typing import Any

from archcalc.layers import activation as smooth
from archcalc.layers import piecewise as pieces
from archcalc.layers.axiswise import GLU, L2Norm, LogSoftmax, Softmax, Softmin
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.embedding import Embedding, TimestepEmbedding
from archcalc.layers.learned import ClassToken, LayerScale, Parameter, PositionEmbedding
from archcalc.layers.linear import Linear
from archcalc.layers.relative_position import RelativePositionBias
from archcalc.layers.rotary import RotaryEmbedding
from tests.layers.counting import every
from tests.layers.counting_numbers import (
    Held,
    Number,
    Place,
    Values,
    cos,
    erf,
    exp,
    larger,
    log,
    plain,
    sin,
    special,
    sqrt,
    tanh,
    where,
)

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
log_of_any = special(lambda x: math.log(max(x, 1e-9)))
"""Of a distance of 0, which has a row of its own, any number will do."""
TANH_OF_GELU = math.sqrt(2 / math.pi)


def gelu(layer: Any, x: Number) -> Number:
    if layer.approximate == "none":
        return x * 0.5 * (1 + erf(x * math.sqrt(0.5)))
    return x * 0.5 * (1 + tanh(TANH_OF_GELU * (x + 0.044715 * (x * x * x))))


ELEMENTWISE: dict[type, Callable[[Any, Number], Any]] = {
    smooth.GELU: gelu,
    smooth.SiLU: lambda _, x: x / (1 + exp(-x)),
    smooth.Mish: lambda _, x: x * tanh(log(1 + exp(x))),
    smooth.ELU: lambda layer, x: where(x > 0, x, layer.alpha * (exp(x) - 1)),
    smooth.CELU: lambda layer, x: where(x > 0, x, layer.alpha * (exp(x / layer.alpha) - 1)),
    smooth.SELU: lambda _, x: SELU_SCALE * where(x > 0, x, SELU_ALPHA * (exp(x) - 1)),
    smooth.Sigmoid: lambda _, x: 1 / (1 + exp(-x)),
    smooth.LogSigmoid: lambda _, x: -log(1 + exp(-x)),
    smooth.Tanh: lambda _, x: tanh(x),
    smooth.Tanhshrink: lambda _, x: x - tanh(x),
    smooth.Softplus: lambda _, x: log(1 + exp(x)),
    smooth.Softsign: lambda _, x: x / (1 + where(x < 0, -x, x)),
    smooth.Exp: lambda _, x: exp(x),
    smooth.Scale: lambda layer, x: x * layer.factor,
    smooth.Identity: lambda _, x: x,
    pieces.ReLU: lambda _, x: larger(x, 0),
    pieces.ReLU6: lambda _, x: cut(x, 0, 6),
    pieces.LeakyReLU: lambda layer, x: where(x > 0, x, layer.slope * x),
    pieces.RReLU: lambda layer, x: where(x > 0, x, x * ((layer.low + layer.high) / 2)),
    pieces.Threshold: lambda layer, x: where(x > layer.threshold, x, layer.value),
    pieces.Hardtanh: lambda layer, x: cut(x, layer.low, layer.high),
    pieces.Hardsigmoid: lambda _, x: cut(x + 3, 0, 6) / 6,
    pieces.Hardswish: lambda _, x: x * cut(x + 3, 0, 6) / 6,
    pieces.Hardshrink: lambda layer, x: where((x > layer.threshold) | (x < -layer.threshold), x, 0.0),
    pieces.Softshrink: lambda layer, x: where(
        x > layer.threshold, x - layer.threshold, where(x < -layer.threshold, x + layer.threshold, 0.0)
    ),
}
"""What each activation makes of one number."""


def cut(x: Number, low: float, high: float) -> Number:
    """Two comparisons, whichever of the bounds it is that cuts."""
    too_low, too_high = x < low, x > high
    return Number(low if too_low else high if too_high else x.value, x.tally)


def elementwise(layer: Any, shape: Sizes, x: Values, held: Held) -> Values:
    return {place: ELEMENTWISE[type(layer)](layer, value) for place, value in x.items()}


def prelu(layer: pieces.PReLU, shape: Sizes, x: Values, held: Held) -> Values:
    def slope(place: Place) -> Number:
        return held("weight", place[:1] if layer.per_channel else (0,))

    return {place: where(value > 0, value, slope(place) * value) for place, value in x.items()}


def lines(shape: Sizes, axis: int) -> list[list[Place]]:
    """The places along an axis, for each place along the others."""
    axis = range(len(shape))[axis]
    return [
        [(*place[:axis], i, *place[axis + 1 :]) for i in range(shape[axis])]
        for place in every(shape)
        if place[axis] == 0
    ]


def softmax(layer: Softmax | Softmin | LogSoftmax, shape: Sizes, x: Values, held: Held) -> Values:
    y: Values = {}
    for line in lines(shape, layer.axis):
        scores = [-x[place] if isinstance(layer, Softmin) else x[place] for place in line]
        top: Any = -math.inf
        for score in scores:
            top = larger(score, top)
        shifted = [score - top for score in scores]
        total: Any = 0.0
        powers = []
        for score in shifted:
            powers.append(exp(score))
            total = powers[-1] + total
        if isinstance(layer, LogSoftmax):
            logarithm = log(total)
            y |= {place: score - logarithm for place, score in zip(line, shifted, strict=True)}
        else:
            y |= {place: power / total for place, power in zip(line, powers, strict=True)}
    return y


def l2norm(layer: L2Norm, shape: Sizes, x: Values, held: Held) -> Values:
    y: Values = {}
    for line in lines(shape, layer.axis):
        total: Any = 0.0
        for place in line:
            total = x[place] * x[place] + total
        length = larger(sqrt(total), layer.eps)
        y |= {place: x[place] / length for place in line}
    return y


def glu(layer: GLU, shape: Sizes, x: Values, held: Held) -> Values:
    y: Values = {}
    for line in lines(shape, layer.axis):
        gates = line[len(line) // 2 :]
        y |= {place: x[place] / (1 + exp(-x[gate])) for place, gate in zip(line, gates, strict=False)}
    return y


def linear(layer: Linear, shape: Sizes, x: Values, held: Held) -> Values:
    y: Values = {}
    for place in every(shape[:-1]):
        for feature in range(layer.features):
            total = 0.0
            for i in range(shape[-1]):
                total += held("weight", (feature, i)).value * x[*place, i].value
                held.tally.do("macs")
            made = Number(total, held.tally)
            y[*place, feature] = made + held("bias", (feature,)) if layer.bias else made
    return y


def embed(layer: Embedding, shape: Sizes, x: Values, held: Held) -> Values:
    table = held.table("weight", layer.vocabulary, layer.features)
    return {(*place, f): table[int(index.value), f] for place, index in x.items() for f in range(layer.features)}


def waves(layer: TimestepEmbedding, shape: Sizes, x: Values, held: Held) -> Values:
    pairs = layer.features // 2
    y: Values = {}
    for place, number in x.items():
        for i in range(pairs):
            angle = number * layer.period ** (-i / pairs)
            y[*place, i], y[*place, pairs + i] = cos(angle), sin(angle)
    return y


def parameter(layer: Parameter, shape: Sizes, x: Values, held: Held) -> Values:
    return {place: held("weight", place) for place in every(layer.shape)}


def class_token(layer: ClassToken, shape: Sizes, x: Values, held: Held) -> Values:
    token: Values = {(0, feature): held("weight", (0, 0, feature)) for feature in range(shape[1])}
    return token | {(t + 1, feature): value for (t, feature), value in x.items()}


def position_embedding(layer: PositionEmbedding, shape: Sizes, x: Values, held: Held) -> Values:
    if layer.length is None:
        return {place: value + held("weight", place) for place, value in x.items()}
    table = held.table("weight", layer.length, shape[1])
    return {place: value + table[place] for place, value in x.items()}


def layer_scale(layer: LayerScale, shape: Sizes, x: Values, held: Held) -> Values:
    axis = range(len(shape))[layer.axis]

    def factor(place: Place) -> Number:
        return held("weight", tuple(i if k == axis else 0 for k, i in enumerate(place)))

    return {place: value * factor(place) for place, value in x.items()}


def rope(layer: RotaryEmbedding, shape: Sizes, x: Values, held: Held) -> Values:
    width = shape[-1] // layer.heads
    turned = width - layer.skip
    table = {}
    for place in range(shape[-2]):
        for pair in range(turned // 2):
            angle = Number(float(place), held.tally) * speed(layer, pair, turned)
            table[place, pair] = cos(angle), sin(angle)
    y = dict(x)
    for *before, head, pair in every((*shape[:-1], layer.heads, turned // 2)):
        first, apart = (pair, turned // 2) if layer.pairs == "halves" else (2 * pair, 1)
        a = (*before, head * width + layer.skip + first)
        b = (*before, head * width + layer.skip + first + apart)
        cosine, sine = table[before[-1], pair]
        y[a], y[b] = x[a] * cosine - x[b] * sine, x[b] * cosine + x[a] * sine
    return y


def speed(layer: RotaryEmbedding, pair: int, turned: int) -> float:
    """The angle from one place to the next: whole, or stretched, or in between where a pair turns 1 to 32 times."""
    whole = float(1 / layer.theta ** (2 * pair / turned))
    if layer.stretch == 1:
        return whole

    def turning(times: int) -> float:
        """The pair, in fractions, that turns so many times within the context."""
        return math.log(layer.context / math.tau / times, layer.theta) * turned / 2

    first, last = max(0, math.floor(turning(32))), min(turned - 1, math.ceil(turning(1)))
    share = 0.0 if pair <= first else 1.0 if pair >= last else (pair - first) / (last - first)
    return whole * (1 - share) + whole / layer.stretch * share


def relative_position_bias(layer: RelativePositionBias, shape: Sizes, x: Values, held: Held) -> Values:
    table = held.table("weight", layer.buckets, layer.heads)
    y: Values = {}
    for query, key in every((shape[0], shape[0])):
        row = bucket(layer, Number(float(key), held.tally) - float(query))
        y |= {(head, query, key): table[row, head] for head in range(layer.heads)}
    return y


def bucket(layer: RelativePositionBias, apart: Number) -> int:
    """The row of the table for a key that is so many places behind its query."""
    rows = layer.buckets // 2 if layer.bidirectional else layer.buckets
    exact, first = rows // 2, 0
    if layer.bidirectional:
        is_behind = apart > 0
        distance, first = (apart, rows) if is_behind else (-apart, 0)
    else:
        distance = larger(-apart, 0.0)
        distance = Number(plain(distance), apart.tally)
    share = log_of_any(distance / exact) / math.log(layer.max_distance / exact) * (rows - exact)
    far = Number(float(int(share.value)), apart.tally) + exact
    row = where(distance < exact, distance, where(far < rows - 1, far, Number(rows - 1.0, apart.tally)))
    return int(plain(row + first if layer.bidirectional else row))
