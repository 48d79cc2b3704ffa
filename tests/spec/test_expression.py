import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archcalc import load
from archcalc.spec.expand import _Expansion
from archcalc.spec.expression import MAX_LENGTH, Expression
from archcalc.spec.source import MAX_NUMBER
from archcalc.spec.values import MAX_STEPS, ExpressionError, Steps, Value
from tests.specs_helper import layers, messages, report

VARIABLES: dict[str, Value] = {
    "width": 64,
    "scale": 0.5,
    "depths": (2, 3, 4),
    "flag": True,
    "word": "abc",
    "none": None,
}


def value(text: str) -> Value:
    return Expression(text)(VARIABLES)


def error(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("width", 64),
        ("4 * width", 256),
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-2 ** 2", -4),
        ("2 ** 3 ** 2", 512),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("7 / 2", 3.5),
        ("width * scale", 32.0),
        ("depths[0]", 2),
        ("depths[-1]", 4),
        ("[1, 2][1]", 2),
        ("[1, width]", (1, 64)),
        ("2 if flag else 1", 2),
        ("2 if width == 0 else 1", 1),
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("3 in depths", True),
        ("5 not in depths", True),
        ("not flag", False),
        ("flag and width", 64),
        ("0 or width", 64),
        ("word == 'abc'", True),
        ("none == 1", False),
        ("max(1, 2)", 2),
        ("min(depths)", 2),
        ("sum(depths)", 9),
        ("len(depths)", 3),
        ("abs(-3)", 3),
        ("round(2.5)", 2),
        ("floor(2.9)", 2),
        ("ceil(2.1)", 3),
        ("sqrt(16)", 4.0),
        ("divisible(width * scale + 1, 8)", 32),
        ("divisible(11, 8)", 16),
        ("divisible(3, 8, 16)", 16),
        ("  1 + 1  ", 2),
    ],
)
def test_value(text: str, expected: Value) -> None:
    assert value(text) == expected


def test_a_branch_that_is_not_taken_is_not_computed() -> None:
    assert value("1 if flag else 1 // 0") == 1
    assert value("flag or 1 // 0") is True
    assert value("flag and width and 0 and 1 // 0") == 0


def test_names_are_the_variables_that_it_reads() -> None:
    assert Expression("a * b[i] if max(c, 1) else 2").names == {"a", "b", "i", "c"}


def test_division_of_big_whole_numbers_is_exact() -> None:
    # As floats both would round to the same number.
    assert value(f"{10**18 - 2} / 2") == 5 * 10**17 - 1
    assert isinstance(value("6 / 2"), int)


@pytest.mark.parametrize("text", ["10**18 / 7", "(10**17 + 1) / 2"])
def test_division_that_a_float_rounds_to_a_whole_number_is_no_dimension(text: str) -> None:
    # 10^18 / 7 is no whole number; the float nearest to it is.
    assert "filters must be a whole number" in messages(layers(f"conv: {{filters: {text}, kernel: 3}}"))


def test_the_largest_number() -> None:
    assert value("10**18") == MAX_NUMBER
    assert str(error("10**18 + 1")) == "a number out of range"
    assert error("10**18 + 1").hint == "numbers go up to 10^18"


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("1 +* 2", "not an arithmetic expression", 3),
        ("2 * widht", "unknown variable 'widht'", 4),
        ("2 * maxx(1)", "unknown function 'maxx'", 4),
        ("1 + 2 // 0", "division by zero", 4),
        ("1 % 0", "division by zero", 0),
        ("0 ** -1", "division by zero", 0),
        ("1 + depths[3]", "index 3 is out of range for a list of 3", 4),
        ("1 + 9**9**9", "a power too large to be a dimension", 4),
        ("10**9 * 10**10", "a number out of range", 0),
        ("1e400", "a number out of range", 0),
        ("(-8) ** 0.5", "a complex number", 0),
        ("3j", "complex values are not part of the spec language", 0),
        ("None", "NoneType values are not part of the spec language", 0),
        ("b'a'", "bytes values are not part of the spec language", 0),
        ("depths * 2", "arithmetic on a list; it takes numbers", 0),
        ("word + word", "arithmetic on text; it takes numbers", 0),
        ("none + 1", "arithmetic on nothing; it takes numbers", 0),
        ("1 + ().__class__", "attribute access is not part of the spec language", 4),
        ("().__class__.__bases__", "attribute access is not part of the spec language", 0),
        ("__import__('os')", "unknown function '__import__'", 0),
        ("(max)(1)(2)", "this call is not part of the spec language", 0),
        ("max(depths, key=1)", "this call is not part of the spec language", 0),
        ("lambda: 1", "a lambda is not part of the spec language", 0),
        ("f'{width}'", "an f-string is not part of the spec language", 0),
        ("[x for x in depths]", "this syntax (ListComp) is not part of the spec language", 0),
        ("(x := 1)", "this syntax (NamedExpr) is not part of the spec language", 1),
        ("{1: 2}", "this syntax (Dict) is not part of the spec language", 0),
        ("max(*depths)", "this syntax (Starred) is not part of the spec language", 4),
        ("width is 64", "this syntax (Compare) is not part of the spec language", 0),
        ("width | 1", "this syntax (BinOp) is not part of the spec language", 0),
        ("1 << 2", "this syntax (BinOp) is not part of the spec language", 0),
        ("~1", "this syntax (UnaryOp) is not part of the spec language", 0),
        ("sqrt(-1)", "cannot be computed: math domain error", 0),
    ],
)
def test_error(text: str, message: str, offset: int) -> None:
    found = error(text)
    assert (str(found), found.offset) == (message, offset)


