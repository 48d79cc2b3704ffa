"""Where a model runs: the devices there are, what they are called, and the memory that they have left."""

import contextlib
import os
import platform
import re

import torch

from archcalc.errors import SettingError

WITH_MEMORY_OF_ITS_OWN = ("cuda", "xpu")
"""Devices whose memory is not the host's."""


def accelerator() -> str | None:
    """The kind of accelerator that PyTorch finds, such as cuda, which ROCm's are too, xpu or mps; None for none."""
    if not hasattr(torch, "accelerator"):  # before PyTorch 2.6
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        return next((device for device, is_there in there.items() if is_there), None)
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return None if found is None else found.type


def chosen_device(wanted: str) -> str:
    """The device that is meant; `auto` is the fastest there is. Raises SettingError for one that is not there.

    >>> chosen_device("meta")
    'meta'
    """
    found = accelerator()
    if wanted == "auto":
        return found or "cpu"
    if wanted not in ("cpu", "meta", found):
        raise SettingError(f"PyTorch finds no {wanted} device", hint="--device auto uses what is available")
    return wanted


def device_name(device: str) -> str:
    """What the device is, in words."""
    if device in WITH_MEMORY_OF_ITS_OWN:
        return str(torch.get_device_module(device).get_device_name())
    if device == "meta":
        return "PyTorch's meta device: shapes without data"
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = (match[1] for line in lines if (match := re.match(r"model name\s*:\s*(.+)", line)))
        return next(names, platform.machine())
    return platform.processor() or platform.machine()


def environment(device: str) -> dict[str, str]:
    """What figures were taken with: the device, and the versions of PyTorch, Python and the system."""
    return {
        "device": device,
        "device_name": device_name(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def free_memory(device: str) -> int | None:
    """How many bytes a model may take on a device; None if that is unknown, or does not matter."""
    if device == "meta":
        return None
    if device in WITH_MEMORY_OF_ITS_OWN:
        module = torch.get_device_module(device)
        module.empty_cache()  # what an earlier model left is free, too
        return int(module.mem_get_info()[0])
    limits = [limit for limit in (_available(), _container_limit()) if limit is not None]
    return min(limits, default=None)


def _available() -> int | None:
    """What the system could give without swapping; where it does not say, half of what it has."""
    with contextlib.suppress(OSError), open("/proc/meminfo", encoding="utf-8") as text:
        match = re.search(r"^MemAvailable:\s*(\d+) kB", text.read(), flags=re.MULTILINE)
        if match:
            return int(match[1]) * 1024
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return None


def _container_limit() -> int | None:
    """The limit of the control group that the process runs in, where there is one."""
    with contextlib.suppress(OSError, ValueError), open("/sys/fs/cgroup/memory.max", encoding="utf-8") as text:
        return int(text.read())
    return None
