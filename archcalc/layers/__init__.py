"""The catalogue of layer kinds: importing a family's file is what registers its kinds."""

from archcalc.layers import (
    activation,
    conv,
    dropout,
    linear,
    merge,
    norm,
    padding,
    pool,
    reduce,
    reshape,
    shuffle,
    slicing,
)
from archcalc.layers.base import Layer, kinds

__all__ = [
    "Layer",
    "activation",
    "conv",
    "dropout",
    "kinds",
    "linear",
    "merge",
    "norm",
    "padding",
    "pool",
    "reduce",
    "reshape",
    "shuffle",
    "slicing",
]
