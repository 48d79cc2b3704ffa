"""The same rules, on integers, NumPy arrays and SymPy symbols."""

import enum
import operator
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given

from archcalc.errors import LayerError
from archcalc.layers import Layer, kinds
from archcalc.layers.core.arithmetic import ceil_div, divides, equal, gcd, maximum, minimum, require
from archcalc.layers.core.base import RULES, is_structural
from archcalc.spec.fields import field_types
from tests.layers.strategies import Case, enough, variants

numpy = pytest.importorskip("numpy")
sympy = pytest.importorskip("sympy")

VARIANTS = 6
LEAST_ACCEPTED = 20
OF_THE_OUTPUT = {"ops", "backward_macs"}
"""The rules that are given the output besides the inputs."""
MANY = 8
TAKES_ALSO: dict[str, dict[str, Any]] = {
    "buffer_bytes": {"width": 4},
    "buffer_bytes_read": {"width": 4},
    "backward_macs": {"needs_grad": (True,) * MANY, "trains": True},
}
"""What rules are given besides shapes."""
OF_WHOLE_NUMBERS = {"execute"}
"""The rules that `Layer` declares to need whole numbers."""

Outcome: TypeAlias = dict[str, tuple[Any, ...]]


def outcome(case: Case) -> Outcome:
    """What every rule of a layer says, by the rule's name."""
    layer: Any = case.layer
    said: dict[str, Any] = {"output": layer.output(*case.inputs)}
    for rule in RULES:
        if rule not in (*said, *OF_WHOLE_NUMBERS):
            given = (*case.inputs, said["output"]) if rule in OF_THE_OUTPUT else case.inputs
            said[rule] = getattr(layer, rule)(*given, **TAKES_ALSO.get(rule, {}))
    said["params"] = layer.params(*case.inputs)
    return {rule: tuple(parts(value)) for rule, value in said.items()}


def parts(value: Any) -> Iterator[Any]:
    """All that a rule's answer is made of: its numbers, and what else there is as text."""
    match value:
        case msgspec.Struct():
            yield from parts(msgspec.structs.asdict(value))
        case dict():
            yield str(list(value))
            for part in value.values():
                yield from parts(part)
        case tuple():
            yield str(len(value))
            for part in value:
                yield from parts(part)
        case None | enum.Enum():
            yield str(value)
        case _:
            yield value


def accepted(case: Case) -> bool:
    try:
        case.layer.output(*case.inputs)
    except LayerError:
        return False
    return True


def numbers_of(case: Case) -> list[int]:
    """Every whole number of a case: those of its fields, then the dimensions of its inputs."""
    found: list[int] = []

    def note(number: int) -> int:
        found.append(number)
        return number

    rebuilt(case, note)
    return found


