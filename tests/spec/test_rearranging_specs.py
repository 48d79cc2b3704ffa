"""Specs with layers that rearrange, cut and join tensors."""

import pytest

import archcalc
from archcalc.engine.report import LayerReport
from archcalc.layers import joins
from archcalc.render.columns import FACTS
from archcalc.spec.architecture import read
from archcalc.spec.source import Document


def rows(*layers: str) -> dict[str, LayerReport]:
    lines = ["input: [8, 6, 6]", "layers:", *(f"  - {layer}" for layer in layers)]
    report = archcalc.analyze(read(Document("net.yaml", "\n".join(lines))))
    return {row.name: row for row in report.layers}


def test_what_rearranges_is_named_without_a_number() -> None:
    found = rows(
        "conv: {filters: 8, kernel: 3}", "slice: {axis: 0, stop: 4}", "pad: 1", "pixel_shuffle: 2", "mean: 0", "flatten"
    )
    assert list(found) == ["conv1", "slice", "pad", "pixel_shuffle", "mean1", "flatten"]


def test_fields_may_be_expressions() -> None:
    assert rows("reshape: [2 * 2, -1, 36 // 2]")["reshape"].output == (4, 4, 18)


def test_attention_written_out() -> None:
    tokens = ["flatten: 1", "transpose: {name: x}"]
    qkv = [f"chunk: {{name: {name}, chunks: 4, index: {k}, axis: -1, from: x}}" for k, name in enumerate("qkv")]
    found = rows(*tokens, *qkv, "transpose: {from: k}", "matmul: {from: [q, transpose]}", "matmul: {from: [matmul, v]}")
    assert (found["matmul"].output, found["matmul"].macs) == ((36, 36), 36 * 36 * 2)
    assert (found["matmul_2"].output, found["matmul_2"].macs) == ((36, 2), 36 * 36 * 2)


@pytest.mark.parametrize("kind", ["sub", "matmul"])
def test_what_takes_two_inputs_joins_no_more(kind: str) -> None:
    with pytest.raises(archcalc.SpecError, match=f"{kind} needs two inputs, got 3"):
        rows("relu: {name: a}", f"{kind}: {{from: [a, a, a]}}")
    assert sorted(joins()) == ["add", "concat", "mul"]


def test_inputs_that_would_do_with_broadcast() -> None:
    layers = ["relu: {name: a}", "mean: {name: b, axis: 0, keep: true}"]
    assert rows(*layers, "add: {from: [a, b], broadcast: true}")["add"].output == (8, 6, 6)
    with pytest.raises(archcalc.SpecError, match="add needs inputs of one shape, got 8×6×6 and 1×6×6"):
        rows(*layers, "add: {from: [a, b]}")


def test_the_step_of_a_slice_is_no_stride() -> None:
    row = rows("slice: {axis: 1, step: 2}")["slice"]
    _, stride = FACTS["stride"]
    assert stride(row) == ""
