"""Whole networks at symbols and arrays: every figure is what the analysis of plain numbers gives, one by one."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
import numpy
import pytest
import sympy

from archcalc import Builder, Report, SettingError, SpecError, analyze
from archcalc.analysis import graph_of
from archcalc.engine.figures import FIGURES
from archcalc.engine.totals import Totals
from archcalc.layers import kinds
from archcalc.spec.architecture import Architecture, read
from archcalc.spec.source import Document

Settings: TypeAlias = Mapping[str, Any]
A, B, C = sympy.symbols("a b c", integer=True, positive=True)

SIZES = {A: (224, 256, 300), B: (224, 320, 231)}
CASES: dict[str, tuple[str, Settings, Mapping[sympy.Symbol, tuple[int, ...]]]] = {
    "alexnet, height and width": ("alexnet", {"input": (3, A, B)}, SIZES),
    "alexnet, classes and batch": ("alexnet", {"vars": {"classes": A}, "batch": B}, {A: (10, 1000), B: (1, 64)}),
    "vgg16, height and width": ("vgg16", {"input": (3, A, B), "batch": C}, {**SIZES, C: (1, 2, 32)}),
    "resnet50, height and width": ("resnet50", {"input": (3, A, B)}, SIZES),
    "resnet50, groups and their width": (
        "resnet50",
        {"vars": {"groups": A, "group_width": B}},
        {A: (1, 32, 32), B: (64, 4, 8)},
    ),
    "mobilenet_v2, width": (
        "mobilenet_v2",
        {"vars": {"width": A}, "input": (3, B, B)},
        {A: (1, 2, 3), B: (224, 96, 1)},
    ),
    "t5-small, two lengths and batch": (
        "t5-small",
        {"input": {"ids": (A,), "decoder_ids": (B,)}, "batch": C},
        {A: (512, 7), B: (64, 512), C: (1, 8)},
    ),
    "t5-small, vocabulary and width": (
        "t5-small",
        {"vars": {"vocabulary": A, "width": B}},
        {A: (32128, 2), B: (512, 31)},
    ),
    "clip-vit-b-32, size of one input": (
        "clip-vit-b-32",
        {"input": {"image": (3, A, A)}, "batch": B},
        {A: (224, 64), B: (3, 1)},
    ),
    "bert-base, width and heads": ("bert-base", {"vars": {"width": 12 * A, "length": B}}, {A: (64, 85), B: (512, 7)}),
}
UNKNOWN_THEN = ("live_bytes", "saved_for_backward_bytes", "bytes_moved", "receptive_field", "peak_memory_bytes")
"""What is followed in whole numbers alone."""
UNKNOWN_FIGURES = ("live", "peak", "saved", "bytes_moved", "receptive_field")


def at(value: Any, numbers: Mapping[sympy.Symbol, Any]) -> Any:
    """The settings with numbers, or arrays of them, in the place of symbols."""
    if isinstance(value, Mapping):
        return {name: at(part, numbers) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(at(part, numbers) for part in value)
    return sympy.lambdify(list(numbers), value)(*numbers.values()) if isinstance(value, sympy.Basic) else value


def figures(row: Any) -> dict[str, Any]:
    """All that a row or the totals say."""
    if isinstance(row, Totals):
        return row.to_dict()
    told = {name: getattr(row, name) for name in row.__struct_fields__ if name != "layer"}
    told["ops"] = None if row.ops is None else msgspec.structs.astuple(row.ops)
    return {**told, "torch": row.flops_by("torch"), "elements": row.elements}


def one(value: Any, place: int, numbers: Mapping[sympy.Symbol, int]) -> Any:
    """Of a figure that may be an array or an expression, what it says for one variant."""
    if isinstance(value, tuple):
        return tuple(one(part, place, numbers) for part in value)
    if isinstance(value, numpy.ndarray):
        assert value.dtype == numpy.int64
        return value[place].item()
    if isinstance(value, sympy.Basic):
        found = value.subs(numbers)
        assert found.is_Integer
        return int(found)
    return value


def check(report: Report, plain: Report, place: int, numbers: Mapping[sympy.Symbol, int]) -> None:
    assert [row.name for row in report.layers] == [row.name for row in plain.layers]
    for row, expected in zip((*report.layers, report.totals), (*plain.layers, plain.totals), strict=True):
        told = figures(expected)
        for name, figure in figures(row).items():
            if name not in UNKNOWN_THEN:
                assert one(figure, place, numbers) == told[name], (row, name)
            else:
                assert figure is None or figure == told[name]
    assert one(report.flops("torch"), place, numbers) == plain.flops("torch")
    for figure in FIGURES.values():
        found = figure.of(report)
        assert one(found, place, numbers) == figure.of(plain) or (found is None and figure.name in UNKNOWN_FIGURES)
    for output, expected in zip(report.outputs, plain.outputs, strict=True):
        assert (output.name, one(output.shape, place, numbers)) == (expected.name, expected.shape)


@pytest.mark.parametrize(("name", "settings", "values"), CASES.values(), ids=CASES)
def test_reports_of_symbols_and_arrays_are_those_of_each_number(
    name: str, settings: Settings, values: Mapping[sympy.Symbol, tuple[int, ...]]
) -> None:
    columns = {symbol: numpy.array(column) for symbol, column in values.items()}
    symbolic, arrays = analyze(name, **settings), analyze(name, **at(settings, columns))
    assert symbolic.totals.peak_memory_bytes is arrays.totals.peak_memory_bytes is None
    for place in range(len(next(iter(values.values())))):
        numbers = {symbol: column[place] for symbol, column in values.items()}
        plain = analyze(name, **at(settings, numbers))
        assert plain.totals.peak_memory_bytes is not None
        check(arrays, plain, place, numbers)
        check(symbolic, plain, place, numbers)


def test_factors_of_width_round_channels_as_each_of_them_does() -> None:
    widths = (0.35, 0.5, 0.75, 1.0, 1.4)
    report = analyze("mobilenet_v2", vars={"width": numpy.array(widths)})
    for place, width in enumerate(widths):
        check(report, analyze("mobilenet_v2", vars={"width": width}), place, {})


def test_receptive_fields_that_no_open_size_takes_part_in_are_known() -> None:
    plain, wide = analyze("resnet50"), analyze("resnet50", vars={"group_width": A})
    assert [row.receptive_field for row in wide.layers] == [row.receptive_field for row in plain.layers]
    assert all(row.receptive_field is None for row in analyze("alexnet", input=(3, A, 227)).layers)


def test_what_fits_no_more_for_one_variant_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"kernel 3 does not fit its input of \[27  2\]×\[27  7\]"):
        analyze("alexnet", input=(3, numpy.array([227, 30]), numpy.array([227, 64])))


def test_graphs_built_in_python_hold_symbols() -> None:
    net = Builder("net", input=(3, A, A))
    net.add(kinds()["conv"](filters=B, kernel=3, pad=1))
    report = analyze(net.graph())
    assert report.totals.params == 28 * B
    assert report.totals.macs == 27 * A**2 * B


def test_reports_of_symbols_and_arrays_are_not_written() -> None:
    for report in (
        analyze("lenet5", batch=A),
        analyze("lenet5", input=(1, A, 32)),
        analyze("t5-small", input={"decoder_ids": (A,)}),
        analyze("alexnet", vars={"classes": numpy.array([10, 100])}),
    ):
        with pytest.raises(SettingError, match="a report whose figures are symbols or arrays cannot be written"):
            report.to_dict()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": numpy.array([1, 0])}, "batch must be a whole number ≥ 1"),
        ({"batch": numpy.array([1.5, 2])}, "batch must be a whole number ≥ 1"),
        ({"batch": sympy.Rational(1, 2)}, "batch must be a whole number ≥ 1"),
        ({"batch": sympy.Symbol("n", integer=True, negative=True)}, "batch must be a whole number ≥ 1"),
        ({"input": (3, numpy.array([224, -1]), 224)}, "input must be a tuple or list of whole numbers ≥ 1"),
        ({"input": (3, numpy.array(["a"]), 224)}, "input must be a tuple or list of whole numbers ≥ 1"),
        ({"input": {"input": (3, numpy.array([0]), 224)}}, "input must be a tuple or list of whole numbers ≥ 1"),
        ({"input": {"image": (3, A, A)}}, "the network has no input 'image'"),
        ({"batch": numpy.array([1, 10**9 + 1])}, "batch must be at most 1,000,000,000, got array"),
        ({"batch": sympy.Integer(10) ** 10}, "batch must be at most 1,000,000,000, got 10000000000"),
        ({"input": (3, numpy.array([1, 10**18 + 1]), 224)}, "input: a number is out of range"),
        ({"vars": {"classes": sympy.Integer(10) ** 20}}, "vars: classes is out of range"),
        (
            {"input": {"input": (3, numpy.array([1, 2]), 224)}, "batch": numpy.array([1, 2, 3])},
            "arrays must have one",
        ),
        ({"vars": {"classes": numpy.array(["a"])}}, "vars: classes cannot be"),
        ({"vars": {"classes": sympy.Lt(A, 3)}}, "vars: classes cannot be"),
        (
            {"vars": {"classes": numpy.array([[1]])}},
            "arrays must have one axis and one length",
        ),
        (
            {"vars": {"classes": numpy.array([1, 2])}, "batch": numpy.array([1, 2, 3])},
            "arrays must have one",
        ),
        ({"vars": {"classes": numpy.array([], dtype=int)}}, "vars: classes cannot be array"),
    ],
)
def test_settings_that_no_variant_can_have(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        analyze("alexnet", **settings)


def test_numbers_of_the_libraries_are_numbers() -> None:
    plain = analyze("alexnet", batch=2, input=(3, 227, 227), vars={"classes": 10})
    for wrap in (numpy.int64, numpy.array, sympy.Integer):
        size: Any = wrap(227)
        report = analyze("alexnet", batch=wrap(2), input=(3, size, size), vars={"classes": wrap(10)})
        assert report.to_dict() == plain.to_dict()


def spec(layers: str, **variables: object) -> Architecture:
    values = ", ".join(f"{name}: {value}" for name, value in variables.items())
    return read(Document("net.yaml", f"input: [3, 8, 8]\nvars: {{{values}}}\nlayers:\n{layers}"))


ARRAY = numpy.array([8, 16])
CONDITION = "a condition on a symbol or an array, which may hold for only some of its values"


@pytest.mark.parametrize("width", [A, ARRAY], ids=["symbol", "array"])
@pytest.mark.parametrize(
    ("layers", "pointed", "message"),
    [
        ("  - relu: {when: width > 12}", "width > 12", f"'width > 12': {CONDITION}"),
        ("  - relu: {when: 4 < width < 12}", "4 < width", f"'4 < width < 12': {CONDITION}"),
        ("  - relu: {when: width == 8 or false}", "width == 8", f"'width == 8 or false': {CONDITION}"),
        ("  - relu: {when: 'width in [8, 9]'}", "'width in", f"'width in [8, 9]': {CONDITION}"),
        ("  - conv: {filters: 4 if width - 8 else 1, kernel: 3}", "width - 8", f"'4 if width - 8 else 1': {CONDITION}"),
        (
            "  - linear: {features: 4 if not width > 8 else 1}",
            "width > 8",
            f"'4 if not width > 8 else 1': {CONDITION}",
        ),
        ("  - relu: {when: width}", "width}", "when must be a condition, got "),
        ("  - relu: {repeat: width}", "width}", "repeat must be a whole number ≥ 0, got "),
        ("  - softmax: {axis: width}", "width}", "softmax: axis must be an axis: 0 is the first"),
        ("  - linear: {features: 4, bias: width}", "width}", "linear: bias must be true or false, got "),
        (
            "  - conv: {filters: 'len(width)', kernel: 3}",
            "'len(",
            "'len(width)': cannot be computed: it takes no",
        ),
        (
            "  - conv: {filters: 'width[0]', kernel: 3}",
            "'width[0]'",
            "'width[0]': an item needs a list",
        ),
        (
            "  - conv: {filters: '[4, 5][width]', kernel: 3}",
            "'[4, 5]",
            "'[4, 5][width]': an item needs a list",
        ),
        ("  - conv: {filters: width // 0, kernel: 3}", "width // 0", "'width // 0': division by zero"),
    ],
)
def test_what_must_be_one_number_says_where(width: Any, layers: str, pointed: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        analyze(spec(layers, width=4), vars={"width": width})
    (problem,) = caught.value.problems
    assert problem.location is not None
    assert problem.message.startswith(message)
    assert problem.location.line == 4
    assert problem.location.text[problem.location.column - 1 :].startswith(pointed)


def test_conditions_that_hold_for_all_values_are_decided() -> None:
    layers = "  - conv: {filters: 2 * width if width >= 1 else 1, kernel: 3, when: width > 0}"
    assert analyze(spec(layers, width=4), vars={"width": A}).layers[0].output[0] == 2 * A
    assert list(analyze(spec(layers, width=4), vars={"width": ARRAY}).layers[0].output[0]) == [16, 32]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("expression", "of"),
    [
        ("width / 4", lambda w: w // 4),
        ("2 ** width // 3 % 7", lambda w: 2**w // 3 % 7),
        ("max(12, width)", lambda w: max(12, w)),
        ("min([12, width, 100])", lambda w: min(12, w)),
        ("sum([width, 1, width])", lambda w: 2 * w + 1),
        ("ceil(width / 3) + floor(width / 3)", lambda w: -(-w // 3) + w // 3),
        ("abs(-width)", lambda w: w),
        ("floor(sqrt(width))", lambda w: int(w**0.5)),
        ("divisible(width * 0.75, 8)", lambda w: {8: 8, 16: 16}[w]),
        ("+width - -width", lambda w: 2 * w),
    ],
)
def test_expressions_give_what_they_give_for_each_number(expression: str, of: Any) -> None:
    layers = f"  - conv: {{filters: '{expression}', kernel: 3}}"
    array, symbol = (analyze(spec(layers, width=4), vars={"width": width}) for width in (ARRAY, A))
    for place, width in enumerate((8, 16)):
        plain = analyze(spec(layers, width=width)).layers[0].output[0]
        assert plain == of(width)
        assert one(array.layers[0].output[0], place, {}) == plain
        assert one(symbol.layers[0].output[0], place, {A: width}) == plain


@pytest.mark.parametrize(
    ("expression", "width", "message"),
    [
        ("width * 10 ** 18", ARRAY, "a number out of range"),
        ("width ** 40", ARRAY, "a number out of range"),
        ("width / 3", ARRAY, "conv: filters must be a whole number ≥ 1"),
        ("width - 8", ARRAY, "conv: filters must be a whole number ≥ 1"),
        ("round(width / 3)", A, "it takes no symbols and no arrays"),
        ("width + 'a'", A, "it takes numbers"),
        ("width + other", ARRAY, "symbols and arrays cannot be combined"),
    ],
)
def test_expressions_that_no_field_takes(expression: str, width: Any, message: str) -> None:
    architecture = spec(f'  - conv: {{filters: "{expression}", kernel: 3}}', width=4, other=5)
    with pytest.raises(SpecError, match=message):
        analyze(architecture, vars={"width": width, "other": B})


def test_modules_of_symbols_are_not_built() -> None:
    with pytest.raises(SettingError, match="a graph needs whole numbers, got symbols or arrays"):
        graph_of("alexnet", input=(3, A, A))


def test_weights_are_shared_at_all_numbers() -> None:
    layers = (
        "  - linear: {name: a, features: width}\n"
        "  - linear: {name: b, features: width}\n"
        "  - linear: {name: c, features: width, tied: b}\n"
    )
    architecture = read(Document("net.yaml", f"input: [8]\nvars: {{width: 8}}\nlayers:\n{layers}"))
    for width, plain in ((ARRAY, (8, 16)), (A, (8, 16))):
        report = analyze(architecture, vars={"width": width})
        assert report.layer("c").params == 0
        for place, number in enumerate(plain):
            check(report, analyze(architecture, vars={"width": number}), place, {A: number})
    unlike = read(
        Document("net.yaml", f"input: [8]\nvars: {{width: 8}}\nlayers:\n{layers.replace('tied: b', 'tied: a')}")
    )
    with pytest.raises(SpecError, match="tied to a, whose weight is"):
        analyze(unlike, vars={"width": ARRAY})


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("vgg16", {"batch": numpy.array([1, 10**9])}),
        ("alexnet", {"input": (3, numpy.array([64, 10**6]), 10**6), "batch": 10**6, "dtype": "float64"}),
        ("mobilenet_v2", {"vars": {"width": numpy.array([1.0, 1e9])}}),
    ],
)
def test_an_array_never_wraps_around(name: str, settings: Any) -> None:
    with pytest.raises(SettingError, match=r"exceeds 2\^63 for some variants"):
        _ = analyze(name, **settings).totals.to_dict()


def test_what_just_fits_is_exact() -> None:
    batch = (2**63 - 1) // analyze("vgg16").totals.flops // 2
    assert (
        analyze("vgg16", batch=numpy.array([batch])).totals.to_dict()["flops"][0]
        == analyze("vgg16", batch=batch).totals.flops
    )


@pytest.mark.parametrize("empty", [numpy.array([], dtype=int), numpy.array([1.0, numpy.inf]), numpy.array([numpy.nan])])
def test_arrays_of_no_number_are_refused(empty: Any) -> None:
    for settings in ({"batch": empty}, {"input": (3, empty, 224)}, {"vars": {"classes": empty}}):
        with pytest.raises(SettingError):
            analyze("vgg16", **settings)