def rebuilt(case: Case, change: Callable[[int], Any]) -> Case:
    """The case with every whole number changed; past the bounds of the fields, which know nothing of symbols."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(changed(part) for part in value)
        return change(value) if type(value) is int else value

    types = field_types(type(case.layer))
    fields = {
        name: value if is_structural(types[name]) else changed(value)
        for name, value in msgspec.structs.asdict(case.layer).items()
    }
    return Case(type(case.layer)(**fields), tuple(changed(shape) for shape in case.inputs))


def with_numbers(case: Case, numbers: list[Any]) -> Case:
    """The case with these in the place of its whole numbers."""
    rest: Iterator[Any] = iter(numbers)
    return rebuilt(case, lambda _: next(rest))


def stacked(cases: list[Case]) -> Case:
    """One case that holds all of these, every number an array of theirs."""
    columns = zip(*map(numbers_of, cases), strict=True)
    return with_numbers(cases[0], [numpy.array(column, dtype=numpy.int64) for column in columns])


def check_arrays(fitting: list[Case], misfits: list[Case]) -> None:
    if fitting:
        expected = [outcome(case) for case in fitting]
        for rule, values in outcome(stacked(fitting)).items():
            for position, value in enumerate(values):
                assert spread_over(value, len(fitting)) == [one[rule][position] for one in expected], rule
    for misfit in misfits:
        with pytest.raises(LayerError):
            stacked([*fitting, misfit, misfit]).layer.output(*stacked([*fitting, misfit, misfit]).inputs)


def spread_over(value: Any, count: int) -> list[Any]:
    assert not isinstance(value, numpy.ndarray) or value.dtype == numpy.int64
    return value.tolist() if isinstance(value, numpy.ndarray) and value.ndim else [value] * count


def check_symbols(fitting: list[Case]) -> None:
    if not fitting:
        return
    table = [numbers_of(case) for case in fitting]
    symbols = [
        sympy.Symbol(f"n{i}", integer=True, **{"nonnegative" if 0 in column else "positive": True})
        for i, column in enumerate(zip(*table, strict=True))
    ]
    formulas = outcome(with_numbers(fitting[0], symbols))
    for case, numbers in zip(fitting, table, strict=True):
        at = dict(zip(symbols, map(sympy.Integer, numbers), strict=True))
        for rule, expected in outcome(case).items():
            found = tuple(f.xreplace(at) if isinstance(f, sympy.Basic) else f for f in formulas[rule])
            assert found == expected, (rule, formulas[rule])


@pytest.mark.parametrize("cls", kinds().values(), ids=kinds())
def test_every_rule_says_the_same_on_all_number_types(cls: type[Layer]) -> None:
    total = 0

    @enough(cls)
    @given(variants(cls, VARIANTS))
    def compare(drawn: list[Case]) -> None:
        nonlocal total
        fitting = [case for case in drawn if accepted(case)]
        total += len(fitting)
        for case in fitting:
            assert all(type(value) in (int, str) for values in outcome(case).values() for value in values)
        check_arrays(fitting, [case for case in drawn if not accepted(case)])
        check_symbols(fitting)

    compare()
    assert total >= LEAST_ACCEPTED


INTEGERS = [1, 2, 3, 4, 6, 9, 12]
PAIRS = [(a, b) for a in INTEGERS for b in INTEGERS]
HELPERS: dict[str, tuple[Callable[[int, int], Any], Callable[[int, int], Any]]] = {
    "minimum": (minimum, lambda a, b: a if a < b else b),
    "maximum": (maximum, lambda a, b: a if a > b else b),
    "gcd": (gcd, lambda a, b: next(n for n in range(a, 0, -1) if a % n == b % n == 0)),
    "ceil_div": (ceil_div, lambda a, b: next(n for n in range(a + 1) if n * b >= a)),
    "divides": (divides, lambda a, b: b in range(0, b + 1, a)),
    "equal": (equal, operator.eq),
}


@pytest.mark.parametrize(("helper", "meaning"), HELPERS.values(), ids=HELPERS)
def test_helpers_say_what_they_mean_on_all_number_types(
    helper: Callable[[Any, Any], Any], meaning: Callable[[int, int], Any]
) -> None:
    expected = [meaning(a, b) for a, b in PAIRS]
    assert [helper(a, b) for a, b in PAIRS] == expected
    first, second = numpy.array(PAIRS, dtype=numpy.int64).T
    assert helper(first, second).tolist() == expected
    a, b = sympy.symbols("a b", integer=True, positive=True)
    both, left, right = helper(a, b), helper(a, PAIRS[-1][1]), helper(PAIRS[-1][0], b)
    assert [both.subs({a: m, b: n}) for m, n in PAIRS] == expected
    for number in INTEGERS:
        assert left.subs(a, number) == meaning(number, PAIRS[-1][1])
        assert right.subs(b, number) == meaning(PAIRS[-1][0], number)


@pytest.mark.parametrize("helper", [minimum, maximum, gcd, equal, divides, ceil_div])
def test_helpers_take_the_gcd_of_symbols(helper: Callable[[Any, Any], Any]) -> None:
    # The gcd of symbols is a function of our own, and no less a symbol for that.
    a, b = sympy.symbols("a b", integer=True, positive=True)
    at = {a: 12, b: 18}
    assert helper(gcd(a, b), 4).subs(at) == helper(6, 4)
    assert helper(4, gcd(a, b)).subs(at) == helper(4, 6)


def test_equal_symbols_are_equal_and_others_undecided() -> None:
    a, b = sympy.symbols("a b", integer=True, positive=True)
    assert equal(a, a) == sympy.true
    assert equal(a, b) not in (sympy.true, sympy.false)


def holds(condition: object) -> bool:
    try:
        require(condition, lambda: LayerError("it does not hold"))
    except LayerError:
        return False
    return True


def test_require_of_integers() -> None:
    assert holds(3 > 2)
    assert not holds(2 > 3)


def test_require_of_arrays_wants_every_variant_to_hold() -> None:
    sizes = numpy.array([3, 4, 5])
    assert holds(sizes >= 3)
    assert not holds(sizes >= 4)
    assert holds(sizes[0] >= 3)
    assert not holds(sizes[0] >= 4)


def test_require_of_symbols_fails_only_where_it_is_decided() -> None:
    a, b = sympy.symbols("a b", integer=True, positive=True)
    assert holds(a > b)
    assert holds(equal(a % b, 0))
    assert holds(a > 0)
    assert not holds(a < 0)
    assert not holds(equal(a, a + 1))
    assert not holds(equal(sympy.Integer(7) % 2, 0))
