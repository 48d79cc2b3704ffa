"""The parameter groups of an optimizer: which of a module's parameters its weight decay shrinks."""

from collections.abc import Iterator
from typing import Any

from torch import nn

from archcalc.errors import SettingError
from archcalc.layers.core.base import ParameterRole
from archcalc.torch_backend.build import Network
from archcalc.training.weight_decay import Choice, DecayRule


def parameter_groups(
    model: Network, *, weight_decay: float = 0.01, embeddings: Choice = "decay", unknown: Choice | None = None
) -> list[dict[str, Any]]:
    """The parameters of a network in groups for an optimizer: those that decay, and those with a weight decay of 0.

    Weights of convolutions, linear and recurrent layers decay; biases, norms, factors, slopes, tokens and positions do
    not; `embeddings` choose, and `unknown` does for a learned tensor whose kind does not say what it is. What layers
    share is there once, and what needs no gradient not at all; nor is a group without parameters.

    Raises SettingError for a module that is no network of `to_torch`, for a decay below 0, and for a tensor of unknown
    use where `unknown` is None.

    >>> import torch
    >>> from archcalc import to_torch
    >>> groups = parameter_groups(to_torch("lenet5"), weight_decay=0.1)
    >>> [(group["weight_decay"], len(group["params"])) for group in groups]
    [(0.1, 5), (0.0, 5)]
    >>> optimizer = torch.optim.AdamW(groups, lr=0.001)
    """
    if not isinstance(model, Network):
        raise SettingError(f"no network of archcalc: {type(model).__name__}", hint="archcalc.to_torch makes one")
    if not weight_decay >= 0:
        raise SettingError(f"weight_decay must be a number ≥ 0, got {weight_decay!r}")
    rule = DecayRule(embeddings, unknown)
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter, role in _with_roles(model):
        decays = rule.decays(role)
        if decays is None:
            hint = "unknown='keep' leaves it out, unknown='decay' does not"
            raise SettingError(f"{name}: whether it should decay is not known from its kind", hint=hint)
        groups[decays].append(parameter)
    rates = {True: weight_decay, False: 0.0}
    return [{"params": found, "weight_decay": rates[decays]} for decays, found in groups.items() if found]


def _with_roles(model: Network) -> Iterator[tuple[str, nn.Parameter, ParameterRole | None]]:
    """Every parameter that needs a gradient, with its name and what it is in the first layer that holds it."""
    seen = set[int]()
    for step, node in zip(model.steps, model.graph.nodes, strict=True):
        for name, parameter in model.get_submodule(step.path).named_parameters():
            if id(parameter) not in seen and parameter.requires_grad:
                seen.add(id(parameter))
                yield f"{step.path}.{name}", parameter, node.layer.role_of(name)
