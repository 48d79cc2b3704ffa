"""Layers that rearrange numbers without computing any."""

from archcalc.layers.arithmetic import Shape
from archcalc.layers.base import Layer, Sight, elements
from archcalc.layers.twin import TorchTwin


class Flatten(Layer, kind="flatten"):
    """Lays a map out as one row of features.

    Fields: none
    Shape: (C, H, W) → (C · H · W,)
    Params: none
    Ops: none
    Raises: nothing
    Source: torch.nn.Flatten

    >>> Flatten().output((256, 6, 6))
    (9216,)
    """

    torch = TorchTwin("torch.nn.Flatten")

    def output(self, x: Shape) -> Shape:
        return (elements(x),)

    def window(self, x: Shape) -> Sight:
        return Sight.SCATTERED