@pytest.mark.parametrize("text", ["", "1 +", "1 2", "a = 1", "(1", "1)", "010", "1\n+ 1", "pass", "$"])
def test_what_is_no_expression(text: str) -> None:
    assert str(error(text)) == "not an arithmetic expression"


@pytest.mark.parametrize(
    "text", ["1 + word[0] * 2", "max(1, word)", "-word", "len(1)", "depths[0.5]", "1 < word", "1 in 2"]
)
def test_types_that_do_not_go_together_are_an_error(text: str) -> None:
    error(text)


STEPS = "evaluating the spec takes more than 2,000,000 steps"


def test_a_spec_has_so_many_steps_and_is_told_so_once_where_they_end() -> None:
    block = "{params: {x: 0}, layers: [linear: sum(d)]}"
    head = f"vars:\n  d: [{', '.join('1' * 9_000)}]\nblocks: {{b: {block}}}\ninput: [8]"
    once = layers("linear: {features: sum(d) + i, repeat: 200}", head=head)
    assert report(once).layers[-1].output == (9_199,)
    said = messages(layers("linear: {features: sum(d) + i, repeat: 250}", "b: {x: sum(d)}", "linear: 1 + 2", head=head))
    assert said.count("error") == 1
    assert f"net.yaml:6:24: error: {STEPS}" in said
    assert said.endswith("hint: compute in `vars` what stays the same, and repeat fewer layers that differ")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("1", 1),
        ("1 + 2 * 3", 5),
        ("depths[1]", 3),
        ("sum(depths)", 2 + 3),
        ("[depths, 1] == 2", 5 + 5 + 5),
        ("2 in depths", 6),
    ],
)
def test_steps_are_parts_of_an_expression_and_items_of_lists(text: str, steps: int) -> None:
    store = Steps()
    Expression(text, store)(VARIABLES)
    assert MAX_STEPS - store.left == steps


def test_shipped_architectures_take_few_steps() -> None:
    for name in ("swin_b", "efficientnet_v2_l", "resnet152"):
        expansion = _Expansion(load(name), {}, {})
        expansion.run()
        assert 0 < MAX_STEPS - expansion.evaluate._steps.left < 5_000


# What Python takes with a warning, of which it tells whoever runs it.
WARNED_OF = [
    "1if flag else 2",
    "1 if flag else 2or 3",
    "0x1for 2",
    "0xfor 2",
    "1.if flag else 2",
    "1.5or 2",
    "1e5or 2",
    r"word == '\d'",
    "1 \\\n+ 1",
]


@pytest.mark.parametrize("text", [*WARNED_OF, "1 is 1", "(1)(2)", "'a'(1)", "[1][1, 2]"])
def test_no_warning_of_python_reaches_anybody(text: str, recwarn: pytest.WarningsRecorder) -> None:
    error(text)
    assert not recwarn.list


