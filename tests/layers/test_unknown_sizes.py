"""The same rules on sizes that are not known: what they say is unknown too, or what they say of every size."""

import pickle

import pytest
from hypothesis import given

from archcalc.errors import LayerError
from archcalc.layers import Layer, kinds
from archcalc.layers.core.arithmetic import (
    UNKNOWN,
    Shape,
    ceil_div,
    divides,
    equal,
    gcd,
    is_known,
    maximum,
    minimum,
    require,
    whole,
)
from archcalc.layers.core.base import Params
from tests.layers.strategies import Case, enough, variants


def says(case: Case) -> tuple[Shape, Params]:
    return case.layer.output(*case.inputs), case.layer.params(*case.inputs)


@pytest.mark.parametrize("cls", kinds().values(), ids=kinds())
def test_rules_take_sizes_that_are_not_known(cls: type[Layer]) -> None:
    @enough(cls)
    @given(variants(cls, 1))
    def compare(drawn: list[Case]) -> None:
        (case,) = drawn
        blurred = Case(case.layer, tuple((shape[0], *whole(UNKNOWN for _ in shape[1:])) for shape in case.inputs))
        try:
            known = says(case)
        except LayerError:
            known = None
        try:
            output, params = says(blurred)
        except LayerError:  # a rule may need to know
            return
        if known is None:
            return
        assert len(output) == len(known[0])
        assert all(size in (UNKNOWN, there) for size, there in zip(output, known[0], strict=True))
        for name in ("weights", "biases", "buffers"):
            assert getattr(params, name) in (UNKNOWN, getattr(known[1], name))

    compare()


def test_what_is_computed_with_it_is_not_known() -> None:
    for value in (UNKNOWN + 1, 2 * UNKNOWN, 0 * UNKNOWN, 7 - UNKNOWN, -UNKNOWN, UNKNOWN // 2, 7 % UNKNOWN, 2**UNKNOWN):
        assert value is UNKNOWN
    for helper in (minimum, maximum, gcd, equal, divides, ceil_div):
        assert helper(UNKNOWN, 3) is helper(3, UNKNOWN) is UNKNOWN
    assert pickle.loads(pickle.dumps(UNKNOWN)) is UNKNOWN
    assert not is_known((3, UNKNOWN))


def test_what_is_required_of_it_may_hold() -> None:
    for condition in (UNKNOWN >= 1, equal(UNKNOWN, 3), (3 < 4) & equal(UNKNOWN, 3), equal(UNKNOWN, 3) | (3 > 4)):
        require(condition, lambda: LayerError("never raised"))
    for condition in ((3 > 4) & equal(UNKNOWN, 3), equal(UNKNOWN, 3) & (3 > 4)):
        with pytest.raises(LayerError):
            require(condition, lambda: LayerError("raised"))
