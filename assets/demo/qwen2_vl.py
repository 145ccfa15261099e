"""A tiny Qwen2-VL: images of free size, positions in two dimensions.

Its tower is run batched on images of one size: same weights and same results as the model's own forward pass, to
rounding, and several times faster on a CPU, because attention does not loop over images.
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from family import BLOCKS, FFN, HEADS, HERE, KV_HEADS, WIDTH, Family, Stage, render
from PIL import Image
from tokenizer import build_tokenizer
from torch import Tensor
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessorPil,
    Qwen2VLProcessor,
)
from transformers.models.qwen2_vl.modeling_qwen2_vl import rotate_half

PATCH, MERGE = 8, 2
SIDES = (96, 400)
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
SMALL = {6: (0.4, 64), 8: (0.6, 48)}


class Processor(Qwen2VLProcessor):
    """Qwen2-VL's processor without the video processor, which would need torchvision."""

    @classmethod
    def get_attributes(cls) -> list[str]:
        """The parts it is saved and loaded with."""
        return ["image_processor", "tokenizer"]


Processor.__name__ = "Qwen2VLProcessor"


Processor.__name__ = "Qwen2VLProcessor"


def vision_positions(grid: int) -> Tensor:
    """Rows and columns of the patches in the tower's order, block by block: [patches, 2]."""
    rows = torch.arange(grid * MERGE).view(-1, 1).expand(-1, grid * MERGE)
    stack = torch.stack((rows, rows.T)).view(2, grid, MERGE, grid, MERGE)
    return stack.permute(0, 1, 3, 2, 4).reshape(2, -1).T


class Qwen2VL(Family):
    """Width 96 in the tower, patches of 8 pixels, merged 2 x 2; sides of 96 to 400 pixels pass without rescaling."""

    name = "qwen2_vl"
    folder = HERE / "model"
    tower = ("model.visual",)
    cell = PATCH * MERGE
    stages = (
        Stage("text", 600, 2e-3, 0.3, {6: (0.4, 48), 8: (0.45, 32), 12: (0.15, 16)}),
        Stage("names", 480, 2e-3, 0.1, SMALL),
        Stage("align", 100, 1.5e-3, 0.1, SMALL),
        Stage("joint", 240, 1.5e-3, 0.0, {6: (0.2, 48), 8: (0.5, 40), 10: (0.15, 24), 12: (0.15, 20)}, 0.2),
        Stage(
            "large",
            600,
            1.5e-3,
            0.6,
            {7: (0.1, 40), 8: (0.15, 40), 12: (0.25, 20), 16: (0.4, 12), 21: (0.1, 6)},
            0.2,
            0.1,
        ),
    )

    def tokenizer(self) -> PreTrainedTokenizerFast:
        return build_tokenizer(SPECIAL, CHAT_TEMPLATE, end="<|im_end|>", padding="<|endoftext|>")

    def processor(self, tokenizer: PreTrainedTokenizerFast) -> Processor:
        image_processor = Qwen2VLImageProcessorPil(
            patch_size=PATCH,
            merge_size=MERGE,
            size={"shortest_edge": SIDES[0] ** 2, "longest_edge": SIDES[1] ** 2},
        )
        return Processor(image_processor, tokenizer, None, chat_template=CHAT_TEMPLATE)

    def model(self, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> Qwen2VLForConditionalGeneration:
        torch.manual_seed(seed)
        vocabulary = len(tokenizer)
        id_of = tokenizer.convert_tokens_to_ids
        config = Qwen2VLConfig(
            text_config={
                "vocab_size": vocabulary,
                "hidden_size": WIDTH,
                "intermediate_size": FFN,
                "num_hidden_layers": BLOCKS,
                "num_attention_heads": HEADS,
                "num_key_value_heads": KV_HEADS,
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
                "hidden_size": WIDTH,
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

    def around(self, processor: Processor, prompt: str) -> tuple[str, str]:
        before, after = render(processor, prompt).split("<|image_pad|>")
        return before, after

    def see(self, model: Qwen2VLForConditionalGeneration, pixels: Tensor, whole: bool) -> Tensor:
        tower = model.model.visual
        batch, channels, side, _ = pixels.shape
        grid = side // self.cell
        patches = pixels.view(batch, channels, grid, MERGE, PATCH, grid, MERGE, PATCH)
        patches = patches.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(batch, -1, channels * PATCH * PATCH)
        kernel = tower.patch_embed.proj.weight.sum(2).flatten(1)
        hidden = F.linear(patches, kernel)
        cos, sin = (x.unsqueeze(0).unsqueeze(2) for x in tower.rotary_pos_emb(hidden, vision_positions(grid)))
        for block in tower.blocks:
            attention = block.attn
            packed = attention.qkv(block.norm1(hidden))
            query, key, value = packed.view(batch, hidden.shape[1], 3, attention.num_heads, -1).unbind(2)
            cos, sin = cos.to(query.dtype), sin.to(query.dtype)
            query, key = (x * cos + rotate_half(x) * sin for x in (query, key))
            mixed = F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (query, key, value)))
            hidden = hidden + attention.proj(mixed.transpose(1, 2).flatten(2))
            hidden = hidden + block.mlp(block.norm2(hidden))
        return tower.merger(hidden.flatten(0, 1)).view(batch, grid * grid, -1)

    def positions(self, before: int, tokens: int, after: int) -> Tensor:
        """M-RoPE: time, row, column [3, 1, tokens]."""
        grid = round(tokens**0.5)
        cells = torch.arange(grid)
        rows, columns = cells.repeat_interleave(grid), cells.repeat(grid)
        image = torch.stack((torch.zeros(tokens, dtype=torch.long), rows, columns))
        head = torch.arange(before).expand(3, -1)
        tail = torch.arange(after).expand(3, -1) + before + grid
        return torch.cat((head, image + before, tail), 1).unsqueeze(1)

    def inputs(self, processor: Processor, image: Image.Image, prompt: str) -> tuple[dict[str, Tensor], int, int]:
        inputs: Mapping[str, Any] = processor(images=[image], text=[render(processor, prompt)], return_tensors="pt")
        _, height, width = inputs["image_grid_thw"][0].tolist()
        return dict(inputs), height // MERGE, width // MERGE
