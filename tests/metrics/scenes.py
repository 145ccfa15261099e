"""Small evidence made by hand, words that need no tagger, and slow readings of the pixel rules."""

from collections.abc import Mapping

import numpy as np
from pycocotools import mask as coco

from metrics.base import Evidence
from metrics.words import Word, label, plain


def rle(mask: np.ndarray) -> dict:
    return coco.encode(np.asfortranarray(mask.astype(np.uint8)))


def word(text: str, tokens: tuple[int, ...], tag: str = "NN", lemma: str | None = None) -> Word:
    return Word(text, tokens, label(text, tag), plain(text) if lemma is None else lemma, tag)


def evidence(maps: np.ndarray, masks: Mapping[str, np.ndarray], categories: tuple[str, ...] = (), **more) -> Evidence:
    pieces = tuple(f" w{index}" for index in range(len(maps)))
    encoded = {name: rle(mask) for name, mask in masks.items()}
    return Evidence(maps, pieces, encoded, categories or tuple(masks), **more)


def square(height: int, width: int, top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = True
    return mask


def random_maps(tokens: int, rows: int = 6, cols: int = 9, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (tokens, rows, cols), dtype=np.uint8)


def slow_otsu(pixels: np.ndarray) -> int:
    """The threshold that maximises the variance between the two classes; the first of equal ones."""
    values = [int(value) for value in pixels.ravel()]
    best, threshold = 0.0, 0
    for candidate in range(255):
        low = [value for value in values if value <= candidate]
        high = [value for value in values if value > candidate]
        if low and high:
            gap = sum(low) / len(low) - sum(high) / len(high)
            between = len(low) * len(high) * gap * gap / len(values) ** 2
            if between > best * (1 + 1e-12):
                best, threshold = between, candidate
    return threshold


def slow_bilinear(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * pixels.shape[0] / height - 0.5, 0), pixels.shape[0] - 1)
            u = min(max((x + 0.5) * pixels.shape[1] / width - 0.5, 0), pixels.shape[1] - 1)
            top, left = int(v), int(u)
            bottom, right = min(top + 1, pixels.shape[0] - 1), min(left + 1, pixels.shape[1] - 1)
            a, b = v - top, u - left
            out[y, x] = (1 - a) * ((1 - b) * float(pixels[top, left]) + b * float(pixels[top, right])) + a * (
                (1 - b) * float(pixels[bottom, left]) + b * float(pixels[bottom, right])
            )
    return out


def slow_overlap(placed: np.ndarray, mask: np.ndarray, threshold: float) -> tuple[float, float, float]:
    hit = predicted = truth = 0
    for value, inside in zip(placed.ravel().tolist(), mask.ravel().tolist(), strict=True):
        predicted += value > threshold
        truth += inside
        hit += value > threshold and inside
    return hit / (predicted + truth - hit), hit / predicted if predicted else 0.0, hit / truth
