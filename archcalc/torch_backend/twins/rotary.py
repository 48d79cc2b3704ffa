"""Rotary position embedding, which PyTorch leaves to the libraries of language models."""

import math

import torch
from torch import Tensor, nn

FAST, SLOW = 32, 1
"""Pairs that turn more often than FAST times within the context of training are not stretched, below SLOW all are."""

TURNS = (torch.cos_, torch.sin_)


class RotaryEmbedding(nn.Module):
    """Turns pairs of each head's features by angles that grow with the token's position."""

    def __init__(self, heads: int, theta: float, pairs: str, skip: int, stretch: float, context: int) -> None:
        super().__init__()
        self.heads, self.theta, self.pairs, self.skip = heads, theta, pairs, skip
        self.stretch, self.context = stretch, context

    def forward(self, x: Tensor) -> Tensor:
        """(…, T, C) → the same shape; a pair (a, b) becomes (a · cos - b · sin, b · cos + a · sin)."""
        if x.dim() < 3:
            raise ValueError("no tokens")
        heads = x.view(*x.shape[:-1], self.heads, x.shape[-1] // self.heads)
        axis, split = (-2, (2, -1)) if self.pairs == "halves" else (-1, (-1, 2))
        turned = heads.shape[-1] - self.skip
        if turned < 2:
            raise ValueError("nothing to turn")
        cos, sin = (turn(self._angles(x, turned)).to(x.dtype)[:, None].unsqueeze(axis) for turn in TURNS)
        y = torch.empty(heads.shape, dtype=x.dtype, device=x.device)
        y[..., : self.skip] = heads[..., : self.skip]
        old, new = (part[..., self.skip :].reshape(*part.shape[:-1], *split) for part in (heads, y))
        new.select(axis, 0).copy_(old.select(axis, 1)).neg_()
        new.select(axis, 1).copy_(old.select(axis, 0))
        new.mul_(sin).addcmul_(old, cos)
        return y.flatten(-2)

    def _angles(self, x: Tensor, turned: int) -> Tensor:
        """The angle of each place and pair."""
        number = torch.promote_types(x.dtype, torch.float32)  # half precision has too few digits for an angle
        speeds = torch.tensor([self._speed(i, turned) for i in range(turned // 2)], dtype=number, device=x.device)
        return torch.outer(torch.arange(x.shape[-2], dtype=number, device=x.device), speeds)

    def _speed(self, pair: int, turned: int) -> float:
        """By which angle a pair turns from one place to the next."""
        speed = float(self.theta ** (-2 * pair / turned))
        if self.stretch == 1:
            return speed
        first, last = max(self._pair(FAST, turned), 0), min(self._pair(SLOW, turned), turned - 1)
        share = min(max((pair - first) / max(last - first, 0.001), 0), 1)
        return speed * (1 - share + share / self.stretch)

    def _pair(self, turns: int, turned: int) -> int:
        """The pair that turns about so many times within the context, to the whole number that stretches less."""
        place = turned * math.log(self.context / (2 * math.pi * turns)) / (2 * math.log(self.theta))
        return math.floor(place) if turns == FAST else math.ceil(place)
