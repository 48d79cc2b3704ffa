"""Graph → torch.nn.Module, under the spec's names: what PyTorch makes of an architecture, to measure or to train.

Only spec fields reach PyTorch. The arguments that follow from a layer's input (such as its channels) are read off the
tensors of a dry run on the meta device, never taken from archcalc's own shapes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from archcalc.errors import ArchcalcError, LayerError, printable
from archcalc.graph import Graph, Node
from archcalc.graph.nodes import index_bounds, of_the_batch
from archcalc.layers.core.arithmetic import whole
from archcalc.torch_backend.layer import call, module_of
from archcalc.units import MEMORY_UNITS, human

REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError)
"""What PyTorch raises for a layer that does not fit. A TypeError would mean that a twin's data are wrong."""
DRY_BATCH = 2
MOST_STAND_IN = 2**20
SMALLER = "a smaller batch or input takes less; the meta device of `archcalc verify` takes none"


class RefusalError(ArchcalcError):
    """PyTorch does not take a layer that archcalc takes: one of them is wrong."""

    def __init__(self, node: Node, error: Exception) -> None:
        super().__init__(f"{node.title}: PyTorch rejects {node.layer.torch.path}: {words(error)}")


class PyTorchError(ArchcalcError):
    """PyTorch could not make or run a model: no memory, or no such operation for this device or dtype."""


class Step(NamedTuple):
    """One layer of a Network: the path of its module, the values that it reads and makes, and which result counts.

    `spreads` are the places among them of values that are the same for every sample, where the result is not. `frees`
    are the values that no later step reads.
    """

    path: str
    inputs: tuple[int, ...]
    makes: int
    result: int | None
    train_only: bool
    frees: tuple[int, ...]
    spreads: tuple[int, ...] = ()

    def run(self, network: nn.Module, values: Mapping[int, Tensor], samples: int) -> Tensor:
        """What the step makes of the values so far, of a batch of so many samples."""
        inputs = _spread([values[i] for i in self.inputs], self.spreads, samples)
        return call(network.get_submodule(self.path), inputs, self.result)


class Group(nn.Module):
    """Modules whose names begin alike."""


