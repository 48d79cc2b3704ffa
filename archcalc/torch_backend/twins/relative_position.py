"""Biases of relative positions, which PyTorch leaves to the libraries of language models."""

import math

import torch
import torch.nn.functional as F  # noqa: N812  # what everyone calls it
from torch import Tensor, nn


class RelativePositionBias(nn.Module):
    """A learned bias for each bucket of distances between two tokens, and each head."""

    def __init__(self, heads: int, buckets: int, max_distance: int, bidirectional: bool) -> None:
        super().__init__()
        self.bidirectional, self.max_distance = bidirectional, max_distance
        self.of_direction = buckets // 2 if bidirectional else buckets
        self.exact = self.of_direction // 2
        if not 1 <= self.exact < max_distance:
            raise ValueError("too few buckets, or too many for the distance")
        self.weight = nn.Parameter(torch.empty(buckets, heads))
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(…, T, …) → (1, heads, T, T), the same for every sample: row and column are places of query and key."""
        if x.dim() not in (2, 3):
            raise ValueError("not a sequence")
        return F.embedding(self._buckets(x.shape[1], x.device), self.weight).permute(2, 0, 1).unsqueeze(0)

    def _buckets(self, tokens: int, device: torch.device) -> Tensor:
        """The bucket of each query and key."""
        apart = torch.arange(tokens, device=device) - torch.arange(tokens, device=device)[:, None]
        first: Tensor | int = 0
        if self.bidirectional:
            first = (apart > 0) * self.of_direction
            apart.abs_()
        else:
            apart.neg_().clamp_(min=0)
        # In this order, and in float32 whatever the weights are: where buckets end depends on it.
        far = (apart / self.exact).log_().div_(math.log(self.max_distance / self.exact))
        far = far.mul_(self.of_direction - self.exact).long()
        far.add_(self.exact).clamp_(max=self.of_direction - 1)
        return torch.where(apart < self.exact, apart, far).add_(first)
