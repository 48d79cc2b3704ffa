"""Norms, activations and layers on tokens within a spec: names, what they see, and what they say of a misfit."""

import textwrap

import pytest

import archcalc
from archcalc.engine.report import Report
from archcalc.errors import SpecError
from archcalc.spec.architecture import read
from archcalc.spec.source import Document


def analyzed(text: str) -> Report:
    return archcalc.analyze(read(Document("net.yaml", textwrap.dedent(text))))


def said(input: str, layer: str) -> tuple[str, str | None]:
    with pytest.raises(SpecError) as caught:
        analyzed(f"input: {input}\nlayers:\n  - {layer}\n")
    (problem,) = caught.value.problems
    return problem.message.partition(": ")[2], problem.hint


def test_an_encoder_block_of_tokens() -> None:
    report = analyzed(
        """
        input: [196]
        layers:
          - embedding: {vocabulary: 1000, features: 64}
          - class_token
          - position_embedding
          - residual:
              main:
                - layernorm
                - linear: {features: 256}
                - gelu
                - linear: {features: 64}
                - layer_scale: {axis: -1}
                - stochastic_depth: {p: 0.1}
          - rmsnorm
          - linear: {features: 128}
          - glu: -1
        """
    )
    names = " ".join(row.name for row in report.layers)
    assert names == "embedding class_token pos ln fc1 gelu1 fc2 layer_scale2 stochastic_depth2 add2 rms2 fc3 glu3"
    assert [row.output for row in report.layers] == [
        (196, 64),
        *[(197, 64)] * 3,
        *[(197, 256)] * 2,
        *[(197, 64)] * 5,
        (197, 128),
        (197, 64),
    ]
    assert [row.params for row in report.layers if row.params] == [
        1000 * 64,
        64,
        197 * 64,
        2 * 64,
        64 * 256 + 256,
        256 * 64 + 64,
        64,
        64,
        64 * 128 + 128,
    ]
    assert report.totals.macs == 197 * (64 * 256 + 256 * 64 + 64 * 128)


def test_names_of_norms_of_maps() -> None:
    report = analyzed(
        """
        input: [4, 8, 8]
        layers: [conv: {filters: 4, kernel: 3}, groupnorm: 2, instancenorm, layernorm: 3, rmsnorm: 3, batchnorm]
        """
    )
    assert [row.name for row in report.layers] == ["conv1", "gn1", "instancenorm1", "ln1", "rms1", "bn1"]


SEEN = {
    "softmax": (3, 3),
    "glu": (3, 3),
    "softmax: 1": None,
    "glu: 1": None,
    "softmax: -1": (3, 9),
    "linear: {features: 2, channels_last: true}": (3, 9),
    "layernorm: 1": (3, 9),
    "layernorm: 2": None,
    "layernorm: 3": (8, 9),
    "rmsnorm: 3": (8, 9),
    "groupnorm: 2": (8, 9),
    "instancenorm": (8, 9),
    "instancenorm: {track: true}": (3, 3),
    "layer_scale": (3, 3),
    "position_embedding": (3, 3),
    "celu": (3, 3),
    "parameter: {shape: [5]}": None,
}


@pytest.mark.parametrize("layer", SEEN)
def test_what_an_output_sees(layer: str) -> None:
    report = analyzed(f"input: [3, 8, 9]\nlayers:\n  - conv: {{filters: 4, kernel: 3}}\n  - {layer}\n")
    assert report.layers[-1].receptive_field == SEEN[layer]


def test_what_a_flat_output_sees() -> None:
    for layer, seen in {"softmax": (8, 9), "layernorm": (8, 9), "glu": None, "relu": (3, 3)}.items():
        report = analyzed(f"input: [4, 8, 9]\nlayers: [conv: {{filters: 4, kernel: 3}}, flatten, {layer}]\n")
        assert report.layers[-1].receptive_field == seen


