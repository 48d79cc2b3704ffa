"""Sides added to tensors."""

from torch import Tensor
from torch.nn import functional


def pad(x: Tensor, sides: int | tuple[int, ...], value: float, mode: str) -> Tensor:
    """A tensor with sides added, from its last axis back; a number is for all axes but the batch and the channels."""
    if isinstance(sides, int):
        sides = (sides,) * 2 * (x.dim() - 2)
    return functional.pad(x, sides, mode, value)
