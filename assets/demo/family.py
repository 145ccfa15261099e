"""What a family of embedded models says about itself; the recipe trains all of them alike."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
WIDTH, FFN, BLOCKS, HEADS, KV_HEADS = 192, 512, 4, 6, 2
"""The language model of every family."""
MEAN = torch.tensor((0.48145466, 0.4578275, 0.40821073)) * 255
STD = torch.tensor((0.26862954, 0.26130258, 0.27577711)) * 255


@dataclass(frozen=True)
class Stage:
    """name; steps; rate: peak learning rate; decay: share of the steps in which it falls to a twentieth;
    grids: side of the token grid -> (probability, batch size); replay, labels: weights of the
    symbolic loss and of the image-level labels beside the captions."""

    name: str
    steps: int
    rate: float
    decay: float
    grids: dict[int, tuple[float, int]]
    replay: float = 0.0
    labels: float = 0.0


class Family(ABC):
    """One architecture: how it is built, how it sees, where its tokens stand.

    name: as in configs/vlm/demo*.yaml. folder: of the exported checkpoint. tower: first parts of the names of the
    parameters that belong to vision. cell: pixels of the side of a visual token.
    """

    name: str
    folder: Path
    tower: tuple[str, ...]
    cell: int
    stages: tuple[Stage, ...]

    @abstractmethod
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer, with the chat template."""

    @abstractmethod
    def processor(self, tokenizer: PreTrainedTokenizerFast) -> Any:
        """The processor that is saved with the model."""

    @abstractmethod
    def model(self, tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> Any:
        """The model with random weights."""

    @abstractmethod
    def around(self, processor: Any, prompt: str) -> tuple[str, str]:
        """The rendered chat before and after the visual tokens."""

    @abstractmethod
    def see(self, model: Any, pixels: Tensor, whole: bool) -> Tensor:
        """Normalised pixels [images, 3, side, side] -> visual tokens [images, tokens, dim], row by row.

        whole: as the finished model will be fed; otherwise early stages may leave out what holds no picture.
        """

    @abstractmethod
    def positions(self, before: int, tokens: int, after: int) -> Tensor:
        """Positions of `before` tokens, the visual tokens and `after` tokens: [..., 1, tokens]."""

    def code(self, table: Tensor, grid: int) -> Tensor | float:
        """What symbolic tokens carry of their place [cells, dim], where positions alone do not say it."""
        return 0.0

    def place_loss(self, table: Tensor, tokens: Tensor) -> Tensor | float:
        """How far visual tokens are from carrying that code of their own cell."""
        return 0.0

    def pixels(self, images: Sequence[Image.Image], grid: int) -> Tensor:
        """Scenes resized to grid x grid cells -> normalised pixels [images, 3, side, side]."""
        side = grid * self.cell
        arrays = [
            np.asarray(im if im.size == (side, side) else im.resize((side, side), Image.Resampling.BICUBIC))
            for im in images
        ]
        stack = torch.from_numpy(np.stack(arrays)).float()
        return ((stack - MEAN) / STD).permute(0, 3, 1, 2)

    @abstractmethod
    def inputs(self, processor: Any, image: Image.Image, prompt: str) -> tuple[dict[str, Tensor], int, int]:
        """Arguments of `generate` for one whole picture, and the rows and columns of its visual tokens."""


class Reader:
    """Runs the language model on visual tokens and captions inside the chat template.

    before, after: token ids of the prompt around the visual tokens.
    """

    def __init__(self, family: Family, before: list[int], after: list[int], pad: int) -> None:
        self.family, self.pad = family, pad
        self.before, self.after = torch.tensor(before), torch.tensor(after)

    def states(self, model: Any, vision: Tensor, captions: list[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
        """Visual tokens [samples, cells, dim], caption ids with their end token -> last hidden states of the visual
        slots, those that predict caption tokens [samples, longest, dim], and the targets (-100 where padded)."""
        batch, cells, _ = vision.shape
        longest = max(map(len, captions))
        ids = torch.full((batch, longest), self.pad)
        targets = torch.full((batch, longest), -100)
        for row, caption in enumerate(captions):
            ids[row, : len(caption)] = targets[row, : len(caption)] = torch.tensor(caption)
        embed: nn.Module = model.get_input_embeddings()
        before = embed(self.before).expand(batch, -1, -1)
        after = embed(self.after).expand(batch, -1, -1)
        sequence = torch.cat((before, vision.to(before.dtype), after, embed(ids[:, :-1])), 1)
        positions = self.family.positions(len(self.before), cells, len(self.after) + longest - 1)
        hidden = model.model.language_model(
            inputs_embeds=sequence,
            attention_mask=torch.ones(sequence.shape[:2], dtype=torch.long),  # gaps in positions are no new sequence
            position_ids=positions.expand(*positions.shape[:-2], batch, -1),
            use_cache=False,
        ).last_hidden_state
        first = len(self.before)
        start = first + cells + len(self.after) - 1
        return hidden[:, first : first + cells], hidden[:, start:], targets


def render(processor: Any, prompt: str) -> str:
    """The chat with one image and a prompt, as text."""
    parts = [{"type": "image"}, {"type": "text", "text": prompt}]
    return processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
