"""Which learned tensors weight decay shrinks: weights, not biases or norms; embeddings by choice.

A decay pulls numbers toward zero, so that no weight is larger than it needs to be. Biases, and the scales and shifts of
norms, are few and do not make outputs depend on inputs more strongly; a scale that begins at one would be pulled away
from where it does nothing. Slopes, factors of channels, tokens, and tables of positions or offsets are left out as
well, as the training recipes of their architectures do.

Sources: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101; what is left out:
Devlin et al., BERT, arXiv:1810.04805 (norms and biases); Touvron et al., DeiT, arXiv:2012.12877 (tokens and positions);
Liu et al., "Swin Transformer", arXiv:2103.14030 (tables of offsets); torch.nn.PReLU (slopes).
"""

from typing import Any, Literal, TypeAlias

import msgspec

from archcalc.engine.report import Report
from archcalc.errors import SettingError, did_you_mean
from archcalc.graph import Graph
from archcalc.layers.core.arithmetic import Sizes, product
from archcalc.layers.core.base import ParameterRole
from archcalc.training.parameters import learned_tensors

Choice: TypeAlias = Literal["decay", "keep"]
CHOICES: tuple[Choice, ...] = ("decay", "keep")
TITLES = {
    ParameterRole.WEIGHT: "weights of layers",
    ParameterRole.EMBEDDING: "embeddings",
    ParameterRole.BIAS: "biases",
    ParameterRole.NORM: "scales and shifts of norms",
    ParameterRole.SCALE: "factors and slopes",
    ParameterRole.POSITION: "tokens, positions and offsets",
    None: "of unknown use",
}
"""What people call the roles, in the order in which they are listed."""


class DecayRule(msgspec.Struct, frozen=True):
    """Which roles decay. `unknown` is for tensors whose kind does not say what they are; None leaves that open."""

    embeddings: Choice = "decay"
    unknown: Choice | None = None

    def __post_init__(self) -> None:
        for name, value in (("embeddings", self.embeddings), ("unknown", self.unknown)):
            if value not in (*CHOICES, None) or (value is None and name == "embeddings"):
                hint = did_you_mean(str(value), CHOICES, f"choices: {', '.join(CHOICES)}")
                raise SettingError(f"{name} must be decay or keep, got {value!r}", hint=hint)

    def decays(self, role: ParameterRole | None) -> bool | None:
        """Whether what has this role decays; None where that is left open.

        >>> rule = DecayRule(embeddings="keep")
        >>> rule.decays(ParameterRole.WEIGHT), rule.decays(ParameterRole.EMBEDDING), rule.decays(None)
        (True, False, None)
        """
        if role is None:
            return None if self.unknown is None else self.unknown == "decay"
        return role is ParameterRole.WEIGHT or (role is ParameterRole.EMBEDDING and self.embeddings == "decay")


class DecayedTensor(msgspec.Struct, frozen=True, gc=False):
    """A learned tensor: the layer that holds it, its name there, what it is, and whether it decays (None: unknown)."""

    layer: str
    kind: str
    name: str
    shape: Sizes
    role: ParameterRole | None
    decays: bool | None

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return product(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """The tensor as `archcalc weight-decay --json` prints it."""
        role = None if self.role is None else self.role.value
        shape = list(self.shape)
        return {"name": self.name, "shape": shape, "numbers": self.numbers, "role": role, "decays": self.decays}


class WeightDecay(msgspec.Struct, frozen=True):
    """The learned tensors of a network in the order of its layers; what layers share is there once."""

    tensors: tuple[DecayedTensor, ...]

    def count(self, decays: bool | None) -> int:
        """How many numbers decay (True), do not (False), or may do either (None)."""
        return sum([tensor.numbers for tensor in self.tensors if tensor.decays is decays])

    def by_role(self) -> dict[ParameterRole | None, list[DecayedTensor]]:
        """The tensors of each role that there is."""
        groups = {role: [tensor for tensor in self.tensors if tensor.role is role] for role in TITLES}
        return {role: tensors for role, tensors in groups.items() if tensors}

    def by_layer(self) -> dict[str, list[DecayedTensor]]:
        """The tensors of each layer that holds some."""
        found: dict[str, list[DecayedTensor]] = {}
        for tensor in self.tensors:
            found.setdefault(tensor.layer, []).append(tensor)
        return found


def weight_decay(graph: Graph, report: Report, rule: DecayRule = DecayRule()) -> WeightDecay:  # noqa: B008  # frozen
    """Which learned tensors of a graph decay. Raises SettingError where it has none.

    >>> from archcalc.analysis import analyze_graph
    >>> found = weight_decay(*analyze_graph("resnet50"))
    >>> found.count(True), found.count(False)
    (25502912, 54120)
    """
    found = [
        DecayedTensor(
            node.name, node.layer.kind, name, shape, node.layer.role_of(name), rule.decays(node.layer.role_of(name))
        )
        for node, learned in zip(graph.nodes, learned_tensors(graph, report), strict=True)
        for name, shape in learned.own.items()
    ]
    if not found:
        raise SettingError(f"{graph.name} has no parameters: there is nothing to train", hint="archcalc table shows it")
    return WeightDecay(tuple(found))
