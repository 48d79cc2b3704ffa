"""Waves of numbers, which PyTorch leaves to the libraries of diffusion models."""

import math

import torch
from torch import Tensor


def waves(x: Tensor, features: int, period: int) -> Tensor:
    """(…) → (…, features): the cosines of each number at falling speeds, and behind them its sines."""
    if features % 2:
        raise ValueError("as many cosines as sines")
    number = torch.promote_types(x.dtype, torch.float32)  # half precision has too few digits for an angle
    pairs = features // 2
    speeds = torch.arange(pairs, dtype=number, device=x.device).mul_(-math.log(period) / pairs).exp_()
    angles = x.to(number).unsqueeze(-1) * speeds
    return torch.cat([angles.cos(), angles.sin()], dim=-1).to(x.dtype)
