"""One forward pass of PyTorch, watched layer by layer: shapes, bytes, parameters and multiply-adds as it has them."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archcalc.evidence.layer_agreement import Measurement
from archcalc.graph import Graph
from archcalc.torch_backend.build import REFUSALS, Network, build, failure, random_inputs

FUSED_ON_MPS = "PyTorch runs the recurrence as one operation on mps, into which its counter does not see"


def measure(
    graph: Graph, *, device: str, batch: int = 1, dtype: str = "float32", train: bool = False, seed: int = 0
) -> tuple[Measurement, ...]:
    """What PyTorch does in each layer of a graph, in one forward pass.

    Raises RefusalError where PyTorch does not take a layer, and PyTorchError where it cannot run the model.

    >>> from archcalc.analysis import graph_of
    >>> measure(graph_of("lenet5"), device="meta")[0]
    Measurement(output=(1, 6, 28, 28), memory_bytes=18816, dtype='float32', params=156, buffers=0, macs=117600, why='')
    """
    with made(graph, device=device, batch=batch, dtype=dtype, seed=seed) as (model, inputs):
        watch = _Watch(model)
        try:
            with torch.no_grad(), watch:
                model.train(train)(*inputs)
            if device == "cuda":
                torch.cuda.synchronize()  # what fails on it is raised here at the latest
        except (*REFUSALS, MemoryError) as error:
            raise failure(watch.running, error, device) from error
    return tuple(watch.measurements)


@contextlib.contextmanager
def made(
    graph: Graph, *, device: str, batch: int, dtype: str, seed: int
) -> Iterator[tuple[Network, list[torch.Tensor]]]:
    """The model of a graph and random inputs; PyTorch's random state is afterwards what it was.

    Raises RefusalError where PyTorch does not take a layer, and PyTorchError where it cannot make the model.
    """
    number = getattr(torch, dtype)
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        torch.manual_seed(seed)
        try:
            model = build(graph, device).to(number)
            with torch.device(device):
                inputs = random_inputs(graph, batch)
        except (*REFUSALS, MemoryError) as error:
            raise failure("the model", error, device) from error
        yield model, [as_dtype(x, number) for x in inputs]


def as_dtype(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """An input in the dtype of the activations; indices stay what they are."""
    return x.to(dtype) if x.is_floating_point() else x


class _Watch:
    """Notes what every layer of a network does while it runs: a context manager around its forward pass."""

    def __init__(self, model: Network) -> None:
        self.model = model
        self.measurements: list[Measurement] = []
        self.running = ""
        """The path of the layer that ran last."""
        self._counter = FlopCounterMode(display=False)
        self._seen: set[int] = set()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> None:
        for position, step in enumerate(self.model.steps):
            self._attach(position, step.path, step.result)
        self._open.enter_context(self._counter)

    def __exit__(self, *failure: object) -> None:
        self._open.close()

    def _attach(self, position: int, path: str, result: int | None) -> None:
        module = self.model.get_submodule(path)
        params, buffers = self._count_new(module.parameters()), self._count_new(module.buffers())
        self.measurements.append(Measurement(None, 0, "", params, buffers, 0))  # what a layer has that does not run
        plain = contextlib.ExitStack()
        before = 0

        def enter(*_: object) -> None:
            nonlocal before
            self.running = path
            plain.enter_context(unfused(module))
            before = self._counter.get_total_flops()

        def leave(_module: nn.Module, _inputs: object, outputs: Any) -> None:
            plain.close()
            y: torch.Tensor = outputs if result is None else outputs[result]
            hidden = y.device.type == "mps" and is_recurrent(module)
            self.measurements[position] = Measurement(
                output=tuple(y.shape),
                memory_bytes=y.element_size() * y.numel(),
                dtype=str(y.dtype).removeprefix("torch."),
                params=params,
                buffers=buffers,
                macs=None if hidden else (self._counter.get_total_flops() - before) // 2,
                why=FUSED_ON_MPS if hidden else "",
            )

        self._open.callback(plain.close)
        self._open.callback(module.register_forward_pre_hook(enter).remove)
        self._open.callback(module.register_forward_hook(leave).remove)

    def _count_new(self, tensors: Iterator[torch.Tensor]) -> int:
        """The elements of those tensors that no earlier layer holds."""
        new = [tensor for tensor in tensors if id(tensor) not in self._seen]
        self._seen.update(map(id, new))
        return sum(tensor.numel() for tensor in new)


def is_recurrent(module: nn.Module) -> bool:
    """Whether a module is, or holds, one of PyTorch's recurrent ones."""
    return any(isinstance(part, nn.RNNBase) for part in module.modules())


@contextlib.contextmanager
def unfused(module: nn.Module) -> Iterator[None]:
    """Run a module as convolutions and matrix products, where PyTorch would take one fused operation.

    Into those its counter does not see: attention on the CPU, recurrent layers by oneDNN and cuDNN.
    """
    switched: tuple[Any, ...] = (torch.backends.mkldnn, torch.backends.cudnn) if is_recurrent(module) else ()
    were = [backend.enabled for backend in switched]
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    try:
        for backend in switched:
            backend.enabled = False
        torch.backends.mha.set_fastpath_enabled(False)
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)
        for backend, was in zip(switched, were, strict=True):
            backend.enabled = was
