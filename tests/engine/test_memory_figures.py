"""Memory of small networks whose figures were once too low, as numbers that PyTorch 2.13 measures on a CPU."""

import pytest

from tests.specs_helper import layers, report

PEAKS = {
    "heads of queries share keys and values without a copy": (
        layers(
            "linear: {name: q, features: 256}",
            "linear: {name: k, features: 64, from: input}",
            "linear: {name: v, features: 64, from: input}",
            "attention: {heads: 8, kv_heads: 2, from: [q, k, v]}",
            head="input: [64, 256]",
        ),
        231_424,
    ),
    "values narrower than queries have no fused attention, and shared heads are repeated": (
        layers(
            "linear: {name: q, features: 256}",
            "linear: {name: k, features: 64, from: input}",
            "linear: {name: v, features: 32, from: input}",
            "attention: {heads: 8, kv_heads: 2, from: [q, k, v]}",
            head="input: [64, 256]",
        ),
        581_632,
    ),
    "an even kernel pads by a copy": (
        layers("conv: {filters: 16, kernel: 2, pad: same}", head="input: [16, 64, 64]"),
        794_688,
    ),
    "a max pooling holds indices": (
        layers("maxpool: {kernel: 3, stride: 1, pad: 1}", head="input: [4, 128, 128]"),
        1_048_576,
    ),
    "a softsign takes two steps before the last": (layers("softsign", head="input: [4, 32, 32]"), 49_152),
    "a second end is alive to the end": (
        layers("relu: {name: a}", "relu: {name: b}", "relu: {name: c, from: a}", head="input: [100]"),
        1_600,
    ),
}


@pytest.mark.parametrize(("text", "peak"), PEAKS.values(), ids=PEAKS)
def test_peaks(text: str, peak: int) -> None:
    assert report(text).totals.peak_memory_bytes == peak


KEPT = {
    "a group norm keeps a copy of what is not in order": (
        layers("conv: {filters: 8, kernel: 1}", "slice: {axis: 2, step: 2}", "groupnorm: 2", head="input: [4, 16, 16]"),
        1,
        [4_096, 0, 4_112],
    ),
    "of the network's input, an rmsnorm keeps what its weights need": (
        layers("rmsnorm", head="input: [64, 128]"),
        1,
        [32_768],
    ),
    "a parameter is one tensor for all samples": (
        layers("parameter: {name: w, shape: [128, 64]}", "matmul: {from: [input, w]}", head="input: [32, 128]"),
        8,
        [0, 131_072],
    ),
}


@pytest.mark.parametrize(("text", "batch", "kept"), KEPT.values(), ids=KEPT)
def test_kept_for_the_backward_pass(text: str, batch: int, kept: list[int]) -> None:
    assert [row.saved_for_backward_bytes for row in report(text, batch=batch).layers] == kept


def test_an_unknown_peak_has_no_total() -> None:
    found = report(layers("linear: 4", "gru: 3", "linear: 2", head="input: [5, 4]"))
    assert [row.live_bytes is None for row in found.layers] == [False, True, False]
    assert (found.totals.peak_memory_bytes, found.totals.saved_for_backward_bytes) == (None, None)
