"""The catalogue of layer kinds: importing a family's file is what registers its kinds."""

from archcalc.layers import (
    activation,
    adaptive_pool,
    attention,
    conv,
    conv_transpose,
    dropout,
    linear,
    merge,
    norm,
    pool,
    recurrent,
    reshape,
    upsample,
)
from archcalc.layers.base import Layer, kinds

__all__ = [
    "Layer",
    "activation",
    "adaptive_pool",
    "attention",
    "conv",
    "conv_transpose",
    "dropout",
    "kinds",
    "linear",
    "merge",
    "norm",
    "pool",
    "recurrent",
    "reshape",
    "upsample",
]
