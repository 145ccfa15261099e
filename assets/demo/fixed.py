"""What LLaVA and InternVL share here: a canvas of fixed size, positions in one dimension, learned position embeddings.

A picture at a scale below one stands in the upper left corner of the canvas, the rest is the mean colour. Early
stages leave the rest out: its tokens are skipped, those of the picture keep their positions.
"""

from typing import Any

import torch
from family import Family
from PIL import Image
from torch import Tensor

CANVAS = 12
"""Side of the token grid; 192 pixels at 16 a cell."""
SPAN = CANVAS * CANVAS
PLACE_SEED = 7


def codes() -> Tensor:
    """Sines and cosines of every cell's row and column, periods of 12 and 24 cells: [rows, columns, 8]."""
    middle = torch.arange(CANVAS) + 0.5
    waves = torch.cat([f(2 * torch.pi * middle[:, None] / torch.tensor((24, 12))) for f in (torch.sin, torch.cos)], 1)
    rows, columns = waves[:, None].expand(-1, CANVAS, -1), waves[None].expand(CANVAS, -1, -1)
    return torch.cat((rows, columns), -1)


def directions(dim: int) -> Tensor:
    """Eight fixed orthonormal directions of the token space: [8, dim]."""
    random = torch.randn(dim, 8, generator=torch.Generator().manual_seed(PLACE_SEED))
    return torch.linalg.qr(random).Q.T


def strength(table: Tensor) -> Tensor:
    """Length of a code's component: a code is half as long as a word."""
    return 0.25 * table.detach().norm(dim=-1).mean()


def corner(grid: int, canvas: int = CANVAS) -> Tensor:
    """Cells of a canvas that a picture of grid x grid cells covers, row by row."""
    cells = torch.arange(grid)
    return (cells[:, None] * canvas + cells).flatten()


class Fixed(Family):
    """Pictures on a canvas; a language model that knows order but not rows and columns."""

    def positions(self, before: int, tokens: int, after: int) -> Tensor:
        """As in the whole sequence, also where tokens were skipped: [1, tokens]."""
        image = corner(round(tokens**0.5)) + before
        return torch.cat((torch.arange(before), image, torch.arange(after) + before + SPAN))[None]

    def code(self, table: Tensor, grid: int) -> Tensor:
        place = codes()[:grid, :grid].flatten(0, 1)
        return strength(table) * place @ directions(table.shape[1])

    def place_loss(self, table: Tensor, tokens: Tensor) -> Tensor:
        grid = round(tokens.shape[1] ** 0.5)
        found = tokens @ directions(tokens.shape[-1]).T / strength(table)
        return (found - codes()[:grid, :grid].flatten(0, 1)).square().mean()

    def padded(self, pixels: Tensor) -> Tensor:
        """Pictures in the upper left corner of the canvas; zeros are the mean colour."""
        rest = CANVAS * self.cell - pixels.shape[-1]
        return torch.nn.functional.pad(pixels, (0, rest, 0, rest))

    def inputs(self, processor: Any, image: Image.Image, prompt: str) -> tuple[dict[str, Tensor], int, int]:
        encode = processor.tokenizer.encode
        before, after = (encode(part) for part in self.around(processor, prompt))
        ids = torch.tensor([[*before, *[processor.image_token_id] * SPAN, *after]])
        pixels = self.pixels([image], CANVAS)
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}, CANVAS, CANVAS
