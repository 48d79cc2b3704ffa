"""Stable Diffusion's U-Net against diffusers' own, built without weights: parameters, multiply-adds, and outputs."""

import re
from typing import Any

import pytest

import archcalc

torch = pytest.importorskip("torch")
counter = pytest.importorskip("torch.utils.flop_counter")
witnesses = pytest.importorskip("tests.architectures.witnesses")
witnesses.torchvision()  # diffusers imports it where it is there
diffusers = pytest.importorskip("diffusers", reason="the witness of diffusion models is not installed")

NAME = "stable-diffusion-1.5-unet"
CLOSE = 1e-5
"""As a share of an output's largest number: the waves of the time are in float32 there."""


def unet(**changes: Any) -> Any:
    """As configured beside the released weights, but for changes; attention as plain matrix products."""
    config = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8, **changes}
    model = diffusers.UNet2DConditionModel(**config).eval()
    model.set_attn_processor(diffusers.models.attention_processor.AttnProcessor())
    return model


def test_parameters_and_multiply_adds() -> None:
    counted = counter.FlopCounterMode(display=False)
    with torch.device("meta"), torch.no_grad():
        model = unet()
        with counted:
            model(torch.zeros(1, 4, 64, 64), torch.zeros(1), torch.zeros(1, 77, 768))
    totals = archcalc.analyze(NAME).totals
    theirs = (sum(p.numel() for p in model.parameters()), counted.get_total_flops() // 2)
    assert theirs == (totals.params, totals.macs) == (859_520_964, 401_636_720_640)


PARTS = {
    "time1": "time_embedding.linear_1",
    "time": "time_embedding.linear_2",
    "in": "conv_in",
    "norm": "conv_norm_out",
    "out": "conv_out",
    "middle1.resnet": "mid_block.resnets.0",
    "middle1.transformer": "mid_block.attentions.0",
    "middle2": "mid_block.resnets.1",
    "resnet": "resnets",
    "transformer": "attentions",
}
INSIDE = {
    "time": "time_emb_proj",
    "shortcut": "conv_shortcut",
    "norm1": "transformer_blocks.0.norm1",
    "norm2": "transformer_blocks.0.norm2",
    "norm3": "transformer_blocks.0.norm3",
    "fc1": "transformer_blocks.0.ff.net.0.proj",
    "fc2": "transformer_blocks.0.ff.net.2",
    **{
        f"attn{n}.{own}": f"transformer_blocks.0.attn{n}.{theirs}"
        for n in (1, 2)
        for own, theirs in {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out.0"}.items()
    },
}


def theirs_of(name: str) -> str:
    """What diffusers calls a layer of archcalc's own network."""
    if name in PARTS:
        return PARTS[name]
    step = re.fullmatch(r"(down|up)(\d)([a-d])(?:\.(resnet|transformer))?(?:\.(.*))?", name)
    if step is None:
        middle, _, layer = name.partition(".")
        part, _, inside = layer.partition(".")
        if middle == "middle2":
            return f"{PARTS[middle]}.{inside_of('resnet', layer)}"
        return f"{PARTS[f'{middle}.{part}']}.{inside_of(part, inside)}"
    way, level, place, part, layer = step.groups()
    block = int(level) - 1 if way == "down" else 4 - int(level)
    if part is None:
        return f"{way}_blocks.{block}.{way}samplers.0.conv"
    return f"{way}_blocks.{block}.{PARTS[part]}.{'abc'.index(place)}.{inside_of(part, layer)}"


def inside_of(part: str, layer: str) -> str:
    return layer if part == "resnet" and layer.startswith("norm") else INSIDE.get(layer, layer)


def test_the_same_weights_make_the_same_outputs() -> None:
    torch.manual_seed(0)
    widths = (32, 64, 128, 128)
    theirs = unet(sample_size=16, block_out_channels=widths, cross_attention_dim=24, norm_num_groups=8).double()
    small = {"side": 16, "width": 32, "groups": 8, "text_width": 24}
    own = archcalc.to_torch(NAME, vars=small).double().eval()
    weights = dict(theirs.named_parameters())
    with torch.no_grad():
        for parameter in weights.values():
            parameter.normal_(std=0.1)
        for name, parameter in own.named_parameters():
            layer, _, leaf = name.rpartition(".")
            parameter.copy_(weights.pop(f"{theirs_of(layer)}.{leaf}"))
        assert not weights
        latent = torch.randn(2, 4, 16, 16, dtype=torch.float64)
        step, text = torch.tensor([981.0, 3.0]).double(), torch.randn(2, 77, 24, dtype=torch.float64)
        expected = theirs(latent, step, text).sample
        found = own(latent, step[:, None], text)
    assert found.shape == expected.shape
    assert float((found - expected).abs().max()) < CLOSE * float(expected.abs().max())
