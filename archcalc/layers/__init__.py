"""The catalogue of layer kinds: a family's file is imported when one of its kinds is asked for."""

import functools
import importlib

from archcalc.layers.core.base import Layer, LayerType

FAMILIES = {
    "activation": "celu elu exp gelu identity log_sigmoid mish scale selu sigmoid silu softplus softsign tanh "
    "tanhshrink",
    "adaptive_pool": "adaptive_avgpool adaptive_avgpool1d adaptive_avgpool3d adaptive_maxpool adaptive_maxpool1d "
    "adaptive_maxpool3d global_avgpool global_maxpool",
    "attention": "attention",
    "axiswise": "glu l2norm log_softmax softmax softmin",
    "conv": "conv conv1d conv3d depthwise_conv",
    "conv_transpose": "conv_transpose conv_transpose1d conv_transpose3d",
    "dropout": "alpha_dropout dropout dropout2d stochastic_depth",
    "embedding": "embedding timestep_embedding",
    "layernorm": "layernorm rmsnorm",
    "learned": "class_token layer_scale parameter position_embedding",
    "linear": "linear",
    "merge": "add concat matmul mul sub",
    "norm": "batchnorm groupnorm instancenorm lrn",
    "padding": "pad",
    "piecewise": "hardshrink hardsigmoid hardswish hardtanh leaky_relu prelu relu relu6 rrelu softshrink threshold",
    "pool": "avgpool avgpool1d avgpool3d maxpool maxpool1d maxpool3d",
    "relative_position": "relative_position_bias",
    "recurrent": "gru lstm rnn",
    "reduce": "mean",
    "reshape": "flatten permute reshape squeeze transpose unsqueeze",
    "rotary": "rope",
    "shuffle": "channel_shuffle pixel_shuffle pixel_unshuffle roll tile window_partition window_reverse",
    "slicing": "chunk crop slice split",
    "upsample": "upsample",
    "window_attention": "cosine_window_attention window_attention",
}
"""The files of this package that define kinds, and which: most networks need few of them, and imports take time."""
_FAMILY_OF = {kind: family for family, kinds in FAMILIES.items() for kind in kinds.split()}


def is_kind(name: str) -> bool:
    """Whether a layer kind has this name.

    >>> is_kind("linear"), is_kind("lniear")
    (True, False)
    """
    return name in _FAMILY_OF or name in LayerType.kinds


def kind_named(name: str) -> type[Layer] | None:
    """The layer kind of this name in a spec; None where there is none.

    >>> kind_named("linear"), kind_named("lniear")
    (<class 'archcalc.layers.linear.Linear'>, None)
    """
    if name not in LayerType.kinds and name in _FAMILY_OF:
        importlib.import_module(f"archcalc.layers.{_FAMILY_OF[name]}")
    return LayerType.kinds.get(name)


def kinds() -> dict[str, type[Layer]]:
    """Every layer kind by its name in a spec.

    >>> kinds()["linear"].__name__
    'Linear'
    """
    _import_all()
    return LayerType.kinds


def joins() -> dict[str, type[Layer]]:
    """The kinds that join several inputs into one, by name."""
    return {kind: cls for kind, cls in kinds().items() if cls.arity[1] is None}


@functools.cache
def _import_all() -> None:
    for family in FAMILIES:
        importlib.import_module(f"archcalc.layers.{family}")
    LayerType.kinds = dict(sorted(LayerType.kinds.items()))  # which file was imported first decides no order


__all__ = ["FAMILIES", "Layer", "is_kind", "joins", "kind_named", "kinds"]
