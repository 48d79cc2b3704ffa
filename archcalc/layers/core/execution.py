"""What one layer does in memory while PyTorch runs it: the tensors it makes, frees, and keeps for the backward pass.

A layer's rule `execute` is a forward pass on tensors without data. Where a tensor is a view and where a copy depends on
how its elements are laid out, so that the rule follows layouts as PyTorch's operations do. What a kernel takes for
itself while it runs is left out: only results of operations count.
"""

import enum
from collections.abc import Callable, Sequence

import msgspec

from archcalc.layers.core.arithmetic import Shape, Sizes, product, whole
from archcalc.layers.core.storage import (
    Strides,
    channels_last,
    in_order,
    is_channels_last,
    is_dense,
    is_in_order,
    is_packed_channels_last,
    like,
    reshaped,
)

BOOL_BYTES = 1
INDEX_BYTES = 8
"""Of an int64, as PyTorch has indices."""
FULL_PRECISION_BYTES = 4
"""Of a float32, which PyTorch has statistics in where the activations are less precise."""


class MemoryUnknownError(Exception):
    """It is not known what PyTorch does: raised and caught within a layer's rule of memory alone."""


class Storage:
    """Bytes that one tensor or several views share."""

    __slots__ = ("bytes",)

    def __init__(self, bytes: int) -> None:
        self.bytes = bytes


PARAMETERS = Storage(0)
"""What parameters and buffers are in; they count apart."""


class Tensor(msgspec.Struct, frozen=True, eq=False):
    """A tensor without data: its shape (the batch first), layout, bytes per element, and whether it needs a gradient.

    `layout` is None where it is not known.
    """

    shape: Sizes
    layout: Strides | None
    width: int
    storage: Storage
    needs_grad: bool

    @property
    def strides(self) -> Strides:
        """The layout; raises MemoryUnknownError where it is not known."""
        if self.layout is None:
            raise MemoryUnknownError
        return self.layout

    @property
    def is_in_order(self) -> bool:
        """Whether the elements follow one another without gaps."""
        return is_in_order(self.shape, self.strides)

    @property
    def is_packed_channels_last(self) -> bool:
        """Whether the elements follow one another without gaps, channels last; strides along axes of 1 don't matter."""
        return is_packed_channels_last(self.shape, self.strides)

    @property
    def is_channels_last(self) -> bool:
        """Whether PyTorch takes it for maps with their channels last."""
        return is_channels_last(self.shape, self.strides)


NUMBER = Tensor((), (), 0, PARAMETERS, needs_grad=False)
"""What a tensor is multiplied by, or added to, that is no tensor itself."""


class Keeps(enum.Enum):
    """What an operation keeps for the backward pass of what it reads and of what it makes."""

    NOTHING = "nothing"
    INPUT = "its inputs"
    OUTPUT = "its output"


class Gradient(enum.Enum):
    """In what memory the backward pass of a layer makes the gradients of its inputs."""

    NEW = "new tensors, made while all that the layer keeps is still there"
    PASSED = "the gradient of the output, or views of it"
    UNKNOWN = "several operations, or what is not known"


