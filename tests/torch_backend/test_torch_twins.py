"""PyTorch as a witness: every kind's twin, built from its data and run on real tensors, against the kind's rules."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given

from archcalc.errors import LayerError
from archcalc.layers import Layer, kinds
from archcalc.layers.adaptive_pool import AdaptiveAvgPool2d
from archcalc.layers.axiswise import AlongAxis, Softmax
from archcalc.layers.conv import Conv2d
from archcalc.layers.conv_transpose import ConvTranspose2d
from archcalc.layers.core.arithmetic import Dim, Shape
from archcalc.layers.core.base import Operation, Ops, Params
from archcalc.layers.core.twin import Axis
from archcalc.layers.core.window import slide
from archcalc.layers.dropout import Dropout2d
from archcalc.layers.layernorm import LastAxesNorm, LayerNorm
from archcalc.layers.linear import Linear
from archcalc.layers.merge import Add, MatMul, Mul, Sub
from archcalc.layers.norm import BatchNorm, InstanceNorm
from archcalc.layers.padding import Pad
from archcalc.layers.pool import MaxPool2d
from archcalc.layers.recurrent import LSTM
from archcalc.layers.reshape import Squeeze
from archcalc.layers.shuffle import PixelUnshuffle, Roll
from archcalc.layers.slicing import Slice
from tests.layers.strategies import Case, cases, enough

torch = pytest.importorskip("torch")
flop_counter = pytest.importorskip("torch.utils.flop_counter")
backend = pytest.importorskip("archcalc.torch_backend.layer")
measure = pytest.importorskip("archcalc.torch_backend.measure")

BATCH = 2
LEAST_ACCEPTED = 10
REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError)
"""What PyTorch raises for a layer that does not fit. A TypeError would mean that the twin's data are wrong."""

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning"),
    pytest.mark.filterwarnings("ignore:dropout2d. Received a:UserWarning"),
    pytest.mark.filterwarnings("ignore:input's size at dim=0 does not match num_features:UserWarning"),
]


class Cost(NamedTuple):
    """What a layer does to one sample and holds; `weights` and `biases` None where PyTorch does not name them so."""

    output: Shape
    params: int
    weights: int | None
    biases: int | None
    buffers: int
    macs: int | None


def predicted(layer: Any, inputs: tuple[Shape, ...]) -> Cost:
    y = layer.output(*inputs)
    params, ops = layer.params(*inputs), layer.ops(*inputs, y)
    return Cost(y, params.total, params.weights, params.biases, params.buffers, None if ops is None else ops.macs)


def measured(layer: Layer, inputs: tuple[Shape, ...]) -> Cost:
    integers = layer.indices_below is not None
    tensors = [torch.zeros(BATCH, *shape, dtype=torch.long if integers else torch.float32) for shape in inputs]
    module = backend.module_of(layer, tensors).eval()
    counter = flop_counter.FlopCounterMode(display=False)
    with torch.no_grad(), measure.unfused(module), counter:
        y = backend.call(module, tensors, layer.torch.result)
    learned = {name: tensor.numel() for name, tensor in module.named_parameters()}
    named = {part: sum(n for name, n in learned.items() if part in name) for part in ("weight", "bias")}
    are_named = sum(named.values()) == sum(learned.values())
    assert y.shape[0] == (BATCH if layer.reads_values else 1)
    assert counter.get_total_flops() % (2 * BATCH) == 0
    return Cost(
        output=tuple(y.shape[1:]),
        params=sum(learned.values()),
        weights=named["weight"] if are_named else None,
        biases=named["bias"] if are_named else None,
        buffers=sum(tensor.numel() for tensor in module.buffers()),
        macs=counter.get_total_flops() // (2 * BATCH),
    )


def path_of(layer: Layer, inputs: Sequence[Shape]) -> str:
    """The dotted name of a layer's twin, for the number of dimensions that its input has."""
    return layer.torch.path.format(n=max(1, len(inputs[0]) - 1))


class Excuse(NamedTuple):
    """Inputs that PyTorch takes and archcalc refuses, and why that is right; `example` shows that the entry is used."""

    reason: str
    applies: Callable[[Layer, tuple[Shape, ...]], bool]
    example: Case


def named_axes(layer: Layer) -> tuple[int, ...]:
    """The axes that the fields of a layer name."""
    fields = [argument.name for argument in layer.torch.arguments.values() if isinstance(argument, Axis)]
    values = [getattr(layer, field) for field in fields]
    return tuple(axis for value in values for axis in (value if isinstance(value, tuple) else (value,)))


