"""Where the user's words stand in a processed prompt, and how an image is scaled."""

from collections.abc import Callable
from dataclasses import dataclass

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


def fold(tokens: Int[Tensor, " n"], rows: int, cols: int) -> Int[Tensor, "{rows} {cols}"]:
    """Tokens that lie row by row. Raises ValueError where they are more or fewer than the cells."""
    if len(tokens) != rows * cols:
        raise ValueError(f"{len(tokens)} visual tokens do not fill a grid of {rows} x {cols}")
    return tokens.view(rows, cols)


def fold_patches(
    tokens: Int[Tensor, " n"], frames_rows_cols: Int[Tensor, "1 3"], merge: int
) -> Int[Tensor, "rows cols"]:
    """Tokens that lie row by row, one for `merge` x `merge` patches. Raises ValueError where frames are several."""
    frames, rows, cols = frames_rows_cols[0].tolist()
    if frames != 1:
        raise ValueError(f"{frames} frames where one image was expected")
    return fold(tokens, rows // merge, cols // merge)


@dataclass(frozen=True)
class Prompt:
    """A rendered chat. tail: its last tokens, from the first that holds text of the prompt; `words` of them do."""

    text: str
    tail: tuple[int, ...] = ()
    words: int = 0


def rendered(tokenizer: Callable, render: Callable[[str], str], prompt: str) -> Prompt:
    """The chat around `prompt`, tokenised once with character offsets to find the prompt's tokens.

    Raises ValueError where the template changes the prompt or puts it twice, or no token holds it.
    """
    text = render(prompt)
    if not prompt.strip():
        return Prompt(text)
    before, *after = render(MARK).split(MARK)
    if len(after) != 1 or text != before + prompt + after[0]:
        raise ValueError(f"the chat template does not hold the prompt literally and once: {prompt!r}")
    coded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
    begin, end = len(before), len(before) + len(prompt)
    inside = [n for n, (a, b) in enumerate(coded["offset_mapping"]) if a < b and a < end and b > begin]
    if not inside:
        raise ValueError(f"the prompt was not found in the processed input: {prompt!r}")
    return Prompt(text, tuple(coded["input_ids"][inside[0] :]), inside[-1] - inside[0] + 1)


def prompt_positions(prompt: Prompt, ids: Int[Tensor, " n"], decode: Callable[[int], str]) -> Int[Tensor, " prompt"]:
    """Positions in `ids` of the tokens that hold the text of the prompt.

    What the processor put in the place of the image stands before the prompt, so positions are counted from the end;
    blanks that it put after the chat are passed over. Raises ValueError where `ids` end otherwise than the chat.
    """
    found, end = tuple(ids.tolist()), len(ids)
    while found[max(end - len(prompt.tail), 0) : end] != prompt.tail:
        if end == 0 or decode(found[end - 1]).strip():
            raise ValueError(f"the prompt was not found in the processed input: {prompt.text!r}")
        end -= 1
    first = end - len(prompt.tail)
    return torch.arange(first, first + prompt.words)