@pytest.mark.parametrize("text", WARNED_OF)
def test_what_python_warns_of_is_no_expression_where_it_stands(text: str) -> None:
    found = error(text)
    assert str(found) == "not an arithmetic expression"
    assert text[found.offset - 1] in "0123456789.f\\"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0x1f + 0b11 + 0o17", 0x1F + 0b11 + 0o17),
        ("1_000", 1000),
        ("1e2", 100.0),
        ("1.5e-1 + .5 + 1.", 1.65),
        ("word == '2if'", False),
        ('word == "3or"', False),
        ("w1if + x2or_3", 5),
    ],
)
def test_numbers_and_words_beside_one_another(text: str, expected: Value) -> None:
    assert Expression(text)({**VARIABLES, "w1if": 2, "x2or_3": 3}) == expected


def test_an_offset_counts_characters() -> None:
    # Python's own offsets count bytes.
    with pytest.raises(ExpressionError) as caught:
        Expression("größe * x")({"größe": 1})
    assert caught.value.offset == len("größe * ")


def test_hints_name_what_is_near_or_known() -> None:
    assert error("widht").hint == "did you mean width?"
    assert error("qqq").hint == "known here: width, scale, depths, flag, word, none"
    assert error("flor(1)").hint == "did you mean floor?"
    assert str(error("x" * (MAX_LENGTH + 1))) == "an expression longer than 1,000 characters"


_numbers = st.integers(-20, 20).map(lambda n: str(n) if n >= 0 else f"({n})")


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # The forms without brackets leave it to precedence what belongs together.
    binary = st.sampled_from(["+", "-", "*", "//", "%"])
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    logic = st.sampled_from(["and", "or"])
    pair = st.one_of(*(st.tuples(inner, op, inner).map(" ".join) for op in (binary, compare, logic)))
    return st.one_of(
        pair,
        pair.map("({})".format),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        inner.map("(-({}))".format),
        inner.map("(not {})".format),
        st.tuples(inner, compare, inner, compare, inner).map(lambda t: f"({' '.join(t)})"),
    )


@given(st.recursive(_numbers, _deeper, max_leaves=12))
def test_agrees_with_python(text: str) -> None:
    # Twelve factors of at most 20 stay below the largest number.
    try:
        expected: Any = eval(text)
    except ZeroDivisionError:
        assert str(error(text)) == "division by zero"
        return
    found = value(text)
    assert found == expected
    assert isinstance(found, type(expected))


@given(st.text(max_size=200))
@example("(" * 400 + "1" + ")" * 400)
@example("[" * 150 + "]" * 150)
@example("-" * 999 + "1")
@example("not " * 249 + "1")
@example("+".join(["1"] * 500))
@example("9" * 999)
@example("1." + "9" * 900 + "e999")
@example("0x" + "f" * 900)
@example("1 if " * 150 + "1" + " else 1" * 100)
@example("a" + "[0]" * 300)
@example("'\\d'")
@example("\0")
@example("1\n+2")
@example("\\")
@example("'\ud800'")
@example("\ud800")
@example("x" * 10**6)
def test_nothing_but_expression_errors_comes_out_of_any_text(text: str) -> None:
    _tried(text)


_WORDS = [
    *(
        [
            "1",
            "23",
            "0.5",
            "+",
            "-",
            "*",
            "/",
            "//",
            "%",
            "**",
            "(",
            ")",
            "[",
            "]",
            ",",
            "<",
            "==",
            "in",
            "not",
            "and",
            "if",
            "else",
        ]
    ),
    *(["width", "depths", "max", "sqrt", "round", "divisible", "word", "'a'", "none"]),
]


@given(st.lists(st.sampled_from(_WORDS), max_size=25).map(" ".join))
@example("1 / 10**-400")
@example("sum([[1], [2]], [])")
@example("min()")
@example("max([])")
@example("divisible(1, 0)")
@example("divisible('a', 'b')")
@example("round(1.5, 'a')")
@example("round(0.5, -400)")
@example("depths[10**18]")
@example("word[none]")
@example("1 in none")
@example("len(width)")
def test_nothing_but_expression_errors_comes_out_of_words_of_the_language(text: str) -> None:
    _tried(text)


def _tried(text: str) -> None:
    try:
        found = value(text)
    except ExpressionError:
        return
    if isinstance(found, int | float):
        assert math.isfinite(found)
        assert abs(found) <= MAX_NUMBER


def test_a_whole_float_is_a_whole_number_in_a_spec() -> None:
    text = layers("conv: {filters: 64 * width, kernel: 3}", head="vars: {width: 0.5}\ninput: [3, 8, 8]")
    assert report(text).layers[0].output == (32, 6, 6)
