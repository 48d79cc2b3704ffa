"""One training step of PyTorch, watched layer by layer: the multiply-adds of its forward and its backward pass."""

import contextlib
import functools
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence, Set
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from archcalc.graph import Graph
from archcalc.layers import Layer
from archcalc.torch_backend.build import REFUSALS, Network, failure
from archcalc.torch_backend.layer import call, module_of
from archcalc.torch_backend.measure import made, unfused
from archcalc.torch_backend.memory import Alive, following, kept_by_layer

CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward


def count_macs(
    graph: Graph,
    *,
    device: str,
    batch: int = 1,
    dtype: str = "float32",
    frozen: Set[int] = frozenset(),
    segments: Sequence[range] = (),
    seed: int = 0,
) -> tuple[list[int], list[int]]:
    """The multiply-adds of every layer in one step of training mode: forward, and backward from all outputs.

    `frozen` are the positions of layers whose learned tensors need no gradient; those of `segments` run once more
    backward, which counts as forward. Raises RefusalError where PyTorch does
    not take a layer, and PyTorchError where it cannot train the model.

    >>> from archcalc.analysis import graph_of
    >>> forward, backward = count_macs(graph_of("lenet5"), device="meta")
    >>> forward[0], backward[0], sum(forward), sum(backward)
    (117600, 117600, 416520, 715440)
    """
    with made(graph, device=device, batch=batch, dtype=dtype, seed=seed) as (model, inputs):
        freeze(model, frozen)
        with LayerCounter(model) as counter, failing_in(lambda: counter.running, device):
            run_backward(checkpointed(model, inputs, segments))
    return counter.forward, counter.backward


def freeze(model: Network, frozen: Set[int]) -> None:
    """Let the learned tensors of layers at these positions need no gradient, and run their batch norms in eval mode.

    The model is in training mode otherwise. Tensors that several layers share are frozen with the first of them.
    """
    model.train()
    seen = set[int]()
    for position, step in enumerate(model.steps):
        module = model.get_submodule(step.path)
        for parameter in module.parameters():
            if id(parameter) not in seen:
                seen.add(id(parameter))
                parameter.requires_grad_(position not in frozen)
        if position in frozen:
            for part in module.modules():
                part.train(not getattr(part, "track_running_stats", False))


def run_backward(outputs: Tensor | tuple[Tensor, ...], given: list[Tensor] | None = None) -> None:
    """The backward pass from all outputs, each with a gradient of ones, which `given` then holds."""
    ends = [y for y in (outputs if isinstance(outputs, tuple) else (outputs,)) if y.requires_grad]
    if ends:
        ones = [torch.ones_like(y) for y in ends]
        if given is not None:
            given += ones
        torch.autograd.backward(ends, ones)


@contextlib.contextmanager
def failing_in(layer: Callable[[], str], device: str) -> Iterator[None]:
    """Raise an error of PyTorch's as one that names the layer that ran."""
    try:
        yield
    except (*REFUSALS, MemoryError) as error:
        raise failure(layer(), error, device) from error


def measure_saved(
    graph: Graph, *, device: str, batch: int = 1, dtype: str = "float32", frozen: Set[int] = frozenset(), seed: int = 0
) -> tuple[int, ...]:
    """For each layer the bytes that autograd keeps beyond what it keeps for earlier ones, with some layers frozen.

    Raises RefusalError and PyTorchError as `count_macs` does.

    >>> from archcalc.analysis import graph_of
    >>> measure_saved(graph_of("lenet5"), device="meta", frozen={0})[:3]
    (0, 0, 0)
    """
    with made(graph, device=device, batch=batch, dtype=dtype, seed=seed) as (model, inputs):
        freeze(model, frozen)
        return kept_by_layer(model, inputs)