EXCUSES = [
    Excuse(
        "to PyTorch, a batch of vectors looks like one sequence without a batch",
        lambda layer, inputs: layer.operation is Operation.RECURRENCE and len(inputs[0]) == 1,
        Case(LSTM(hidden=3), ((4,),)),
    ),
    Excuse(
        "PyTorch applies a linear layer to the last axis of a map, which is nearly always a flatten forgotten",
        lambda layer, inputs: isinstance(layer, Linear) and len(inputs[0]) > 2 and not layer.channels_last,
        Case(Linear(features=3), ((4, 5, 5),)),
    ),
    Excuse(
        "of a map, over which axes to normalise would be a guess; PyTorch always has to be told",
        lambda layer, inputs: isinstance(layer, LastAxesNorm) and len(inputs[0]) > 2 and layer.axes is None,
        Case(LayerNorm(), ((4, 5, 5),)),
    ),
    Excuse(
        "to PyTorch the batch is an axis like any other; a spec has no way to mix the samples of a batch",
        lambda layer, inputs: isinstance(layer, LastAxesNorm) and (layer.axes or 1) > len(inputs[0]),
        Case(LayerNorm(axes=2), ((4,),)),
    ),
    Excuse(
        "the same of a softmax along the axis before the first",
        lambda layer, inputs: isinstance(layer, AlongAxis) and layer.axis == -len(inputs[0]) - 1,
        Case(Softmax(axis=-3), ((4, 5),)),
    ),
    Excuse(
        "to PyTorch, a batch of flat inputs looks like one sequence without a batch",
        lambda layer, inputs: layer.kind == "instancenorm" and len(inputs[0]) == 1,
        Case(InstanceNorm(), ((4,),)),
    ),
    Excuse(
        "PyTorch only warns that dropout2d is for maps",
        lambda layer, inputs: layer.kind == "dropout2d" and len(inputs[0]) != 3,
        Case(Dropout2d(), ((4, 5, 5, 5),)),
    ),
    Excuse(
        "to PyTorch, a batch of sequences looks like one map without a batch, and so for the other dimensions",
        lambda layer, inputs: path_of(layer, inputs).endswith(f"{len(inputs[0])}d"),
        Case(MaxPool2d(kernel=2), ((4, 5),)),
    ),
    Excuse(
        "of a volume too, PyTorch takes the mean over the last two axes where they become 1×1; no other size will do",
        lambda layer, inputs: layer.kind == "adaptive_avgpool" and len(inputs[0]) == 4,
        Case(AdaptiveAvgPool2d(size=1), ((4, 5, 5, 5),)),
    ),
    Excuse(
        "a transposed convolution that crops all it made is an empty map to PyTorch, which no layer after it takes",
        lambda layer, inputs: layer.kind.startswith("conv_transpose") and 0 in measured(layer, inputs).output,
        Case(ConvTranspose2d(filters=3, kernel=1, pad=1), ((4, 2, 2),)),
    ),
    Excuse(
        "PyTorch broadcasts what it adds; in a residual connection that hides a wrong shape",
        lambda layer, inputs: (
            (isinstance(layer, Sub) or (isinstance(layer, Add) and not layer.broadcast)) and len(set(inputs)) > 1
        ),
        Case(Add(), ((4, 5, 5), (1, 5, 5))),
    ),
    Excuse(
        "where ranks differ, PyTorch puts axes in front, and so takes the batch for an axis of the samples",
        lambda layer, inputs: layer.arity != (1, 1) and len(set(map(len, inputs))) > 1,
        Case(Mul(), ((5,), (BATCH, 5))),
    ),
    Excuse(
        "PyTorch stretches the axes that count matrices; for heads or groups that hides a wrong shape",
        lambda layer, inputs: layer.kind == "matmul" and inputs[0][:-2] != inputs[1][:-2],
        Case(MatMul(), ((4, 2, 3), (1, 3, 5))),
    ),
    Excuse(
        "the axis before the first is PyTorch's batch; a spec has no way to mix the samples of a batch",
        lambda layer, inputs: -len(inputs[0]) - 1 in named_axes(layer),
        Case(Roll(shifts=(1,), axes=(-3,)), ((4, 5),)),
    ),
    Excuse(
        "PyTorch goes on with one number a sample, without an axis; no other kind takes that",
        lambda layer, inputs: layer.kind in ("mean", "squeeze") and measured(layer, inputs).output == (),
        Case(Squeeze(axis=0), ((1,),)),
    ),
    Excuse(
        "PyTorch leaves an axis alone that it cannot squeeze, which hides a wrong shape",
        lambda layer, inputs: isinstance(layer, Squeeze) and inputs[0][layer.axis] != 1,
        Case(Squeeze(axis=0), ((4, 1),)),
    ),
    Excuse(
        "PyTorch goes on with a slice of nothing",
        lambda layer, inputs: layer.kind == "slice" and 0 in measured(layer, inputs).output,
        Case(Slice(axis=0, start=4), ((4, 5),)),
    ),
    Excuse(
        "a pad of all spatial sides where there are none does nothing; sides beyond the first axis are the batch's",
        lambda layer, inputs: (
            isinstance(layer, Pad)
            and (len(layer.pad) == 2 * len(inputs[0]) + 2 if isinstance(layer.pad, tuple) else len(inputs[0]) == 1)
        ),
        Case(Pad(pad=1), ((4,),)),
    ),
    Excuse(
        "PyTorch shuffles the pixels of the last two axes, and takes those before for batches or channels",
        lambda layer, inputs: layer.kind.startswith("pixel_") and len(inputs[0]) != 3,
        Case(PixelUnshuffle(factor=1), ((4, 5),)),
    ),
]


