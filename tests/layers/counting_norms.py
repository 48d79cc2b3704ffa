"""Naive loops of normalisation, with numbers that count what is done with them."""

from collections import defaultdict
from collections.abc import Callable

from archcalc.layers.core.arithmetic import Shape
from archcalc.layers.layernorm import LayerNorm, RMSNorm
from archcalc.layers.norm import GroupNorm, InstanceNorm
from tests.layers.counting_numbers import Held, Number, Place, Values, sqrt

FLOAT64_STEP = 2.0**-52
"""What PyTorch adds to a mean square of float64 where no eps is given."""


def grouped(x: Values, group: Callable[[Place], object]) -> list[Values]:
    groups: dict[object, Values] = defaultdict(dict)
    for place, value in x.items():
        groups[group(place)][place] = value
    return list(groups.values())


def mean(values: Values) -> Number:
    total: Number | float = 0.0
    for value in values.values():
        total = value + total
    assert isinstance(total, Number)
    return total / len(values)


def standardised(group: Values, eps: float) -> Values:
    centre = mean(group)
    differences = {place: value - centre for place, value in group.items()}
    variance = mean({place: difference * difference for place, difference in differences.items()})
    factor = 1 / sqrt(variance + eps)
    return {place: difference * factor for place, difference in differences.items()}


def layernorm(layer: LayerNorm, shape: Shape, x: Values, held: Held) -> Values:
    count = 1 if layer.axes is None else layer.axes
    y: Values = {}
    for group in grouped(x, lambda place: place[:-count]):
        for place, value in standardised(group, layer.eps).items():
            scaled = value * held("weight", place[-count:]) if layer.affine else value
            y[place] = scaled + held("bias", place[-count:]) if layer.affine and layer.bias else scaled
    return y


def rmsnorm(layer: RMSNorm, shape: Shape, x: Values, held: Held) -> Values:
    count = 1 if layer.axes is None else layer.axes
    y: Values = {}
    for group in grouped(x, lambda place: place[:-count]):
        mean_square = mean({place: value * value for place, value in group.items()})
        factor = 1 / sqrt(mean_square + (FLOAT64_STEP if layer.eps is None else layer.eps))
        for place, value in group.items():
            y[place] = value * factor * held("weight", place[-count:]) if layer.affine else value * factor
    return y


def groupnorm(layer: GroupNorm, shape: Shape, x: Values, held: Held) -> Values:
    y: Values = {}
    for group in grouped(x, lambda place: place[0] * layer.groups // shape[0]):
        y |= standardised(group, layer.eps)
    return by_channel(y, held) if layer.affine else y


def instancenorm(layer: InstanceNorm, shape: Shape, x: Values, held: Held) -> Values:
    y: Values = {}
    for group in grouped(x, lambda place: place[0]):
        y |= by_running_statistics(layer, group, held) if layer.track else standardised(group, layer.eps)
    if layer.track:
        held("num_batches_tracked", ())  # kept, though eval mode never needs it
    return by_channel(y, held) if layer.affine and not layer.track else y


def by_running_statistics(layer: InstanceNorm, group: Values, held: Held) -> Values:
    channel = next(iter(group))[:1]
    root = sqrt(held("running_var", channel) + layer.eps)
    scale = held("weight", channel) / root if layer.affine else 1 / root
    shift = -(held("running_mean", channel) * scale)
    shift = held("bias", channel) + shift if layer.affine else shift
    return {place: value * scale + shift for place, value in group.items()}


def by_channel(x: Values, held: Held) -> Values:
    return {place: value * held("weight", place[:1]) + held("bias", place[:1]) for place, value in x.items()}
