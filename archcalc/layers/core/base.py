"""What every layer kind is made of: `Layer`, its tallies `Ops` and `Params`, the types of fields, and the registry."""

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar, get_args, overload

import msgspec
from msgspec import Meta

from archcalc.layers.core.arithmetic import Dim, Shape, Sizes, product, whole
from archcalc.layers.core.execution import Execution, Gradient, MemoryUnknownError, Tensor
from archcalc.layers.core.twin import TorchTwin

Positive = Annotated[int, Meta(ge=1, description="a whole number ≥ 1")]
NonNegative = Annotated[int, Meta(ge=0, description="a whole number ≥ 0")]
Real = Annotated[float, Meta(description="a number")]
NonNegativeReal = Annotated[float, Meta(ge=0, description="a number ≥ 0")]
Probability = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
Flag = Annotated[bool, Meta(description="true or false")]

# Pairs are variable-length tuples of length 2: msgspec 0.22 crashes on a union of a bounded int and tuple[int, int].
_Pair = Annotated[tuple[Positive, ...], Meta(min_length=2, max_length=2)]
_Triple = Annotated[tuple[Positive, ...], Meta(min_length=3, max_length=3)]
_PadPair = Annotated[tuple[NonNegative, ...], Meta(min_length=2, max_length=2)]
_PadTriple = Annotated[tuple[NonNegative, ...], Meta(min_length=3, max_length=3)]
Size2d = Annotated[Positive | _Pair, Meta(description="a whole number ≥ 1, or [height, width]")]
Size3d = Annotated[Positive | _Triple, Meta(description="a whole number ≥ 1, or [depth, height, width]")]
Pad2d = Annotated[NonNegative | _PadPair, Meta(description="a whole number ≥ 0, or [height, width]")]
Pad3d = Annotated[NonNegative | _PadTriple, Meta(description="a whole number ≥ 0, or [depth, height, width]")]
PadOrSame1d = Annotated[NonNegative | Literal["same"], Meta(description="a whole number ≥ 0, or same")]
PadOrSame2d = Annotated[
    NonNegative | _PadPair | Literal["same"], Meta(description="a whole number ≥ 0, [height, width], or same")
]
PadOrSame3d = Annotated[
    NonNegative | _PadTriple | Literal["same"], Meta(description="a whole number ≥ 0, [depth, height, width], or same")
]
MAX_RANK = 8
STRUCTURAL: dict[str, Any] = {"structural": True}
"""Marks the types of fields that choose what is computed, such as axes: they stay integers, and are never symbols."""
AxisIndex = Annotated[
    int,
    Meta(
        ge=-MAX_RANK,
        lt=MAX_RANK,
        description="an axis: 0 is the first after the batch (the channels), -1 the last",
        extra=STRUCTURAL,
    ),
]
AxisCount = Annotated[int, Meta(ge=1, le=MAX_RANK, description="how many axes, ≥ 1", extra=STRUCTURAL)]


def is_structural(type_: Any) -> bool:
    """Whether a field of this type chooses what is computed, and so stays an integer.

    >>> is_structural(AxisIndex), is_structural(Positive)
    (True, False)
    """
    metas = getattr(type_, "__metadata__", ())
    return any(meta.extra == STRUCTURAL for meta in metas) or any(map(is_structural, get_args(type_)))


class Operation(enum.Enum):
    """What a kind does, of what conventions and measurements treat apart: declared by the kind, inherited otherwise."""

    CONVOLUTION = "convolution"
    POOLING = "pooling"
    ATTENTION = "attention"
    RECURRENCE = "recurrence"
    OTHER = "other"


class Visibility(enum.Enum):
    """What one output sees of the input, where that is no window that slides over it."""

    POINT = "just what its own input saw"
    WHOLE = "all of the input"
    LAST_AXIS = "all of the input along the last axis, one place along the others"
    SCATTERED = "what its own input saw, but neighbours are no longer neighbours"
    UNKNOWN = "something that is not followed"


class AlongAxes(msgspec.Struct, frozen=True):
    """Each output sees just what its own input saw, save along the axes `whole` of the input, where it sees all.

    `to[k]` is the axis of the output that axis k of the input runs along from here on: None for none of them, and the
    same one for several that are laid out as one. Along axis k, the first place is `starts[k]` of the input, and
    neighbours are `steps[k]` times as far apart. Along the axis `stacked` the inputs stand one behind another.
    """

    to: tuple[int | None, ...]
    steps: tuple[int, ...] | None = None
    whole: tuple[int, ...] = ()
    starts: tuple[Dim, ...] | None = None
    stacked: int | None = None


