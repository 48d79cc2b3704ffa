"""Measured times beside the counts: what every layer took, the rates that it reached, and what bounds it.

A layer cannot take less time than its multiply-adds take at the fastest rate of the device, nor than the bytes that it
must move take at the rate of its memory: the roof. Both rates are measured, on the same device and in the same run.
"""

import functools
import statistics
from collections import Counter
from typing import Any, Literal, TypeAlias

import msgspec

from archcalc.engine.figures import BYTES_MOVED
from archcalc.engine.report import LayerReport, Report
from archcalc.layers.core.base import Operation

SCHEMA_VERSION = 1
FEWEST_FOR_A_SPREAD = 4
"""Of fewer samples, quartiles say nothing."""
NOISY = 0.2
"""The spread from which on a time is called noisy."""
OFTEN_PREEMPTED = 50.0
"""The preemptions per second from which on a warning is given; a quiet machine has a few."""
TIMES_THE_SHORTEST = 2
"""A layer is too short to time below this many times what the shortest operation takes."""
NEAR_THE_ROOF = 0.5
"""The share of what the roof allows from which on a layer is called bound by it."""
FASTER_THAN_MEMORY = 1.25
"""A layer that moves bytes at more than this share of the memory's rate had them in a cache."""

Bound: TypeAlias = Literal["compute", "memory", "cache", "neither", "too short", "moves nothing"]


class Samples(msgspec.Struct, frozen=True, dict=True):
    """How many seconds each repetition took, at least one of them.

    >>> samples = Samples((0.010, 0.012, 0.010, 0.011, 0.050))
    >>> samples.median, round(samples.spread, 3)
    (0.011, 0.182)
    """

    seconds: tuple[float, ...]

    @functools.cached_property
    def median(self) -> float:
        """In seconds."""
        return statistics.median(self.seconds)

    @functools.cached_property
    def quartiles(self) -> tuple[float, float] | None:
        """The times, in seconds, that bound the middle half; None of too few samples."""
        if len(self.seconds) < FEWEST_FOR_A_SPREAD:
            return None
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high

    @property
    def spread(self) -> float | None:
        """The distance between the quartiles as a share of the median; None if it is unknown."""
        if self.quartiles is None or not self.median:
            return None
        return (self.quartiles[1] - self.quartiles[0]) / self.median

    @property
    def is_noisy(self) -> bool:
        """Whether the repetitions differ so much that the median means little."""
        return self.spread is not None and self.spread > NOISY

    def to_dict(self) -> dict[str, Any]:
        """The times as `archcalc bench --json` prints them."""
        return {
            "samples": len(self.seconds),
            "median_seconds": self.median,
            "quartile_seconds": None if self.quartiles is None else list(self.quartiles),
            "min_seconds": min(self.seconds),
            "max_seconds": max(self.seconds),
            "spread": self.spread,
        }


class Roof(msgspec.Struct, frozen=True):
    """The most that the device gave in this run, in multiply-adds and in bytes (read and written) a second.

    `shortest_seconds` is what an operation on a single element takes, timed as the layers are.
    """

    matmul_macs_per_second: float
    conv_macs_per_second: float
    bytes_per_second: float
    shortest_seconds: float

    def macs_per_second(self, row: LayerReport) -> float:
        """The rate that a layer's multiply-adds are measured by: a convolution's by one, all else by a matrix product.

        The two differ where a library computes them at different precision, as TF32 on a GPU.
        """
        convolves = row.layer.operation is Operation.CONVOLUTION
        return self.conv_macs_per_second if convolves else self.matmul_macs_per_second


