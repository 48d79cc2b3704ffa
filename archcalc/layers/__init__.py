"""The catalogue of layer kinds: importing a family's file is what registers its kinds."""

from archcalc.layers import (
    activation,
    axiswise,
    conv,
    dropout,
    embedding,
    layernorm,
    learned,
    linear,
    merge,
    norm,
    piecewise,
    pool,
    reshape,
)
from archcalc.layers.base import Layer, kinds

__all__ = [
    "Layer",
    "activation",
    "axiswise",
    "conv",
    "dropout",
    "embedding",
    "kinds",
    "layernorm",
    "learned",
    "linear",
    "merge",
    "norm",
    "piecewise",
    "pool",
    "reshape",
]
