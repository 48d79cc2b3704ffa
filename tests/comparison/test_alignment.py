"""Runs of equal items in two sequences: difflib's where there is little to look at, near linear beyond."""

import difflib
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archcalc.comparison import alignment
from archcalc.comparison.alignment import Run, matching_runs
from archcalc.comparison.diff import diff
from tests.specs_helper import layers, report

items = st.lists(st.integers(0, 5), max_size=30)


def near_linear(a: Sequence[int], b: Sequence[int]) -> list[Run]:
    """The runs as they are found where difflib would take too long."""
    return alignment._Alignment(list(a), list(b)).runs()


def assert_runs_of_equals(runs: list[Run], a: Sequence[int], b: Sequence[int]) -> None:
    x_end = y_end = 0
    for x, y, size in runs:
        assert size > 0
        assert x >= x_end
        assert y >= y_end
        x_end, y_end = x + size, y + size
        assert list(a[x:x_end]) == list(b[y:y_end])
    assert x_end <= len(a)
    assert y_end <= len(b)


def longest_common_subsequence(a: Sequence[int], b: Sequence[int]) -> int:
    row = [0] * (len(b) + 1)
    for item in a:
        above, row = row, [0]
        for j, other in enumerate(b):
            row.append(above[j] + 1 if item == other else max(above[j + 1], row[j]))
    return row[-1]


@given(items, items)
def test_below_the_limit_the_runs_are_those_of_difflib(a: list[int], b: list[int]) -> None:
    *expected, _ = difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
    assert matching_runs(a, b) == [tuple(run) for run in expected]


@given(items, items)
def test_runs_are_equal_and_in_order(a: list[int], b: list[int]) -> None:
    assert_runs_of_equals(near_linear(a, b), a, b)


@given(items, items)
def test_what_repeats_is_kept_as_far_as_it_can_be(a: list[int], b: list[int]) -> None:
    a, b = a + a, b + b  # nothing is there once, so that there are no anchors
    assert sum(size for _, _, size in near_linear(a, b)) == longest_common_subsequence(a, b)


@given(st.permutations(range(12)), st.permutations(range(12)))
def test_of_what_is_there_once_as_much_is_kept_as_stands_in_order(a: list[int], b: list[int]) -> None:
    assert sum(size for _, _, size in near_linear(a, b)) == longest_common_subsequence(a, b)


@pytest.mark.parametrize("kinds", [1, 3, 10**9])
def test_a_few_edits_of_a_long_sequence_are_found(kinds: int) -> None:
    random.seed(kinds)
    a = [random.randrange(kinds) for _ in range(30_000)]
    b = list(a)
    for _ in range(20):
        at = random.randrange(len(b))
        b[at : at + random.randrange(3)] = [random.randrange(kinds) for _ in range(random.randrange(3))]
    runs = matching_runs(a, b)
    assert_runs_of_equals(runs, a, b)
    assert len(a) - 40 <= sum(size for _, _, size in runs) <= len(a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([0, 1, 2] * 10_000, [3, 1, 2] * 10_000),
        ([0, 1, 2] * 10_000, [0, 1, 2, 3] * 10_000),
        (list(range(30_000)), [item for i in range(30_000) for item in (i, -1)]),
        (list(range(30_000)), list(range(30_000, 0, -1))),
        ([i % 7 for i in range(30_000)], [i % 11 for i in range(30_000)]),
    ],
    ids=["every third changed", "one more in each", "one behind each", "reversed", "periods"],
)
def test_work_is_bounded(a: list[int], b: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = dict.fromkeys(("_common", "find_longest_match"), 0)
    for owner, name in ((alignment._Alignment, "_common"), (alignment._Longest, "find_longest_match")):
        original = getattr(owner, name)

        def counted(*arguments: int, name: str = name, original: object = original) -> object:
            calls[name] += 1
            return original(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(owner, name, counted)
    assert_runs_of_equals(matching_runs(a, b), a, b)
    assert calls["_common"] <= alignment.MAX_STEPS + 4 * (len(a) + len(b))
    assert calls["find_longest_match"] <= alignment.MAX_WORK / len(a) + len(b)


def blocks(filters: int, repeat: int, more: str = "") -> str:
    unit = f"[{{conv: {{filters: {filters}, kernel: 1}}}}, batchnorm, relu]"
    head = f"input: [3, 8, 8]\nblocks: {{unit: {{layers: {unit}}}}}"
    return layers(f"unit: {{name: body, repeat: {repeat}}}", *([more] if more else []), head=head)


def test_a_block_whose_width_changes_in_a_thousand_repetitions() -> None:
    found = diff("net", report(blocks(8, 1_000)), report(blocks(12, 1_000)))
    assert [change.kind for change in found.layers] == ["changed"] * 3 * 1_000
    assert all(change.before and change.after for change in found.layers)


def test_of_many_equal_layers_only_those_that_came_are_new() -> None:
    found = diff("net", report(blocks(8, 1_000)), report(blocks(8, 1_003, "dropout")))
    assert [change.kind for change in found.layers] == ["added"] * 10
    before = report(layers("conv: {filters: 3, kernel: 1, repeat: 2000}"))
    after = report(layers("conv: {filters: 3, kernel: 3, pad: 1}", "conv: {filters: 3, kernel: 1, repeat: 2000}"))
    assert [change.kind for change in diff("net", before, after).layers] == ["added"] + ["renamed"] * 2_000
