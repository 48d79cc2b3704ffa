"""What PyTorch has in memory: the tensors that autograd keeps in training, and those alive at once in eval mode."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

from archcalc.evidence.layer_agreement import MemoryMeasurement
from archcalc.graph import Graph
from archcalc.torch_backend.build import REFUSALS, Network, PyTorchError, failure
from archcalc.torch_backend.measure import made


def measure_memory(
    graph: Graph, *, device: str, batch: int = 1, dtype: str = "float32", seed: int = 0
) -> MemoryMeasurement:
    """What training keeps of every layer, and the most that is alive in eval mode, parameters and buffers apart.

    Where training mode fails, as of a branch that runs in it alone and is too large for the input, that is said in
    place of what it keeps. Raises RefusalError where PyTorch does not take a layer, and PyTorchError where it cannot
    run the model in eval mode.

    >>> from archcalc.analysis import graph_of
    >>> found = measure_memory(graph_of("lenet5"), device="meta")
    >>> found.saved_for_backward_bytes[:3], found.peak_memory_bytes
    ((4096, 18816, 0), 41728)
    """
    with made(graph, device=device, batch=batch, dtype=dtype, seed=seed) as (model, inputs):
        kept, training_failure = None, ""
        try:
            kept = kept_by_layer(model.train(), inputs)
        except PyTorchError as error:
            training_failure = error.problems[0].message
        peak, allocated = _peak(model.eval(), inputs, device)
    return MemoryMeasurement(kept, peak, allocated, training_failure)


def kept_by_layer(model: Network, inputs: Sequence[Tensor]) -> tuple[int, ...]:
    """For each layer the bytes that autograd keeps beyond what it keeps for earlier ones, storage by storage."""
    found = [0] * len(model.steps)
    seen = {_storage(tensor) for tensor in (*model.parameters(), *model.buffers())}
    kept: list[Tensor] = []  # alive, so that no later storage is taken for an earlier one

    with following(model, inputs[0].device.type) as running:

        def pack(tensor: Tensor) -> None:
            # Nothing goes back to autograd: an output that it kept in a hook would hold itself, and never be freed.
            if _storage(tensor) not in seen:
                seen.add(_storage(tensor))
                kept.append(tensor.detach())
                found[running()] += tensor.untyped_storage().nbytes()

        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda nothing: nothing):
            model(*inputs)
    return tuple(found)


def _peak(model: Network, inputs: Sequence[Tensor], device: str) -> tuple[int, int | None]:
    """The most bytes alive at once, of the tensors that operations give, and on CUDA as its allocator has it."""
    before = 0
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() - sum(x.untyped_storage().nbytes() for x in inputs)
    alive = Alive((*model.parameters(), *model.buffers()))
    alive.note(inputs)
    with torch.no_grad(), following(model, device), alive.watching():
        model(*inputs)
    return alive.most, torch.cuda.max_memory_allocated() - before if device == "cuda" else None


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]  # of torch, as those below
    """Notes the most bytes that the results of operations hold at once, each storage once; `apart` don't count."""

    def __init__(self, apart: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most = 0
        self._apart = {_storage(tensor) for tensor in apart}
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        self._unwatched = _Unwatched(self.note)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """While it lasts, what operations give is noted."""
        with self._unwatched, self:
            yield

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if operation is torch.ops.aten.add.Tensor and self._unwatched.adds_in_place:
            operation = torch.ops.aten.add_.Tensor
        results = operation(*args, **(kwargs or {}))
        self.note(tensor for tensor in tree_leaves(results) if isinstance(tensor, Tensor))
        return results

    @property
    def now(self) -> int:
        """The bytes that were alive when this was last noted."""
        return sum(nbytes for _, nbytes in self._alive.values())

    def note(self, tensors: Iterator[Tensor] | Sequence[Tensor]) -> None:
        """Take these to be alive, and what has gone since to be gone."""
        self._alive = {key: held for key, held in self._alive.items() if not held[0].expired()}  # type: ignore[no-untyped-call]
        for tensor in tensors:
            if _storage(tensor) not in self._apart:
                storage = tensor.untyped_storage()
                self._alive[_storage(tensor)] = (StorageWeakRef(storage), storage.nbytes())  # type: ignore[no-untyped-call]
        self.most = max(self.most, self.now)


class _Unwatched(TorchFunctionMode):
    """Undoes what PyTorch does in other ways where a mode watches it.

    Two functions then add a bias or a mask to a product in a new tensor instead of in place, and a third one computes
    indices that nobody asked for.
    """

    ADDING = (torch.nn.functional.linear, torch.nn.functional.scaled_dot_product_attention)
    INDEXING = (torch.nn.functional.max_pool1d,)

    def __init__(self, note: Callable[[Sequence[Tensor]], None]) -> None:
        super().__init__()
        self.adds_in_place = False
        self._note = note

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in self.INDEXING and not (torch.is_grad_enabled() and args[0].requires_grad):
            with _disable_current_modes():
                y = function(*args, **(kwargs or {}))
            self._note([y])
            return y
        self.adds_in_place = function in self.ADDING
        try:
            return function(*args, **(kwargs or {}))
        finally:
            self.adds_in_place = False


@contextlib.contextmanager
def following(model: Network, device: str) -> Iterator[Callable[[], int]]:
    """While it lasts, tells which layer of a network runs; an error of PyTorch's is raised with that layer's name."""
    position = 0

    def enter(running: int) -> Callable[..., None]:
        def note(*_: object) -> None:
            nonlocal position
            position = running

        return note

    with contextlib.ExitStack() as hooks:
        for i, step in enumerate(model.steps):
            hooks.callback(model.get_submodule(step.path).register_forward_pre_hook(enter(i)).remove)
        try:
            yield lambda: position
        except (*REFUSALS, MemoryError) as error:
            raise failure(model.steps[position].path, error, device) from error


def _storage(tensor: Tensor) -> int:
    found: int = tensor.untyped_storage()._cdata
    return found
