"""How the size of activations changes from layer to layer with the spread of the initial weights.

With weights of mean 0 and standard deviation std, an output that sums `fan_in` inputs has the variance
fan_in · std² · (mean square of the inputs). The mean square of the inputs is that of the activation before:
a tanh passes small values as they are, a ReLU keeps half of the mean square of a symmetric distribution.

Sources: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010);
He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
"""

import math
import re
from typing import cast

import msgspec

from archcalc.errors import SettingError, did_you_mean
from archcalc.layers import Layer
from archcalc.layers.conv_transpose import TransposedConvolution
from archcalc.layers.core.arithmetic import Sizes, product
from archcalc.layers.core.window import spread

MEAN_SQUARE_KEPT = {"tanh": 1.0, "relu": 0.5}
"""The share of the mean square of its input that an activation passes on, around zero."""


def variance_gain(std: float, fan_in: int, activation: str) -> float:
    """By what factor the variance grows from one layer's sums to the next's; 1 keeps it.

    >>> round(variance_gain(0.01, 4096, "tanh"), 4)
    0.4096
    """
    return fan_in * std**2 * MEAN_SQUARE_KEPT[activation]


def preserving_std(fan_in: int, activation: str) -> float:
    """The standard deviation of weights that keeps the variance from layer to layer.

    >>> preserving_std(4096, "tanh") == 1 / math.sqrt(4096)
    True
    """
    return 1 / math.sqrt(fan_in * MEAN_SQUARE_KEPT[activation])


RULES = {
    "xavier": "1/sqrt(Din)",
    "msra": "sqrt(2/Din)",
}
"""The standard deviation by the number of inputs that are summed; for a convolution kernel² × input channels."""
_NUMBER = r"((?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
_STD = re.compile(rf"{_NUMBER}(?:/sqrt\(Din\))?|sqrt\({_NUMBER}/Din\)", flags=re.ASCII)
NORMAL, PYTORCH = "normal", "pytorch"
FORMS = "normal:0.01, normal:2/sqrt(Din), xavier, msra, pytorch"


class Initialisation(msgspec.Struct, frozen=True):
    """How weights begin: normal numbers with the standard deviation `std`, in words; None for PyTorch's own.

    It is `factor`, divided by the root of how many inputs an output sums where `by_fan_in` says so.

    >>> initialisation("msra").std_of(4096) == math.sqrt(2) / math.sqrt(4096)
    True
    """

    text: str
    std: str | None
    factor: float
    by_fan_in: bool

    def std_of(self, fan_in: int) -> float:
        """The standard deviation of the weights of a layer that sums `fan_in` inputs.

        PyTorch draws those of linear layers and convolutions evenly from ±1/sqrt(Din).
        """
        return self.factor / math.sqrt(fan_in) if self.by_fan_in else self.factor

    @property
    def rule(self) -> str:
        """The standard deviation in words."""
        return "PyTorch's own" if self.std is None else f"normal, std {self.std}"


def initialisation(text: str) -> Initialisation:
    """The initialisation that a text means; raises SettingError for an unknown one.

    >>> initialisation("xavier").std, initialisation("normal:0.01").std_of(4096)
    ('1/sqrt(Din)', 0.01)
    """
    name, colon, given = text.partition(":")
    if name == PYTORCH and not colon:
        return Initialisation(text, None, 1 / math.sqrt(3), by_fan_in=True)
    if name != NORMAL and (colon or name not in RULES):
        hint = did_you_mean(name, (NORMAL, *RULES, PYTORCH), f"such as {FORMS}")
        raise SettingError(f"unknown initialisation {text!r}", hint=hint)
    std = RULES.get(name, given).replace(" ", "")
    match = _STD.fullmatch(std)
    found = [float(part) for part in (match.groups() if match else ()) if part is not None]
    if not found or not 0 < found[0] < math.inf:
        message = f"{text!r}: the standard deviation must be a number > 0, or one by the root of Din"
        raise SettingError(message, hint="such as normal:0.01, normal:1/sqrt(Din) or normal:sqrt(2/Din)")
    return Initialisation(text, std, math.sqrt(found[0]) if std[:5] == "sqrt(" else found[0], "Din" in std)


def fan_in(layer: Layer, weight: Sizes) -> int:
    """How many inputs an output of a layer sums, by the shape of its weight: Din.

    Of a convolution that is kernel² × input channels of a group. Of a transposed one it is the average, for its outputs
    do not all sum equally many.

    >>> from archcalc.layers.conv import Conv2d
    >>> fan_in(Conv2d(filters=64, kernel=11), (64, 3, 11, 11))
    363
    """
    if isinstance(layer, TransposedConvolution):
        steps = product(spread(layer.stride, layer.dimensions))
        return max(1, weight[0] // layer.groups * product(weight[2:]) // cast("int", steps))
    return product(weight[1:])


def mean_square_of_tanh(mean_square: float) -> float:
    """The mean square of the tanh of normal numbers of mean 0 and this mean square.

    >>> round(mean_square_of_tanh(1e-6) / 1e-6, 3), round(mean_square_of_tanh(1.0), 4)
    (1.0, 0.3943)
    """
    std, step = math.sqrt(mean_square), 0.01
    points = [step * i for i in range(-800, 801)]
    return sum(math.tanh(std * z) ** 2 * math.exp(-z * z / 2) for z in points) * step / math.sqrt(2 * math.pi)
