"""The kinds that rearrange, cut, join and average tensors, against loops that move numbers one by one, and PyTorch."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archcalc.errors import LayerError
from archcalc.layers import Layer, kinds
from archcalc.layers.core.arithmetic import Sizes
from archcalc.layers.core.base import NO_OPS, NO_PARAMS, Ops
from archcalc.layers.merge import Add, Concat, MatMul, Sub
from archcalc.layers.padding import Pad
from archcalc.layers.reduce import Mean
from archcalc.layers.shuffle import WindowPartition, WindowReverse
from tests.layers.counting import Tally, every
from tests.layers.counting_shapes import (
    MOVES,
    add_stretched,
    average,
    multiply_matrices,
    stack,
    subtract,
    window_partition,
    window_reverse,
)
from tests.layers.strategies import Case, cases, enough

LEAST_ACCEPTED = 20


def box(places: Iterable[tuple[int, ...]]) -> Sizes:
    """The box that places fill, without a gap."""
    tally = Tally()
    tally.reached.update(places)
    return tally.shape


def accepted(case: Case) -> bool:
    try:
        case.layer.output(*case.inputs)
    except LayerError:
        return False
    return True


def for_each_case(cls: type[Layer], check: Callable[[Any, tuple[Sizes, ...]], None]) -> None:
    """Run a check on layers of a kind and inputs that fit them; enough must fit."""
    fitting = 0

    @settings(enough(cls), max_examples=100)
    @given(cases(cls))
    def run(case: Case) -> None:
        nonlocal fitting
        if accepted(case):
            fitting += 1
            check(*case)

    run()
    assert fitting >= LEAST_ACCEPTED


@pytest.mark.parametrize("kind", MOVES)
def test_every_number_goes_where_a_loop_moves_it(kind: str) -> None:
    def check(layer: Any, inputs: tuple[Sizes, ...]) -> None:
        (x,) = inputs
        y = layer.output(x)
        assert y == box(MOVES[kind](layer, x))
        assert (layer.ops(x, y), layer.params(x)) == (NO_OPS, NO_PARAMS)

    for_each_case(kinds()[kind], check)


@pytest.mark.parametrize("kind", MOVES)
def test_pytorch_moves_every_number_where_the_loop_does(kind: str) -> None:
    torch = pytest.importorskip("torch")
    from archcalc.torch_backend.layer import call, module_of

    batch = 2

    def check(layer: Any, inputs: tuple[Sizes, ...]) -> None:
        (x,) = inputs
        numbers = torch.arange(float(batch * len(every(x)))).reshape(batch, *x)
        moved = call(module_of(layer, [numbers]).eval(), [numbers], layer.torch.result)
        moves = MOVES[kind](layer, x)
        expected = [
            layer.value if source is None else numbers[(1, *source)].item() for _, source in sorted(moves.items())
        ]
        assert moved[1].flatten().tolist() == pytest.approx(expected)

    for_each_case(kinds()[kind], check)


def test_concat_stacks_every_number_as_a_loop_does() -> None:
    torch = pytest.importorskip("torch")

    def check(layer: Concat, inputs: tuple[Sizes, ...]) -> None:
        moves = stack(layer, *inputs)
        assert layer.output(*inputs) == box(moves)
        tensors = [torch.rand(1, *shape) for shape in inputs]
        stacked = layer.torch.values(layer, tensors)
        expected = [tensors[which][(0, *place)].item() for _, (which, place) in sorted(moves.items())]
        assert torch.cat(tensors, **stacked).flatten().tolist() == expected

    for_each_case(Concat, check)


def test_mean() -> None:
    def check(layer: Mean, inputs: tuple[Sizes, ...]) -> None:
        (x,) = inputs
        tally = average(layer, x)
        assert layer.output(x) == tally.shape
        assert layer.ops(x, tally.shape) == Ops(**tally.ops)

    for_each_case(Mean, check)


JOINS: dict[type[Layer], Callable[..., Tally]] = {
    Sub: lambda x, _: subtract(x),
    Add: add_stretched,
    MatMul: multiply_matrices,
}


@pytest.mark.parametrize("cls", JOINS, ids=lambda cls: cls.kind)
def test_what_joins_several(cls: type[Layer]) -> None:
    def check(layer: Any, inputs: tuple[Sizes, ...]) -> None:
        tally = JOINS[cls](*inputs)
        assert layer.output(*inputs) == tally.shape
        assert layer.ops(*inputs, tally.shape) == Ops(**tally.ops)

    for_each_case(cls, check)


SIDES = st.integers(1, 3)


@given(SIDES, SIDES, SIDES, SIDES, st.booleans())
def test_reverse_undoes_a_partition(h: int, w: int, rows: int, columns: int, dilated: bool) -> None:
    torch = pytest.importorskip("torch")
    from archcalc.torch_backend.twins import windows

    x = torch.rand(2, h * rows, w * columns, 3)
    parts = windows.window_partition(x, (h, w), dilated)
    assert torch.equal(windows.window_reverse(parts, (h, w), dilated), x)
    there = window_partition(WindowPartition((h, w), dilated), tuple(x.shape[1:]))
    back = window_reverse(WindowReverse((h, w), dilated), tuple(parts.shape[1:]))
    assert all(there[source] == place for place, source in back.items() if source is not None)


def test_the_tokens_of_a_window_lie_side_by_side_or_are_spread() -> None:
    torch = pytest.importorskip("torch")
    from archcalc.torch_backend.twins.windows import window_partition

    x = torch.arange(16).reshape(1, 4, 4, 1)
    assert window_partition(x, 2, dilated=False)[0, 0, 1].flatten().tolist() == [2, 3, 6, 7]
    assert window_partition(x, 2, dilated=True)[0, 0, 1].flatten().tolist() == [1, 3, 9, 11]


@pytest.mark.parametrize(
    ("kind", "fields", "x", "says"),
    [
        ("flatten", {"start": 3}, (4, 5, 5), "start 3 is not an axis of its input of 4×5×5"),
        (
            "reshape",
            {"shape": [4, 6]},
            (4, 5),
            "does not fit its input of 4×5: 20 numbers, which are not 24",
        ),
        ("reshape", {"shape": [3, -1]}, (4, 5), "20 numbers, which 3 does not divide"),
        ("reshape", {"shape": [-1, -1]}, (4, 5), "shape [-1, -1] has more than one -1"),
        ("reshape", {"shape": [0, -1]}, (4, 5), "shape [0, -1] contains 0"),
        ("permute", {"order": [1, 0]}, (4, 5, 5), "order [1, 0] does not name every axis once, of its input of 4×5×5"),
        ("permute", {"order": [1, 0, -2]}, (4, 5, 5), "order [1, 0, -2] names an axis of its input of 4×5×5 twice"),
        ("transpose", {}, (4,), "b 1 is not an axis of its input of 4"),
        ("unsqueeze", {"axis": 3}, (4, 5), "axis 3 is out of range for a new axis in its input of 4×5"),
        ("squeeze", {"axis": 1}, (4, 5), "axis 1 of its input of 4×5 has a size of 5, not 1"),
        ("squeeze", {"axis": 0}, (1,), "squeeze would leave only the batch"),
        ("slice", {"axis": 0, "start": 4}, (4, 5), "4: selects nothing from axis 0 of its input of 4×5"),
        ("chunk", {"chunks": 4, "index": 3}, (5, 6), "4 chunks of 5 have 2 each, which makes 3"),
        ("split", {"sizes": [2, 2], "index": 0}, (5, 6), "sizes [2, 2] make 4, but axis 0 of its input of 5×6 has 5"),
        ("split", {"sizes": [2, 3], "index": 2}, (5, 6), "no piece 2 of 2"),
        ("pad", {"pad": 1}, (5,), "pad needs an input with spatial axes, got 5"),
        ("pad", {"pad": [1, 2, 3]}, (5, 6), "pad needs two numbers for each axis, got 3"),
        ("pad", {"pad": [1, 2, 3, 4]}, (5,), "pad has 4 sides, its input of 5 2"),
        ("pad", {"pad": [5, 0], "mode": "reflect"}, (4, 5), "mode reflect cannot add 5 to a size of 5"),
        ("pad", {"pad": [0, 6], "mode": "circular"}, (4, 5), "mode circular cannot add 6 to a size of 5"),
        ("pad", {"pad": [1, 1], "mode": "reflect"}, (4, 5, 5), "mode reflect pads all spatial axes, up to three"),
        ("pad", {"pad": 1, "mode": "reflect", "value": 1}, (4, 5), "value needs mode constant, not reflect"),
        ("crop", {"size": 6}, (4, 8, 5), "crop to 6×6 needs an input at least as large, got 8×5"),
        ("roll", {"shifts": [1, 1], "axes": [0]}, (4, 5), "roll needs a shift for each axis, got 2 for 1"),
        ("pixel_shuffle", {"factor": 2}, (6, 5, 5), "factor 2 needs channels that are a multiple of 4, got 6"),
        ("pixel_unshuffle", {"factor": 2}, (6, 4, 5), "factor 2 needs a height and width that are multiples of it"),
        ("channel_shuffle", {"groups": 4}, (6, 4, 5), "4 groups need channels that are a multiple of them, got 6"),
        ("window_partition", {"size": 4}, (8, 6, 3), "windows of 4×4 do not fill a map of 8×6"),
        ("window_reverse", {"size": 2}, (2, 3, 5, 8), "windows of 2×2 have 4 tokens, got 2×3×5×8, where they have 5"),
        ("mean", {"axis": [0, 1]}, (4, 5), "mean over all axes of its input of 4×5 would leave only the batch"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_does_not_fit_is_said(kind: str, fields: dict[str, Any], x: Sizes, says: str) -> None:
    with pytest.raises(LayerError) as caught:
        msgspec.convert(fields, kinds()[kind]).output(x)
    assert says in caught.value.message


def test_matrices_that_do_not_fit_are_both_shown() -> None:
    for x, other in (((2, 3), (4, 5)), ((3,), (3,)), ((2, 2, 3), (4, 3, 5)), ((2, 3), (1, 3, 5))):
        with pytest.raises(LayerError) as caught:
            MatMul().output(x, other)
        assert f"got {'×'.join(map(str, x))} and {'×'.join(map(str, other))}" in caught.value.message


def test_a_list_of_sides_begins_with_the_last_axis() -> None:
    assert Pad(pad=(1, 2, 3, 4)).output((5, 10, 20)) == (5, 17, 23)
