"""Figures that were once wrong on networks that do not ship: indices, and what lies along the axis of channels."""

import pytest

from tests.specs_helper import layers, report

INDICES = layers(
    "slice: {axis: 0, stop: 4}",
    "tile: {axis: 0, times: 3}",
    "embedding: {vocabulary: 10, features: 3}",
    head="input: [8]",
)


@pytest.mark.parametrize(("dtype", "bytes_per_number"), [("float32", 4), ("float16", 2), ("float64", 8)])
def test_indices_are_int64_at_any_dtype(dtype: str, bytes_per_number: int) -> None:
    rows = report(INDICES, dtype=dtype, batch=2).layers
    assert [row.memory_bytes for row in rows] == [2 * 4 * 8, 2 * 12 * 8, 2 * 36 * bytes_per_number]


def test_verify_checks_indices() -> None:
    pytest.importorskip("torch")
    verify = pytest.importorskip("archcalc.torch_backend.verify")
    from tests.specs_helper import graph

    found = verify.verify(graph(INDICES), report(INDICES, dtype="float16"), device="cpu", memory=True)
    assert (found.verdict, found.count("not checkable")) == ("agrees", 0)


POOL = "avgpool1d: {kernel: 3, stride: 1}"


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (layers("avgpool: 2", "lrn: 3"), (2, 2)),
        (layers("transpose", "lrn: {size: 3}", head="input: [6, 12]"), None),
        (layers("channel_shuffle: 3", "avgpool: 2"), (2, 2)),
        (layers("transpose", "channel_shuffle: 2", "transpose", head="input: [6, 14]"), None),
        (
            layers(
                "avgpool1d: {kernel: 3, stride: 1}",
                "pad: {pad: 2, mode: circular}",
                "avgpool1d: {kernel: 2, stride: 1}",
                head="input: [6, 14]",
            ),
            None,
        ),
        (
            layers(
                "avgpool1d: {kernel: 3, stride: 1}",
                "pad: {pad: 2, mode: reflect}",
                "avgpool1d: {kernel: 2, stride: 1}",
                head="input: [6, 14]",
            ),
            (4,),
        ),
    ],
)
def test_receptive_fields_where_channels_mix_or_ends_meet(text: str, field: tuple[int, ...] | None) -> None:
    assert report(text).layers[-1].receptive_field == field


def test_a_view_of_an_unknown_layout_is_known() -> None:
    text = layers(
        "permute: [3, 0, 1, 2]",
        "conv3d: {filters: 3, kernel: 1}",
        "permute: [1, 2, 3, 0]",
        "relu",
        "unsqueeze: 0",
        "squeeze: 0",
        head="input: [4, 4, 4, 2]",
    )
    assert report(text).totals.peak_memory_bytes is not None
    assert report(text).totals.saved_for_backward_bytes is not None
