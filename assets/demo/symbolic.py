"""Symbolic scenes: category words on a random grid, standing where visual tokens will stand.

No pixel, no mask and no box of a picture enters here: layouts are drawn at random, and teach the language model
how a caption follows from words arranged in two dimensions.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scenes import CATEGORIES, COLOURS, caption
from torch import Tensor


def layout(rng: np.random.Generator, grid: int) -> tuple[tuple[str, ...], str, NDArray[np.int64]]:
    """One to three names from left to right, a colour, and the grid's cells: -1 background, else the name's index."""
    number = int(rng.choice((1, 2, 3), p=(0.25, 0.4, 0.35)))
    names = tuple(CATEGORIES[i] for i in rng.choice(len(CATEGORIES), number, replace=False))
    colour = COLOURS[rng.integers(len(COLOURS))]
    rows, columns = (np.arange(grid) + 0.5)[:, None] / grid, (np.arange(grid) + 0.5)[None] / grid
    while True:
        x = rng.uniform(0.1, 0.9, number)
        if number > 1 and np.diff(x).min() < max(0.15, 1 / grid):
            continue
        cells = np.full((grid, grid), -1)
        for index in rng.permutation(number):
            half = rng.uniform(0.09, 0.24, 2) + 0.25 / grid
            y = rng.uniform(0.1, 0.9)
            inside = ((columns - x[index]) / half[0]) ** 2 + ((rows - y) / half[1]) ** 2 < 1
            cells[inside] = index
        if len(np.unique(cells[cells >= 0])) == number:
            return names, colour, cells.ravel()


class SymbolicBatch:
    """Token ids [samples, cells] of words on grids, and the captions that name them.

    word: category or colour -> the first token of its name.
    """

    def __init__(self, rng: np.random.Generator, word: dict[str, int], size: int, grid: int) -> None:
        self.captions: list[str] = []
        rows = []
        vocabulary = np.array(list(word.values()))
        for _ in range(size):
            names, colour, cells = layout(rng, grid)
            self.captions.append(caption(names, colour))
            tokens = np.array([word[name] for name in names] + [word[colour]])[cells]
            wrong = rng.random(tokens.shape) < 0.03
            rows.append(np.where(wrong, rng.choice(vocabulary, tokens.shape), tokens))
        self.tokens: Tensor = torch.from_numpy(np.stack(rows))

    def visual(self, embedding: Tensor, rng: np.random.Generator, noise: float) -> Tensor:
        """Embeddings of the words with Gaussian noise, relative to their own spread."""
        clean = embedding[self.tokens]
        spread = embedding.detach().std() * noise
        return clean + spread * torch.from_numpy(rng.standard_normal(clean.shape, dtype=np.float32))
