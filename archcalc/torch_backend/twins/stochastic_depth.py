"""Stochastic depth, which PyTorch leaves to torchvision."""

import torch
from torch import Tensor


class StochasticDepth(torch.nn.Module):
    """Zeros whole samples (mode row) or the whole batch (mode batch) with probability `p` while training.

    What is kept is divided by the probability of being kept, so that the mean stays.
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, x: Tensor) -> Tensor:
        """`x`, with the dropped samples set to zero."""
        if not self.training or self.p == 0:
            return x
        draws = x.shape[0] if self.mode == "row" else 1
        kept = (torch.rand(draws, *[1] * (x.dim() - 1), device=x.device) >= self.p).to(x.dtype)
        return x * (kept if self.p == 1 else kept / (1 - self.p))
