"""Attention as PyTorch computes it, from the definitions of the papers."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812  # what everyone calls it
from torch import Tensor, nn

MOST_SCALE = math.log(100)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(…, tokens, heads · d) → (…, heads, tokens, d)."""
    return x.view(*x.shape[:-1], heads, x.shape[-1] // heads).transpose(-3, -2)


def join_heads(x: Tensor) -> Tensor:
    """(…, heads, tokens, d) → (…, tokens, heads · d)."""
    return x.transpose(-3, -2).flatten(-2)


class Attention(nn.Module):
    """Scaled dot-product attention of several heads; fewer heads of keys and values are shared by those of queries."""

    def __init__(
        self,
        heads: int,
        kv_heads: int | None = None,
        causal: bool = False,
        sliding_window: int | None = None,
        scale: float | None = None,
        softcap: float | None = None,
    ) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.causal = heads, kv_heads or heads, causal
        self.sliding_window, self.scale, self.softcap = sliding_window, scale, softcap
        if heads % self.kv_heads:
            raise ValueError(f"{self.kv_heads} heads of keys cannot be shared by {heads} heads")
        if (sliding_window and not causal) or softcap == 0:
            raise ValueError("sliding_window needs causal, and softcap must not be 0")

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        """What each query makes of the values: (…, T, C), (…, S, Ck), (…, S, Cv), (…, heads, T, S) → (…, T, ·)."""
        if not q.dim() == k.dim() == v.dim() or not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
            raise ValueError("queries, keys and values of different groups")
        if q.dim() < 3:
            raise ValueError("no tokens")
        if bias is not None and bias.shape != (*q.shape[:-2], self.heads, q.shape[-2], k.shape[-2]):
            raise ValueError("a bias of another shape than the scores")
        if self.softcap is not None or bias is not None:
            return self._in_steps(q, k, v, bias)
        q, k, v = split_heads(q, self.heads), split_heads(k, self.kv_heads), split_heads(v, self.kv_heads)
        mask = self._mask(q, k.shape[-2]) if self.sliding_window else None
        causal, shared = self.causal and mask is None, self.kv_heads != self.heads
        y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=self.scale, enable_gqa=shared)
        return join_heads(y)

    def _in_steps(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        """The same with scores that are bounded, for which PyTorch has no operation, or with a bias.

        PyTorch's takes a bias for a mask: none beside a causal one, and in training not in one step.
        """
        mask = self._mask(q, k.shape[-2]) if self.causal else None
        scale = 1 / math.sqrt(q.shape[-1] // self.heads) if self.scale is None else self.scale
        scores = split_heads(q, self.heads).contiguous() @ self._shared(k).contiguous().transpose(-2, -1)
        if self.softcap is None:
            scores = scores * scale
        else:
            scores = scores * (scale / self.softcap)
            scores = scores.tanh()
            scores = scores * self.softcap
        if bias is not None:
            scores = scores + bias
        if mask is not None:
            scores = scores + mask
        scores = scores.softmax(-1)
        return join_heads(scores @ self._shared(v).contiguous())

    def _shared(self, x: Tensor) -> Tensor:
        """The heads of keys or values, each as often as queries share it."""
        x = split_heads(x, self.kv_heads)
        shared = self.heads // self.kv_heads  # repeating once would copy as well
        return x.repeat_interleave(shared, dim=-3) if shared > 1 else x

    def _mask(self, like: Tensor, keys: int) -> Tensor:
        """For each query and key 0 where it is seen, else minus infinity."""
        seen = torch.ones(like.shape[-2], keys, dtype=like.dtype, device=like.device).tril_()
        return (seen if self.sliding_window is None else seen.triu_(1 - self.sliding_window)).log_()


class OfWindows(nn.Module):
    """Which offset each pair of a window's tokens has, and which pairs of a rolled map were no neighbours."""

    index: Tensor

    def __init__(self, heads: int, size: int | Sequence[int], shift: int | Sequence[int]) -> None:
        super().__init__()
        self.heads = heads
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.shift = (shift, shift) if isinstance(shift, int) else tuple(shift)
        if any(by >= side for by, side in zip(self.shift, self.size, strict=True)):
            raise ValueError("rolled by a window or more")
        height, width = self.size
        places = torch.cartesian_prod(torch.arange(height), torch.arange(width)).view(-1, 2)
        between = places[:, None] - places[None, :]  # from minus (side - 1) to side - 1
        self.register_buffer("index", (between[..., 0] + height - 1) * (2 * width - 1) + between[..., 1] + width - 1)

    def checked(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        """Refuse inputs that are not windows of this size, all of one shape."""
        if not q.shape == k.shape == v.shape or q.dim() != 5 or q.shape[3] != self.size[0] * self.size[1]:
            raise ValueError("queries, keys and values must be windows of one shape")

    def attend(self, scores: Tensor, table: Tensor, v: Tensor) -> Tensor:
        """Softmax of the scores with biases and mask, times the values; `table` is (offsets, heads)."""
        scores = scores + table[self.index].permute(2, 0, 1)
        if any(self.shift):
            scores = scores + self.mask(*v.shape[1:3]).to(scores)
        return join_heads(scores.softmax(-1) @ split_heads(v, self.heads))

    def mask(self, rows: int, columns: int) -> Tensor:
        """Minus 100 for pairs of a window's tokens that a roll brought together, as (rows, columns, 1, T, T)."""
        kinds = [_pieces(grid, side, by) for grid, side, by in zip((rows, columns), self.size, self.shift, strict=True)]
        piece = 3 * kinds[0][:, None, :, None] + kinds[1][None, :, None, :]
        piece = piece.flatten(2)
        return -100.0 * (piece[..., :, None] != piece[..., None, :]).unsqueeze(2)


def _pieces(grid: int, side: int, by: int) -> Tensor:
    """Along one axis, for each window and place in it: 0; in the last window 1, and 2 in the rolled part."""
    pieces = torch.zeros(grid, side, dtype=torch.long)
    if by:
        pieces[-1] = 1
        pieces[-1, side - by :] = 2
    return pieces


class WindowAttention(OfWindows):
    """Swin's: scores by scaled products, and a learned table of biases."""

    def __init__(self, heads: int, size: int | Sequence[int], shift: int | Sequence[int] = 0) -> None:
        super().__init__(heads, size, shift)
        height, width = self.size
        self.offset_weight = nn.Parameter(torch.empty((2 * height - 1) * (2 * width - 1), heads))
        nn.init.trunc_normal_(self.offset_weight, std=0.02)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, rows, columns, T, C) three times → the same."""
        self.checked(q, k, v)
        q, k = split_heads(q, self.heads), split_heads(k, self.heads)
        return self.attend(q / math.sqrt(q.shape[-1]) @ k.transpose(-2, -1), self.offset_weight, v)


class CosineWindowAttention(OfWindows):
    """Swin v2's: scores by the cosine, and biases that a network makes of the offsets' logarithms."""

    offsets: Tensor

    def __init__(
        self, heads: int, size: int | Sequence[int], shift: int | Sequence[int] = 0, hidden: int = 512
    ) -> None:
        super().__init__(heads, size, shift)
        self.scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10)))
        self.network = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, heads, bias=False))
        height, width = self.size
        sides = (torch.arange(1 - height, height), torch.arange(1 - width, width))
        offsets = torch.cartesian_prod(*sides).view(-1, 2) / torch.tensor([max(height - 1, 1), max(width - 1, 1)]) * 8
        self.register_buffer("offsets", offsets.sign() * torch.log2(offsets.abs() + 1) / 3)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, rows, columns, T, C) three times → the same."""
        self.checked(q, k, v)
        q, k = (F.normalize(split_heads(x, self.heads), dim=-1) for x in (q, k))
        scores = q @ k.transpose(-2, -1) * self.scale.clamp(max=MOST_SCALE).exp()
        # One table for each sample: what the network does is then counted as often as all else.
        tables = 16 * self.network(self.offsets.expand(len(v), -1, -1)).sigmoid()
        return self.attend(scores, tables[0], v)