class Execution:
    """One run of a layer: `rule(execution, x)` calls its methods as the layer calls operations.

    >>> run = Execution(width=4)
    >>> x = run.input((2, 10), needs_grad=True)
    >>> y = run.elementwise(x, keeps=Keeps.OUTPUT)
    >>> run.peak_bytes, y.strides, [storage.bytes for storage in run.kept]
    (80, (10, 1), [80])
    """

    def __init__(self, *, width: int, training: bool = True, trains: bool = True) -> None:
        """A run with activations of `width` bytes a number; `trains` tells whether what the layer learned does."""
        self.width, self.training, self.trains = width, training, training and trains
        self.statistics_width = max(width, FULL_PRECISION_BYTES)
        self.peak_bytes = 0
        self._alive_bytes = 0
        self._kept: dict[int, Storage] = {}
        self.keeps_unknown = self.most_unknown = False

    def input(self, shape: Sizes, layout: Strides | None = (), *, width: int = 0, needs_grad: bool = False) -> Tensor:
        """An input of the layer, in order unless a layout is given; its bytes are not the layer's own."""
        layout = in_order(shape) if layout == () else layout
        return Tensor(shape, layout, width or self.width, Storage(0), needs_grad)

    def parameter(self, shape: Shape) -> Tensor:
        """A learned tensor of the layer's own."""
        shape = whole(shape)
        return Tensor(shape, in_order(shape), self.width, PARAMETERS, self.trains)

    # Operations

    def new(
        self, shape: Sizes, *read: Tensor, layout: Strides | None = (), width: int = 0, trains: bool = False
    ) -> Tensor:
        """A new tensor that an operation makes of others, in order unless a layout is given, as wide as the first.

        `trains` tells that learned tensors of the layer take part.
        """
        width = width or (read[0].width if read else self.width)
        storage = Storage(product(shape) * width)
        self._alive_bytes += storage.bytes
        self.peak_bytes = max(self.peak_bytes, self._alive_bytes)
        needs_grad = self.training and ((trains and self.trains) or any(x.needs_grad for x in read))
        return Tensor(shape, in_order(shape) if layout == () else layout, width, storage, needs_grad)

    def elementwise(self, *read: Tensor, keeps: Keeps = Keeps.NOTHING) -> Tensor:
        """What an operation makes of tensors element by element, each broadcast to the largest shape."""
        shape = broadcast(*[x.shape for x in read])
        unknown = any(x.layout is None for x in read)
        layout = None if unknown else like(shape, *[(x.shape, x.strides) for x in read])
        y = self.new(shape, *read, layout=layout, width=max(x.width for x in read))
        if keeps is Keeps.INPUT:
            self.keep(y, *read)
        elif keeps is Keeps.OUTPUT:
            self.keep(y, y)
        return y

    def product(self, a: Tensor, b: Tensor) -> Tensor:
        """The product of two tensors element by element: each is kept where the other needs a gradient."""
        y = self.elementwise(a, b)
        self.keep_factors(a, b)
        return y

    def view(self, x: Tensor, shape: Sizes, strides: Strides | None) -> Tensor:
        """The same memory in another shape, with these strides."""
        return Tensor(shape, strides, x.width, x.storage, x.needs_grad)

    def permuted(self, x: Tensor, order: tuple[int, ...]) -> Tensor:
        """The axes in another order: axis k of the result is axis `order[k]`."""
        layout = x.layout and tuple(x.layout[k] for k in order)
        return self.view(x, tuple(x.shape[k] for k in order), layout)

    def reshaped(self, x: Tensor, shape: Sizes) -> Tensor:
        """The elements in another shape: a view where the layout allows it, else a copy in order."""
        strides = reshaped(x.shape, x.strides, shape)
        return self.new(shape, x, width=x.width) if strides is None else self.view(x, shape, strides)

    def expanded(self, x: Tensor, batch: int) -> Tensor:
        """The same tensor for each sample of a batch, a view."""
        return self.view(x, (batch, *x.shape), (0 if batch > 1 else product(x.shape), *x.strides))

    def contiguous(self, x: Tensor) -> Tensor:
        """The tensor itself where its elements are in order, else a copy in order."""
        return x if x.is_in_order else self.new(x.shape, x, width=x.width)

    def new_map(self, shape: Sizes, read: Tensor, *, trains: bool = False, as_rows: bool = False) -> Tensor:
        """A new batch of maps, with its channels last where those of `read` are.

        `as_rows` tells that maps of one dimension are taken for maps of height 1, as pools take them.
        """
        whole, layout = read.shape, read.layout
        if layout is not None:
            if as_rows and len(whole) == 3:
                layout = (*layout[:2], whole[2] * layout[2], layout[2])
                whole = (*whole[:2], 1, whole[2])
            layout = channels_last(shape) if is_channels_last(whole, layout) else in_order(shape)
        return self.new(shape, read, layout=layout, trains=trains)

    def new_like(self, x: Tensor, *read: Tensor, width: int = 0) -> Tensor:
        """A new tensor with the layout of another, of which it may read something."""
        layout = x.layout
        if layout is not None and not is_dense(x.shape, layout):
            layout = like(x.shape, (x.shape, layout))
        return self.new(x.shape, *read, layout=layout, width=width or x.width)

    def cast(self, x: Tensor, width: int) -> Tensor:
        """The same numbers with another number of bytes each."""
        return self.new_like(x, x, width=width)

    def folded(self, operation: Callable[[Tensor, Tensor], Tensor], x: Tensor, *others: Tensor) -> Tensor:
        """An operation of two tensors applied from left to right."""
        for i, other in enumerate(others):
            last, x = x, operation(x, other)
            if i > 0:
                self.free(last)
        return x

    def concatenated(self, tensors: Sequence[Tensor], axis: int) -> Tensor:
        """Tensors one behind another along an axis; with channels last where those of all are."""
        first = tensors[0]
        shape = (*first.shape[:axis], sum(x.shape[axis] for x in tensors), *first.shape[axis + 1 :])
        layout: Strides | None = in_order(shape)
        if len(shape) in (4, 5):
            if any(x.layout is None for x in tensors):
                layout = None
            elif all(x.is_channels_last for x in tensors):
                layout = channels_last(shape)
        return self.new(shape, *tensors, layout=layout, width=first.width)

    def rearranged(self, x: Tensor, apart: Sizes, order: tuple[int, ...], shape: Sizes) -> Tensor:
        """Axes set apart, put in another order and laid out in another shape; each step a view where that is one."""
        parts = self.reshaped(x, apart)
        y = self.reshaped(self.permuted(parts, order), shape)
        if parts.storage not in (x.storage, y.storage):
            self.free(parts)
        return y

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """The matrix product of the last two axes, of two tensors whose other axes are the same."""
        *groups, m, k = a.shape
        n = b.shape[-1]
        count = product(groups)
        flat_a, flat_b = self.reshaped(a, (count, m, k)), self.reshaped(b, (count, k, n))
        y = self.new((*groups, m, n), flat_a, flat_b)
        self.keep_factors(flat_a, flat_b)
        self.free_copy(flat_a, a)
        self.free_copy(flat_b, b)
        return y

    def contiguous_as(self, x: Tensor, y: Tensor) -> Tensor:
        """`y` without gaps in the order that `x` suggests, channels last or in order: itself, or a copy."""
        last = x.is_channels_last
        if y.is_packed_channels_last if last else y.is_in_order:
            return y
        return self.new(y.shape, y, layout=channels_last(y.shape) if last else in_order(y.shape), width=y.width)

    # Lifetimes

    def keep(self, result: Tensor, *tensors: Tensor) -> None:
        """Keep tensors for the backward pass of the operation that made `result`, if it has one."""
        if result.needs_grad:
            for tensor in tensors:
                if tensor.storage is not PARAMETERS:
                    self._kept[id(tensor.storage)] = tensor.storage

    def keep_factors(self, a: Tensor, b: Tensor) -> None:
        """Keep either of two factors where the other one needs a gradient."""
        if b.needs_grad:
            self.keep(b, a)
        if a.needs_grad:
            self.keep(a, b)

    def free(self, *tensors: Tensor) -> None:
        """Nothing reads these tensors of the layer's own any more."""
        for tensor in tensors:
            self._alive_bytes -= tensor.storage.bytes

    def free_copy(self, y: Tensor, x: Tensor) -> None:
        """Nothing reads what was made of `x` any more, which was a copy or a view."""
        if y.storage is not x.storage:
            self.free(y)

    def keeps_what_is_unknown(self) -> None:
        """It is not known what the layer keeps for the backward pass."""
        self.keeps_unknown = True

    def has_alive_what_is_unknown(self) -> None:
        """It is not known how much the layer has alive while it runs."""
        self.most_unknown = True

    # Results

    @property
    def kept(self) -> tuple[Storage, ...]:
        """What is kept, each storage once."""
        return tuple(self._kept.values())


def broadcast(*shapes: Sizes) -> Sizes:
    """The shape of what is computed of tensors element by element, where a size of 1 is repeated.

    >>> broadcast((2, 3, 1), (3, 5))
    (2, 3, 5)
    """
    rank = max(map(len, shapes))
    aligned = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(max(sizes) for sizes in zip(*aligned, strict=True))
