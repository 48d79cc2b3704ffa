"""Encoders and decoders against the library that they are released for, as `test_transformers` has decoders."""

from typing import Any

import pytest

import archcalc
from tests.architectures.same_weights import ROUNDING, macs, mask, move, numbers, scramble, unlikeness

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="the witness of the language models is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

T5 = {"t5-small": (6, 512, 8), "t5-base": (12, 768, 12), "t5-large": (24, 1024, 16)}
WHISPER = {
    "whisper-tiny": (4, 384, 80, 51865),
    "whisper-base": (6, 512, 80, 51865),
    "whisper-small": (12, 768, 80, 51865),
    "whisper-medium": (24, 1024, 80, 51865),
    "whisper-large-v3": (32, 1280, 128, 51866),
}


def of_class(family: str, **config: Any) -> Any:
    made = getattr(transformers, f"{family}Config")(**config)
    made._attn_implementation = "eager"
    return getattr(transformers, f"{family}ForConditionalGeneration")(made).eval()


def t5(depth: int, width: int, heads: int, **more: Any) -> Any:
    sizes = {"d_model": width, "d_ff": 4 * width, "num_layers": depth, "num_heads": heads}
    return of_class("T5", **{**sizes, **more})


def whisper(depth: int, width: int, bands: int, vocabulary: int, **more: Any) -> Any:
    sizes = {"d_model": width, "num_mel_bins": bands, "vocab_size": vocabulary}
    for part in ("encoder", "decoder"):
        sizes |= {f"{part}_layers": depth, f"{part}_attention_heads": width // 64, f"{part}_ffn_dim": 4 * width}
    return of_class("Whisper", **{**sizes, **more})


def t5_logits(model: Any, ids: Any, decoder_ids: Any) -> Any:
    seen = torch.zeros(1, 1, 1, ids.shape[1])
    causal = mask(decoder_ids.shape[1])
    return model(ids, seen, decoder_ids, causal, use_cache=False).logits


def whisper_logits(model: Any, mel: Any, ids: Any) -> Any:
    return model(mel, decoder_input_ids=ids, decoder_attention_mask=mask(ids.shape[1]), use_cache=False).logits


def words(tokens: int) -> Any:
    return torch.zeros(1, tokens, dtype=torch.long)


@pytest.mark.parametrize(
    ("name", "params", "multiply_adds"),
    [
        ("t5-small", 60_506_624, 35_802_578_944),
        ("t5-base", 222_903_552, 128_597_360_640),
        ("t5-large", 737_668_096, 416_276_283_392),
        ("whisper-tiny", 37_760_640, 35_541_098_496),
        ("whisper-base", 72_593_920, 75_525_914_624),
        ("whisper-small", 241_734_912, 271_637_889_024),
        ("whisper-medium", 763_857_920, 869_058_543_616),
        ("whisper-large-v3", 1_543_490_560, 1_724_239_544_320),
    ],
)
def test_parameters_and_multiply_adds_of_whole_models(name: str, params: int, multiply_adds: int) -> None:
    with torch.device("meta"):
        if name in T5:
            model = t5(*T5[name])
            found = macs(lambda: t5_logits(model, words(512), words(512)))
        else:
            model = whisper(*WHISPER[name])
            found = macs(lambda: whisper_logits(model, torch.zeros(1, WHISPER[name][2], 3000), words(448)))
    totals = archcalc.analyze(name).totals
    assert (numbers([model]), found) == (totals.params, totals.macs) == (params, multiply_adds)


def with_biases(names: dict[str, str]) -> dict[str, str]:
    """The names of weights and biases for those of layers."""
    return {f"{own}.{part}": f"{theirs}.{part}" for own, theirs in names.items() for part in ("weight", "bias")}


def moved(model: Any, own: Any, names: dict[str, str]) -> None:
    """Give a network of archcalc's own those weights of a model that have these names; its head is an embedding."""
    theirs = dict(model.named_parameters())
    move({mine: theirs[name] for mine, name in names.items()}, own)
    assert set(names.values()) == set(theirs)


def test_the_same_weights_make_the_same_outputs_of_t5() -> None:
    torch.manual_seed(0)
    # Few buckets of small distances, so that all are met.
    buckets = {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 9}
    theirs = t5(2, 32, 4, d_kv=12, vocab_size=100, **buckets)
    scramble(theirs)
    names = {"tokens.weight": "shared.weight"}
    for stack in ("encoder", "decoder"):
        names[f"{stack}_bias.weight"] = f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        names[f"{stack}_norm.weight"] = f"{stack}.final_layer_norm.weight"
        for i in range(2):
            names |= t5_layer(f"{stack}.{i}", f"{stack}.block.{i}.layer", is_decoder=stack == "decoder")
    sizes = {"depth": 2, "width": 32, "heads": 4, "head": 12, "vocabulary": 100, "length": 13, "decoder_length": 11}
    own = archcalc.to_torch("t5-base", vars={**sizes, "buckets": 8, "max_distance": 9}).eval()
    moved(theirs, own, names)
    ids, decoder_ids = torch.randint(100, (3, 13)), torch.randint(100, (3, 11))
    with torch.no_grad():
        assert unlikeness(own(ids, decoder_ids), t5_logits(theirs, ids, decoder_ids)) < ROUNDING


def t5_layer(own: str, theirs: str, *, is_decoder: bool) -> dict[str, str]:
    """The weights of one layer of a stack, by archcalc's names."""
    attentions = [("norm", "attention", 0, "SelfAttention")]
    if is_decoder:
        attentions.append(("cross_norm", "cross_attention", 1, "EncDecAttention"))
    names = {}
    for norm, attention, part, module in attentions:
        names[f"{own}.{norm}.weight"] = f"{theirs}.{part}.layer_norm.weight"
        for mine, name in {"q": "q", "k": "k", "v": "v", "out": "o"}.items():
            names[f"{own}.{attention}.{mine}.weight"] = f"{theirs}.{part}.{module}.{name}.weight"
    last = len(attentions)
    names[f"{own}.mlp.norm.weight"] = f"{theirs}.{last}.layer_norm.weight"
    names[f"{own}.mlp.up.weight"] = f"{theirs}.{last}.DenseReluDense.wi.weight"
    names[f"{own}.mlp.down.weight"] = f"{theirs}.{last}.DenseReluDense.wo.weight"
    return names


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("buckets", "most"), [(32, 128), (32, 1000), (10, 7), (320, 800)])
def test_distances_share_the_buckets_that_they_share_in_t5(bidirectional: bool, buckets: int, most: int) -> None:
    from archcalc.torch_backend.twins.relative_position import RelativePositionBias

    own = RelativePositionBias(1, buckets, most, bidirectional)._buckets(1500, torch.device("cpu"))
    apart = torch.arange(1500) - torch.arange(1500)[:, None]
    theirs = pytest.importorskip("transformers.models.t5.modeling_t5").T5Attention
    assert torch.equal(own, theirs._relative_position_bucket(apart, bidirectional, buckets, most))


