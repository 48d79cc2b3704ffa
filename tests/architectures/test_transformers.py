"""Language models against the library that their authors release them for: parameters, multiply-adds, and outputs.

The models are built from their configurations alone, without weights: those of full size on the meta device. The
configurations are those that stand beside the released weights. Attention runs as plain matrix products, as
archcalc counts it; outside of matrix products lie the table of angles, norms, activations and masks.
"""

from typing import Any, NamedTuple

import pytest

import archcalc
from tests.architectures.same_weights import ROUNDING, macs, mask, move, numbers, scramble, unlikeness

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="the witness of the language models is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TOKENS = 2048
SMALL = {"length": 11, "depth": 2, "width": 64, "heads": 4}


def rotary(theta: float) -> dict[str, Any]:
    return {"rope_type": "default", "rope_theta": theta}


YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000,
    "factor": 40,
    "beta_fast": 32,
    "beta_slow": 1,
    "mscale": 0.707,
    "mscale_all_dim": 0.707,
    "original_max_position_embeddings": 4096,
}


class Released(NamedTuple):
    """A model as transformers has it: its family, its configuration, and what a small copy of it has instead."""

    family: str
    config: dict[str, Any]
    small_config: dict[str, Any]
    small_vars: dict[str, int]

    def make(self, **changes: Any) -> Any:
        config = getattr(transformers, f"{self.family}Config")(**{**self.config, **changes})
        config._attn_implementation = "eager"
        return getattr(transformers, f"{self.family}ForCausalLM")(config).eval()


SMALL_CONFIG = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL_VARS = {"hidden": 96, "vocabulary": 100, "kv_heads": 2}
MODELS = {
    "llama2-7b": Released(
        "Llama",
        {
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 4096,
            "rope_parameters": rotary(10000),
        },
        {"vocab_size": 100, "num_key_value_heads": 4},
        {"kv_heads": 4},
    ),
    "llama3-8b": Released(
        "Llama",
        {
            "vocab_size": 128256,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "rms_norm_eps": 1e-5,
            "max_position_embeddings": 8192,
            "rope_parameters": rotary(500000),
        },
        {"vocab_size": 100, "num_key_value_heads": 2},
        {},
    ),
    "gemma-2b": Released(
        "Gemma",
        {
            "vocab_size": 256000,
            "hidden_size": 2048,
            "intermediate_size": 16384,
            "num_hidden_layers": 18,
            "num_attention_heads": 8,
            "num_key_value_heads": 1,
            "head_dim": 256,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": 8192,
            "hidden_act": "gelu_pytorch_tanh",
            "rope_parameters": rotary(10000),
        },
        {"vocab_size": 100, "num_key_value_heads": 1, "head_dim": 24},
        {"kv_heads": 1, "head": 24},
    ),
    "gemma2-2b": Released(
        "Gemma2",
        {
            "vocab_size": 256000,
            "hidden_size": 2304,
            "intermediate_size": 9216,
            "num_hidden_layers": 26,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 256,
            "query_pre_attn_scalar": 256,
            "sliding_window": 4096,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": 8192,
            "hidden_activation": "gelu_pytorch_tanh",
            "rope_parameters": rotary(10000),
        },
        {
            "vocab_size": 100,
            "num_key_value_heads": 2,
            "head_dim": 24,
            "query_pre_attn_scalar": 24,
            "sliding_window": 5,
            "attn_logit_softcapping": 0.5,
        },
        {"head": 24, "window": 5, "softcap": 0.5},  # type: ignore[dict-item]  # a softcap that is felt
    ),
}
LITE = Released(
    "DeepseekV2",
    {
        "vocab_size": 102400,
        "hidden_size": 2048,
        "intermediate_size": 10944,
        "moe_intermediate_size": 1408,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "n_shared_experts": 2,
        "n_routed_experts": 64,
        "num_experts_per_tok": 6,
        "first_k_dense_replace": 1,
        "kv_lora_rank": 512,
        "q_lora_rank": None,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "v_head_dim": 128,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 163840,
        "rope_parameters": YARN,
    },
    {"kv_lora_rank": 24, "n_routed_experts": 2, "moe_intermediate_size": 8, "vocab_size": 100},
    {"latent": 24},
)


def logits(model: Any, ids: Any) -> Any:
    tokens = ids.shape[-1]
    masks: Any = mask(tokens)
    if hasattr(model.config, "sliding_window") and model.config.model_type == "gemma2":
        masks = {"full_attention": masks, "sliding_attention": mask(tokens, model.config.sliding_window)}
    return model(ids, attention_mask=masks, use_cache=False).logits


