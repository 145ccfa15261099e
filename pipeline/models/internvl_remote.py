"""The remote-code layout of InternVL2.5: its configuration and its tensors in terms of transformers' own InternVL."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Shaped
from torch import Tensor
from transformers import InternVLConfig, InternVLVisionConfig, LlamaConfig, Qwen2Config

from datamodules.printable import printable
from pipeline.models.files import LIMITS, opened

LONGEST = 200
"""Characters of a stranger's text that a message shows."""
REQUIRED = {"model_type": "internvl_chat", "ps_version": "v2", "select_layer": -1, "template": "internvl2_5"}
"""The only values of config.json that are known here; pixel shuffle v1, for one, transposes the image."""
LANGUAGE = {"InternLM2ForCausalLM": LlamaConfig, "Qwen2ForCausalLM": Qwen2Config}
"""Architectures of the language model: InternLM2 computes what Llama does, under other names and with fused `wqkv`."""
TEXT_KEYS = [
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act"),
    *("num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "initializer_range"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "use_sliding_window", "sliding_window", "max_window_layers"),
]
VISION_KEYS = {
    **dict.fromkeys(["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act"]),
    **dict.fromkeys(["image_size", "patch_size", "num_channels", "norm_type", "layer_norm_eps", "initializer_range"]),
    "qkv_bias": "attention_bias",
    "qk_normalization": "use_qk_norm",
}
"""Keys of the vision configuration that are kept, and the names of those that have another one now."""
COMMON = [
    (r"^lm_head", "language_model.lm_head"),
    (r"^model\.language_model\.", "language_model.model."),
    (r"^model\.multi_modal_projector\.layer_norm", "mlp1.0"),
    (r"^model\.multi_modal_projector\.linear_1", "mlp1.1"),
    (r"^model\.multi_modal_projector\.linear_2", "mlp1.3"),
    (r"^model\.vision_tower\.", "vision_model."),
]
VISION = [
    (r"cls_token$", "class_embedding"),
    (r"position_embeddings$", "position_embedding"),
    (r"patch_embeddings\.projection", "patch_embedding"),
    (r"encoder\.layer\.", "encoder.layers."),
    (r"attention\.[qkv]_proj", "attn.qkv"),
    (r"attention\.projection_layer", "attn.proj"),
    (r"attention\.([qk])_norm", r"attn.\1_norm"),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"lambda_", "ls"),
]
INTERNLM2 = [
    (r"model\.lm_head", "model.output"),
    (r"embed_tokens", "tok_embeddings"),
    (r"self_attn\.[qkv]_proj", "attention.wqkv"),
    (r"self_attn\.o_proj", "attention.wo"),
    (r"mlp\.gate_proj", "feed_forward.w1"),
    (r"mlp\.down_proj", "feed_forward.w2"),
    (r"mlp\.up_proj", "feed_forward.w3"),
    (r"input_layernorm", "attention_norm"),
    (r"post_attention_layernorm", "ffn_norm"),
]


def parsed(path: Path) -> dict[str, Any]:
    """Return a JSON object of a checkpoint. Raises ValueError where it is none."""
    try:
        with opened(path.parent.resolve(), path.name, LIMITS["config"]) as file:
            return dict(json.loads(file.read()))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is not a JSON object; download it again: {error}") from error


def native_config(source: Mapping[str, Any]) -> InternVLConfig:
    """The native configuration of the model that the config.json `source` describes; the tie of head and embedding is
    spelled out, for which the native default is yes.

    Raises ValueError where the model is not one of those that are known here.
    """
    for key, known in REQUIRED.items():
        if source.get(key) != known:
            raise ValueError(f"config.json: {key} = {shown(source.get(key))}, only {known!r} can be converted")
    llm, vision = source["llm_config"], source["vision_config"]
    if language(source) not in LANGUAGE:
        name = printable(language(source))[:LONGEST]
        raise ValueError(f"config.json: the language model {name} is none of {', '.join(LANGUAGE)}")
    size = vision["image_size"]
    if source.get("force_image_size") not in (None, size):
        forced = shown(source["force_image_size"])
        raise ValueError(f"config.json: force_image_size = {forced}, but the tower's is {shown(size)}")
    text = {key: llm[key] for key in TEXT_KEYS if key in llm}
    if language(source) == "InternLM2ForCausalLM":
        text["attention_bias"] = llm["bias"]
    rope = {"rope_theta": float(llm["rope_theta"]), **(llm.get("rope_scaling") or {"type": "default"})}
    rope.setdefault("rope_type", rope.pop("type", None))
    tied = bool(llm.get("tie_word_embeddings", False))
    config = InternVLConfig(
        text_config=LANGUAGE[language(source)](rope_parameters=rope, tie_word_embeddings=tied, **text),
        vision_config=InternVLVisionConfig(**{new or key: vision[key] for key, new in VISION_KEYS.items()}),
        image_seq_length=int((size // vision["patch_size"]) ** 2 * source["downsample_ratio"] ** 2),
        downsample_ratio=source["downsample_ratio"],
        vision_feature_layer=source["select_layer"],
        tie_word_embeddings=tied,
    )
    config.architectures = ["InternVLForConditionalGeneration"]
    config.dtype = source.get("torch_dtype") or "bfloat16"
    return config


def shown(value: Any) -> str:
    """Return a value of a stranger's file for a message: one short line without anything that a terminal obeys."""
    return repr(value)[:LONGEST]


def language(source: Mapping[str, Any]) -> str:
    """The class of the language model in the remote code."""
    return str((source["llm_config"].get("architectures") or ["(unnamed)"])[0])


def remote_name(native: str, model: str) -> str:
    """The tensor of the remote-code layout that is or holds the native tensor `native`, for a language model of class
    `model`."""
    rules = COMMON + (VISION if "vision_tower" in native else INTERNLM2 if model == "InternLM2ForCausalLM" else [])
    for pattern, name in rules:
        native = re.sub(pattern, name, native)
    return native


def part(native: str, remote: str, tensor: Shaped[Tensor, "..."], config: InternVLConfig) -> Shaped[Tensor, "..."]:
    """What of the tensor `remote` is the native tensor `native`; a view.

    `attn.qkv` of the tower stacks all queries, all keys and all values. `wqkv` of InternLM2 holds one group after the
    other: the query heads that share a key and a value head, then that key head, then that value head.
    """
    if "qkv" not in remote:
        return tensor
    place = ["q_proj", "k_proj", "v_proj"].index(native.split(".")[-2])
    if "wqkv" not in remote:
        return tensor.chunk(3)[place]
    text: Any = config.text_config
    shared = text.num_attention_heads // text.num_key_value_heads
    heads = tensor.unflatten(0, (text.num_key_value_heads, shared + 2, -1))
    return heads.split([shared, 1, 1], 1)[place].flatten(0, 2)
