"""A tiny InternVL: its own vision transformer at a fixed size, pixel shuffle, Qwen2."""

from typing import Any

import torch
from family import BLOCKS, FFN, HEADS, HERE, KV_HEADS, WIDTH, Stage, render
from fixed import CANVAS, Fixed, corner
from tokenizer import build_tokenizer
from torch import Tensor
from transformers import (
    GenerationConfig,
    GotOcr2ImageProcessorPil,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVisionConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

PATCH, MERGE = 8, 2
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<img>", "</img>", "<IMG_CONTEXT>", "<video>")
NAMED = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for content in message['content'] %}"
    "{% if content['type'] == 'image' %}<IMG_CONTEXT>\n{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class Processor(InternVLProcessor):
    """InternVL's processor without the video processor, which would need torchvision."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        """The parts it is saved and loaded with."""
        return ["image_processor", "tokenizer"]


Processor.__name__ = "InternVLProcessor"


class InternVL(Fixed):
    """Tower of width 96, patches of 8 pixels, four of them shuffled into one token."""

    name = "internvl"
    folder = HERE / "model_internvl"
    tower = ("model.vision_tower", "model.multi_modal_projector")
    cell = PATCH * MERGE
    stages = (
        Stage("text", 600, 2e-3, 0.3, {6: (0.4, 48), 8: (0.45, 32), 12: (0.15, 16)}),
        Stage("names", 480, 2e-3, 0.1, {6: (0.35, 64), 8: (0.45, 48), 12: (0.2, 20)}),
        Stage("align", 160, 1.5e-3, 0.1, {6: (0.35, 64), 8: (0.45, 48), 12: (0.2, 20)}),
        Stage("joint", 240, 1.5e-3, 0.0, {6: (0.2, 48), 8: (0.35, 40), 10: (0.15, 24), 12: (0.3, 20)}, 0.2),
        Stage(
            "large",
            500,
            1.5e-3,
            0.6,
            {5: (0.1, 16), 6: (0.12, 16), 8: (0.1, 16), 9: (0.13, 16), 12: (0.55, 16)},
            0.2,
            0.1,
        ),
    )

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return build_tokenizer(SPECIAL, CHAT_TEMPLATE, end="<|im_end|>", padding="<|endoftext|>", named=NAMED)

    def processor(self, tokenizer: PreTrainedTokenizerFast) -> Processor:
        side = CANVAS * self.cell
        image_processor = GotOcr2ImageProcessorPil(
            size={"height": side, "width": side},
            crop_to_patches=False,
            image_mean=list(OPENAI_CLIP_MEAN),
            image_std=list(OPENAI_CLIP_STD),
        )
        return Processor(image_processor, tokenizer, None, image_seq_length=CANVAS**2, chat_template=CHAT_TEMPLATE)

    def model(self, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> InternVLForConditionalGeneration:
        torch.manual_seed(seed)
        id_of = tokenizer.convert_tokens_to_ids
        config = InternVLConfig(
            vision_config=InternVLVisionConfig(
                hidden_size=96,
                intermediate_size=384,
                num_hidden_layers=BLOCKS,
                num_attention_heads=3,
                image_size=(CANVAS * self.cell, CANVAS * self.cell),
                patch_size=(PATCH, PATCH),
                layer_scale_init_value=1.0,
                use_mean_pooling=True,
            ),
            text_config=Qwen2Config(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=FFN,
                num_hidden_layers=BLOCKS,
                num_attention_heads=HEADS,
                num_key_value_heads=KV_HEADS,
                max_position_embeddings=2048,
                bos_token_id=None,
                eos_token_id=id_of("<|im_end|>"),
                pad_token_id=id_of("<|endoftext|>"),
                rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
                tie_word_embeddings=True,
            ),
            image_token_id=id_of("<IMG_CONTEXT>"),
            image_seq_length=CANVAS**2,
            downsample_ratio=1 / MERGE,
            tie_word_embeddings=True,
        )
        model = InternVLForConditionalGeneration(config)
        model.generation_config = GenerationConfig(
            do_sample=False, eos_token_id=id_of("<|im_end|>"), pad_token_id=id_of("<|endoftext|>")
        )
        return model

    def around(self, processor: Any, prompt: str) -> tuple[str, str]:
        before, after = render(processor, prompt).split("<IMG_CONTEXT>")
        return before + "<img>", "</img>" + after

    def see(self, model: InternVLForConditionalGeneration, pixels: Tensor, whole: bool) -> Tensor:
        tower = model.model.vision_tower
        if whole:
            pixels = self.padded(pixels)
        grid = pixels.shape[-1] // PATCH
        patches = tower.embeddings.patch_embeddings(pixels)
        first = tower.embeddings.cls_token.expand(len(pixels), -1, -1)
        places = tower.embeddings.position_embeddings[
            :, torch.cat((torch.zeros(1, dtype=torch.long), corner(grid, CANVAS * MERGE) + 1))
        ]
        hidden = torch.cat((first.to(patches.dtype), patches), 1) + places
        hidden = tower.layernorm(tower.encoder(hidden).last_hidden_state)[:, 1:]
        folded = model.model.pixel_shuffle(hidden.view(len(pixels), grid, grid, -1), 1 / MERGE)
        return model.model.multi_modal_projector(folded.flatten(1, 2))
