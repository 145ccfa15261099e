"""Where the user's words stand in a processed prompt, and how an image is scaled."""

from collections.abc import Callable

import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

MARK = "PROMPT\u2063MARK"
"""Stands in for the prompt while the chat template is taken apart; an invisible separator keeps it unique."""


def scaled(image: Image.Image, scale: float) -> Image.Image:
    """`image` in RGB, its sides multiplied by `scale` (bicubic)."""
    image = image.convert("RGB")
    if scale == 1.0:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC)


def prompt_positions(
    tokenizer: Callable, render: Callable[[str], str], prompt: str, ids: Int[Tensor, " n"]
) -> Int[Tensor, " prompt"]:
    """Positions in `ids` of the tokens that hold the text of `prompt`.

    The rendered chat is tokenised once more, with character offsets; what the processor put in the place of the
    image stands before the prompt, so positions are counted from the end. Raises ValueError where the template
    changes the prompt or puts it twice, or the two token sequences differ.
    """
    if not prompt.strip():
        return torch.empty(0, dtype=torch.long)
    before, *after = render(MARK).split(MARK)
    if len(after) != 1 or render(prompt) != before + prompt + after[0]:
        raise ValueError(f"the chat template does not hold the prompt literally and once: {prompt!r}")
    coded = tokenizer(before + prompt + after[0], return_offsets_mapping=True, add_special_tokens=False)
    begin, end = len(before), len(before) + len(prompt)
    inside = [n for n, (a, b) in enumerate(coded["offset_mapping"]) if a < b and a < end and b > begin]
    tail = coded["input_ids"][inside[0] :] if inside else []
    if not tail or ids[-len(tail) :].tolist() != tail:
        raise ValueError(f"the prompt was not found in the processed input: {prompt!r}")
    first = len(ids) - len(tail)
    return torch.arange(first, first + inside[-1] - inside[0] + 1)
