"""Normalisation layers, as they run in eval mode."""

from archcalc.errors import LayerError
from archcalc.layers.arithmetic import Shape, require
from archcalc.layers.base import Flag, Layer, NonNegativeReal, Ops, Params, Positive, Real, elements
from archcalc.layers.twin import CHANNELS, TorchTwin


class BatchNorm(Layer, kind="batchnorm"):
    """Batch normalisation: in eval mode one multiplication and one addition per element, with constants per channel.

    The constants are scale = gamma / sqrt(variance + eps) and shift = beta - mean · scale.

    Fields:
        eps: added to the variance
        momentum: share of a batch's statistics in the running ones
        affine: whether gamma and beta are learned
    Shape: as the input: (C, H, W) or (C,)
    Params: C weights (gamma) and C biases (beta) if affine; buffers: mean, variance and a count of batches
    Ops: one multiplication and one addition per element; per channel one square root, one division, one
        multiplication, one addition, and one more addition if affine
    Raises: nothing
    Source: torch.nn.BatchNorm2d; Ioffe and Szegedy, arXiv:1502.03167

    >>> BatchNorm().params((64, 56, 56))
    Params(weights=64, biases=64, buffers=129)
    """

    eps: NonNegativeReal = 1e-5
    momentum: Real = 0.1
    affine: Flag = True

    label = "bn"
    torch = TorchTwin("torch.nn.BatchNorm{n}d", num_features=CHANNELS, eps="eps", momentum="momentum", affine="affine")

    def params(self, x: Shape) -> Params:
        learned = x[0] if self.affine else 0
        return Params(weights=learned, biases=learned, buffers=2 * x[0] + 1)

    def ops(self, x: Shape, y: Shape) -> Ops:
        channels, outputs = x[0], elements(y)
        return Ops(
            additions=outputs + (2 if self.affine else 1) * channels,
            multiplications=outputs + channels,
            divisions=channels,
            special=channels,
        )


class LocalResponseNorm(Layer, kind="lrn"):
    """Local response normalisation: each element divided by a power of the mean square of its neighbours in channel.

    y = x / (k + alpha · mean of x² over `size` channels) ** beta, with zeros beyond the first and last channel.

    Fields:
        size: how many neighbouring channels are summed
        alpha: weight of the mean square
        beta: the exponent
        k: added to the mean square
    Shape: as the input
    Params: none
    Ops: per element two multiplications, size + 1 additions, two divisions and one power
    Raises: input without channels and a spatial size
    Source: torch.nn.LocalResponseNorm; Krizhevsky et al., "ImageNet Classification with Deep CNNs" (2012), 3.3

    >>> lrn = LocalResponseNorm(size=5)
    >>> lrn.ops((96, 55, 55), (96, 55, 55)).special
    290400
    """

    size: Positive
    alpha: Real = 1e-4
    beta: Real = 0.75
    k: Real = 1.0

    torch = TorchTwin("torch.nn.LocalResponseNorm", size="size", alpha="alpha", beta="beta", k="k")

    def output(self, x: Shape) -> Shape:
        require(len(x) >= 2, lambda: LayerError("lrn needs an input with channels and a spatial size", assume=x))
        return x

    def ops(self, x: Shape, y: Shape) -> Ops:
        outputs = elements(y)
        return Ops(
            multiplications=2 * outputs,
            additions=(self.size + 1) * outputs,
            divisions=2 * outputs,
            special=outputs,
        )
