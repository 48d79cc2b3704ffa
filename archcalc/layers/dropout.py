"""Dropout."""

from archcalc.layers.base import Layer, Probability
from archcalc.layers.twin import TorchTwin


class Dropout(Layer, kind="dropout"):
    """Sets a random share of its inputs to zero while training; does nothing in eval mode, which is what is counted.

    Fields:
        p: the probability of an element to be dropped
    Shape: as the input
    Params: none
    Ops: none (eval mode)
    Raises: nothing
    Source: torch.nn.Dropout; Srivastava et al., "Dropout", JMLR 15 (2014)

    >>> Dropout(p=0.5).output((4096,))
    (4096,)
    """

    p: Probability = 0.5

    torch = TorchTwin("torch.nn.Dropout", p="p")