def attend(model: Any, x: Any) -> Any:
    """The attention of all layers, each with the norm before it and the sum after."""
    places = torch.arange(x.shape[1])[None]
    for layer in model.model.layers:
        turned = model.model.rotary_emb(x, position_ids=places)
        y, _ = layer.self_attn(
            hidden_states=layer.input_layernorm(x), position_embeddings=turned, attention_mask=mask(x.shape[1])
        )
        x = x + y
    return x


@pytest.mark.parametrize(
    ("name", "params", "multiply_adds"),
    [
        ("llama2-7b", 6_738_415_616, 14_630_806_093_824),
        ("llama3-8b", 8_030_261_248, 16_469_052_096_512),
        ("gemma-2b", 2_506_172_416, 5_441_723_564_032),
        ("gemma2-2b", 2_614_341_888, 5_800_353_333_248),
    ],
)
def test_parameters_and_multiply_adds_of_whole_models(name: str, params: int, multiply_adds: int) -> None:
    with torch.device("meta"):
        model = MODELS[name].make()
        found = macs(lambda: logits(model, torch.zeros(1, TOKENS, dtype=torch.long)))
    totals = archcalc.analyze(name, input=[TOKENS]).totals
    assert (numbers([model]), found) == (totals.params, totals.macs) == (params, multiply_adds)


def test_the_latent_attention_of_a_whole_model() -> None:
    with torch.device("meta"):
        model = LITE.make()
        found = macs(lambda: attend(model, torch.zeros(1, TOKENS, 2048)))
    parts = [part for layer in model.model.layers for part in (layer.self_attn, layer.input_layernorm)]
    totals = archcalc.analyze("deepseek-v2-lite-attention", input=[TOKENS, 2048]).totals
    assert numbers([model]) == 15_706_484_224  # as published with the weights
    assert (numbers(parts), found) == (totals.params, totals.macs) == (371_658_240, 1_340_835_102_720)


def of_a_decoder(model: Any, is_gemma: bool) -> dict[str, Any]:
    """The weights of a decoder of transformers by archcalc's names."""
    more = 1 if is_gemma else 0  # of norms, what their weight is short of the factor
    body = model.model
    found = {"tokens.weight": body.embed_tokens.weight, "norm.weight": body.norm.weight + more}
    if not is_gemma:
        found["head.weight"] = model.lm_head.weight
    for i, layer in enumerate(body.layers):
        for own, theirs in {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "o_proj"}.items():
            found[f"layers.{i}.attention.{own}.weight"] = getattr(layer.self_attn, theirs).weight
        for own in ("gate", "up", "down"):
            found[f"layers.{i}.{own}.weight"] = getattr(layer.mlp, f"{own}_proj").weight
        norms = {"norm1": "input_layernorm", "norm2": "post_attention_layernorm"}
        if hasattr(layer, "pre_feedforward_layernorm"):
            norms = {
                "norm1": "input_layernorm",
                "after1": "post_attention_layernorm",
                "norm2": "pre_feedforward_layernorm",
                "after2": "post_feedforward_layernorm",
            }
        for own, theirs in norms.items():
            found[f"layers.{i}.{own}.weight"] = getattr(layer, theirs).weight + more
    return found


@pytest.mark.parametrize("name", MODELS)
def test_the_same_weights_make_the_same_outputs(name: str) -> None:
    released = MODELS[name]
    torch.manual_seed(0)
    theirs = released.make(**SMALL_CONFIG, **released.small_config)
    scramble(theirs)
    own = archcalc.to_torch(name, vars={**SMALL, **SMALL_VARS, **released.small_vars}).eval()
    move(of_a_decoder(theirs, name.startswith("gemma")), own)
    ids = torch.randint(100, (3, SMALL["length"]))
    with torch.no_grad():
        assert unlikeness(own(ids), logits(theirs, ids)) < ROUNDING


def test_the_same_weights_attend_alike_by_latent_vectors() -> None:
    torch.manual_seed(0)
    theirs = LITE.make(**SMALL_CONFIG, num_key_value_heads=4, **LITE.small_config)
    scramble(theirs)
    own = archcalc.to_torch("deepseek-v2-lite-attention", vars={**SMALL, **LITE.small_vars}).eval()
    names = {
        "attention.q": "self_attn.q_proj",
        "attention.down": "self_attn.kv_a_proj_with_mqa",
        "attention.norm": "self_attn.kv_a_layernorm",
        "attention.up": "self_attn.kv_b_proj",
        "attention.out": "self_attn.o_proj",
        "norm": "input_layernorm",
    }
    move(
        {
            f"layers.{i}.{mine}.weight": layer.get_submodule(name).weight
            for i, layer in enumerate(theirs.model.layers)
            for mine, name in names.items()
        },
        own,
    )
    x = torch.randn(3, SMALL["length"], 64)
    with torch.no_grad():
        assert unlikeness(own(x), attend(theirs, x)) < ROUNDING