class LayerCounter:
    """Counts the multiply-adds of every layer of a network, forward and backward: a context manager around a step.

    Layers run as convolutions and matrix products, where PyTorch would take one fused operation. Which layer an
    operation of the backward pass belongs to shows in the number that PyTorch gives each node of its graph, one after
    another: those that a layer's forward pass made are the layer's.
    """

    def __init__(self, model: Network) -> None:
        self.model = model
        self.forward = [0] * len(model.steps)
        self.backward = [0] * len(model.steps)
        self.running = ""
        """The path of the layer that ran last."""
        self._inside: int | None = None
        self._starts: list[int] = []
        self._positions: list[int] = []
        self._open = contextlib.ExitStack()
        self._counter = FlopCounterMode(
            display=False, custom_mapping={CONVOLUTION_BACKWARD: convolution_backward_flops}
        )

    def __enter__(self) -> "LayerCounter":
        for position, step in enumerate(self.model.steps):
            self._attach(position, step.path)
        self._open.enter_context(self._counter)
        self._open.enter_context(_Attribution(self))
        return self

    def __exit__(self, *failure: object) -> None:
        self._open.close()

    def _attach(self, position: int, path: str) -> None:
        module = self.model.get_submodule(path)
        plain = contextlib.ExitStack()

        def enter(*_: object) -> None:
            self.running, self._inside = path, position
            self._starts.append(next_node())
            self._positions.append(position)
            plain.enter_context(unfused(module))

        def leave(*_: object) -> None:
            self._inside = None
            plain.close()

        self._open.callback(plain.close)
        self._open.callback(module.register_forward_pre_hook(enter).remove)
        # A segment that runs once more ends in the midst of a layer, by an exception.
        self._open.callback(module.register_forward_hook(leave, always_call=True).remove)

    def note(self, flops: int) -> None:
        """Count operations for the layer that runs: in a backward pass, for that whose node does."""
        node = torch._C._current_autograd_node()
        if self._inside is not None:
            self.forward[self._inside] += flops // 2
        elif node is not None:
            made = bisect_right(self._starts, node._sequence_nr()) - 1
            self.backward[self._positions[made]] += flops // 2

    @property
    def counted(self) -> int:
        """The operations so far."""
        return self._counter.get_total_flops()