Window: TypeAlias = tuple[tuple[Dim, Dim, Dim], ...]
"""For each spatial dimension the (effective kernel, stride, first place) through which an output sees its input."""


class Ops(msgspec.Struct, frozen=True, gc=False):
    """A tally of scalar operations for one sample, before any convention turns it into FLOPs.

    `macs` are the multiply-adds of convolutions and matrix products; what else multiplies or adds is in
    `multiplications` and `additions`. `special` counts exp, tanh, sqrt, pow and the like.
    """

    macs: Dim = 0
    additions: Dim = 0
    multiplications: Dim = 0
    divisions: Dim = 0
    comparisons: Dim = 0
    special: Dim = 0

    def times(self, n: Dim) -> "Ops":
        """This tally, n times.

        >>> Ops(macs=3, additions=1).times(10)
        Ops(macs=30, additions=10, multiplications=0, divisions=0, comparisons=0, special=0)
        """
        return Ops(
            n * self.macs,
            n * self.additions,
            n * self.multiplications,
            n * self.divisions,
            n * self.comparisons,
            n * self.special,
        )


NO_OPS = Ops()


class Params(msgspec.Struct, frozen=True, gc=False):
    """Learned scalars as PyTorch holds them, `weights` and `biases`; `buffers` (running statistics) are apart.

    >>> Params(weights=23232, biases=64).total
    23296
    """

    weights: Dim = 0
    biases: Dim = 0
    buffers: Dim = 0

    @property
    def total(self) -> Dim:
        """Weights and biases together."""
        return self.weights + self.biases

    @classmethod
    def of(cls, parameters: Mapping[str, Shape], buffers: Dim) -> "Params":
        """The numbers in parameters of these names and shapes, of which those called bias are biases.

        >>> Params.of({"weight": (4, 3), "bias": (4,)}, 0)
        Params(weights=12, biases=4, buffers=0)
        """
        return cls(
            weights=sum([product(shape) for name, shape in parameters.items() if not is_bias(name)]),
            biases=sum([product(shape) for name, shape in parameters.items() if is_bias(name)]),
            buffers=buffers,
        )


def is_bias(name: str) -> bool:
    """Whether a parameter of this name is a bias, as PyTorch names them: `bias`, `bias_ih_l0`, `network.0.bias`."""
    return name.rpartition(".")[2].startswith("bias")


NO_PARAMS = Params()


class LayerType(msgspec.StructMeta):
    """Metaclass of layers: `class Conv2d(Layer, kind="conv")` makes a frozen struct and registers the kind."""

    kinds: ClassVar[dict[str, type["Layer"]]] = {}

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], kind: str | None = None
    ) -> "LayerType":
        cls: Any = super().__new__(mcls, name, bases, namespace, frozen=True, gc=False)
        if kind is not None:
            if kind in mcls.kinds:
                raise TypeError(f"layer kind {kind!r} is registered twice")
            cls.kind = kind
            mcls.kinds[kind] = cls
        made: LayerType = cls
        return made


T = TypeVar("T")

RULES: list[str] = []
"""The names of all rules, in the order in which `Layer` has them."""


def rule(default: Callable[..., T]) -> Callable[..., T]:
    """Marks a method of `Layer` as a rule, which kinds write with as many parameters as they have inputs.

    So one of a single input takes `x`, attention takes three shapes, and a sum any number. Another rule (what the
    backward pass computes, a state that is kept between steps) is another method of `Layer` with a default that holds
    for the kinds that do not say: none of these is touched.
    """
    RULES.append(default.__name__)
    return default


