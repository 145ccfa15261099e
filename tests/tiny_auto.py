"""Tiny random models of the families that `Auto` measures, saved and loaded as `tests.tiny` does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen3_5Config,
    Qwen3_5ForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
    Qwen3VLProcessor,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    SmolVLMProcessor,
)
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from pipeline.models.auto import Auto
from pipeline.models.base import VLM
from pipeline.models.checkpoint import without_video
from tests.checkpoints import CHAT, PATCH, TEMPLATE, byte_tokenizer, save, text_config
from tests.tiny import loaded

HIDDEN, HEADS, LAYERS = 32, 4, 3
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}


def qwen_folder(
    folder: Path,
    ends: bool,
    seed: int,
    kind: tuple[type, type, type],
    rope: dict,
    vision: dict,
    text: dict | None = None,
) -> Path:
    """The families that followed Qwen2-VL: pictures of free size."""
    tokenizer = byte_tokenizer(ends, [*CHAT, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"])
    ids = tokenizer.get_vocab().__getitem__
    config = kind[0](
        text_config=text_config(tokenizer, 400, LAYERS, HIDDEN, HEADS, **rope) | (text or {}),
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "out_hidden_size": HIDDEN,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": PATCH,
            **vision,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    size = {"shortest_edge": 4 * PATCH**2, "longest_edge": 256 * PATCH**2}
    images = Qwen2VLImageProcessorPil(patch_size=PATCH, merge_size=2, size=size)
    template = TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    processor = without_video(kind[2])(images, tokenizer, None, chat_template=template)
    return save(folder, kind[1], config, processor, ends, seed)


def qwen2_5_vl_folder(folder: Path, *, ends: bool = False, seed: int = 0) -> Path:
    """Windowed attention in the tower: its features are put back in order."""
    kind = Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor
    vision = {"window_size": 4 * PATCH, "fullatt_block_indexes": [1]}
    return qwen_folder(folder, ends, seed, kind, {"mrope_section": [2, 1, 1]}, vision)


def qwen3_vl_folder(folder: Path, *, ends: bool = False, seed: int = 0) -> Path:
    """Visual features enter several decoder blocks."""
    kind = Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor
    vision = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    text = {"mrope_section": [2, 1, 1], "mrope_interleaved": True}
    return qwen_folder(folder, ends, seed, kind, text, vision)


def qwen3_vl_moe_folder(folder: Path, *, ends: bool = False, seed: int = 0) -> Path:
    """Mixture of experts in every decoder block."""
    kind = Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration, Qwen3VLProcessor
    vision = {"num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    text = {"mrope_section": [2, 1, 1], "mrope_interleaved": True}
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    return qwen_folder(folder, ends, seed, kind, text, vision, experts | {"head_dim": 8})


def qwen3_5_folder(folder: Path, *, ends: bool = False, seed: int = 0) -> Path:
    """Linear attention in two of three decoder blocks."""
    kind = Qwen3_5Config, Qwen3_5ForConditionalGeneration, Qwen3VLProcessor
    text = {"mrope_section": [2, 1, 1], "mrope_interleaved": True, "partial_rotary_factor": 1.0}
    linear = {f"linear_{name}": 8 for name in ("key_head_dim", "value_head_dim")}
    linear |= {f"linear_num_{name}_heads": 4 for name in ("key", "value")}
    kinds = {"layer_types": ["linear_attention", "linear_attention", "full_attention"]}
    return qwen_folder(
        folder, ends, seed, kind, text, {"num_position_embeddings": 64}, linear | kinds | {"head_dim": 8}
    )


def llava_onevision_folder(folder: Path, *, ends: bool = False, seed: int = 0, patch: int = PATCH) -> Path:
    """SigLIP; the whole picture, then tiles with a separator after every row. 68 pixels leave some over."""
    tokenizer = byte_tokenizer(ends, [*CHAT, "<image>", "<video>"])
    ids, pixels = tokenizer.get_vocab().__getitem__, 68
    pinpoints = [[pixels * high, pixels * wide] for high in (1, 2) for wide in (1, 2)]
    config = LlavaOnevisionConfig(
        text_config=text_config(tokenizer, 400, LAYERS, HIDDEN, HEADS) | {"model_type": "qwen2"},
        vision_config=VISION | {"model_type": "siglip_vision_model", "image_size": pixels, "patch_size": patch},
        image_token_id=ids("<image>"),
        video_token_id=ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )
    images = LlavaOnevisionImageProcessorPil(size={"height": pixels, "width": pixels}, image_grid_pinpoints=pinpoints)
    processor = without_video(LlavaOnevisionProcessor)(
        images,
        tokenizer,
        None,
        num_image_tokens=(pixels // patch) ** 2,
        vision_feature_select_strategy="full",
        chat_template=TEMPLATE.replace("IMAGE", "<image>\n"),
    )
    return save(folder, LlavaOnevisionForConditionalGeneration, config, processor, ends, seed)


def gemma3_folder(folder: Path, *, ends: bool = False, seed: int = 0) -> Path:
    """16 x 16 patches pooled to 8 x 8 tokens, which see one another; every other block looks back a few tokens."""
    named = {"boi_token": "<boi>", "eoi_token": "<eoi>", "image_token": "<image>"}
    tokenizer = byte_tokenizer(ends, CHAT, named)
    text = text_config(tokenizer, 400, 4, HIDDEN, HEADS) | {"head_dim": 8, "sliding_window": 40}
    del text["rope_parameters"]
    pixels = 16 * (PATCH // 2)
    config = Gemma3Config(
        text_config=text | {"layer_types": ["sliding_attention", "full_attention"] * 2},
        vision_config=VISION | {"image_size": pixels, "patch_size": PATCH // 2},
        mm_tokens_per_image=64,
        image_token_index=tokenizer.get_vocab()["<image>"],
        boi_token_index=tokenizer.get_vocab()["<boi>"],
        eoi_token_index=tokenizer.get_vocab()["<eoi>"],
        tie_word_embeddings=False,
    )
    images = Gemma3ImageProcessorPil(size={"height": pixels, "width": pixels}, image_seq_length=64)
    template = TEMPLATE.replace("IMAGE", "<boi>")
    processor = Gemma3Processor(images, tokenizer, chat_template=template, image_seq_length=64)
    return save(folder, Gemma3ForConditionalGeneration, config, processor, ends, seed, embeddings=0.1)


def paligemma_folder(folder: Path, *, ends: bool = False, seed: int = 0, template: bool = True) -> Path:
    """Picture and prompt see one another. template: published checkpoints have none."""
    tokenizer = byte_tokenizer(ends, CHAT, {"image_token": "<image>"})
    tokenizer.add_special_tokens({"bos_token": "<bos>"})
    pixels = 8 * PATCH
    images = SiglipImageProcessorPil(size={"height": pixels, "width": pixels})
    images.image_seq_length = 64
    chat = "{% for m in messages %}{% for c in m['content'] %}{{ '<image>' if c['type'] == 'image' else c['text'] }}"
    processor = PaliGemmaProcessor(
        images, tokenizer, chat_template=chat + "{% endfor %}{% endfor %}" if template else None
    )
    text = text_config(tokenizer, 400, LAYERS, HIDDEN, HEADS) | {"model_type": "gemma", "head_dim": 8}
    config = PaliGemmaConfig(
        text_config=text,
        vision_config=VISION | {"model_type": "siglip_vision_model", "image_size": pixels, "patch_size": PATCH},
        image_token_index=tokenizer.get_vocab()["<image>"],
        projection_dim=HIDDEN,
        tie_word_embeddings=False,
    )
    return save(folder, PaliGemmaForConditionalGeneration, config, processor, ends, seed, embeddings=0.1)


def idefics3_folder(folder: Path, *, ends: bool = False, seed: int = 0) -> Path:
    """16 x 16 patches shuffled to 8 x 8 tokens; tiles are left out."""
    special = ["<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>"]
    tokenizer = byte_tokenizer(ends, [*CHAT, *special])
    pixels = 16 * (PATCH // 2)
    config = Idefics3Config(
        text_config=text_config(tokenizer, 400, LAYERS, HIDDEN, HEADS) | {"model_type": "llama"},
        vision_config=VISION | {"image_size": pixels, "patch_size": PATCH // 2},
        image_token_id=tokenizer.get_vocab()["<image>"],
        scale_factor=2,
        pad_token_id=tokenizer.get_vocab()["<|endoftext|>"],
        tie_word_embeddings=False,
    )
    size = {"longest_edge": 4 * pixels}
    images = Idefics3ImageProcessorPil(size=size, max_image_size={"longest_edge": pixels})
    template = TEMPLATE.replace("IMAGE", "<image>")
    processor = Idefics3Processor(images, tokenizer, image_seq_len=64, chat_template=template)
    return save(folder, Idefics3ForConditionalGeneration, config, processor, ends, seed)


def smolvlm_folder(folder: Path, *, ends: bool = False, seed: int = 0) -> Path:
    """As Idefics3. Its processor asks for num2words, for videos alone."""
    named = {"fake_image_token": "<fake>", "image_token": "<image>", "global_image_token": "<global>"}
    tokenizer = byte_tokenizer(ends, [*CHAT, "<end_of_utterance>", "<video>"], named)
    pixels = 16 * (PATCH // 2)
    config = SmolVLMConfig(
        text_config=text_config(tokenizer, 400, LAYERS, HIDDEN, HEADS) | {"model_type": "llama"},
        vision_config=VISION | {"image_size": pixels, "patch_size": PATCH // 2},
        image_token_id=tokenizer.get_vocab()["<image>"],
        scale_factor=2,
        pad_token_id=tokenizer.get_vocab()["<|endoftext|>"],
        tie_word_embeddings=False,
    )
    images = SmolVLMImageProcessorPil(size={"longest_edge": 4 * pixels}, max_image_size={"longest_edge": pixels})
    template = TEMPLATE.replace("IMAGE", "<image>")
    processor = without_video(SmolVLMProcessor)(images, tokenizer, None, image_seq_len=64, chat_template=template)
    return save(folder, SmolVLMForConditionalGeneration, config, processor, ends, seed)


FOLDERS: dict[str, Callable[..., Path]] = {
    "qwen2_5_vl": qwen2_5_vl_folder,
    "qwen3_vl": qwen3_vl_folder,
    "llava_onevision": llava_onevision_folder,
    "gemma3": gemma3_folder,
    "paligemma": paligemma_folder,
    "idefics3": idefics3_folder,
}
"""Family -> writer of a tiny checkpoint."""


LACKING: dict[str, Callable[..., Path]] = {"qwen3_vl_moe": qwen3_vl_moe_folder, "qwen3_5": qwen3_5_folder}
"""Families that lack what some explainers need."""


def build(write: Callable[..., Path], folder: Path, max_new_tokens: int = 8, **options: int | bool) -> Auto:
    """A tiny model that `write` puts into `folder`, loaded and measured."""
    return loaded(Auto(str(write(folder, **options)), max_new_tokens=max_new_tokens))


FAMILIES: dict[str, Callable[..., VLM]] = {name: partial(build, write) for name, write in FOLDERS.items()}
"""Family -> builder of a tiny loaded model in a folder."""
