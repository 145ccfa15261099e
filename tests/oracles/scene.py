"""Random hidden states, plain numpy: what the oracles and, through a translation, the explainers explain."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scene:
    """states: per scale the visual states and their grid. hidden: the state of every position, zeros before `start`.

    ids: the input tokens. prompt: positions of the user's words. answer: generated ids. valid: ids of the tokenizer.
    """

    states: dict[float, tuple[np.ndarray, int, int]]
    hidden: np.ndarray
    start: int
    ids: np.ndarray
    prompt: np.ndarray
    answer: np.ndarray
    head: np.ndarray
    valid: int


def random_scene(
    seed: int, *, prompts: int = 3, answers: int = 5, grid: tuple[int, int] = (4, 6), vocab: int = 30, dim: int = 8
) -> Scene:
    """Scales 0.5, 0.75 and 1; a short template after the prompt; words that repeat."""
    random = np.random.default_rng(seed)
    sizes = {scale: [max(1, round(side * scale)) for side in grid] for scale in (0.5, 0.75, 1.0)}
    states = {s: (random.normal(size=(r * c, dim)).astype(np.float32), r, c) for s, (r, c) in sizes.items()}
    start = 1 + grid[0] * grid[1]
    prompt = start + 1 + np.arange(prompts)
    length = start + 1 + prompts + 2
    hidden = random.normal(size=(length + answers - 1, dim)).astype(np.float32)
    hidden[:start] = 0
    ids = random.integers(0, vocab, length)
    answer = random.integers(0, vocab, answers)
    if answers > 2:
        answer[-1] = answer[0]
    if prompts and answers > 1:
        answer[1] = ids[prompt[0]]
    head = random.normal(size=(vocab, dim)).astype(np.float32)
    return Scene(states, hidden, start, ids, prompt, answer, head, vocab - vocab // 3)
