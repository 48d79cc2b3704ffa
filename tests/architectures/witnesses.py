"""Libraries of models that are witnesses where they are installed."""

import functools
import importlib
import importlib.util
import sys
from typing import Any

import torch

_STAND_INS: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]


@functools.cache
def torchvision() -> Any:
    """torchvision, or None where it is not installed.

    A wheel for another build of PyTorch cannot load the two compiled operations that it names when it is imported. The
    networks do not need them, and get stand-ins for them.
    """
    if importlib.util.find_spec("torchvision") is None:
        return None
    try:
        return importlib.import_module("torchvision")
    except RuntimeError:
        for name in ("nms", "qnms"):
            _STAND_INS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        return importlib.import_module("torchvision")
