"""Checkpoints of tiny random models: weights, tokenizer, processor and template in a folder, as published ones lie."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    InternVLConfig,
    InternVLForConditionalGeneration,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pipeline.models.internvl import InternVL
from pipeline.models.qwen2_vl import Qwen2VL

CHAT = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CLOSE, CLOSE_OF_USER = "<|im_end|>\n{% endfor %}", "{% if m['role'] == 'user' %}<|im_end|>\n{% endif %}{% endfor %}"
CORPUS = [
    "Describe this image in one sentence.",
    "What is on the table? A brown dog and a traffic light, near two teddy bears.",
    "user assistant You are a helpful assistant.",
]
PATCH = 8
CELL = 2 * PATCH


def qwen2_vl_folder(
    folder: Path,
    *,
    vocab: int = 400,
    layers: int = 3,
    hidden: int = 32,
    heads: int = 4,
    vision: int = 32,
    vision_layers: int = 2,
    vision_heads: int = 2,
    patch: int = PATCH,
    most: int = 64,
    tied: bool = False,
    ends: bool = False,
    seed: int = 0,
) -> Path:
    """Write a tiny Qwen2-VL checkpoint: model, tokenizer, image processor, template.

    One visual token per 2 x 2 patches, 16 x 16 pixels. vocab: rows of the head (at least those of the tokenizer,
    about 320). most: visual tokens of an image. ends: whether generation stops at <|im_end|>; without it every answer
    has the full length.
    """
    cell, rotary = 2 * patch, hidden // heads // 2
    tokenizer = byte_tokenizer(ends, [*CHAT, "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"])
    ids = tokenizer.get_vocab().__getitem__
    sections = {"mrope_section": [rotary - 2 * (rotary // 3), rotary // 3, rotary // 3]}
    config = Qwen2VLConfig(
        text_config=text_config(tokenizer, vocab, layers, hidden, heads, **sections),
        vision_config={
            "depth": vision_layers,
            "embed_dim": vision,
            "hidden_size": hidden,
            "num_heads": vision_heads,
            "mlp_ratio": 2,
            "patch_size": patch,
        },
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        tie_word_embeddings=tied,
    )
    pixels = {"shortest_edge": cell * cell, "longest_edge": most * cell * cell}
    images = Qwen2VLImageProcessorPil(patch_size=patch, merge_size=2, size=pixels)
    template = TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    processor = Qwen2VL.processor_class(images, tokenizer, None, chat_template=template)
    return save(folder, Qwen2VLForConditionalGeneration, config, processor, ends, seed)


def llava_folder(
    folder: Path,
    *,
    vocab: int = 400,
    layers: int = 3,
    hidden: int = 32,
    heads: int = 4,
    patch: int = PATCH,
    side: int = 8,
    tied: bool = False,
    ends: bool = False,
    seed: int = 0,
) -> Path:
    """Write a tiny LLaVA-1.5 checkpoint: CLIP on `side` x `side` patches, CLS dropped, Llama, a square-cropping
    processor."""
    tokenizer = byte_tokenizer(ends, [*CHAT, "<image>"])
    config = LlavaConfig(
        text_config=text_config(tokenizer, vocab, layers, hidden, heads) | {"model_type": "llama"},
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": side * patch,
            "patch_size": patch,
        },
        image_token_index=tokenizer.get_vocab()["<image>"],
        image_seq_length=side * side,
        tie_word_embeddings=tied,
    )
    square = {"height": side * patch, "width": side * patch}
    images = CLIPImageProcessorPil(size={"shortest_edge": side * patch}, crop_size=square)
    facts = {"patch_size": patch, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}
    processor = LlavaProcessor(images, tokenizer, chat_template=TEMPLATE.replace("IMAGE", "<image>\n"), **facts)
    return save(folder, LlavaForConditionalGeneration, config, processor, ends, seed)


def internvl_folder(
    folder: Path,
    *,
    vocab: int = 400,
    layers: int = 3,
    hidden: int = 32,
    heads: int = 4,
    patch: int = PATCH // 2,
    side: int = 8,
    tied: bool = False,
    ends: bool = False,
    seed: int = 1,
) -> Path:
    """Write a tiny InternVL checkpoint: tiles of `side` x `side` tokens, each of 2 x 2 patches, Qwen2."""
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = byte_tokenizer(ends, CHAT, named)
    pixels = 2 * side * patch
    config = InternVLConfig(
        text_config=text_config(tokenizer, vocab, layers, hidden, heads) | {"model_type": "qwen2"},
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": [pixels, pixels],
            "patch_size": [patch, patch],
        },
        image_token_id=tokenizer.get_vocab()["<IMG_CONTEXT>"],
        image_seq_length=side * side,
        tie_word_embeddings=tied,
    )
    images = GotOcr2ImageProcessorPil(size={"height": pixels, "width": pixels})
    template = TEMPLATE.replace("IMAGE", "<IMG_CONTEXT>\n")
    processor = InternVL.processor_class(images, tokenizer, None, image_seq_length=side * side, chat_template=template)
    return save(folder, InternVLForConditionalGeneration, config, processor, ends, seed)


def text_config(
    tokenizer: PreTrainedTokenizerFast, vocab: int, layers: int, hidden: int, heads: int, **rope: list[int]
) -> dict:
    """A tiny decoder over at least the tokenizer's entries."""
    ids = tokenizer.get_vocab().__getitem__
    return {
        "vocab_size": max(vocab, len(tokenizer)),
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
        "max_position_embeddings": 2048,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, **rope},
        "pad_token_id": ids("<|endoftext|>"),
        "eos_token_id": ids("<|im_end|>"),
        "bos_token_id": None,
    }


def save(
    folder: Path,
    kind: type,
    config: PreTrainedConfig,
    processor: ProcessorMixin,
    ends: bool,
    seed: int,
    embeddings: float = 1.2,
) -> Path:
    """Write a random model of `kind` and its processor. ends: whether <|im_end|> ends an answer, by generation_config,
    config, tokenizer and template; else nothing does. embeddings: their standard deviation."""
    text = config.get_text_config()
    if not ends:  # nowhere may an end be named, then
        text.eos_token_id = None
        processor.chat_template = (processor.chat_template or "").replace(CLOSE, CLOSE_OF_USER) or None
    torch.manual_seed(seed)
    model = kind(config)
    enliven(model, embeddings)
    model.generation_config.eos_token_id = text.eos_token_id
    model.generation_config.pad_token_id = text.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def enliven(model: torch.nn.Module, embeddings: float) -> None:
    """Scale random weights up, so that greedy answers vary and equalities prove something."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim >= 2:
                scale = 1.2 / math.sqrt(math.prod(weight.shape[1:]))
                weight.normal_(0, embeddings if "embed_tokens" in name else scale)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)


def byte_tokenizer(
    ends: bool, special: Sequence[str], named: Mapping[str, str] | None = None
) -> PreTrainedTokenizerFast:
    """A byte-level BPE: any text can be coded, rare characters as several tokens. named: special tokens that become
    attributes of the tokenizer."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=310, initial_alphabet=alphabet, special_tokens=[])
    core.train_from_iterator(CORPUS, trainer)
    core.add_special_tokens([*special, *(named or {}).values()])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token="<|im_end|>" if ends else None,
        pad_token="<|endoftext|>",
        extra_special_tokens=dict(named) if named else list(special),
    )