class Layer(msgspec.Struct, metaclass=LayerType):
    """One layer kind: its fields with their bounds, its rules, and its PyTorch twin.

    Every rule is given all inputs of its layer, in their order, then the output where it needs that; anything else it
    is given by name. Shapes are of one sample, without the batch: `(channels, height, width)`, `(features,)` or
    `(tokens, features)`. Rules are plain arithmetic that runs on integers, SymPy symbols and NumPy arrays alike (see
    `archcalc.layers.core.arithmetic`): all but `execute`, for which PyTorch's layouts are decided by comparing whole
    numbers, and fields that are marked as STRUCTURAL.
    """

    kind: ClassVar[str]
    operation: ClassVar[Operation] = Operation.OTHER
    """What the kind does, as far as conventions weigh it differently."""
    label: ClassVar[str | None] = None
    """What automatic names begin with (`fc` for linear); the kind itself where None."""
    is_depth_layer: ClassVar[bool] = False
    """Whether the layer advances the number in automatic names, as convolutions and linear layers do."""
    has_number: ClassVar[bool] = True
    """Whether automatic names end with the number of the layer that this one follows."""
    arity: ClassVar[tuple[int, int | None]] = (1, 1)
    """How many inputs the layer takes, at the least and at the most (None: any number)."""
    indices_below: ClassVar[str | None] = None
    """The field that bounds the input's values where they are indices, as an embedding's are; None for numbers."""
    reads_values: ClassVar[bool] = True
    """Whether the output depends on what the inputs hold; that of a learned tensor does not."""
    sees_whole_input: ClassVar[bool] = False
    """Whether the outputs together see all of the input, however their windows lie, as an adaptive pool's do."""
    gradient: ClassVar[Gradient] = Gradient.UNKNOWN
    """What the backward pass makes of the gradient of the output; the memory of UNKNOWN ones is left out."""
    keeps_before_it_runs: ClassVar[bool] = False
    """Whether what the backward pass needs is all there before the output is: true of a single product."""
    torch: ClassVar[TorchTwin]

    @rule
    def output(self, x: Shape, *others: Shape) -> Shape:
        """The output's shape; raises LayerError where the layer does not fit its inputs."""
        return x

    @rule
    def parameters(self, *inputs: Shape) -> dict[str, Shape]:
        """The shapes of the learned tensors that the layer holds, by PyTorch's names."""
        return {}

    @rule
    def buffers(self, *inputs: Shape) -> Dim:
        """How many numbers it holds that are not learned, such as running statistics."""
        return 0

    @rule
    def buffer_bytes_read(self, *inputs: Shape, width: Dim) -> Dim:
        """The bytes of its buffers that a forward pass in eval mode reads, at `width` bytes for each number of them."""
        return width * self.buffers(*inputs)

    @rule
    def buffer_bytes(self, *inputs: Shape, width: Dim) -> Dim:
        """The bytes of its buffers, at `width` bytes a number; indices and counts have widths of theirs."""
        return width * self.buffers(*inputs)

    @rule
    def ops(self, *inputs_and_output: Shape) -> Ops | None:
        """The operations of one forward pass (eval mode) from the inputs to the output; None where they are unknown."""
        return NO_OPS

    @rule
    def backward_macs(self, *inputs_and_output: Shape, needs_grad: Sequence[bool], trains: bool) -> Dim | None:
        """The multiply-adds of one backward pass: of the gradients of those inputs that need one, and of the weights.

        `needs_grad` tells of each input whether it needs a gradient, `trains` whether the learned tensors do. A kind
        whose `ops` has multiply-adds says how many of them there are; by default there are none. None where unknown.
        """
        return 0

    @rule
    def window(self, *inputs: Shape) -> Window | AlongAxes | Visibility:
        """What one output sees of the inputs, for the receptive field."""
        return Visibility.POINT

    @rule
    def execute(self, run: Execution, *inputs: Tensor) -> Tensor:
        """The output, made by the operations that PyTorch makes it by on a CPU, as far as memory goes.

        It is given whole numbers alone. Raises MemoryUnknownError where the operations are not known, as those of a
        kind are that does not say.
        """
        raise MemoryUnknownError

    def params(self, *inputs: Shape) -> Params:
        """How many numbers its parameters and buffers hold."""
        return Params.of(self.parameters(*inputs), self.buffers(*inputs))

    def batched_output(self, *inputs: Tensor) -> Sizes:
        """The output's shape in whole numbers, the batch first."""
        return (inputs[0].shape[0], *whole(self.output(*[x.shape[1:] for x in inputs])))


@overload
def elements(shape: Sizes) -> int: ...
@overload
def elements(shape: Shape) -> Dim: ...
def elements(shape: Shape) -> Dim:
    """How many numbers a tensor of this shape holds.

    >>> elements((64, 56, 56))
    200704
    """
    return product(shape)


def fmt_shape(shape: Shape) -> str:
    """A shape as people write it.

    >>> fmt_shape((3, 227, 227))
    '3×227×227'
    """
    return "×".join(map(str, shape))
