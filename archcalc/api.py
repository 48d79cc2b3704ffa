"""What users of the library call that needs more than one of its parts."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archcalc.analysis import GivenInput, Network, analyze_graph, graph_of
from archcalc.engine.report import Report
from archcalc.errors import SettingError
from archcalc.evidence.layer_agreement import SmallerCopy
from archcalc.graph import Graph
from archcalc.spec.architecture import Architecture
from archcalc.spec.values import Value

if TYPE_CHECKING:
    from archcalc.torch_backend import build
    from archcalc.training.weight_decay import Choice


def to_torch(
    network: Network, *, input: GivenInput | None = None, vars: Mapping[str, Value] | None = None
) -> "build.Network":
    """A network as a trainable torch.nn.Module, with PyTorch's own initial weights.

    `network` is a Graph, an Architecture, or what `load` takes; `input` and `vars` override its own. Raises SpecError
    with what is wrong with the spec, SettingError for a setting that cannot be used, and ArchcalcError for a layer that
    PyTorch does not take.

    >>> import torch
    >>> model = to_torch("lenet5")
    >>> model.C1
    Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))
    >>> model(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 10])
    """
    from archcalc.torch_backend import build

    return build.build(graph_of(network, input=input, vars=vars))


def spec_schema() -> dict[str, Any]:
    """The JSON Schema of a spec, with all kinds of layers and all metrics that a budget can limit.

    >>> "flops" in spec_schema()["$defs"]["budget"]["properties"]
    True
    """
    from archcalc.gate.schema import budget_definitions
    from archcalc.spec import schema

    return schema.spec_schema(budget_definitions())


def parameter_groups(
    model: "build.Network",
    *,
    weight_decay: float = 0.01,
    embeddings: "Choice" = "decay",
    unknown: "Choice | None" = None,
) -> list[dict[str, Any]]:
    """The parameters of a module that `to_torch` made, in groups for an optimizer: those that decay, and the others.

    Weights of convolutions, linear, recurrent and attention layers get `weight_decay`; biases, norms, factors, slopes,
    tokens and positions get 0. `embeddings` chooses for tables of vectors ("decay" or "keep"), and `unknown` for
    learned tensors whose kind does not say what they are. What layers share is there once; what needs no gradient is
    left out.

    Raises SettingError for another module, for choices that there are not, and for a tensor of unknown use where
    `unknown` is None.

    >>> model = to_torch("resnet18")
    >>> [sum(p.numel() for p in group["params"]) for group in parameter_groups(model)]
    [11678912, 10600]
    """
    from archcalc.torch_backend import parameter_groups as backend

    return backend.parameter_groups(model, weight_decay=weight_decay, embeddings=embeddings, unknown=unknown)


def freeze(model: "build.Network", *, until: str | None = None, head: Sequence[str] = ()) -> tuple[str, ...]:
    """Freeze layers of a module that `to_torch` made, and give the names of those that hold parameters.

    Frozen are all layers before those that make the outputs; with `until` all up to this layer, or group of layers, as
    the table has them. `head` names the layers that make the outputs, where there are several. Frozen parameters need
    no gradient, all others do; an optimizer that is made afterwards should get those alone. The model is in training
    mode afterwards, but for frozen batch norms, which keep the statistics that they have: call it again after each
    `model.train()`.

    Raises SettingError for another module, for layers that there are not, and where nothing is left to train.

    >>> model = to_torch("lenet5")
    >>> freeze(model)
    ('C1', 'C3', 'C5', 'F6')
    >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    ['output.weight', 'output.bias']
    >>> freeze(model, until="C3")
    ('C1', 'C3')
    """
    from archcalc.torch_backend import build, training
    from archcalc.training.transfer import features, find_heads, up_to

    if not isinstance(model, build.Network):
        raise SettingError(f"no network of archcalc: {type(model).__name__}", hint="archcalc.to_torch makes one")
    heads = find_heads(model.graph, head)
    frozen = features(model.graph, heads) if until is None else up_to(model.graph, until, heads)
    training.freeze(model, frozen)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SettingError(f"{model.graph.name}: nothing is left to train", hint="until=LAYER freezes fewer layers")
    steps = [model.steps[position] for position in sorted(frozen)]
    return tuple([step.path for step in steps if any(True for _ in model.get_submodule(step.path).parameters())])


def activation_verdicts() -> Callable[[str, str, str | None], str]:
    """What tells the verdict on an architecture's activations, by its name, at an initialisation, with an activation.

    It runs PyTorch at a batch of 16, and raises UnavailableError where that is not installed. Of one architecture the
    weights are drawn once.
    """
    from archcalc.evidence.claim_metrics import UnavailableError
    from archcalc.training.initialisation import initialisation

    runs: dict[str, Any] = {}

    def verdict_on(architecture: str, init: str, activation: str | None) -> str:
        if architecture not in runs:
            try:
                from archcalc.torch_backend.activations import Runs
            except SettingError as error:
                raise UnavailableError(error.problems[0].message, hint=error.problems[0].hint) from None
            runs.clear()  # one network at a time is in memory
            runs[architecture] = Runs(*analyze_graph(architecture, batch=16))
        verdict: str = runs[architecture].at(initialisation(init), activation, backward=False).verdict
        return verdict

    return verdict_on


def smaller_copy(architecture: Architecture, report: Report, vars: Mapping[str, Value]) -> SmallerCopy | None:
    """The smaller copy that a spec's `reduced` vars make, save those in `vars`; None where they make none.

    It has the batch and the dtype of the report, and is analysed when it is asked for.
    """
    reduced = {name: value for name, value in architecture.reduced_vars.items() if name not in vars}
    if not reduced:
        return None
    settings = report.settings

    def analyzed() -> tuple[Graph, Report]:
        return analyze_graph(architecture, batch=settings.batch, dtype=settings.dtype, vars={**vars, **reduced})

    return SmallerCopy(reduced, analyzed)
