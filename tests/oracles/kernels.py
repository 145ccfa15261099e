"""The kernels once more, slowly: float64, one value at a time."""

import math

import numpy as np


def rbo(first: list[int], second: list[int], p: float, extrapolate: bool) -> float:
    """Webber et al. 2010: base score over the common prefix, and eq. 23."""
    k = len(first)
    overlap = [len(set(first[:d]) & set(second[:d])) / d for d in range(1, k + 1)]
    if p == 1:
        return sum(overlap) / k
    base = (1 - p) * sum(p ** (d - 1) * overlap[d - 1] for d in range(1, k + 1))
    return base + overlap[-1] * p**k if extrapolate else base


def rank_gaussian(image: np.ndarray, constant_to_zero: bool) -> np.ndarray:
    rows, cols = image.shape
    out = np.zeros((rows, cols))
    for i in range(rows):
        for j in range(cols):
            window = sorted(image[mirror(i + di, rows), mirror(j + dj, cols)] for di in (-1, 0, 1) for dj in (-1, 0, 1))
            mean = sum(window) / 9
            if mean <= 0:
                continue
            if window[0] == window[-1]:
                out[i, j] = 0 if constant_to_zero else window[0]
                continue
            width = math.sqrt(sum((value - mean) ** 2 for value in window) / 9) / mean
            kernel = [math.exp(-((rank - 4) ** 2) / (2 * width**2)) for rank in range(9)]
            out[i, j] = sum(a * b for a, b in zip(kernel, window, strict=True)) / sum(kernel)
    return out


def mirror(index: int, size: int) -> int:
    if size == 1:
        return 0
    if index < 0:
        return -index
    return 2 * (size - 1) - index if index >= size else index


def resize(image: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """Bilinear between cell centres, edges held."""
    out = np.zeros((rows, cols))
    for i in range(rows):
        for j in range(cols):
            y = min(max((i + 0.5) * image.shape[0] / rows - 0.5, 0), image.shape[0] - 1)
            x = min(max((j + 0.5) * image.shape[1] / cols - 0.5, 0), image.shape[1] - 1)
            top, left = int(y), int(x)
            low, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
            upper = image[top, left] * (1 - (x - left)) + image[top, right] * (x - left)
            lower = image[low, left] * (1 - (x - left)) + image[low, right] * (x - left)
            out[i, j] = upper * (1 - (y - top)) + lower * (y - top)
    return out


def finish(
    maps: np.ndarray, scores: list[list[float]], rank_filter: str = "none", normalise: str = "joint"
) -> np.ndarray:
    """Floor, min-max (with the text scores of the token), filter; in [0, 1], not yet rounded."""
    out = np.zeros(maps.shape)
    for r, image in enumerate(np.maximum(maps, 0)):
        values = [*image.ravel(), *([max(s, 0) for s in scores[r]] if normalise == "joint" else [])]
        low, high = min(values), max(values)
        if high > low:
            out[r] = (image - low) / (high - low)
        if rank_filter != "none":
            out[r] = rank_gaussian(out[r], rank_filter == "compat")
    return out
