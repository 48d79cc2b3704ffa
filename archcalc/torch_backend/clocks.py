"""Clocks: how long a device took from one mark to another."""

import time
from typing import Any, Protocol

import torch


class Clock(Protocol):
    """Marks moments, and gives the seconds between two of them once the device has finished."""

    def mark(self) -> Any:
        """This moment in the device's work."""

    def wait(self) -> None:
        """Wait until the device has finished."""

    def seconds(self, start: Any, end: Any) -> float:
        """The seconds between two marks that lie before the last `wait`."""


class HostClock:
    """The monotonic clock of the host, for a device that works while the host waits: the CPU.

    >>> clock = HostClock()
    >>> clock.seconds(clock.mark(), clock.mark()) >= 0
    True
    """

    def mark(self) -> int:
        """In nanoseconds."""
        return time.perf_counter_ns()

    def wait(self) -> None:
        """The CPU has nothing outstanding."""

    def seconds(self, start: int, end: int) -> float:
        """The seconds between two marks."""
        return (end - start) / 1e9


class CudaClock:
    """Events in the stream of a CUDA device, which times the work between two of them itself."""

    def mark(self) -> torch.cuda.Event:
        """An event behind all work queued so far."""
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # PyTorch does not type it
        event.record()
        return event

    def wait(self) -> None:
        """Until the queue is empty."""
        torch.cuda.synchronize()

    def seconds(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        """The seconds between two events."""
        return float(start.elapsed_time(end)) / 1e3


class AcceleratorClock(HostClock):
    """The host's clock, which first waits for an accelerator, such as an Apple GPU: each mark costs a wait."""

    def mark(self) -> int:
        """In nanoseconds."""
        self.wait()
        return super().mark()

    def wait(self) -> None:
        """Until the queue is empty."""
        if hasattr(torch, "accelerator"):
            torch.accelerator.synchronize()
        else:  # before PyTorch 2.6
            torch.mps.synchronize()


def clock_of(device: str) -> Clock:
    """The clock that goes with a device."""
    clocks: dict[str, type[Clock]] = {"cpu": HostClock, "cuda": CudaClock}
    return clocks.get(device, AcceleratorClock)()
