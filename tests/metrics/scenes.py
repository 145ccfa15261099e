"""Small evidence made by hand, and words that need no tagger."""

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