def disagreements(layer: Layer, inputs: tuple[Shape, ...]) -> list[str]:
    """What archcalc and PyTorch say differently of a layer."""
    found: Cost | None = None
    expected: Cost | None = None
    refused = accepted = ""
    try:
        expected = predicted(layer, inputs)
    except LayerError as error:
        refused = error.message
    try:
        found = measured(layer, inputs)
    except REFUSALS as error:
        accepted = str(error)
    if expected is None or found is None:
        if found is not None and not any(excuse.applies(layer, inputs) for excuse in EXCUSES):
            return [f"archcalc refuses ({refused}), PyTorch gives {found}"]
        return [] if expected is None else [f"archcalc gives {expected}, PyTorch rejects ({accepted})"]
    pairs = zip(Cost._fields, expected, found, strict=True)
    return [f"{what}: {a} ≠ {b}" for what, a, b in pairs if a != b and a is not None and b is not None]


@pytest.mark.parametrize("cls", kinds().values(), ids=kinds())
def test_every_kind_agrees_with_its_twin(cls: type[Layer]) -> None:
    accepted = 0

    @enough(cls)
    @given(cases(cls))
    def compare(case: Case) -> None:
        nonlocal accepted
        assert disagreements(*case) == []
        try:
            case.layer.output(*case.inputs)
            accepted += 1
        except LayerError:
            pass

    compare()
    assert accepted >= LEAST_ACCEPTED


@pytest.mark.parametrize("excuse", EXCUSES, ids=lambda excuse: f"{excuse.example.layer.kind}-{excuse.example.inputs}")
def test_every_excuse_is_needed(excuse: Excuse) -> None:
    assert excuse.applies(*excuse.example)
    with pytest.raises(LayerError):
        predicted(*excuse.example)
    measured(*excuse.example)


class WrongParams(Conv2d):
    def params(self, *inputs: Shape) -> Params:
        return Params(weights=self.groups * super().params(*inputs).weights, biases=self.filters)  # forgets the groups


class WrongOps(Conv2d):
    def ops(self, x: Shape, y: Shape) -> Ops:
        right = super().ops(x, y)
        return Ops(macs=right.macs // self.groups)  # divides by the groups twice


class WrongRounding(MaxPool2d):
    def output(self, x: Shape) -> Shape:
        return (x[0], *slide(x, self.kernel, self.step, self.pad, self.dilation, ceil=True))  # always up


class WrongBuffers(BatchNorm):
    def buffers(self, x: Shape) -> Dim:
        return 2 * x[0]  # forgets the count of batches


class WrongRefusal(Conv2d):
    def output(self, x: Shape) -> Shape:
        raise LayerError("refuses whatever comes")


class WrongAcceptance(MaxPool2d):
    def output(self, x: Shape) -> Shape:
        return (x[0], 1, 1)


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (WrongParams(filters=4, kernel=3, groups=2), "params: 148 ≠ 76"),
        (WrongOps(filters=4, kernel=3, groups=2), "macs: 900 ≠ 1800"),
        (WrongRounding(kernel=2), "output: (4, 4, 4) ≠ (4, 3, 3)"),
        (WrongBuffers(), "buffers: 8 ≠ 9"),
        (WrongRefusal(filters=4, kernel=3), "archcalc refuses"),
        (WrongAcceptance(kernel=9), "PyTorch rejects"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Layer) else "",
)
def test_a_wrong_rule_is_found(layer: Layer, says: str) -> None:
    assert says in "; ".join(disagreements(layer, ((4, 7, 7),)))
