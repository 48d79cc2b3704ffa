"""Normalisation layers, as they run in eval mode.

Those that take mean and variance from the input itself are counted thus. Per group of numbers with a mean and a
variance of its own, and n numbers in it: the mean takes n additions and one division; the variance, n additions for
the differences from the mean, n multiplications for their squares, n additions and one division; then one addition
(eps), one square root and one division give the factor 1 / sqrt(variance + eps). Per element, one multiplication of
the difference by that factor; one multiplication for a learned scale, and one addition for a learned shift.
"""

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Dim, Shape, divides, product, require
from archcalc.layers.core.base import (
    Flag,
    Layer,
    NonNegativeReal,
    Ops,
    Positive,
    Real,
    Visibility,
    Window,
    elements,
    fmt_shape,
)
from archcalc.layers.core.execution import INDEX_BYTES, Execution, Gradient, Keeps, MemoryUnknownError, Tensor
from archcalc.layers.core.storage import channels_last, in_order, reshaped
from archcalc.layers.core.twin import CHANNELS, TorchTwin


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
    Raises: input of more than three spatial dimensions
    Source: torch.nn.BatchNorm2d; Ioffe and Szegedy, arXiv:1502.03167

    >>> BatchNorm().params((64, 56, 56))
    Params(weights=64, biases=64, buffers=129)
    """

    eps: NonNegativeReal = 1e-5
    momentum: Real = 0.1
    affine: Flag = True

    gradient = Gradient.NEW
    label = "bn"
    torch = TorchTwin("torch.nn.BatchNorm{n}d", num_features=CHANNELS, eps="eps", momentum="momentum", affine="affine")

    def output(self, x: Shape) -> Shape:
        require(
            len(x) <= 4,
            lambda: LayerError(f"batchnorm takes at most three spatial dimensions, got {fmt_shape(x)}", assume=x),
        )
        return x

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return dict.fromkeys(("weight", "bias"), x[:1]) if self.affine else {}

    def buffers(self, x: Shape) -> Dim:
        return 2 * x[0] + 1

    def buffer_bytes(self, x: Shape, *, width: Dim) -> Dim:
        return width * 2 * x[0] + INDEX_BYTES

    def buffer_bytes_read(self, x: Shape, *, width: Dim) -> Dim:
        return width * 2 * x[0]  # not how many batches there were

    def ops(self, x: Shape, y: Shape) -> Ops:
        return _by_constants(x[0], elements(y), self.affine)

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        if x.is_in_order or x.is_packed_channels_last:
            layout = in_order(x.shape) if x.is_in_order else channels_last(x.shape)
            y = run.new(x.shape, x, layout=layout, trains=self.affine)
        else:
            y = run.new_map(x.shape, x, trains=self.affine)
        if not run.trains:  # a frozen one runs by its running statistics
            run.keep(y, x)
        else:
            run.keep(y, x, run.new(x.shape[1:2]), run.new(x.shape[1:2]))
            if elements(x.shape) == x.shape[1] or self.eps == 0:  # which PyTorch refuses to train on
                run.keeps_what_is_unknown()
        return y


class GroupNorm(Layer, kind="groupnorm"):
    """Group normalisation: less the mean, divided by the standard deviation, both over a group of channels.

    Fields:
        groups: into how many groups the channels are split
        eps: added to the variance
        affine: whether a scale and a shift are learned for each channel
    Shape: as the input
    Params: C weights and C biases if affine
    Ops: per group of n numbers n additions and one division (mean), 2·n additions, n multiplications and one division
        (variance), one addition, one square root and one division (factor), n multiplications; per element one
        multiplication (scale) and one addition (shift) if affine
    Raises: groups do not divide the channels
    Source: torch.nn.GroupNorm; Wu and He, arXiv:1803.08494

    >>> gn = GroupNorm(groups=32)
    >>> gn.params((256, 56, 56)).total, gn.ops((256, 56, 56), (256, 56, 56)).special
    (512, 32)
    """

    groups: Positive
    eps: NonNegativeReal = 1e-5
    affine: Flag = True

    gradient = Gradient.NEW
    label = "gn"
    torch = TorchTwin("torch.nn.GroupNorm", num_groups="groups", num_channels=CHANNELS, eps="eps", affine="affine")

    def output(self, x: Shape) -> Shape:
        require(
            divides(self.groups, x[0]),
            lambda: LayerError(f"groups {self.groups} does not divide the {x[0]} channels", field="groups", assume=x),
        )
        return x

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return dict.fromkeys(("weight", "bias"), x[:1]) if self.affine else {}

    def ops(self, x: Shape, y: Shape) -> Ops:
        return by_statistics(self.groups, elements(y), self.affine, self.affine)

    def window(self, x: Shape) -> Visibility:
        return Visibility.WHOLE

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        if elements(x.shape) == self.groups:  # PyTorch refuses a single number of each group
            raise MemoryUnknownError
        read = x if x.is_channels_last else run.contiguous(x)
        y = run.new_map(x.shape, read, trains=self.affine)
        groups = (x.shape[0], self.groups)
        run.keep(y, read, run.new(groups), run.new(groups))
        return y


class InstanceNorm(Layer, kind="instancenorm"):
    """Instance normalisation: less the mean, divided by the standard deviation, both over each channel of a map.

    With `track`, eval mode takes running statistics in their place, as batch normalisation does.

    Fields:
        eps: added to the variance
        affine: whether a scale and a shift are learned for each channel
        track: whether running statistics are held
    Shape: as the input: (C, L), (C, H, W) or (C, D, H, W)
    Params: C weights and C biases if affine; with track buffers: mean, variance and a count of batches
    Ops: per channel of n numbers n additions and one division (mean), 2·n additions, n multiplications and one division
        (variance), one addition, one square root and one division (factor), n multiplications; per element one
        multiplication (scale) and one addition (shift) if affine; with track as batchnorm
    Raises: input is not a map; without track, channels of a single number
    Source: torch.nn.InstanceNorm2d; Ulyanov et al., arXiv:1607.08022

    >>> instance = InstanceNorm(affine=True)
    >>> instance.params((64, 128, 128)).total, instance.ops((64, 128, 128), (64, 128, 128)).special
    (128, 64)
    """

    eps: NonNegativeReal = 1e-5
    affine: Flag = False
    track: Flag = False

    torch = TorchTwin(
        "torch.nn.InstanceNorm{n}d", num_features=CHANNELS, eps="eps", affine="affine", track_running_stats="track"
    )

    def output(self, x: Shape) -> Shape:
        require(
            2 <= len(x) <= 4,
            lambda: LayerError(
                f"instancenorm needs channels and one to three spatial dimensions, got {fmt_shape(x)}", assume=x
            ),
        )
        if not self.track:
            require(
                product(x[1:]) >= 2,
                lambda: LayerError(
                    f"instancenorm of {fmt_shape(x)} would make every number 0: a channel has just one",
                    hint="leave it out, or let it `track` statistics",
                    assume=x,
                    size_matters=True,
                ),
            )
        return x

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return dict.fromkeys(("weight", "bias"), x[:1]) if self.affine else {}

    def buffers(self, x: Shape) -> Dim:
        return 2 * x[0] + 1 if self.track else 0

    def buffer_bytes(self, x: Shape, *, width: Dim) -> Dim:
        return width * 2 * x[0] + INDEX_BYTES if self.track else 0

    def buffer_bytes_read(self, x: Shape, *, width: Dim) -> Dim:
        return width * 2 * x[0] if self.track else 0  # not how many batches there were

    def ops(self, x: Shape, y: Shape) -> Ops:
        if self.track:
            return _by_constants(x[0], elements(y), self.affine)
        return by_statistics(x[0], elements(y), self.affine, self.affine)

    def window(self, x: Shape) -> Visibility:
        return Visibility.POINT if self.track else Visibility.WHOLE

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        # Channels and samples become one axis, along which PyTorch repeats what there is for each channel.
        channels = (x.shape[0] * x.shape[1],)
        repeated = [run.new(channels, trains=i < 2) for i in range(2 * self.affine)]
        tracked = [run.new(channels) for _ in range(2 * self.track)]
        read = run.contiguous(x)
        y = run.new(x.shape, read, trains=self.affine)
        if run.trains or not self.track:
            tracked += [run.new(channels), run.new(channels)]
        run.keep(y, read, *repeated[:1], *tracked)
        if run.trains and product(x.shape[2:]) == 1:  # PyTorch refuses to train on a single number of each channel
            run.keeps_what_is_unknown()
        return y


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

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        squares = run.elementwise(x, x, keeps=Keeps.INPUT)
        if len(x.shape) > 3:  # PyTorch refuses where the axes behind the first two are no view of two
            rows = (*x.shape[:3], product(x.shape[3:]))
            if reshaped(x.shape, squares.strides, rows) is None:
                raise MemoryUnknownError
        stacked = run.reshaped(squares, (x.shape[0], 1, *x.shape[1:]))
        padded = run.new((x.shape[0], 1, x.shape[1] + self.size - 1, *x.shape[2:]), stacked)
        run.free(squares)
        means = run.new(x.shape, padded)
        run.keep(means, padded)
        run.free(padded)
        scaled = run.new(x.shape, means)
        sums = run.new(x.shape, scaled)
        run.free(scaled)
        powers = run.new(x.shape, sums)
        run.keep(powers, sums)
        run.free(means, sums)
        return run.elementwise(x, powers, keeps=Keeps.INPUT)

    def window(self, x: Shape) -> Window:
        return ((1, 1, 0),) * (len(x) - 1)  # channels of one place


def _by_constants(channels: Dim, outputs: Dim, affine: bool) -> Ops:
    """The scale and shift of each channel from its running statistics, and both for every element."""
    return Ops(
        additions=outputs + (2 if affine else 1) * channels,
        multiplications=outputs + channels,
        divisions=channels,
        special=channels,
    )


def by_statistics(groups: Dim, outputs: Dim, scaled: bool, shifted: bool) -> Ops:
    """Mean, variance and factor of each group, and both for every element, as the head of this file says.

    >>> by_statistics(groups=1, outputs=10, scaled=False, shifted=False).additions
    31
    """
    return Ops(
        additions=(4 if shifted else 3) * outputs + groups,
        multiplications=(3 if scaled else 2) * outputs,
        divisions=3 * groups,
        special=groups,
    )
