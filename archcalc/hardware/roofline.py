"""The roofline: the least time that a device takes for each layer, and whether its products or its memory bounds it.

A layer cannot be faster than its operations at the peak of the dtype, nor than the bytes that it must move at the
bandwidth of the memory (Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model", 2009).
"""

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from archcalc._version import __version__
from archcalc.engine.figures import BYTES_MOVED
from archcalc.engine.report import LayerReport, Report
from archcalc.errors import SettingError
from archcalc.hardware.devices import Device, Fact

if TYPE_CHECKING:
    from fractions import Fraction

SCHEMA_VERSION = 1
FLOPS_PER_MAC = 2
"""As peaks are counted: a multiplication and an addition."""

Bound: TypeAlias = Literal["compute", "memory", "moves nothing"]


class RooflineRow(msgspec.Struct, frozen=True):
    """One layer: the seconds of its multiply-adds and of the bytes that it moves; None where they are unknown."""

    row: LayerReport
    compute_seconds: float | None
    memory_seconds: float | None

    @property
    def bytes_moved(self) -> int | None:
        """What it must at least read and write."""
        return BYTES_MOVED.of_row(self.row)

    @property
    def macs_per_byte(self) -> float | None:
        """The multiply-adds for each byte that must be moved; None where unknown, or nothing is moved."""
        return None if self.row.macs is None or not self.bytes_moved else self.row.macs / self.bytes_moved

    @property
    def is_known(self) -> bool:
        """Whether both are known."""
        return self.compute_seconds is not None and self.memory_seconds is not None

    @property
    def seconds(self) -> float:
        """The least that it takes, by what is known."""
        return max(self.compute_seconds or 0.0, self.memory_seconds or 0.0)

    @property
    def bound(self) -> Bound | None:
        """What keeps it from being faster; None where that is unknown."""
        if self.compute_seconds is None or self.memory_seconds is None:
            return None
        if not self.seconds:
            return "moves nothing"
        return "compute" if self.compute_seconds > self.memory_seconds else "memory"


class Roofline(msgspec.Struct, frozen=True):
    """The layers of a report on a device, whose products run at the peak of `dtype`.

    `share` is what large products were measured to reach of the peak, None where that is not known.
    """

    report: Report
    device: Device
    dtype: str
    peak: Fact
    bandwidth: Fact
    layers: tuple[RooflineRow, ...]

    @property
    def share(self) -> "Fraction | None":
        """What large products were measured to reach of the peak; None where that is not known."""
        return self.device.matmul_share.get(self.dtype)

    @property
    def seconds(self) -> float:
        """The least that all layers take, one after another, by what is known."""
        return sum([layer.seconds for layer in self.layers])

    @property
    def seconds_at_share(self) -> float | None:
        """The same with products at the share of the peak that large ones reach; None where that is not known."""
        if self.share is None:
            return None
        share = float(self.share)
        return sum([max((one.compute_seconds or 0.0) / share, one.memory_seconds or 0.0) for one in self.layers])

    @property
    def is_known(self) -> bool:
        """Whether the operations and the bytes of all layers are known."""
        return all(layer.is_known for layer in self.layers)

    @property
    def samples_per_second(self) -> float | None:
        """The most samples a second; None where nothing takes time."""
        return self.report.settings.batch / self.seconds if self.seconds else None

    @property
    def ridge_macs_per_byte(self) -> float:
        """The multiply-adds for each byte from which on products bound a layer."""
        return self.peak.value / FLOPS_PER_MAC / self.bandwidth.value

    def seconds_by_bound(self) -> Counter[str]:
        """The time by what bounds it; `unknown` where that is not known."""
        counted = Counter[str]()
        for layer in self.layers:
            counted[layer.bound or "unknown"] += layer.seconds  # type: ignore[assignment]  # typeshed: counts are int
        return counted

    def to_dict(self) -> dict[str, Any]:
        """The roofline as `archcalc roofline --json` prints it."""
        return {
            "schema_version": SCHEMA_VERSION,
            "archcalc": __version__,
            "architecture": self.report.architecture,
            "title": self.report.title,
            "settings": self.report.settings.to_dict(),
            "device": self.device.to_dict(),
            "peak_dtype": self.dtype,
            "flops_per_second": self.peak.value,
            "bytes_per_second": self.bandwidth.value,
            "ridge_macs_per_byte": self.ridge_macs_per_byte,
            "seconds": self.seconds,
            "seconds_at_matmul_share": self.seconds_at_share,
            "complete": self.is_known,
            "samples_per_second": self.samples_per_second,
            "layers": self.records(),
        }

    def records(self) -> list[dict[str, Any]]:
        """The layers as data formats have them."""
        return [
            {
                "name": layer.row.name,
                "kind": layer.row.kind,
                "line": layer.row.line,
                "macs": layer.row.macs,
                "bytes_moved": layer.bytes_moved,
                "macs_per_byte": layer.macs_per_byte,
                "compute_seconds": layer.compute_seconds,
                "memory_seconds": layer.memory_seconds,
                "seconds": layer.seconds if layer.is_known else None,
                "bound": layer.bound,
            }
            for layer in self.layers
        ]