def test_the_same_weights_make_the_same_outputs_of_whisper() -> None:
    torch.manual_seed(0)
    theirs = whisper(2, 128, 7, 100, max_source_positions=12, pad_token_id=0, bos_token_id=0, eos_token_id=0)
    scramble(theirs)
    names = {
        "encoder_positions.weight": "model.encoder.embed_positions.weight",
        "decoder_positions.weight": "model.decoder.embed_positions.weight",
        "tokens.weight": "model.decoder.embed_tokens.weight",
    }
    layers = {"conv1": "encoder.conv1", "conv2": "encoder.conv2"}
    layers |= {"encoded": "encoder.layer_norm", "decoder_ln": "decoder.layer_norm"}
    for stack in ("encoder", "decoder"):
        for i in range(2):
            layers |= whisper_layer(f"{stack}.{i}", f"{stack}.layers.{i}", is_decoder=stack == "decoder")
    for mine, name in with_biases(layers).items():
        if not mine.endswith("attention.k.bias"):
            names[mine] = f"model.{name}"
    sizes = {"depth": 2, "width": 128, "vocabulary": 100, "bands": 7, "places": 12, "length": 11}
    own = archcalc.to_torch("whisper-tiny", vars=sizes).eval()
    moved(theirs, own, names)
    mel, ids = torch.randn(3, 7, 24), torch.randint(100, (3, 11))
    with torch.no_grad():
        assert unlikeness(own(mel, ids), whisper_logits(theirs, mel, ids)) < ROUNDING


def whisper_layer(own: str, theirs: str, *, is_decoder: bool) -> dict[str, str]:
    """The layers of one layer of a stack, by archcalc's names."""
    attentions = [("ln", "attention", "self_attn")]
    if is_decoder:
        attentions.append(("cross_ln", "cross_attention", "encoder_attn"))
    names = {f"{own}.mlp.ln": f"{theirs}.final_layer_norm"}
    for norm, attention, module in attentions:
        names[f"{own}.{norm}"] = f"{theirs}.{module}_layer_norm"
        for mine, name in {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "out_proj"}.items():
            names[f"{own}.{attention}.{mine}"] = f"{theirs}.{module}.{name}"
    return names | {f"{own}.mlp.{fc}": f"{theirs}.{fc}" for fc in ("fc1", "fc2")}
