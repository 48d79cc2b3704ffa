"""Weights with and without batch norms: statistics that are worth folding, and what folding makes of weights."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvTransposeNd

from archcalc.graph.batchnorm_folding import BatchNormFolding
from archcalc.torch_backend.build import Network


def randomise_batchnorms(model: Network, inputs: Sequence[Tensor]) -> None:
    """Give every batch norm that runs on these inputs random constants, so that no part of folding is idle.

    With PyTorch's own (mean 0, variance 1, gamma 1, beta 0) a wrong fold would hardly show, and with arbitrary ones the
    activations of a deep network would grow or vanish. So they lie around the mean and variance of all that a norm
    really gets: each channel's mean within half a standard deviation, its variance from half to twice, gamma from 0.5
    to 1.5 with either sign, beta from -0.5 to 0.5. A channel's own mean and variance will not do: a channel that is
    nearly constant, as of a map of one place, would be divided by next to nothing, and its rounding with it.
    The model must be in eval mode. Random numbers are PyTorch's own: seed them before.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    hooks = [norm.register_forward_pre_hook(lambda norm, inputs: _randomise(norm, inputs[0])) for norm in norms]
    try:
        with torch.no_grad():
            model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()


def _randomise(norm: Any, x: Tensor) -> None:
    variance, mean = torch.var_mean(x, correction=0)
    if variance == 0:
        variance = torch.ones_like(variance)
    constants = norm.running_mean
    norm.running_mean.copy_(mean + variance.sqrt() * _uniform(constants, -0.5, 0.5))
    norm.running_var.copy_(variance * _uniform(constants, 0.5, 2))
    if norm.affine:
        norm.weight.copy_(_uniform(constants, 0.5, 1.5) * torch.where(_uniform(constants, -1, 1) < 0, -1, 1))
        norm.bias.copy_(_uniform(constants, -0.5, 0.5))


def _uniform(like: Tensor, low: float, high: float) -> Tensor:
    return torch.empty_like(like).uniform_(low, high)


def move_weights(folding: BatchNormFolding, original: Network, folded: Network) -> None:
    """Give the folded network the weights of the original, those of its batch norms folded in."""
    theirs = [original.get_submodule(step.path) for step in original.steps]
    holders = folding.holders()
    own = dict(zip(holders, (folded.get_submodule(step.path) for step in folded.steps), strict=True))
    for holder, module in own.items():
        _copy(theirs[holder], module)
    for fold in folding.folds:
        absorb(theirs[fold.norm], own[fold.into])


def _copy(source: nn.Module, target: nn.Module) -> None:
    """Copy what a module holds; of a layer that has got a bias, it is zero at first."""
    state = source.state_dict()
    if "bias" not in state and isinstance(bias := getattr(target, "bias", None), Tensor):
        state["bias"] = torch.zeros_like(bias)
    target.load_state_dict(state)


def absorb(norm: Any, layer: Any) -> None:
    """Change the weights and the bias of a layer so that it gives what the norm made of its output in eval mode.

    The layer is a convolution, transposed or not, or linear, with a bias.

    >>> norm, layer = nn.BatchNorm1d(2).eval(), nn.Linear(3, 2)
    >>> norm.running_var.fill_(4.0), norm.bias.data.fill_(7.0)
    (tensor([4., 4.]), tensor([7., 7.]))
    >>> x = torch.randn(5, 3)
    >>> before = norm(layer(x))
    >>> absorb(norm, layer)
    >>> torch.allclose(layer(x), before, atol=1e-5)
    True
    """
    gamma, beta = (norm.weight, norm.bias) if norm.affine else (1, 0)
    with torch.no_grad():
        scale = gamma / (norm.running_var + norm.eps).sqrt()
        layer.bias.copy_(scale * (layer.bias - norm.running_mean) + beta)
        layer.weight.mul_(_per_channel(scale, layer))


def _per_channel(scale: Tensor, layer: Any) -> Tensor:
    """The factor of each of a layer's weights, that of the channel that it adds to.

    A transposed convolution has the inputs of all groups along its first axis, and the outputs of one along its second.
    """
    weight: Tensor = layer.weight
    if not isinstance(layer, _ConvTransposeNd):
        return scale.view(-1, *[1] * (weight.dim() - 1))
    of_group = scale.view(layer.groups, -1).repeat_interleave(weight.shape[0] // layer.groups, dim=0)
    return of_group.view(*weight.shape[:2], *[1] * (weight.dim() - 2))
