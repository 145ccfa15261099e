"""CAM, TAM and MSEA + ARC once more, slowly, as their papers and the public TAM code write them."""

from collections.abc import Callable

import numpy as np

from tests.oracles import kernels
from tests.oracles.scene import Scene

Explained = tuple[np.ndarray, list[list[float]]]
"""Raw maps, and the text scores that count for each token."""


def logit(scene: Scene, state: np.ndarray, k: int) -> float:
    return float(sum(float(a) * float(b) for a, b in zip(state, scene.head[k], strict=True)))


def raw(scene: Scene, k: int, scale: float = 1.0) -> np.ndarray:
    """Eq. 2 and 4."""
    states, rows, cols = scene.states[scale]
    return np.array([logit(scene, state, k) for state in states]).reshape(rows, cols)


def text_scores(scene: Scene, r: int, k: int) -> list[float]:
    """Prompt words at their own positions, then n0 - 1, ...; the predicting position itself does not count."""
    first = len(scene.ids) - 1
    positions = [*scene.prompt, *range(first, first + r)]
    return [max(0.0, logit(scene, scene.hidden[j], k)) for j in positions]


def refine(image: np.ndarray, interference: np.ndarray, beta_floor: float | None = None) -> np.ndarray:
    """Eq. 9 without floor and filter."""
    norm = (interference**2).sum()
    beta = (image * interference).sum() / norm if norm > 0 else 0.0
    return image - (beta if beta_floor is None else max(beta, beta_floor)) * interference


def cam(scene: Scene) -> Explained:
    maps = np.array([np.maximum(raw(scene, k), 0) for k in scene.answer])
    return maps, [text_scores(scene, r, k) for r, k in enumerate(scene.answer)]


def tam(scene: Scene, compat: bool) -> Explained:
    """As the public code goes: rounds, a growing list of maps, and its five quirks if `compat`."""
    prompt = [int(scene.ids[j]) for j in scene.prompt]
    words = [*prompt, *(int(k) for k in scene.answer)]
    ids = list(words)
    if compat:
        ids[len(prompt)] = int(scene.ids[-1])
        if prompt:
            ids[0] = int(np.argmax([logit(scene, scene.hidden[scene.prompt[0]], k) for k in range(len(scene.head))]))
    recorded: list[np.ndarray] = [np.maximum(raw(scene, k), 0) for k in ids]
    maps, scores = [], []
    for r in range(len(scene.answer)):
        t = len(prompt) + r
        own = ids[0] if compat and r == 0 else ids[t]
        scores.append(text_scores(scene, r, own))
        image = np.maximum(raw(scene, own), 0)
        context = [] if compat and r == 0 else [j for j in range(t) if words[j] != words[t]]
        interference = np.zeros(image.shape)
        total = sum(scores[r][j] for j in context) + 1e-8
        for j in context:
            interference += recorded[j] * scores[r][j] / total
        maps.append(refine(image, interference))
    return np.array(maps), scores


def ranking(scene: Scene, position: int, k: int) -> list[int]:
    logits = [logit(scene, scene.hidden[position], v) for v in range(len(scene.head))]
    return sorted(range(len(logits)), key=lambda v: (-logits[v], v))[:k]


def msea_arc(
    scene: Scene,
    *,
    scales: tuple[float, ...],
    fuse: str,
    interference: str,
    k: int,
    p: float,
    rbo: str,
    relu: str,
    beta_floor: float | None,
    base_map: bool,
    valid_ids_only: bool,
    exclude_same_word: bool,
    rank_position: str,
) -> Explained:
    def clip(image: np.ndarray) -> np.ndarray:
        return np.maximum(image, 0) if relu == "both" else image

    combine: Callable[..., np.ndarray] = np.mean if fuse == "mean" else np.max
    _, rows, cols = scene.states[1.0]
    n0, prompts = len(scene.ids), len(scene.prompt)
    words = [*(int(scene.ids[j]) for j in scene.prompt), *(int(v) for v in scene.answer)]
    fused = [  # eq. 5
        combine([kernels.resize(clip(raw(scene, v, s)), rows, cols) for s in scales], axis=0) for v in words
    ]
    vocabulary = range(scene.valid if valid_ids_only else len(scene.head))
    base = clip(raw(scene, min(vocabulary, key=lambda v: raw(scene, v).sum())))

    positions = []  # of the ranking of each context token
    for j in range(len(words)):
        own = int(scene.prompt[j]) if j < prompts else n0 + j - prompts
        positions.append(own if rank_position == "own" or (rank_position == "tam" and j < prompts) else own - 1)

    maps, scores = [], []
    for r, word in enumerate(int(v) for v in scene.answer):
        scores.append(text_scores(scene, r, word))
        image = fused[prompts + r]
        context = list(range(prompts + r))
        if exclude_same_word or interference == "tam":
            context = [j for j in context if words[j] != word]
        weighted: list[tuple[float, np.ndarray]] = []
        if interference == "mean":
            weighted = [(1.0, fused[j]) for j in context]
        elif interference == "tam":
            weighted = [(scores[r][j], fused[j]) for j in context]
        elif interference == "arc":
            target = ranking(scene, n0 + r - 1, k)
            for j in context:  # eq. 6-8
                overlap = kernels.rbo(ranking(scene, positions[j], k), target, p, rbo == "ext")
                weighted.append((1 - overlap, fused[j]))
            if base_map:
                weighted.append((1.0, base))
        total = sum(weight for weight, _ in weighted)
        mean = sum((w * m for w, m in weighted), np.zeros((rows, cols))) / (total or 1)
        maps.append(image if interference == "none" else refine(image, mean, beta_floor))
    return np.array(maps), scores