ERRORS = {
    ("[3, 8, 9]", "linear: 4"): (
        "linear needs a flat input or a sequence (tokens × features), got 3×8×9",
        "put `- flatten` before it (or global_avgpool and flatten); "
        "or give it `channels_last: true` where the last axis holds the features",
    ),
    ("[3, 8, 9]", "layernorm"): (
        "layernorm of 3×8×9 needs `axes`, the number of last axes",
        "`axes: 1` where channels are last, `axes: 3` for the whole map",
    ),
    ("[3, 8]", "rmsnorm: 3"): ("axes 3 is more than its input of 3×8 has", "axes ≤ 2"),
    ("[6, 8, 9]", "groupnorm: 4"): ("groups 4 does not divide the 6 channels", None),
    ("[6]", "instancenorm"): ("instancenorm needs channels and one to three spatial dimensions, got 6", None),
    ("[6, 1, 1]", "instancenorm"): (
        "instancenorm of 6×1×1 would give only zeros: each channel has one number",
        "leave it out, or set `track: true`",
    ),
    ("[1, 1, 1, 1, 1]", "batchnorm"): ("batchnorm takes at most three spatial dimensions, got 1×1×1×1×1", None),
    ("[6, 8]", "softmax: 2"): (
        "axis 2 is not an axis of its input of 6×8",
        "0 is the first axis after the batch, 1 or -1 the last",
    ),
    ("[6, 8]", "layer_scale: -3"): (
        "axis -3 is not an axis of its input of 6×8",
        "0 is the first axis after the batch, 1 or -1 the last",
    ),
    ("[7, 8]", "glu"): (
        "glu halves axis 0 of its input of 7×8, but 7 is odd",
        "make the input twice as wide as the output",
    ),
    ("[7]", "celu: 0"): ("celu divides by alpha, which is 0", None),
    ("[7]", "rrelu: {low: 0.5, high: 0.25}"): ("low 0.5 is above high 0.25", None),
    ("[3, 8, 9]", "class_token"): (
        "class_token needs a sequence (tokens × features), got 3×8×9",
        "reshape a map (C, H, W) to H·W tokens of C features first",
    ),
    ("[3, 8, 9]", "position_embedding: 4"): (
        "position_embedding with a length needs a sequence (tokens × features), got 3×8×9",
        "reshape a map (C, H, W) to H·W tokens of C features first",
    ),
    ("[8, 9]", "position_embedding: 4"): ("length 4 is less than the 8 tokens of its input", "length ≥ 8"),
    ("[8, 9]", "parameter: 4"): ("shape must be a list of whole numbers ≥ 1, got 4", None),
}


@pytest.mark.parametrize(("input", "layer"), ERRORS)
def test_what_does_not_fit_is_said_with_a_way_out(input: str, layer: str) -> None:
    assert said(input, layer) == ERRORS[input, layer]


@pytest.mark.parametrize(
    ("input", "layer", "message"),
    [
        ("[8]", "rope: {heads: 2}", "rope needs tokens × features, got 8"),
        ("[5, 9]", "rope: {heads: 2}", "2 heads do not divide the width 9"),
        ("[5, 8]", "rope: {heads: 2, skip: 3}", "skip 3 leaves 1 of the 4 features of a head to rotate"),
        ("[5, 8]", "rope: {heads: 2, skip: 9}", "skip 9 leaves -5 of the 4 features of a head to rotate"),
        ("[5, 6]", "rope: {heads: 2}", "3 features of each head cannot be rotated in pairs"),
        (
            "[5, 8]",
            "rope: {heads: 2, theta: 1, stretch: 4}",
            "stretch needs pairs of different frequencies, but theta 1 makes all equal",
        ),
        (
            "[5, 8]",
            "attention: {heads: 2, sliding_window: 3, from: [input, input, input]}",
            "sliding_window is for tokens that see those before them",
        ),
        (
            "[5, 8]",
            "attention: {heads: 2, softcap: 0, from: [input, input, input]}",
            "attention divides by softcap, which is 0",
        ),
        ("[5, 8]", "tile: {axis: 2, times: 3}", "axis 2 "),
    ],
)
def test_what_turned_bounded_and_repeated_tokens_say_of_a_misfit(input: str, layer: str, message: str) -> None:
    assert said(input, layer)[0].startswith(message)


def test_rotary_attention_with_fewer_heads_of_keys() -> None:
    report = analyzed(
        "input: [5, 12]\nlayers:\n  - rotary_attention: {width: 12, heads: 4, kv_heads: 2, head: 6, theta: 500}\n"
    )
    assert [(row.name.removeprefix("rotary_attention."), row.output, row.params) for row in report.layers] == [
        ("q", (5, 24), 12 * 24),
        ("turned_q", (5, 24), 0),
        ("k", (5, 12), 12 * 12),
        ("turned_k", (5, 12), 0),
        ("v", (5, 12), 12 * 12),
        ("attention", (5, 24), 0),
        ("out", (5, 12), 24 * 12),
    ]
    assert report.layers[5].macs == 2 * 5 * 5 * 24


def test_latent_attention_makes_keys_and_values_of_one_vector() -> None:
    report = analyzed(
        "input: [5, 12]\nlayers:\n"
        "  - latent_attention: {width: 12, heads: 3, latent: 7, plain: 4, turned: 2, values: 5}\n"
    )
    assert report.totals.params == 12 * 3 * 6 + 12 * 9 + 7 + 7 * 3 * 9 + 15 * 12
    attention = report.layer("latent_attention.attention")
    assert attention.inputs == ((5, 18), (5, 18), (5, 15))
    assert attention.macs == 5 * 5 * (18 + 15)
