"""One layer → one torch.nn.Module, by the layer's twin."""

import functools
import importlib
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from archcalc.layers import Layer


class Function(nn.Module):
    """A layer whose twin is a function, as a module without parameters; it is printed as that function."""

    def __init__(self, layer: Layer, function: Any) -> None:
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, *inputs: Tensor) -> Any:
        """What the function makes of the inputs, with arguments read off the layer and these very tensors."""
        arguments = self.layer.torch.values(self.layer, inputs)
        if self.layer.torch.call == "list":
            return self.function(list(inputs), **arguments)
        if self.layer.torch.call == "pairwise":
            return functools.reduce(lambda x, y: self.function(x, y, **arguments), inputs)
        return self.function(*inputs, **arguments)

    def _get_name(self) -> str:
        return self.layer.torch.path


def module_of(layer: Layer, inputs: Sequence[Tensor]) -> nn.Module:
    """The module of a layer that gets these tensors, on the current default device.

    >>> import torch
    >>> from archcalc.layers import kinds
    >>> module_of(kinds()["linear"](features=2), [torch.zeros(1, 3)])
    Linear(in_features=3, out_features=2, bias=True)
    """
    home, _, name = layer.torch.path.format(n=max(1, inputs[0].dim() - 2)).rpartition(".")
    found = getattr(importlib.import_module(home), name)
    if layer.torch.call != "module":
        return Function(layer, found)
    made: nn.Module = found(**layer.torch.values(layer, inputs))
    return made


def call(module: nn.Module, inputs: Sequence[Tensor], result: int | None) -> Tensor:
    """The output of a layer's module: its only result, or that of this index."""
    y: Any = module(*inputs)
    output: Tensor = y if result is None else y[result]
    return output
