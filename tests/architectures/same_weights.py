"""What the tests of language models share: counts of PyTorch's, and the outputs of two models with the same weights."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
counter = pytest.importorskip("torch.utils.flop_counter")

ROUNDING = 5e-6
"""Of float32. The least of the planted faults, a GELU without its approximation, is six times as far off."""


def mask(tokens: int, window: int | None = None) -> Any:
    """0 where a token is seen, else minus infinity, for transformers, which takes such a mask as it is."""
    seen = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    if window is not None:
        seen = seen.triu(1 - window)
    return torch.zeros(1, 1, tokens, tokens).masked_fill(~seen, -torch.inf)


def macs(run: Callable[[], object]) -> int:
    counted = counter.FlopCounterMode(display=False)
    with torch.no_grad(), counted:
        run()
    return int(counted.get_total_flops()) // 2


def numbers(modules: list[Any]) -> int:
    return sum(p.numel() for p in {id(p): p for module in modules for p in module.parameters()}.values())


def move(weights: dict[str, Any], model: Any) -> None:
    """Give a network of archcalc's own the weights of these names; there must be no others."""
    own = dict(model.named_parameters())
    assert own.keys() == weights.keys()
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(weights[name])


def scramble(model: Any) -> None:
    """Weights that are far from special ones: initial ones are small, and those of norms all equal."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)


def unlikeness(a: Any, b: Any) -> float:
    """How far apart two tensors are at the most, as a share of their largest number."""
    return float((a - b).abs().max() / b.abs().max())
