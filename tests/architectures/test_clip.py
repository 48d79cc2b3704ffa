"""CLIP against transformers' own, built without weights: parameters, multiply-adds, and outputs of a small copy."""

from typing import Any

import pytest

import archcalc

torch = pytest.importorskip("torch")
witnesses = pytest.importorskip("tests.architectures.witnesses")
counter = pytest.importorskip("torch.utils.flop_counter")
transformers = pytest.importorskip("transformers", reason="the witness of CLIP is not installed")

witnesses.torchvision()  # transformers imports it where it is there

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CLOSE = 1e-6
"""As a share of an output's largest number: the softmax of transformers runs in float32 whatever the weights are in."""
LENGTH = 77
SMALL = {
    "text_config": {
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "vocab_size": 100,
        "eos_token_id": 99,
    },
    "vision_config": {
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "image_size": 64,
        "patch_size": 16,
    },
    "projection_dim": 48,
}
SMALL_VARS = {
    "size": 64,
    "patch": 16,
    "depth": 3,
    "width": 96,
    "heads": 3,
    "text_depth": 2,
    "text_width": 64,
    "text_heads": 4,
    "vocabulary": 100,
    "joint": 48,
}
TOWERS = {
    "text": "text_model.encoder.layers",
    "tokens": "text_model.embeddings.token_embedding",
    "positions": "text_model.embeddings.position_embedding",
    "text_ln": "text_model.final_layer_norm",
    "image_tower": "vision_model.encoder.layers",
    "patches": "vision_model.embeddings.patch_embedding",
    "class_token.weight": "vision_model.embeddings.class_embedding",
    "image_positions": "vision_model.embeddings.position_embedding",
    "image_ln1": "vision_model.pre_layrnorm",
    "image_ln2": "vision_model.post_layernorm",
    "image_projection": "visual_projection",
    "log_temperature.weight": "logit_scale",
}
LAYERS = {
    "attention.q": "self_attn.q_proj",
    "attention.k": "self_attn.k_proj",
    "attention.v": "self_attn.v_proj",
    "attention.out": "self_attn.out_proj",
    "ln1": "layer_norm1",
    "ln2": "layer_norm2",
    "fc1": "mlp.fc1",
    "fc2": "mlp.fc2",
}


def clip(**changes: Any) -> Any:
    config = transformers.CLIPConfig(**changes)
    config._attn_implementation = "eager"
    return transformers.CLIPModel(config).eval()


def test_parameters_and_multiply_adds() -> None:
    counted = counter.FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad():
        model = clip()
        ids, image = torch.zeros(1, LENGTH, dtype=torch.long), torch.zeros(1, 3, 224, 224)
        with counted:
            model(input_ids=ids, pixel_values=image)
    totals = archcalc.analyze("clip-vit-b-32").totals
    theirs = (sum(p.numel() for p in model.parameters()), counted.get_total_flops() // 2)
    assert theirs == (totals.params, totals.macs) == (151_277_313, 7_388_582_400)


def theirs_of(name: str) -> str:
    """What transformers calls a parameter of archcalc's own network."""
    for own, theirs in TOWERS.items():
        if name == own:
            return theirs
        if name.startswith(f"{own}."):
            rest = name.removeprefix(f"{own}.")
            number, _, inside = rest.partition(".")
            layer, _, parameter = inside.rpartition(".")
            return f"{theirs}.{number}.{LAYERS[layer]}.{parameter}" if number.isdecimal() else f"{theirs}.{rest}"
    return name


def test_the_same_weights_make_the_same_outputs() -> None:
    torch.manual_seed(0)
    theirs = clip(**SMALL).double()
    own = archcalc.to_torch("clip-vit-b-32", vars=SMALL_VARS).double().eval()
    weights = dict(theirs.named_parameters())
    with torch.no_grad():
        for parameter in weights.values():
            parameter.normal_(std=0.4)
        for name, parameter in own.named_parameters():
            parameter.copy_(weights.pop(theirs_of(name)).reshape(parameter.shape))
        assert not weights
        ids = torch.randint(99, (3, LENGTH))
        ids[:, -1] = 99  # the end of a text
        image = torch.randn(3, 3, 64, 64, dtype=torch.float64)
        expected = theirs(input_ids=ids, pixel_values=image)
        score, text, picture = own(ids, image)
    pairs = (
        (score.flatten(), expected.logits_per_text.diagonal()),
        (text, expected.text_embeds),
        (picture, expected.image_embeds),
    )
    for found, wanted in pairs:
        assert found.shape == wanted.shape
        assert float((found - wanted).abs().max()) < CLOSE * float(wanted.abs().max())
