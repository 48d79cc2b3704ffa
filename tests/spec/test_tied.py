"""Weights that two layers share, and layers that run in training alone."""

import pytest

from tests.specs_helper import messages, numbers, report

TIED = """
input: [6]
layers:
  - linear: {name: a, features: 6, bias: false}
  - linear: {name: b, features: 6, tied: a}
  - linear: {name: c, features: 6, bias: false, tied: b}
  - linear: {name: d, features: 5, bias: false, tied: a}
"""


def test_tied_weights_are_counted_once() -> None:
    found = report(TIED.replace("features: 5", "features: 6"))
    assert [(row.params, row.tied, row.macs) for row in found.layers] == [
        (36, None, 36),
        (6, "a", 36),
        (0, "b", 36),
        (0, "a", 36),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("", ""), "d: tied to a, whose weight is 6×6, but needs 5×6"),
        (("tied: b", "tied: input"), "tied: the input holds no weights"),
        (("tied: b", "tied: d"), "tied: 'd' is defined later, in line 7"),
        (("tied: b", "tied: e"), "tied: no layer named 'e'"),
        (("tied: b", "tied: [a]"), "tied must be a name"),
    ],
)
def test_what_cannot_be_tied(change: tuple[str, str], message: str) -> None:
    assert message in messages(TIED.replace(*change))


def test_structures_cannot_be_tied() -> None:
    assert "sequence has no field 'tied'" in messages("input: [4]\nlayers: [{sequence: {tied: a, layers: [relu]}}]")


BLOCKS = """
input: [6]
blocks:
  inner: {layers: [{linear: {name: fc, features: 6}}, {batchnorm: {name: bn}}]}
  outer:
    params: {deep: true}
    layers:
      - linear: {name: first, features: 6}
      - relu
      - inner: {name: inner, repeat: 2, when: deep}
      - linear: {name: last, features: 6, bias: false, tied: first}
layers:
  - outer: {name: a}
  - outer: {name: b, tied: a}
  - outer: {name: c, tied: b}
  - inner: {name: d, tied: a.inner.1}
"""


def test_a_block_uses_the_weights_of_another_call_of_it() -> None:
    found = report(BLOCKS)
    assert {row.name: row.tied for row in found.layers if row.tied is not None} == {
        "a.last": "a.first",
        "b.first": "a.first",
        "b.inner.0.fc": "a.inner.0.fc",
        "b.inner.0.bn": "a.inner.0.bn",
        "b.inner.1.fc": "a.inner.1.fc",
        "b.inner.1.bn": "a.inner.1.bn",
        "b.last": "b.first",
        "c.first": "b.first",
        "c.inner.0.fc": "b.inner.0.fc",
        "c.inner.0.bn": "b.inner.0.bn",
        "c.inner.1.fc": "b.inner.1.fc",
        "c.inner.1.bn": "b.inner.1.bn",
        "c.last": "c.first",
        "d.fc": "a.inner.1.fc",
        "d.bn": "a.inner.1.bn",
    }
    assert found.totals.params == 3 * 42 + 2 * 12
    assert found.totals.buffers == 7 * 13


def test_a_layer_that_holds_no_weights_is_not_tied_with_its_block() -> None:
    assert [row.tied for row in report(BLOCKS).layers if row.kind == "relu"] == [None] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name: b, tied: a", "name: b, tied: e"), "net.yaml:14:28: error: tied: no layer named 'e'"),
        (("name: b, tied: a", "name: b, tied: input"), "net.yaml:14:28: error: tied: the input holds no weights"),
        (("name: b, tied: a", "name: b, tied: b"), "net.yaml:14:28: error: tied: 'b' is this layer itself"),
        (("name: a}", "name: a, deep: false}"), "net.yaml:14:28: error: tied: 'a' lacks layers that 'b' has"),
        (("a.inner.1", "a.first"), "net.yaml:16:28: error: tied: 'a.first' lacks layers that 'd' has"),
    ],
)
def test_what_a_block_cannot_be_tied_to(change: tuple[str, str], message: str) -> None:
    said = messages(BLOCKS.replace(*change))
    assert said.startswith(message)
    assert said.count("lacks layers") <= 1


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("conv: {filters: 4, kernel: [1, 9]}", "conv: {filters: 4, kernel: [9, 1]}", "is 4×4×1×9, but needs 4×4×9×1"),
        ("conv: {filters: 4, kernel: 1}", "linear: {features: 4, channels_last: true}", "is 4×4×1×1, but needs 4×32"),
        ("conv: {filters: 4, kernel: 3, groups: 2}", "conv: {filters: 2, kernel: 3}", "is 4×2×3×3, but needs 2×4×3×3"),
        ("lstm: {hidden: 4}", "gru: {hidden: 4}", "weight_ih_l0 is 16×4, but needs 12×4"),
        ("conv: {filters: 4, kernel: 1}", "rnn: {hidden: 4}", "which has no weight_ih_l0, but needs one of 4×4"),
        ("batchnorm", "relu", "but holds no weights of its own"),
    ],
)
def test_shapes_of_weights_must_agree(a: str, b: str, message: str) -> None:
    a, b = (_named(layer, name) for layer, name in ((a, "a"), (b, "b, from: y, tied: a")))
    shape = "[32, 4]" if "hidden" in a + b else "[4, 32, 32]"
    first = "{parameter: {name: x, shape: [32, 4]}}" if "hidden" in a else "{relu: {name: x}}"
    text = f"input: [4, 32, 32]\nlayers: [{first}, {a}, {{parameter: {{name: y, shape: {shape}}}}}, {b}]"
    assert message in messages(text)


def _named(layer: str, name: str) -> str:
    kind, _, fields = layer.partition(": {")
    return f"{{{kind}: {{name: {name}{', ' if fields else ''}{fields or '}'}}}"


def test_running_statistics_are_each_layers_own() -> None:
    found = report("input: [4, 5, 5]\nlayers: [{batchnorm: {name: a}}, {batchnorm: {tied: a}}]")
    assert [(row.params, row.buffers) for row in found.layers] == [(8, 9), (0, 9)]


AUXILIARY = """
input: [6]
vars: {heads: true}
layers:
  - linear: {name: a, features: 6}
  - sequence: {name: aux, train_only: heads, layers: [{linear: 4}, {linear: {features: 2, train_only: true}}]}
  - linear: {name: b, features: 3, from: a}
"""


def test_layers_that_run_in_training_alone_hold_parameters_and_cost_nothing() -> None:
    found = report(AUXILIARY)
    assert [(row.name, row.params, row.macs, row.memory_bytes, row.train_only) for row in found.layers] == [
        ("a", 42, 36, 24, False),
        ("aux.fc1", 28, 0, 0, True),
        ("aux.fc2", 10, 0, 0, True),
        ("b", 21, 18, 12, False),
    ]
    assert numbers(AUXILIARY.replace("train_only: heads, ", ""))[0] == numbers(AUXILIARY)[0]


def test_the_next_layer_reads_what_such_a_branch_read() -> None:
    assert numbers(AUXILIARY.replace(", from: a}", "}")) == numbers(AUXILIARY)


def test_train_only_is_a_condition() -> None:
    assert "train_only must be a condition" in messages(AUXILIARY.replace("train_only: heads", "train_only: [1]"))


def test_what_runs_in_training_alone_cannot_be_read() -> None:
    text = AUXILIARY.replace("from: a}", "from: aux}")
    assert "from: aux.fc2 runs only in training" in messages(text)