class Network(nn.Module):
    """An architecture as a module: its layers are submodules by their names in the spec, `layer1.0.conv1`.

    It takes one tensor for each input of the graph, the batch first, and gives the graph's output; of several outputs,
    a tuple. Those of layers that run in training alone are left out in eval mode.
    """

    def __init__(self, graph: Graph, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        frees = freed_after(graph)
        paths = module_paths([node.name for node in graph.nodes])
        once = of_the_batch(graph)
        self.input_names = tuple([input.name for input in graph.inputs])
        self.steps = tuple(
            Step(path, node.inputs, value, node.layer.torch.result, node.train_only, done, _spreads(node, value, once))
            for value, (path, node, done) in enumerate(zip(paths, graph.nodes, frees, strict=True), len(graph.inputs))
        )
        self.outputs = graph.outputs
        self.graph = graph
        for path, module in zip(paths, modules, strict=True):
            _place(self, path, module)

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the network makes of its inputs, the batch first; of several outputs, all of them."""
        values = self.begin(inputs)
        samples = len(inputs[0])
        for step in self.steps:
            if self.training or not step.train_only:
                values[step.makes] = step.run(self, values, samples)
            for i in step.frees:
                values.pop(i, None)
        main, *others = (values[i] for i in self.outputs if i in values)
        return (main, *others) if others else main

    def begin(self, inputs: Sequence[Tensor]) -> dict[int, Tensor]:
        """The values that the inputs are; raises TypeError where they are too many or too few."""
        if len(inputs) != len(self.input_names):
            names = ", ".join(self.input_names)
            raise TypeError(f"the network takes {len(self.input_names)} inputs ({names}), got {len(inputs)}")
        return dict(enumerate(inputs))


def build(graph: Graph, device: str = "cpu") -> Network:
    """The module of a graph, on a device, in training mode as PyTorch's modules begin, with its own initial weights.

    Raises RefusalError for a layer that PyTorch does not take, PyTorchError for one that cannot run without data, and
    SettingError for a graph of symbols or arrays.
    """
    graph.require_plain("built in PyTorch")
    with torch.device("meta"):
        values = random_inputs(graph, DRY_BATCH)
    once = of_the_batch(graph)
    modules: list[nn.Module] = []
    for value, node in enumerate(graph.nodes, len(graph.inputs)):
        inputs = _spread([values[i] for i in node.inputs], _spreads(node, value, once), DRY_BATCH)
        try:
            values.append(_dry_run(node, inputs))
        except NotImplementedError as error:
            raise PyTorchError(f"{node.name}: PyTorch cannot run it without data: {words(error)}") from error
        except REFUSALS as error:
            raise RefusalError(node, error) from error
        with torch.device(device):
            module = module_of(node.layer, inputs)
        if node.tied is not None:
            _tie(node, module, graph.nodes[node.tied], modules[node.tied])
        modules.append(module)
    return Network(graph, modules)


def _dry_run(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """What a layer makes of tensors without data.

    One that runs in training alone may be too large for them, by archcalc's rule and by PyTorch: then of larger ones,
    for the layers after it, whose parameters do not depend on the size.
    """
    try:
        with torch.device("meta"), torch.no_grad():
            sketch = module_of(node.layer, inputs).eval()  # in eval mode, one sample is enough for every layer
            return call(sketch, inputs, node.layer.torch.result)
    except REFUSALS:
        if not node.train_only or _fits(node, inputs) or max(inputs[0].shape) > MOST_STAND_IN:
            raise
        larger = [x.new_empty((*x.shape[:2], *(2 * size for size in x.shape[2:]))) for x in inputs]
        return _dry_run(node, larger)


def _fits(node: Node, inputs: Sequence[Tensor]) -> bool:
    try:
        node.layer.output(*(tuple(x.shape[1:]) for x in inputs))
    except LayerError as error:
        return not error.size_matters
    return True


def random_inputs(graph: Graph, batch: int) -> list[Tensor]:
    """Random inputs on the default device: normal numbers, or indices that every table has which they lead to."""
    bounds = index_bounds(graph)
    shapes = [whole((batch, *input.shape)) for input in graph.inputs]
    return [
        torch.randint(cast("int", bounds[value]), shape) if value in bounds else torch.randn(shape)
        for value, shape in enumerate(shapes)
    ]


def _spreads(node: Node, value: int, once: Set[int]) -> tuple[int, ...]:
    return () if value in once else tuple([k for k, i in enumerate(node.inputs) if i in once])


def _spread(inputs: list[Tensor], places: Sequence[int], samples: int) -> list[Tensor]:
    """The inputs of a step, those at some places for each sample of a batch."""
    for k in places:
        inputs[k] = inputs[k].expand(samples, *inputs[k].shape[1:])
    return inputs


def words(error: Exception) -> str:
    """What an error of PyTorch's says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def failure(where: str, error: Exception, device: str) -> PyTorchError:
    """PyTorch's error in one line; of one about memory, how much was asked for and what would do."""
    said = words(error)
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or re.search(r"(out of|allocate) memory", said):
        return PyTorchError(f"{where}: out of memory on {device}{_asked_for(said)}", hint=SMALLER)
    return PyTorchError(f"{where}: PyTorch failed: {said}")


def _asked_for(said: str) -> str:
    """What PyTorch says how much memory it could not get, or nothing."""
    found = re.search(r"tried to allocate ([\d.]+) (\w+)", said, flags=re.IGNORECASE)
    if not found:
        return ""
    number, symbol = found.groups()
    return f": {human(int(number), MEMORY_UNITS) if symbol == 'bytes' else f'{number} {symbol}'} requested"


def freed_after(graph: Graph) -> list[tuple[int, ...]]:
    """For each node the values that none reads once it has run."""
    first = len(graph.inputs)
    last = {first + position: position for position in range(len(graph.nodes))}
    for position, node in enumerate(graph.nodes):
        last.update(dict.fromkeys(node.inputs, position))
    freed: list[list[int]] = [[] for _ in graph.nodes]
    kept = graph.outputs
    for i, position in last.items():
        if i not in kept:
            freed[position].append(i)
    return [tuple(done) for done in freed]


def module_paths(names: Iterable[str]) -> list[str]:
    """The path of the module of each name: the name itself, with `_` after a part that PyTorch does not accept.

    It takes no empty part and none that modules use themselves; nor can one module stand in the place of several.

    >>> module_paths(["layer1.0.conv1", "type", "layer1"])
    ['layer1.0.conv1', 'type_', 'layer1_']
    """
    parts = [[_usable(part) for part in name.split(".")] for name in names]
    taken = {".".join(path[:n]) for path in parts for n in range(1, len(path))}
    paths = []
    for path in parts:
        where = ".".join(path)
        while where in taken:
            where += "_"
        taken.add(where)
        paths.append(where)
    return paths


_USED = frozenset(dir(nn.Module())) | {"begin", "graph", "input_names", "outputs", "steps"}


def _usable(part: str) -> str:
    return f"{part}_" if not part or part in _USED else printable(part)


def _place(root: nn.Module, path: str, module: nn.Module) -> None:
    *parents, leaf = path.split(".")
    for part in parents:
        if part not in root._modules:
            root.add_module(part, Group())
        root = root.get_submodule(part)
    root.add_module(leaf, module)


def _tie(node: Node, module: nn.Module, other: Node, source: nn.Module) -> None:
    """Give a module those parameters of another that have its own ones' names and shapes."""
    theirs = dict(source.named_parameters())
    fitting = [name for name, own in module.named_parameters() if name in theirs and theirs[name].shape == own.shape]
    if not fitting:
        message = f"{node.title} cannot use the weights of {other.name}"
        raise PyTorchError(message, hint="no weight of both has the same name and shape")
    for name in fitting:
        home, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(home), leaf, theirs[name])
