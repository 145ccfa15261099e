"""The paper's seven checkpoints at their true size, from configurations: random weights, nothing downloaded.

Layers, widths and vocabularies are those of the published `config.json` files; the number of parameters that follows is
the published one to the last digit, see `PARAMETERS`.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoConfig, GenerationConfig, InternVLConfig, LlavaConfig, PreTrainedConfig, Qwen2VLConfig

from pipeline.models.base import VLM
from pipeline.models.internvl import InternVL
from pipeline.models.llava import LLaVA
from pipeline.models.qwen2_vl import Qwen2VL
from tests.checkpoints import internvl_folder, llava_folder, qwen2_vl_folder

TOWER = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
"""CLIP-L/14 and InternViT-300M."""


def text(layers: int, width: int, heads: tuple[int, int], inner: int, vocab: int, theta: float, **rope: object) -> dict:
    """A decoder. heads: of queries, and of keys and values. rope: what the rotation has besides its base."""
    return {
        "vocab_size": vocab,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "max_position_embeddings": 32768,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta, **rope},
    }


def qwen2_vl(tied: bool, *decoder: object) -> Qwen2VLConfig:
    """Qwen2-VL."""
    config = text(*decoder, 1e6, mrope_section=[16, 24, 24])  # type: ignore[arg-type]
    tower = {"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4, "patch_size": 14}
    tower |= {"spatial_merge_size": 2, "hidden_size": config["hidden_size"]}
    return Qwen2VLConfig(text_config=config, vision_config=tower, tie_word_embeddings=tied)


def llava(*decoder: object) -> LlavaConfig:
    """LLaVA-1.5."""
    config = text(*decoder, 32064, 1e4) | {"model_type": "llama", "max_position_embeddings": 4096}  # type: ignore[arg-type]
    tower = TOWER | {"model_type": "clip_vision_model", "image_size": 336, "patch_size": 14, "projection_dim": 768}
    return LlavaConfig(text_config=config, vision_config=tower, image_seq_length=576, tie_word_embeddings=False)


def internvl(kind: str, *decoder: object) -> InternVLConfig:
    """InternVL2.5, converted."""
    rope = {"rope_type": "dynamic", "factor": 2.0} if kind == "llama" else {}
    config = text(*decoder, 1e6, **rope) | {"model_type": kind}  # type: ignore[arg-type]
    tower = TOWER | {"image_size": 448, "patch_size": 14, "attention_bias": True}
    return InternVLConfig(text_config=config, vision_config=tower, image_seq_length=256, tie_word_embeddings=False)


SIZES: dict[str, tuple[type[VLM], Callable[[], PreTrainedConfig]]] = {
    "qwen2_vl_2b": (Qwen2VL, lambda: qwen2_vl(True, 28, 1536, (12, 2), 8960, 151936)),
    "qwen2_vl_7b": (Qwen2VL, lambda: qwen2_vl(False, 28, 3584, (28, 4), 18944, 152064)),
    "llava15_7b": (LLaVA, lambda: llava(32, 4096, (32, 32), 11008)),
    "llava15_13b": (LLaVA, lambda: llava(40, 5120, (40, 40), 13824)),
    "internvl25_2b": (InternVL, lambda: internvl("llama", 24, 2048, (16, 8), 8192, 92553)),
    "internvl25_4b": (InternVL, lambda: internvl("qwen2", 36, 2048, (16, 2), 11008, 151674)),
    "internvl25_8b": (InternVL, lambda: internvl("llama", 32, 4096, (32, 8), 14336, 92553)),
}
"""Stem of `configs/vlm` -> family and configuration."""

PARAMETERS = {
    "qwen2_vl_2b": 2_208_985_600,
    "qwen2_vl_7b": 8_291_375_616,
    "llava15_7b": 7_063_427_072,
    "llava15_13b": 13_351_494_656,
    "internvl25_2b": 2_205_754_368,
    "internvl25_4b": 3_712_637_952,
    "internvl25_8b": 8_075_365_376,
}
"""As the checkpoints' safetensors headers count them (pages of the hub); llava15_13b as counted here, 13.4 B there."""


def on_meta(stem: str) -> VLM:
    """The family's adapter around a model of that size whose tensors have shapes and no values."""
    family, config = SIZES[stem]
    vlm = family(f"size/{stem}")
    with torch.device("meta"):
        vlm._model = family.model_class(config()).requires_grad_(False).eval()  # type: ignore[attr-defined]
    return vlm


def with_random_weights(stem: str, folder: Path, device: torch.device, dtype: torch.dtype, max_new_tokens: int) -> VLM:
    """A model of that size that can be asked, its answers never ended: tokenizer and template of a tiny one, written to
    `folder`, images as published."""
    family, config = SIZES[stem]
    tiny = {
        Qwen2VL: lambda: qwen2_vl_folder(folder, patch=14, most=1280),
        LLaVA: lambda: llava_folder(folder, patch=14, side=24),
        InternVL: lambda: internvl_folder(folder, patch=14, side=16),
    }[family]()
    own, true = AutoConfig.from_pretrained(tiny), config()
    for name, value in vars(own).items():
        if name.endswith(("_token_id", "_token_index")):
            setattr(true, name, value)
    true.save_pretrained(folder)
    vlm = family(str(folder), dtype=str(dtype).removeprefix("torch."), max_new_tokens=max_new_tokens)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            model = family.model_class(true)  # type: ignore[attr-defined]
    finally:
        torch.set_default_dtype(before)
    model.generation_config = GenerationConfig()
    vlm._model = model.requires_grad_(False).eval()
    return vlm
