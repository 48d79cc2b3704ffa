"""How the size of activations changes from layer to layer with the spread of the initial weights.

With weights of mean 0 and standard deviation std, an output that sums `fan_in` inputs has the variance
fan_in · std² · (mean square of the inputs). The mean square of the inputs is that of the activation before:
a tanh passes small values as they are, a ReLU keeps half of the mean square of a symmetric distribution.

Sources: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks" (2010);
He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
"""

import math

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
