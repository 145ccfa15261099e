"""The embedded model before training: configuration, tokenizer, chat template and processor of a tiny Qwen2-VL."""

import itertools
from pathlib import Path

import scenes
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
)

PATCH, MERGE = 8, 2
CELL = PATCH * MERGE
SIDES = (96, 400)
VOCABULARY = 704
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}"
    "<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif content['type'] == 'video' or 'video' in content %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Processor(Qwen2VLProcessor):
    """Qwen2-VL's processor without the video processor, which would need torchvision."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        """The parts it is saved and loaded with."""
        return ["image_processor", "tokenizer"]


Processor.__name__ = "Qwen2VLProcessor"


def corpus() -> list[str]:
    """Every wording around every category, for training the tokenizer: no scene is needed."""
    names = scenes.CATEGORIES
    lines = [
        scenes.caption(tuple(names[(i + j) % len(names)] for j in range(count)), colour, template)
        for i, colour, template, count in itertools.product(
            range(len(names)), scenes.COLOURS, range(len(scenes.TEMPLATES)), (1, 2, 3)
        )
    ]
    return lines + [scenes.PROMPT, "user", "assistant", "system"] * (len(lines) // 20)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE with Qwen's pre-tokenisation and special tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus(), trainer)
    bpe.add_special_tokens(list(SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=list(SPECIAL),
        chat_template=CHAT_TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def build_processor(tokenizer: PreTrainedTokenizerFast) -> Processor:
    """The processor: sides of 96 to 400 pixels that are multiples of a cell pass without rescaling."""
    image_processor = Qwen2VLImageProcessorPil(
        patch_size=PATCH,
        merge_size=MERGE,
        size={"shortest_edge": SIDES[0] ** 2, "longest_edge": SIDES[1] ** 2},
    )
    return Processor(image_processor, tokenizer, None, chat_template=CHAT_TEMPLATE)


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> Qwen2VLForConditionalGeneration:
    """The model with random weights."""
    torch.manual_seed(seed)
    vocabulary = len(tokenizer)
    id_of = tokenizer.convert_tokens_to_ids
    config = Qwen2VLConfig(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "max_position_embeddings": 2048,
            "max_window_layers": 80,
            "bos_token_id": None,
            "eos_token_id": id_of("<|im_end|>"),
            "pad_token_id": id_of("<|endoftext|>"),
            "rope_parameters": {"rope_type": "default", "rope_theta": 20.0, "mrope_section": [4, 6, 6]},
            "tie_word_embeddings": True,
        },
        vision_config={
            "embed_dim": 96,
            "depth": 4,
            "num_heads": 3,
            "hidden_size": 192,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "mlp_ratio": 4,
            "rope_parameters": {"rope_type": "axial", "rope_theta": 100.0},
        },
        image_token_id=id_of("<|image_pad|>"),
        video_token_id=id_of("<|video_pad|>"),
        vision_start_token_id=id_of("<|vision_start|>"),
        vision_end_token_id=id_of("<|vision_end|>"),
        tie_word_embeddings=True,
    )
    model = Qwen2VLForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=id_of("<|im_end|>"), pad_token_id=id_of("<|endoftext|>")
    )
    return model


def load(folder: Path) -> tuple[Qwen2VLForConditionalGeneration, Processor]:
    """An exported model and its processor."""
    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), Processor.from_pretrained(folder, backend="pil")
