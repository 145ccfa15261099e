"""The vision tower and the language model of Qwen2-VL, batched for training on images of one size.

Same weights and same results as the model's own forward pass, to rounding; several times faster on a CPU,
because attention runs over the whole batch instead of image by image, and only caption positions pass the head.
"""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration
from transformers.models.qwen2_vl.modeling_qwen2_vl import rotate_half
from vlm import CELL, MERGE, PATCH

MEAN = torch.tensor((0.48145466, 0.4578275, 0.40821073)) * 255
STD = torch.tensor((0.26862954, 0.26130258, 0.27577711)) * 255


def pixels(images: list[Image.Image], grid: int) -> Tensor:
    """Scenes resized to grid x grid cells -> normalised pixels [images, 3, side, side]."""
    side = grid * CELL
    arrays = [
        np.asarray(im if im.size == (side, side) else im.resize((side, side), Image.Resampling.BICUBIC))
        for im in images
    ]
    stack = torch.from_numpy(np.stack(arrays)).float()
    return ((stack - MEAN) / STD).permute(0, 3, 1, 2)


def vision_positions(grid: int) -> Tensor:
    """Rows and columns of the patches in the tower's order, block by block: [patches, 2]."""
    rows = torch.arange(grid * MERGE).view(-1, 1).expand(-1, grid * MERGE)
    stack = torch.stack((rows, rows.T)).view(2, grid, MERGE, grid, MERGE)
    return stack.permute(0, 1, 3, 2, 4).reshape(2, -1).T


def see(model: Qwen2VLForConditionalGeneration, image: Tensor) -> Tensor:
    """Pixels [images, 3, side, side] -> visual tokens [images, grid * grid, dim], row by row."""
    tower = model.model.visual
    batch, channels, side, _ = image.shape
    grid = side // CELL
    patches = image.view(batch, channels, grid, MERGE, PATCH, grid, MERGE, PATCH)
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


def text_positions(before: int, grid: int, after: int) -> Tensor:
    """M-RoPE positions of `before` tokens, grid x grid visual tokens and `after` tokens: [3, 1, tokens]."""
    cells = torch.arange(grid)
    image = torch.stack((torch.zeros(grid * grid, dtype=torch.long), cells.repeat_interleave(grid), cells.repeat(grid)))
    head = torch.arange(before).expand(3, -1)
    tail = torch.arange(after).expand(3, -1) + before + grid
    return torch.cat((head, image + before, tail), 1).unsqueeze(1)


class Reader:
    """Runs the language model on visual tokens and captions inside the chat template.

    before, after: token ids of the prompt around the visual tokens.
    """

    def __init__(self, before: list[int], after: list[int], pad: int) -> None:
        self.before, self.after, self.pad = torch.tensor(before), torch.tensor(after), pad

    def states(
        self, model: Qwen2VLForConditionalGeneration, vision: Tensor, captions: list[list[int]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Visual tokens [samples, cells, dim], caption ids with their end token -> last hidden states of the visual
        slots, those that predict caption tokens [samples, longest, dim], and the targets (-100 where padded)."""
        batch, cells, _ = vision.shape
        longest = max(map(len, captions))
        ids = torch.full((batch, longest), self.pad)
        targets = torch.full((batch, longest), -100)
        for row, caption in enumerate(captions):
            ids[row, : len(caption)] = targets[row, : len(caption)] = torch.tensor(caption)
        embed = model.get_input_embeddings()
        before = embed(self.before).expand(batch, -1, -1)
        after = embed(self.after).expand(batch, -1, -1)
        sequence = torch.cat((before, vision.to(before.dtype), after, embed(ids[:, :-1])), 1)
        positions = text_positions(len(self.before), round(cells**0.5), len(self.after) + longest - 1).expand(
            -1, batch, -1
        )
        hidden = model.model.language_model(
            inputs_embeds=sequence, position_ids=positions, use_cache=False
        ).last_hidden_state
        first = len(self.before)
        start = first + cells + len(self.after) - 1
        return hidden[:, first : first + cells], hidden[:, start:], targets
