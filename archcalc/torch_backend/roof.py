"""The most that a device gives: a large matrix product, a large convolution and large runs through memory, timed."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import nn

from archcalc.evidence.timing import Roof
from archcalc.torch_backend.clocks import Clock, clock_of
from archcalc.torch_backend.devices import free_memory

LONG_ENOUGH_SECONDS = 0.02
"""A calibration grows until it takes this long: then starting it costs nothing beside it."""
SMALLEST, LARGEST = 256, 8192
MAP_SIZE = 64
MEMORY_BYTES = 2**28
"""Larger than the caches."""
BEST_OF = 5
SHORTEST_OF = 50

Work: TypeAlias = Callable[[], Any]


def measured_roof(device: str, dtype: str, clock: Clock | None = None) -> Roof:
    """What a device gives with numbers of this dtype, now, the best of a few tries each.

    The convolution has a kernel of 1×1, so that no library can get by with fewer multiply-adds than are counted.
    """
    clock = clock or clock_of(device)
    number = getattr(torch, dtype)
    with torch.inference_mode(), torch.device(device):
        return Roof(
            matmul_macs_per_second=_rate(clock, lambda n: _product(n, number)),
            conv_macs_per_second=_rate(clock, lambda n: _convolution(n, number)),
            bytes_per_second=_memory_rate(clock, device),
            shortest_seconds=_shortest(clock, number),
        )


def timed(clock: Clock, work: Work) -> float:
    """The seconds that some work takes once, waited for."""
    clock.wait()
    start = clock.mark()
    work()
    end = clock.mark()
    clock.wait()
    return clock.seconds(start, end)


def _rate(clock: Clock, of_size: Callable[[int], tuple[Work, int]]) -> float:
    """The multiply-adds a second of work that is made larger until it takes long enough."""
    size, rate = SMALLEST, 0.0
    while True:
        work, macs = of_size(size)
        work()
        seconds = _best(clock, work)
        rate = max(rate, macs / seconds)
        if seconds >= LONG_ENOUGH_SECONDS or size >= LARGEST:
            return rate
        size *= 2


def _best(clock: Clock, work: Work) -> float:
    # A clock too coarse to see the work would make it infinitely fast.
    return max(min(timed(clock, work) for _ in range(BEST_OF)), 1e-9)


def _product(n: int, number: torch.dtype) -> tuple[Work, int]:
    a, b = torch.ones(n, n, dtype=number), torch.ones(n, n, dtype=number)
    out = torch.empty(n, n, dtype=number)
    return lambda: torch.mm(a, b, out=out), n**3


def _convolution(n: int, number: torch.dtype) -> tuple[Work, int]:
    x, weight = torch.ones(1, n, MAP_SIZE, MAP_SIZE, dtype=number), torch.ones(n, n, 1, 1, dtype=number)
    return lambda: torch.conv2d(x, weight), n * n * MAP_SIZE**2


def _memory_rate(clock: Clock, device: str) -> float:
    """The bytes a second of a copy, which reads and writes, or of a sum, which reads: whichever is faster."""
    free = free_memory(device)
    size = MEMORY_BYTES if free is None else max(4, min(MEMORY_BYTES, free // 4))
    source = torch.ones(size // 4, dtype=torch.float32)
    target = torch.ones_like(source)  # written once, so that its pages are there
    target.copy_(source)
    return max(2 * source.nbytes / _best(clock, lambda: target.copy_(source)), source.nbytes / _best(clock, source.sum))


def _shortest(clock: Clock, number: torch.dtype) -> float:
    """The time of a layer on one element, between hooks as every layer is timed."""
    layer, marks = nn.ReLU(), list[Any]()
    layer.register_forward_pre_hook(lambda *_: marks.append(clock.mark()))
    layer.register_forward_hook(lambda *_: marks.append(clock.mark()))
    x = torch.ones(1, dtype=number)
    for _ in range(SHORTEST_OF):
        layer(x)
    clock.wait()
    times = sorted(clock.seconds(start, end) for start, end in zip(marks[::2], marks[1::2], strict=True))
    return times[len(times) // 2]
