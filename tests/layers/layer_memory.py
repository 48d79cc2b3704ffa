"""One layer on tensors of any layout: what PyTorch makes and keeps in it, and what archcalc says."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from archcalc.layers import Layer
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.core.execution import Execution
from archcalc.torch_backend.layer import call, module_of
from archcalc.torch_backend.memory import Alive

LAYOUTS = ("in order", "permuted", "permuted back", "stepped", "piece", "piece of channels", "expanded")


class Found(NamedTuple):
    """What a layer does in memory: `kept_inputs` and `is_view_of` are numbers of inputs."""

    strides: tuple[int, ...]
    is_view_of: int | None
    kept_inputs: tuple[int, ...]
    keeps_output: bool
    kept_bytes: int | None
    peak_bytes: int | None

    def of_known(self, other: "Found") -> "Found":
        """What was found by another way, without what is not known here."""
        if self.kept_bytes is None:
            other = other._replace(kept_inputs=self.kept_inputs, keeps_output=self.keeps_output, kept_bytes=None)
        return other if self.peak_bytes is not None else other._replace(peak_bytes=None)


def laid_out(shape: Sizes, layout: str, dtype: torch.dtype) -> Tensor:
    """Random numbers in a tensor of this shape, batch included, whose elements are laid out in a certain way."""
    last = len(shape) - 1
    if layout == "permuted":  # as of a permute: the axes behind the batch turned around
        return _random((shape[0], *shape[:0:-1]), dtype).permute(0, *range(last, 0, -1))
    if layout == "permuted back":  # channels last
        return _random((shape[0], *shape[2:], *shape[1:2]), dtype).permute(0, last, *range(1, last))
    if layout == "stepped":
        return _random((*shape[:-1], 2 * shape[-1]), dtype)[..., ::2]
    if layout == "piece":
        return _random((*shape[:-1], shape[-1] + 1), dtype)[..., 1:]
    if layout == "piece of channels":
        return _random((shape[0], shape[1] + 2, *shape[2:]), dtype)[:, : shape[1]]
    if layout == "expanded":
        return _random((1, *shape[1:]), dtype).expand(shape)
    return _random(shape, dtype)


def _random(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return torch.rand(*shape).to(dtype) if dtype.is_floating_point else torch.zeros(*shape, dtype=dtype)


def settings(inputs: int) -> Iterator[tuple[tuple[str, ...], tuple[bool, ...]]]:
    """Layouts and whether a gradient is needed, for each input: the first one goes through all, the others with it."""
    for layout, others, grads in itertools.product(LAYOUTS, ("in order", "permuted", "same"), (True, False)):
        rest = layout if others == "same" else others
        yield (layout, *[rest] * (inputs - 1)), (grads, *[True] * (inputs - 1))
        if inputs == 1:
            continue


def storage(tensor: Tensor) -> int:
    found: int = tensor.untyped_storage()._cdata
    return found


def measured(layer: Layer, tensors: Sequence[Tensor], grads: Sequence[bool], training: bool) -> Found:
    """What PyTorch does. Raises what it raises for a layer that does not fit."""
    inputs = [
        tensor.detach().requires_grad_(training and grad and tensor.is_floating_point())
        for tensor, grad in zip(tensors, grads, strict=True)
    ]
    module = module_of(layer, inputs).train(training)
    if inputs[0].is_floating_point():
        module = module.to(inputs[0].dtype)
    own = [storage(x) for x in inputs]
    weights = [*module.parameters(), *module.buffers()]
    known = {storage(tensor) for tensor in weights}
    kept: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        if storage(tensor) not in known:
            kept[storage(tensor)] = tensor.untyped_storage()
        return tensor

    if not training:
        alive = Alive((*weights, *inputs))
        with torch.no_grad(), alive.watching():
            y = call(module, inputs, layer.torch.result)
        peak = alive.most
    else:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            y = call(module, inputs, layer.torch.result)
        peak = 0
    view_of = own.index(storage(y)) if storage(y) in own else None
    return Found(
        y.stride(),
        view_of,
        tuple(sorted({own.index(key) for key in kept if key in own})),
        storage(y) in kept and view_of is None,
        sum(held.nbytes() for key, held in kept.items() if key not in (*own, storage(y))),
        peak,
    )


def predicted(layer: Layer, tensors: Sequence[Tensor], grads: Sequence[bool], training: bool) -> Found:
    """What archcalc says. Raises MemoryUnknownError where it does not know."""
    width = tensors[0].element_size() if tensors[0].is_floating_point() else 4
    run = Execution(width=width, training=training)
    inputs = [
        run.input(
            tuple(x.shape), x.stride(), width=x.element_size(), needs_grad=training and grad and x.is_floating_point()
        )
        for x, grad in zip(tensors, grads, strict=True)
    ]
    y = layer.execute(run, *inputs)
    own = [x.storage for x in inputs]
    others = [held for held in run.kept if held not in own and held is not y.storage]
    return Found(
        y.strides,
        own.index(y.storage) if y.storage in own else None,
        tuple(sorted(own.index(held) for held in run.kept if held in own)),
        y.storage in run.kept and y.storage not in own,
        None if run.keeps_unknown else sum(held.bytes for held in others),
        0 if training else None if run.most_unknown else run.peak_bytes,
    )