class LayerTiming(msgspec.Struct, frozen=True):
    """One layer's times beside its counts; no `samples` of one that did not run.

    What is not known, or too short to be timed, is None.
    """

    row: LayerReport
    samples: Samples | None
    roof: Roof

    @property
    def seconds(self) -> float | None:
        """The median; also of a layer that is too short, where it is mostly what calling it takes."""
        return None if self.samples is None else self.samples.median

    @property
    def bytes_moved(self) -> int | None:
        """The bytes that it must at least move; None of a layer that did not run."""
        return None if self.samples is None else BYTES_MOVED.of_row(self.row)

    @property
    def macs_per_second(self) -> float | None:
        """The multiply-adds reached."""
        return self._rate(self.row.macs)

    @property
    def bytes_per_second(self) -> float | None:
        """The bytes moved, at least."""
        return self._rate(self.bytes_moved)

    @property
    def macs_per_byte(self) -> float | None:
        """The arithmetic intensity: multiply-adds for each byte that must be moved."""
        if self.row.macs is None or not self.bytes_moved:
            return None
        return self.row.macs / self.bytes_moved

    @property
    def share_of_roof(self) -> float | None:
        """What the roof allows as a share of the time taken: above 1 where a layer is faster than what was measured.

        That happens where its bytes lay in a cache, or where a library gets by with fewer multiply-adds than counted.
        """
        at_least = self._at_least()
        if at_least is None or not self._can_be_timed or not self.seconds:
            return None
        return max(at_least) / self.seconds

    @property
    def bound(self) -> Bound | None:
        """What keeps the layer from being faster: the part of the roof that it is near to, or neither.

        None of a layer that did not run, and where its multiply-adds are unknown.
        """
        if self.samples is None:
            return None
        if self.bytes_moved == 0:
            return "moves nothing"
        if not self._can_be_timed:
            return "too short"
        share, at_least = self.share_of_roof, self._at_least()
        if share is None or at_least is None:
            return None
        if share < NEAR_THE_ROOF:
            return "neither"
        by_compute, by_memory = at_least
        if by_compute > by_memory:
            return "compute"
        return "cache" if share > FASTER_THAN_MEMORY else "memory"

    @property
    def _can_be_timed(self) -> bool:
        return self.seconds is not None and self.seconds >= TIMES_THE_SHORTEST * self.roof.shortest_seconds

    def _rate(self, count: int | None) -> float | None:
        if count is None or not self._can_be_timed or not self.seconds:
            return None
        return count / self.seconds

    def _at_least(self) -> tuple[float, float] | None:
        """The seconds that the multiply-adds and the bytes take at the roof's rates."""
        if self.row.macs is None or self.bytes_moved is None:
            return None
        return self.row.macs / self.roof.macs_per_second(self.row), self.bytes_moved / self.roof.bytes_per_second

    def to_dict(self) -> dict[str, Any]:
        """The layer as `archcalc bench --json` prints it."""
        return {
            "name": self.row.name,
            "kind": self.row.kind,
            "line": self.row.line,
            "macs": self.row.macs,
            "bytes_moved": self.bytes_moved,
            "macs_per_byte": self.macs_per_byte,
            "time": None if self.samples is None else self.samples.to_dict(),
            "macs_per_second": self.macs_per_second,
            "bytes_per_second": self.bytes_per_second,
            "share_of_roof": self.share_of_roof,
            "bound": self.bound,
        }


class Timing(msgspec.Struct, frozen=True):
    """The times of one architecture: of its layers, and of the whole without the watch on its layers.

    `compiled` is the whole as torch.compile makes it; None where that was not asked for. `preemptions_per_second` is
    how often the system interrupted it for other work meanwhile, None where it does not say: a busy machine can slow
    every repetition alike, which no spread shows.
    """

    report: Report
    layers: tuple[LayerTiming, ...]
    roof: Roof
    whole: Samples
    compiled: Samples | None = None
    preemptions_per_second: float | None = None

    @property
    def is_disturbed(self) -> bool:
        """Whether other work took the processor away again and again."""
        return self.preemptions_per_second is not None and self.preemptions_per_second > OFTEN_PREEMPTED

    @property
    def best(self) -> Samples:
        """The compiled network's times where there are some, else those of the network as it is."""
        return self.compiled or self.whole

    @property
    def layers_seconds(self) -> float:
        """The sum of the layers' medians."""
        return sum(layer.seconds or 0 for layer in self.layers)

    @property
    def macs(self) -> int | None:
        """The multiply-adds of the whole network; None where those of some layer are unknown."""
        known = all(layer.row.macs is not None for layer in self.layers)
        return self.report.totals.macs if known else None

    def macs_per_second(self, samples: Samples) -> float | None:
        """What the whole network reached in these times, `whole` or `compiled`."""
        return None if self.macs is None or not samples.median else self.macs / samples.median

    @property
    def samples_per_second(self) -> float | None:
        """How many samples of a batch the whole network takes in a second."""
        return self.report.settings.batch / self.best.median if self.best.median else None

    def seconds_by_bound(self) -> Counter[str]:
        """The layers' time by what bounds them; `unknown` where that is not known."""
        counted = Counter[str]()
        for layer in self.layers:
            if layer.seconds is not None:
                counted[layer.bound or "unknown"] += layer.seconds  # type: ignore[assignment]  # typeshed: counts are int
        return counted

    def to_dict(self) -> dict[str, Any]:
        """The architecture as `archcalc bench --json` prints it."""
        return {
            "name": self.report.architecture,
            "title": self.report.title,
            **self.report.settings.inputs_to_dict(),
            "macs": self.macs,
            "params": self.report.totals.params,
            "whole": self.whole.to_dict(),
            "compiled": None if self.compiled is None else self.compiled.to_dict(),
            "is_noisy": self.best.is_noisy or self.is_disturbed,
            "preemptions_per_second": self.preemptions_per_second,
            "macs_per_second": self.macs_per_second(self.best),
            "samples_per_second": self.samples_per_second,
            "layers_seconds": self.layers_seconds,
            "layers": [layer.to_dict() for layer in self.layers],
        }
