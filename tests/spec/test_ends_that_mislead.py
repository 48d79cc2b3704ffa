"""Values that are read in name alone, inputs and outputs that are not there, and indices that are no indices."""

from pathlib import Path

import pytest

from archcalc import Builder, SpecError, analyze, load
from archcalc.errors import GraphError
from archcalc.layers.linear import Linear
from archcalc.layers.merge import Add
from archcalc.spec.writer import flat_spec
from tests.running import piped
from tests.specs_helper import graph, layers, messages, report, spec

QUERIES = layers(
    "conv: {name: a, filters: 4, kernel: 1}",
    "conv: {name: b, filters: 4, kernel: 1}",
    "parameter: {name: q, shape: [10, 32]}",
    "linear: {name: end, features: 5}",
    "conv: {name: c, filters: 2, kernel: 1, from: a}",
)


def test_a_learned_tensor_does_not_read_the_layer_before_it() -> None:
    """Its own numbers are all that the layers after it see: what is written before it is an end, and no way to it."""
    found = report(QUERIES)
    assert [output.name for output in found.outputs] == ["b", "end", "c"]
    assert {row.name: row.depth for row in found.layers} == {"a": 1, "b": 2, "q": 0, "end": 1, "c": 2}
    assert {row.bytes_moved for row in report(QUERIES, batch=3).layers if row.name == "q"} == {4 * (320 + 320)}
    assert "b: no layer reads it, and it is not an output" in messages(f"outputs: [end, c]\n{QUERIES}")
    assert report(f"outputs: [end, c]\nunused: [b]\n{QUERIES}").outputs == found.outputs[1:]


def test_pytorch_gives_what_a_learned_tensor_stands_behind() -> None:
    torch = pytest.importorskip("torch")
    from archcalc.torch_backend.build import build

    b, end, c = build(graph(QUERIES))(torch.rand(2, 3, 8, 8))
    assert [tuple(y.shape) for y in (b, end, c)] == [(2, 4, 8, 8), (1, 10, 5), (2, 2, 8, 8)]


def test_a_network_that_gives_nothing_is_refused() -> None:
    no_output = "error: the network has no output in eval mode"
    assert no_output in messages("unused: [a]\n" + layers("linear: {name: a, features: 2}", head="input: [8]"))
    aux = layers("linear: {name: a, features: 2}", "linear: {name: aux, features: 2, train_only: true}")
    assert no_output in messages(f"outputs: [aux]\nunused: [a]\n{aux}")
    builder = Builder("net", input=(8,))
    aside = builder.add(Linear(features=2), train_only=True)
    with pytest.raises(GraphError, match="net has no output in eval mode"):
        builder.graph(outputs=[aside])


def test_an_input_that_no_layer_reads() -> None:
    head = "inputs: {a: [8], b: [5]}"
    text = layers("linear: 3", head=head)
    assert "net.yaml:1:21: error: input b: no layer reads it" in messages(text)
    assert messages(f"unused: [a, b]\n{text}").splitlines()[0].endswith("unused: 'a' is read by a layer")
    found = graph(f"unused: [b]\n{text}")
    assert graph(flat_spec(found)) == found


def test_what_replaces_an_unused_layer_is_used(tmp_path: Path) -> None:
    base = layers(
        "linear: {name: a, features: 2}",
        "linear: {name: probe, features: 2}",
        "relu: {name: b, from: a}",
        head="input: [8]",
    )
    (tmp_path / "base.yaml").write_text(f"outputs: [b]\nunused: [probe]\n{base}")
    path = tmp_path / "own.yaml"
    path.write_text("extends: base.yaml\nreplace:\n  probe: []\n")
    assert [row.name for row in analyze(load(path)).layers] == ["a", "b"]
    path.write_text("extends: base.yaml\nreplace:\n  probe: [linear: 7]\n")
    with pytest.raises(SpecError, match="probe: no layer reads it"):
        analyze(load(path))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("linear: 4", "embedding: {vocabulary: 10, features: 3}"), "3:5: error: fc1: linear computes numbers, and"),
        (("linear: 4", "reshape: [2, 2]", "embedding: {vocabulary: 9, features: 3}"), "3:5: error: fc1: linear comp"),
        (
            ("embedding: {vocabulary: 10, features: 3}", "linear: {features: 2, from: input}"),
            "4:5: error: fc1: linear takes numbers, got indices that another layer takes",
        ),
    ],
)
def test_indices_are_no_numbers(lines: tuple[str, ...], message: str) -> None:
    text = layers(*lines, head="input: [8]")
    assert messages(text).count("error") == 1
    assert message in messages(text)
    torch = pytest.importorskip("torch")
    ids = torch.zeros(1, 8, dtype=torch.long)
    with pytest.raises(RuntimeError):  # PyTorch refuses it, too
        torch.nn.Linear(8, 4)(ids)


def test_a_budget_is_written_for_several_inputs(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        layers("add: {from: [a, b]}", "conv: {filters: 3, kernel: 1}", head="inputs: {a: [3, 8, 8], b: [3, 8, 8]}")
    )
    made = piped("budget", "init", str(path), "--input", "a=3x9x9", "--input", "b=3x9x9")
    assert (made.returncode, made.stdout) == (0, "")
    assert path.read_text().splitlines()[1:3] == [
        "budget:",
        "  settings: {batch: 1, dtype: float32, convention: lecture, input: {a: [3, 9, 9], b: [3, 9, 9]}}",
    ]
    assert piped("check", str(path)).returncode == 0


def test_captions_and_hints_name_the_inputs(tmp_path: Path) -> None:
    two = "inputs: {a: [8], b: [9]}"
    assert "hint: inputs: a, b" in messages(layers("add: {from: [a, b]}", head=two))
    path = tmp_path / "net.yaml"
    path.write_text(layers("concat: {from: [a, b]}", "linear: 2", head=two))
    assert "input a 5 · batch 1" in piped("diff", str(path), str(path), "--input", "a=5").stdout
    assert "inputs a 5, b 9 for all" in piped("compare", str(path), str(path), "--input", "a=5").stdout
    builder = Builder("net", input={"a": (8,), "b": (8,)})
    with pytest.raises(GraphError, match="unknown value 7\n  hint: 0 to 1 are the inputs; the last value is 1"):
        builder.add(Add(), 0, 7)


def test_a_name_that_a_spec_cannot_have() -> None:
    builder = Builder("net", input={"a-b": (8,)})
    builder.add(Linear(features=2))
    with pytest.raises(SpecError, match="cannot be written as a spec: invalid input name 'a-b'\n  hint: choose other"):
        flat_spec(builder.graph())
    assert spec(layers("linear: 2")).inputs
