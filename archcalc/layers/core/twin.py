"""The PyTorch module or function that a layer kind corresponds to, as data: nothing here imports torch."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, TypeAlias

import msgspec


class Tensor(Protocol):
    """What an argument may read of a tensor: its shape, the batch first."""

    @property
    def shape(self) -> Sequence[int]:
        """The sizes of all axes, the batch first."""


class Constant(msgspec.Struct, frozen=True):
    """An argument of a twin that is the same for every layer of the kind."""

    value: Any

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        return self.value


class FromField(msgspec.Struct, frozen=True):
    """The value of a spec field, as it stands."""

    name: str

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        return getattr(layer, self.name)


class FromInput(msgspec.Struct, frozen=True):
    """The size along `axis` (the batch's is 0) of a tensor that the layer really gets, times a field if it is named."""

    axis: int
    times: str | None = None
    input: int = 0

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        size = inputs[self.input].shape[self.axis]
        return size if self.times is None else size * getattr(layer, self.times)


class LastSizes(msgspec.Struct, frozen=True):
    """The sizes of the last axes of the tensor that the layer really gets: as many as a field says, one for None."""

    count: str

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        return tuple(inputs[0].shape)[-(getattr(layer, self.count) or 1) :]


class InputShape(msgspec.Struct, frozen=True):
    """The shape of the tensor that the layer really gets, without the batch."""

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        return tuple(inputs[0].shape)[1:]


class Axis(msgspec.Struct, frozen=True):
    """A field with an axis or a list of axes, counted as a spec does: without the batch, negative from the end."""

    name: str

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        axis = getattr(layer, self.name)
        return tuple(map(_behind_batch, axis)) if isinstance(axis, tuple) else _behind_batch(axis)


class Order(msgspec.Struct, frozen=True):
    """A field that lists all axes in an order, with the batch put in front."""

    name: str

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        return (0, *map(_behind_batch, getattr(layer, self.name)))


class WithBatch(msgspec.Struct, frozen=True):
    """A field that holds a shape, with the batch put in front."""

    name: str

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        return (inputs[0].shape[0], *getattr(layer, self.name))


class OrNone(msgspec.Struct, frozen=True):
    """The value of a spec field, or None where that is false: for what PyTorch refuses wherever it means nothing."""

    name: str

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        return getattr(layer, self.name) or None


class OneOrEach(msgspec.Struct, frozen=True):
    """1, or where a flag is true, the size along `axis` (the batch's is 0) of the tensor that the layer really gets."""

    flag: str
    axis: int

    def of(self, layer: object, inputs: Sequence[Tensor]) -> Any:
        """The argument's value for a layer and the tensors that it really gets."""
        return inputs[0].shape[self.axis] if getattr(layer, self.flag) else 1


def _behind_batch(axis: int) -> int:
    return axis + 1 if axis >= 0 else axis


Argument: TypeAlias = (
    Constant | FromField | OrNone | FromInput | LastSizes | InputShape | Axis | Order | WithBatch | OneOrEach
)

CHANNELS = FromInput(axis=1)
FEATURES = FromInput(axis=-1)


class TorchTwin:
    """The PyTorch module or function that does the same, as data.

    `path` is its dotted name; `{n}` in it stands for the number of spatial dimensions (1 where there is none). Where
    PyTorch has no such thing, the path leads to a module of archcalc's own that is made of PyTorch's functions.
    Each argument says where its value comes from, a plain string being the name of a field. Derived shapes are never
    passed, so that what PyTorch does stays a witness independent of the rules. `call` says how it takes its inputs:

    - module: build `path(**arguments)`, then call it with the inputs;
    - function: `path(x, …, **arguments)`;
    - list: `path([x, …], **arguments)`;
    - pairwise: `path(x, y, **arguments)` from left to right.

    `result` picks one of several results.

    >>> twin = TorchTwin("torch.nn.Softmax", dim=Constant(1))
    >>> twin.values(layer=None, inputs=[])
    {'dim': 1}
    """

    __slots__ = ("arguments", "call", "path", "result")

    def __init__(
        self,
        path: str,
        *,
        call: Literal["module", "function", "list", "pairwise"] = "module",
        result: int | None = None,
        **arguments: str | Argument,
    ) -> None:
        self.path, self.call, self.result = path, call, result
        self.arguments: dict[str, Argument] = {
            name: FromField(argument) if isinstance(argument, str) else argument for name, argument in arguments.items()
        }

    def fields(self) -> set[str]:
        """The names of the spec fields that reach PyTorch."""
        values = [value for argument in self.arguments.values() for value in _strings(argument)]
        return set(values)

    def values(self, layer: object, inputs: Sequence[Tensor]) -> dict[str, Any]:
        """The arguments for a layer and the tensors that it really gets."""
        return {name: argument.of(layer, inputs) for name, argument in self.arguments.items()}


def _strings(argument: Argument) -> list[str]:
    if isinstance(argument, Constant):
        return []
    return [value for value in msgspec.structs.astuple(argument) if isinstance(value, str)]
