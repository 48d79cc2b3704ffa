"""Modules around a learned tensor, whose counterparts in PyTorch are lines inside larger models."""

import torch
from torch import Tensor


class Learned(torch.nn.Module):
    """A learned tensor, the same for every sample of a batch."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        """The tensor, as the only sample of a batch: all that read it share it."""
        # Where no gradients are computed, a view of what needs one is none that PyTorch's counter can follow.
        weight = self.weight if torch.is_grad_enabled() else self.weight.detach()
        return weight.unsqueeze(0)


class ClassToken(torch.nn.Module):
    """A learned token that is put before a sequence."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        """The token, and behind it those of `x`."""
        return torch.cat([self.weight.expand(x.shape[0], -1, -1), x], dim=1)


class PositionEmbedding(torch.nn.Module):
    """A learned vector for each place of a sequence of up to `length` tokens, or a learned tensor of a given shape."""

    def __init__(self, shape: tuple[int, ...], length: int | None) -> None:
        super().__init__()
        if length is not None:
            if len(shape) != 2:
                raise ValueError("a length is for sequences")
            shape = (length, shape[1])
        self.weight = torch.nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        """The sum of `x` and the vectors of its places."""
        if x.shape[1] > self.weight.shape[0]:  # a single vector would be broadcast
            raise ValueError(f"{x.shape[1]} tokens, but vectors for {self.weight.shape[0]} places")
        return x + self.weight[: x.shape[1]]


class LayerScale(torch.nn.Module):
    """A learned factor for each channel."""

    def __init__(self, shape: tuple[int, ...], axis: int, init: float) -> None:
        super().__init__()
        sizes = [1] * len(shape)
        sizes[axis] = shape[axis]
        self.weight = torch.nn.Parameter(torch.full(sizes, init))

    def forward(self, x: Tensor) -> Tensor:
        """`x`, each channel multiplied by its factor."""
        return x * self.weight
