"""Which image token shows which part of a picture: measured, from what the language model is fed."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor, nn

from pipeline.models.base import VLM
from pipeline.models.canvas import View
from pipeline.types import Query

Pixels = UInt8[np.ndarray, "height width 3"]
Show = Callable[[Pixels], Float[Tensor, "tokens dim"]]
"""The features that take the place of the image tokens."""

TRIES = 5
CLEAR = 0.95
"""Share of the tokens that must lie where row by row would put them, if the others cannot be told."""


class Stop(Exception):
    """Ends a pass."""


@contextmanager
def stopped(decoder: nn.Module) -> Iterator[list[Tensor]]:
    """Inside, the first pass ends where `decoder` would begin, and with it the scope; the list holds its input."""
    found: list[Tensor] = []

    def stop(module: nn.Module, args: tuple, given: dict) -> None:
        found.append(given["inputs_embeds"])
        raise Stop

    hook = decoder.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        yield found
    except Stop:
        pass
    finally:
        hook.remove()


def question(vlm: VLM, pixels: Pixels) -> Query:
    """One about a picture that is as large as the model's own."""
    picture = Image.fromarray(pixels)
    return vlm.query(picture, "What is this?", 1.0, View(picture))


@torch.no_grad()
def features(vlm: VLM, pixels: Pixels) -> Float[Tensor, "tokens dim"]:
    """What the language model is fed in the place of the image tokens."""
    query = question(vlm, pixels)
    with stopped(vlm.decoder) as fed:
        vlm.model.model(**vlm.batch([query]).inputs, use_cache=False)
    return fed[0][0, query.inputs["input_ids"][0] == vlm.config.image_token_id]


def noise(height: int, width: int, seed: int) -> Pixels:
    """A picture in which no two places look alike."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def alive(show: Show, height: int, width: int) -> Int[Tensor, " alive"]:
    """The image tokens that depend on the picture at all; separators between rows do not."""
    one, other = show(noise(height, width, 1)), show(noise(height, width, 2))
    return ((one - other).norm(dim=1) > 1e-3 * one.norm(dim=1)).nonzero()[:, 0]


def square(count: int) -> int:
    """Cells along the side of a square grid that `count` tokens show once or twice.

    Raises ValueError where there is none.
    """
    for copies in (1, 2):
        side = math.isqrt(count // copies)
        if copies * side * side == count > 0:
            return side
    raise ValueError(f"{count} tokens show the picture, which fill no square grid")


def squared(show: Show, size: tuple[int, int], cell: Callable[[int], int]) -> Int[Tensor, "rows cols"]:
    """`table` of a square grid. cell: pixels along the side of a cell, by the number of rows."""
    tokens = alive(show, *size)
    side = square(len(tokens))
    return table(show, tokens, size, (side * cell(side), side * cell(side)), side, side)


def row_by_row(show: Show, size: tuple[int, int], rows: int, cols: int) -> Int[Tensor, "{rows} {cols}"]:
    """`table` of a grid over the whole picture. Raises ValueError where tokens do not lie row by row."""
    found = table(show, alive(show, *size), size, size, rows, cols)
    if found.flatten().tolist() != list(range(rows * cols)):
        raise ValueError("its image tokens do not lie row by row")
    return found


def table(
    show: Show, tokens: Int[Tensor, " alive"], size: tuple[int, int], seen: tuple[int, int], rows: int, cols: int
) -> Int[Tensor, "{rows} {cols}"]:
    """The token of every cell of a grid of `rows` x `cols`, the last one of a cell that is shown twice.

    size: pixels, high and wide, of the picture; seen: of its part, from the top left corner, that the grid covers.

    A row of cells is repainted, then the next, then columns; a token lies in the row and the column whose repainting
    changes it most, in units of its mean change. Repeated on other pictures as long as cells are left without; trained
    towers have a few tokens that change with anything, so in the end it is enough if nearly all lie row by row. Raises
    ValueError where they do not.
    """
    expected = torch.arange(len(tokens)) % (rows * cols)
    changes = torch.zeros(rows, len(tokens)), torch.zeros(cols, len(tokens))
    for attempt in range(TRIES):
        base, paint = noise(*size, 2 * attempt), noise(*size, 2 * attempt + 1)
        before = show(base)[tokens]
        for axis, total in enumerate(changes):
            painted = [show(picture)[tokens] for picture in stripes(base, paint, axis, seen[axis], len(total))]
            change = (torch.stack(painted) - before).norm(dim=2).float().cpu()
            total += change / change.mean(0)
        cell = changes[0].argmax(0) * cols + changes[1].argmax(0)
        shown = cell.bincount(minlength=rows * cols)
        if bool((shown * rows * cols == len(tokens)).all()):
            last = cell.argsort(stable=True).view(rows * cols, -1)[:, -1]
            return tokens[last.to(tokens.device)].view(rows, cols)
    if len(tokens) % (rows * cols) or (cell == expected).float().mean() < CLEAR:
        raise ValueError(f"its image tokens are no grid of {rows} x {cols}: {int((shown == 0).sum())} cells have none")
    return tokens[-rows * cols :].view(rows, cols)


def stripes(base: Pixels, paint: Pixels, axis: int, length: int, count: int) -> Iterator[Pixels]:
    """`base` with one of `count` stripes of the first `length` pixels along `axis` painted over, one after another."""
    for index in range(count):
        here = slice(round(index * length / count), round((index + 1) * length / count))
        place = (here, slice(None)) if axis == 0 else (slice(None), here)
        picture = base.copy()
        picture[place] = paint[place]
        yield picture