def roofline(report: Report, device: Device, *, tf32: bool = False) -> Roofline:
    """The least time of each layer of a report on a device, forward and in eval mode.

    With `tf32`, products of float32 run in TF32. Raises SettingError where the device's bandwidth, or its peak in the
    dtype of the report, is not known.

    >>> from archcalc import analyze
    >>> from archcalc.hardware.devices import device_named
    >>> found = roofline(analyze("alexnet", batch=128), device_named("rtx4090"))
    >>> row = found.layers[0]
    >>> row.row.name, row.bound, round(row.compute_seconds * 1e6), round(row.memory_seconds * 1e6)
    ('conv1', 'compute', 226, 181)
    """
    if not report.is_plain:
        raise SettingError("a roofline needs whole numbers, got symbols or arrays", hint="analyze at whole numbers")
    dtype = report.settings.dtype
    if tf32 and dtype != "float32":
        raise SettingError(f"TF32 is for products of float32, got {dtype}", hint="leave out --tf32")
    if device.bandwidth is None:
        raise SettingError(f"the bandwidth of {device.name} is not known", hint="a device of your own may have one")
    dtype = "tf32" if tf32 else dtype
    peak, bandwidth = device.peak_of(dtype), device.bandwidth
    rows = []
    for row in report.layers:
        moved = BYTES_MOVED.of_row(row)
        rows.append(
            RooflineRow(
                row,
                None if row.macs is None else FLOPS_PER_MAC * row.macs / peak.value,
                None if moved is None else moved / bandwidth.value,
            )
        )
    return Roofline(report, device, dtype, peak, bandwidth, tuple(rows))


class DeviceHours(msgspec.Struct, frozen=True):
    """How long a number of multiply-adds takes a device at `utilisation` percent of its `peak`; None where unknown.

    `doubt` says why the peak is doubtful, if it is.
    """

    device: str
    dtype: str
    peak: int
    utilisation: float
    seconds: float | None
    doubt: str = ""

    @property
    def hours(self) -> float | None:
        """In hours of one device."""
        return None if self.seconds is None else self.seconds / 3600

    def to_dict(self) -> dict[str, Any]:
        """The hours as JSON has them."""
        return {**msgspec.structs.asdict(self), "hours": self.hours}


def device_hours(macs: int | None, device: Device, dtype: str, utilisation: "Fraction") -> DeviceHours:
    """The time of so many multiply-adds, two operations each, on a device at a share of its peak.

    Raises SettingError where the peak in the dtype is not known, or the share is not more than 0 and at most 1.

    >>> from fractions import Fraction
    >>> from archcalc.hardware.devices import device_named
    >>> round(device_hours(239_327_119_745 * 10**6, device_named("gtx580-3gb"), "float32", Fraction(40, 100)).hours)
    210
    """
    if not 0 < utilisation <= 1:
        raise SettingError("the utilisation must be more than 0 and at most 100%", hint="such as --utilisation 40%")
    peak = device.peak_of(dtype)
    seconds = None if macs is None else float(FLOPS_PER_MAC * macs / (peak.value * utilisation))
    doubt = peak.doubt if peak.is_doubtful else ""
    return DeviceHours(device.name, dtype, peak.value, float(100 * utilisation), seconds, doubt)
