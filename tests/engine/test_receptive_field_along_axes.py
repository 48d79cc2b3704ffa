"""Receptive fields through layers that move, merge, cut and average axes, against gradients of a real forward pass."""

from typing import Any

import pytest

import archcalc
from archcalc.engine.report import LayerReport
from archcalc.layers.core.arithmetic import Shape
from archcalc.spec.architecture import read
from archcalc.spec.source import Document

torch = pytest.importorskip("torch")
backend = pytest.importorskip("archcalc.torch_backend.layer")

CONV = "conv: {filters: 2, kernel: 3}"
STRIDED = "conv: {filters: 2, kernel: 3, stride: 2}"
POINTWISE = "conv: {filters: 2, kernel: 1}"
TOKENS = ["flatten: {start: 1}", "transpose"]


def chain(layers: list[str], input: Shape) -> list[LayerReport]:
    lines = [f"input: {list(input)}", "layers:", *(f"  - {layer}" for layer in layers)]
    return list(archcalc.analyze(read(Document("chain.yaml", "\n".join(lines)))).layers)


def seen(rows: list[Any], input: Shape) -> Shape:
    """How far apart the first and last input are that an output depends on, at the most, along each dimension."""
    x = torch.rand(1, *input, requires_grad=True)
    y = x
    for row in rows:
        module = backend.module_of(row.layer, [y]).eval()
        for parameter in module.parameters():
            torch.nn.init.uniform_(parameter, 0.1, 1)  # nothing cancels out
        y = backend.call(module, [y], row.layer.torch.result)
    widest = [0] * (len(input) - 1)
    for output in y.flatten():
        (slope,) = torch.autograd.grad(output, x, retain_graph=True)
        places = slope[0].sum(0).nonzero()
        extents = (places.max(0).values - places.min(0).values + 1).tolist()
        widest = [max(pair) for pair in zip(widest, extents, strict=True)]
    return tuple(widest)


@pytest.mark.parametrize(
    "layers",
    [
        [CONV, "slice: {axis: 1, start: 2, stop: -1}", CONV],
        [CONV, "slice: {axis: 2, start: 1, step: 2}", CONV],
        [CONV, "permute: [1, 2, 0]", "slice: {axis: 0, step: 2}", "permute: [2, 0, 1]", CONV],
        [STRIDED, "crop: 3", CONV],
        ["crop: 8", STRIDED, "crop: 2", "mean: [-1, -2]"],
        [CONV, "crop: 5", "flatten", "linear: 2"],
        ["adaptive_avgpool: [11, 4]", "crop: [5, 2]", "flatten", "linear: 2"],
        [CONV, "transpose: {a: 1, b: 2}", "mean: {axis: 1, keep: true}", "transpose: {a: 1, b: 2}"],
        [CONV, "unsqueeze: 0", "squeeze: 0", CONV],
        [CONV, *TOKENS],
        [CONV, *TOKENS, "mean: 0"],
        [CONV, *TOKENS, "mean: 1"],
        [CONV, *TOKENS, "mean: {axis: 1, keep: true}", "mean: 0"],
        [CONV, "mean: 1", "mean: 1"],
        [CONV, "mean: {axis: 1, keep: true}"],
        [CONV, "mean: {axis: [0, 1], keep: true}", "mean: -1"],
        ["conv: {filters: 2, kernel: [11, 1]}", "squeeze: 1"],
        ["pixel_unshuffle: 2", POINTWISE, CONV],
        ["conv: {filters: 4, kernel: 3}", "channel_shuffle: 2", CONV],
        ["conv: {filters: 4, kernel: 3}", "chunk: {chunks: 2, index: 1}", CONV],
    ],
    ids=str,
)
def test_what_an_output_sees_is_what_it_depends_on(layers: list[str]) -> None:
    input = (1, 11, 12) if "pixel_unshuffle: 2" not in layers else (1, 12, 12)
    rows = chain(layers, input)
    assert rows[-1].receptive_field == seen(rows, input)


@pytest.mark.parametrize(
    "layers",
    [
        [CONV, "pixel_shuffle: 1", CONV],
        [CONV, "reshape: [2, 10, 9]", CONV],
        [CONV, "roll: {shifts: [1], axes: [1]}", CONV],
        [CONV, "permute: [1, 0, 2]", POINTWISE],
        [CONV, *TOKENS, "unsqueeze: 0", POINTWISE],
        [CONV, "flatten", "unsqueeze: 0", "unsqueeze: 0", "conv: {filters: 2, kernel: [1, 3]}"],
        [CONV, "reshape: [10, -1]", "mean: 0"],
    ],
    ids=str,
)
def test_what_is_not_followed_is_unknown(layers: list[str]) -> None:
    assert chain(layers, (1, 11, 12))[-1].receptive_field is None


def test_what_has_seen_everything_stays_so() -> None:
    rows = chain([CONV, "flatten", "linear: 12", "reshape: [3, 4]", "mean: 0"], (1, 11, 12))
    assert [row.receptive_field for row in rows[2:]] == [(11, 12)] * 3
