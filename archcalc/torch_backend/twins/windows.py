"""Windows of maps with their channels last: (batch, H, W, C) ↔ (batch, rows, columns, tokens, C)."""

from typing import Any

from torch import Tensor


def window_partition(x: Tensor, size: Any, dilated: bool) -> Tensor:
    """Cuts a map into windows, whose tokens lie side by side or, dilated, spread over the map."""
    h, w = (size, size) if isinstance(size, int) else size
    batch, height, width, channels = x.shape
    rows, columns = height // h, width // w
    if dilated:
        windows = x.reshape(batch, h, rows, w, columns, channels).permute(0, 2, 4, 1, 3, 5)
    else:
        windows = x.reshape(batch, rows, h, columns, w, channels).permute(0, 1, 3, 2, 4, 5)
    return windows.reshape(batch, rows, columns, h * w, channels)


def window_reverse(x: Tensor, size: Any, dilated: bool) -> Tensor:
    """Puts windows together to a map again."""
    h, w = (size, size) if isinstance(size, int) else size
    batch, rows, columns, _, channels = x.shape
    windows = x.reshape(batch, rows, columns, h, w, channels)
    places = windows.permute(0, 3, 1, 4, 2, 5) if dilated else windows.permute(0, 1, 3, 2, 4, 5)
    return places.reshape(batch, rows * h, columns * w, channels)
