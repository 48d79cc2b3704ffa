"""Layers that hold a learned tensor of their own: tokens, tables of positions, factors."""

from typing import Annotated

from msgspec import Meta

from archcalc.errors import LayerError
from archcalc.layers.core.arithmetic import Shape, product, require
from archcalc.layers.core.axes import axis_of
from archcalc.layers.core.base import MAX_RANK, AxisIndex, Layer, Ops, Positive, Real, Visibility, elements, fmt_shape
from archcalc.layers.core.execution import Execution, Gradient, Tensor
from archcalc.layers.core.twin import FEATURES, InputShape, TorchTwin

Sizes = Annotated[
    tuple[Positive, ...], Meta(min_length=1, max_length=MAX_RANK, description="a list of whole numbers ≥ 1")
]


class Parameter(Layer, kind="parameter"):
    """A learned tensor, the same for every sample: an input to layers that join several.

    Of its own input it reads nothing. What follows from learned tensors alone is computed once a batch.

    Fields:
        shape: the sizes of the tensor
    Shape: any → shape
    Params: as many weights as the shape holds numbers
    Ops: none
    Raises: nothing
    Source: torch.nn.Parameter

    >>> queries = Parameter(shape=(100, 256))
    >>> queries.output((2048, 7, 7)), queries.params((2048, 7, 7)).total
    ((100, 256), 25600)
    """

    shape: Sizes

    reads_values = False
    torch = TorchTwin("archcalc.torch_backend.twins.learned.Learned", shape="shape")

    def output(self, x: Shape) -> Shape:
        return self.shape

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {"weight": self.shape}

    def window(self, x: Shape) -> Visibility:
        return Visibility.UNKNOWN

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        weight = run.parameter(self.shape)
        return run.view(weight, (1, *self.shape), (product(self.shape), *weight.strides))


class ClassToken(Layer, kind="class_token"):
    """Puts one learned token before a sequence, for a head to read the class from.

    Fields: none
    Shape: (T, C) → (T + 1, C)
    Params: C weights
    Ops: none
    Raises: input is not a sequence
    Source: Dosovitskiy et al., "An Image is Worth 16×16 Words", arXiv:2010.11929

    >>> ClassToken().output((196, 768)), ClassToken().params((196, 768)).total
    ((197, 768), 768)
    """

    gradient = Gradient.PASSED
    torch = TorchTwin("archcalc.torch_backend.twins.learned.ClassToken", features=FEATURES)

    def output(self, x: Shape) -> Shape:
        require(len(x) == 2, lambda: _no_sequence(self.kind, x))
        return (x[0] + 1, x[1])

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {"weight": (1, 1, x[1])}

    def window(self, x: Shape) -> Visibility:
        return Visibility.SCATTERED

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        batch, _, width = x.shape
        token = run.view(run.parameter((1, 1, width)), (batch, 1, width), (0, width, 1))
        return run.concatenated([token, x], 1)


class PositionEmbedding(Layer, kind="position_embedding"):
    """Adds to each token a learned vector of its place; to any other input, a learned tensor of its shape.

    Fields:
        length: for how many tokens vectors are held, of which a shorter sequence uses the first; as many as there
            are tokens where left out
    Shape: as the input
    Params: length · C weights for a sequence (T, C), T · C where length is left out; for any other input its elements
    Ops: one addition per element
    Raises: length below the number of tokens; length for an input that is not a sequence
    Source: torch.nn.Parameter; Dosovitskiy et al., arXiv:2010.11929; with length, Devlin et al., arXiv:1810.04805

    >>> position = PositionEmbedding(length=1024)
    >>> position.params((512, 768)).total, position.ops((512, 768), (512, 768)).additions
    (786432, 393216)
    """

    length: Positive | None = None

    gradient = Gradient.PASSED
    label = "pos"
    torch = TorchTwin("archcalc.torch_backend.twins.learned.PositionEmbedding", shape=InputShape(), length="length")

    def output(self, x: Shape) -> Shape:
        if self.length is None:
            return x
        require(len(x) == 2, lambda: _no_sequence("position_embedding with a length", x, field="length"))
        require(
            self.length >= x[0],
            lambda: LayerError(
                f"length {self.length} is below the {x[0]} tokens of its input",
                field="length",
                hint=f"length ≥ {x[0]}",
                assume=x,
            ),
        )
        return x

    def parameters(self, x: Shape) -> dict[str, Shape]:
        return {"weight": x if self.length is None else (self.length, x[1])}

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(additions=elements(y))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        table = run.parameter(self.parameters(x.shape[1:])["weight"])
        return run.elementwise(x, run.view(table, x.shape[1:], table.strides))


class LayerScale(Layer, kind="layer_scale"):
    """Multiplies each channel by a learned factor, small at first, at the end of a residual branch.

    Fields:
        axis: the axis of the channels: 0 is the first after the batch, -1 the last (as of tokens)
        init: the factor that training starts from
    Shape: as the input
    Params: C weights
    Ops: one multiplication per element
    Raises: an axis that the input does not have
    Source: Touvron et al., "Going deeper with Image Transformers", arXiv:2103.17239

    >>> LayerScale().params((96, 56, 56)).total, LayerScale(axis=-1).params((197, 768)).total
    (96, 768)
    """

    axis: AxisIndex = 0
    init: Real = 1e-6

    torch = TorchTwin("archcalc.torch_backend.twins.learned.LayerScale", shape=InputShape(), axis="axis", init="init")

    def output(self, x: Shape) -> Shape:
        axis_of(self.axis, x)
        return x

    def parameters(self, x: Shape) -> dict[str, Shape]:
        axis = axis_of(self.axis, x)
        return {"weight": tuple(size if k == axis else 1 for k, size in enumerate(x))}

    def ops(self, x: Shape, y: Shape) -> Ops:
        return Ops(multiplications=elements(y))

    def execute(self, run: Execution, x: Tensor) -> Tensor:
        return run.product(x, run.parameter(self.parameters(x.shape[1:])["weight"]))


def _no_sequence(what: str, x: Shape, field: str | None = None) -> LayerError:
    return LayerError(
        f"{what} needs a sequence (tokens × features), got {fmt_shape(x)}",
        field=field,
        hint="lay a map (C, H, W) out as H·W tokens of C features first",
    )
