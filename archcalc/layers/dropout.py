"""Layers that drop something at random while training, and do nothing in eval mode, which is what is counted."""

from typing import Annotated, Literal

from msgspec import Meta

from archcalc.layers.core.arithmetic import Shape
from archcalc.layers.core.base import Layer, Probability
from archcalc.layers.core.execution import Execution, Gradient, Tensor
from archcalc.layers.core.twin import TorchTwin
from archcalc.layers.core.window import require_map


class Dropping(Layer):
    """What layers that drop something share.

    Shape: as the input
    Params: none
    Raises: nothing
    """

    p: Probability

    gradient = Gradient.NEW

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        if not run.training or self.p == 0:
            return x
        # Of dropping everything, PyTorch makes a product with a single zero.
        return run.product(x, run.new(()) if self.p == 1 else self.factors(run, x))

    def factors(self, run: Execution, x: Tensor) -> Tensor:
        """The random numbers that the input is multiplied by."""
        return run.new_like(x)


class Dropout(Dropping, kind="dropout"):
    """Sets a random share of its inputs to zero while training; does nothing in eval mode, which is what is counted.

    Fields:
        p: the probability of an element to be dropped
    Ops: none (eval mode)
    Source: torch.nn.Dropout; Srivastava et al., "Dropout", JMLR 15 (2014)

    >>> Dropout(p=0.5).output((4096,))
    (4096,)
    """

    p: Probability = 0.5

    torch = TorchTwin("torch.nn.Dropout", p="p")


class Dropout2d(Dropping, kind="dropout2d"):
    """Sets random channels of a map to zero while training; does nothing in eval mode, which is what is counted.

    Fields:
        p: the probability of a channel to be dropped
    Ops: none (eval mode)
    Raises: input is not a map
    Source: torch.nn.Dropout2d; Tompson et al., arXiv:1411.4280

    >>> Dropout2d(p=0.1).output((512, 28, 28))
    (512, 28, 28)
    """

    p: Probability = 0.5

    torch = TorchTwin("torch.nn.Dropout2d", p="p")

    def output(self, x: Shape) -> Shape:
        require_map(x, self.kind)
        return x

    def factors(self, run: Execution, x: Tensor) -> Tensor:
        return run.new((*x.shape[:2], *[1] * (len(x.shape) - 2)))


class AlphaDropout(Dropping, kind="alpha_dropout"):
    """Dropout for networks of selu, which keeps mean and variance: what is dropped becomes selu's lowest value.

    It does nothing in eval mode, which is what is counted.

    Fields:
        p: the probability of an element to be dropped
    Ops: none (eval mode)
    Source: torch.nn.AlphaDropout; Klambauer et al., arXiv:1706.02515

    >>> AlphaDropout(p=0.1).output((4096,))
    (4096,)
    """

    p: Probability = 0.5

    torch = TorchTwin("torch.nn.AlphaDropout", p="p")


class StochasticDepth(Dropping, kind="stochastic_depth"):
    """Sets a whole residual branch to zero at random while training, so that its block is skipped (also: drop path).

    It stands at the end of the branch. In eval mode, which is what is counted, it does nothing.

    Fields:
        p: the probability of the branch to be dropped
        mode: row draws for each sample of a batch, batch once for all of them
    Ops: none (eval mode)
    Source: torchvision.ops.StochasticDepth; Huang et al., "Deep Networks with Stochastic Depth", arXiv:1603.09382

    >>> StochasticDepth(p=0.2).output((64, 56, 56))
    (64, 56, 56)
    """

    p: Probability
    mode: Annotated[Literal["row", "batch"], Meta(description="row or batch")] = "row"

    torch = TorchTwin("archcalc.torch_backend.twins.stochastic_depth.StochasticDepth", p="p", mode="mode")

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        if not run.training or self.p == 0:
            return x
        draws = x.shape[0] if self.mode == "row" else 1
        return run.product(x, run.new((draws, *[1] * (len(x.shape) - 1))))
