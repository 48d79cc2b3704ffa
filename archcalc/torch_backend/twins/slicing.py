"""Pieces and repetitions of tensors that have their batch in front."""

from typing import Any

import torch
from torch import Tensor


def take(x: Tensor, axis: int, start: int, stop: int | None, step: int) -> Tensor:
    """A range of places along an axis."""
    places = [slice(None)] * x.dim()
    places[axis] = slice(start, stop, step)
    return x[tuple(places)]


def tile(x: Tensor, axis: int, times: int) -> Tensor:
    """A tensor again and again along an axis."""
    counts = [1] * x.dim()
    counts[axis] = times
    return x.repeat(counts)


def chunk(x: Tensor, chunks: int, index: int, axis: int) -> Tensor:
    """One of the pieces of equal size that an axis is cut into."""
    return torch.chunk(x, chunks, axis)[index]


def split(x: Tensor, sizes: tuple[int, ...], index: int, axis: int) -> Tensor:
    """One of the pieces of given sizes that an axis is cut into."""
    return torch.split(x, list(sizes), axis)[index]


def crop(x: Tensor, size: Any) -> Tensor:
    """The middle of a map."""
    _, _, height, width = x.shape
    h, w = (size, size) if isinstance(size, int) else size
    return x.narrow(2, (height - h) // 2, h).narrow(3, (width - w) // 2, w)