class _Attribution(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of torch
    """Tells a counter of layers what each operation adds to the counter of PyTorch, which stands behind it."""

    def __init__(self, layers: LayerCounter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._layers = layers

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        before = self._layers.counted
        results = operation(*args, **(kwargs or {}))
        if (flops := self._layers.counted - before) > 0:
            self._layers.note(flops)
        return results


def next_node() -> int:
    """The number that the next node of PyTorch's graph will get."""
    found: int = torch._C._autograd._get_sequence_nr()
    return found


def convolution_backward_flops(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
    """What PyTorch's counter makes of the backward pass of a convolution, for groups that do not see one another.

    Up to PyTorch 2.13, it counts the gradient of the weights as if all channels saw one another; it is mended later
    (pytorch/pytorch#183405).
    """
    groups, (of_input, of_weights) = args[9], args[10][:2]
    parts = [(of_input, False, args[10][2]), (False, of_weights, args[10][2])]
    counts = [flop_registry[CONVOLUTION_BACKWARD](*args[:10], list(mask), out_val=out_val, **kwargs) for mask in parts]
    found: int = counts[0] + counts[1] // (groups if counts_groups_as_one() else 1)
    return found


convolution_backward_flops._get_raw = True  # type: ignore[attr-defined]  # by which PyTorch gives it tensors


@functools.cache
def counts_groups_as_one() -> bool:
    """Whether this PyTorch's counter takes the groups of a convolution for one in its backward pass."""
    x, weight = torch.empty(1, 2, 1, device="meta"), torch.empty(2, 1, 1, device="meta")
    settings = (None, [1], [0], [1], False, [0], 2)
    of_weights = flop_registry[CONVOLUTION_BACKWARD](
        x, x, weight, *settings, [False, True, False], out_val=(None, weight, None)
    )
    return bool(of_weights > 2 * weight.numel())


def backward_of(layer: Layer, inputs: Sequence[Tensor], trains: bool) -> int:
    """The operations of the backward pass of a single layer on these tensors, a multiply-add counting two."""
    module = module_of(layer, inputs).requires_grad_(trains)
    counter = FlopCounterMode(display=False, custom_mapping={CONVOLUTION_BACKWARD: convolution_backward_flops})
    with counter, unfused(module):
        y = call(module, inputs, layer.torch.result)
        before = counter.get_total_flops()
        run_backward(y)
        return counter.get_total_flops() - before


def measure_step(
    graph: Graph,
    *,
    device: str,
    batch: int = 1,
    dtype: str = "float32",
    frozen: Set[int] = frozenset(),
    segments: Sequence[range] = (),
    seed: int = 0,
) -> tuple[int, int]:
    """The bytes that are alive between the passes of a training step, and the most at once; parameters apart.

    Raises RefusalError and PyTorchError as `count_macs` does.

    >>> from archcalc.analysis import graph_of
    >>> held, most = measure_step(graph_of("lenet5"), device="cpu")
    >>> held < most
    True
    """
    with made(graph, device=device, batch=batch, dtype=dtype, seed=seed) as (model, inputs):
        freeze(model, frozen)
        alive = AliveInTraining((*model.parameters(), *model.buffers()))
        alive.note(inputs)
        with following(model, device), alive.watching():
            outputs = checkpointed(model, inputs, segments)
            alive.note(())
            held = alive.now
            run_backward(outputs, alive.given)
        return held, alive.most


class AliveInTraining(Alive):  # type: ignore[no-untyped-call]  # of torch
    """As `Alive`, where gradients that meet are added in place, as PyTorch does unless a mode watches it."""

    def __init__(self, apart: Sequence[Tensor]) -> None:
        super().__init__(apart)
        self.given: list[Tensor] = []
        """The gradients of the outputs, which the caller holds: nothing is added to them in place."""

    ALONE, ONE = 4, 2
    """How many hold the first of two gradients that meet, and its memory, where nothing but this mode does besides."""

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if (
            operation is torch.ops.aten.add.Tensor
            and torch._C._current_autograd_node() is not None
            and args[0].shape == args[1].shape
            and args[0]._use_count() <= self.ALONE
            and not any(args[0] is one for one in self.given)
            and torch._C._storage_Use_Count(args[0].untyped_storage()._cdata) <= self.ONE
        ):
            operation = torch.ops.aten.add_.Tensor
        return super().__torch_dispatch__(operation, types, args, kwargs)


def checkpointed(model: Network, inputs: Sequence[Tensor], segments: Sequence[range]) -> Tensor | tuple[Tensor, ...]:
    """What the network makes of its inputs, where segments of its steps keep only what they read.

    Random numbers are not drawn alike again, for which PyTorch would keep the state of its generators besides.
    """
    if not segments:
        outputs: Tensor | tuple[Tensor, ...] = model(*inputs)
        return outputs
    values, samples = model.begin(inputs), len(inputs[0])
    read_last = {i: step.makes for step in model.steps for i in step.inputs}
    starts = {segment.start: segment for segment in segments}
    position = 0
    while position < len(model.steps):
        segment = starts.get(position, range(position, position + 1))
        steps = model.steps[segment.start : segment.stop]
        makes = [step.makes for step in steps]
        reads = [i for i in dict.fromkeys(i for step in steps for i in step.inputs) if i not in makes]
        gives = [i for i in makes if read_last.get(i, i) > makes[-1] or i in model.outputs]

        def run(
            *tensors: Tensor, steps: Any = steps, reads: Any = tuple(reads), gives: Any = tuple(gives)
        ) -> tuple[Tensor, ...]:
            local = dict(zip(reads, tensors, strict=True))
            for step in steps:
                local[step.makes] = step.run(model, local, samples)
                for i in step.frees:
                    local.pop(i, None)
            return tuple(local[i] for i in gives)

        tensors = [values[i] for i in reads]
        if position in starts:
            results = checkpoint(run, *tensors, use_reentrant=False, preserve_rng_state=False)
        else:
            results = run(*tensors)
        values.update(zip(gives, results, strict=True))
        del tensors, results
        position = segment.stop
        for i in [i for i in values if read_last.get(i, i) <= makes[-1] and i not in model.outputs]:
            del values[i]
    main, *others = (values[i] for i in model.outputs)
    return (main, *others) if others else main
