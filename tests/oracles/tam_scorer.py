"""The rules of TAM's public scorer (xmed-lab/TAM @7c7df1d, `eval.py`), read literally, a token and a pixel at a time.

The tagger stands for NLTK's: `tag(word)[0]` is asked of a word as it is, `tag(word)[1]` of its lower case, no hyphens.
"""

import math
import string
import unicodedata
from collections.abc import Sequence

import numpy as np

from metrics.pixels import otsu
from metrics.words import FUNCTION, NOUN, Tagger


def words(decoded: Sequence[str], marked: Sequence[bool]) -> list[tuple[str, list[int]]]:
    """Text and tokens of each word. decoded: each token by itself. marked: which have SentencePiece's mark."""
    found: list[tuple[str, list[int]]] = []
    for index, text in enumerate(decoded):
        chinese = False
        for character in text:
            if unicodedata.name(character, "").count("CJK"):
                chinese = True
        punctuation = any(string.punctuation[at : at + len(text)] == text for at in range(len(string.punctuation) + 1))
        if index == 0 or punctuation or chinese or text[0] == " " or marked[index]:
            found.append(("", []))
        said, tokens = found.pop()
        found.append((said + text.replace(" ", ""), [*tokens, index]))
    return found


def lemma(word: str, tagger: Tagger) -> str:
    return tagger.tag(word.lower().replace("-", ""))[1]


def figures(map: np.ndarray, mask: np.ndarray) -> tuple[float, float, float]:
    """IoU, precision and recall of what lies above Otsu's threshold."""
    threshold = otsu(map)
    both = predicted = truth = 0
    for value, inside in zip(map.ravel().tolist(), mask.ravel().tolist(), strict=True):
        both += value > threshold and inside
        predicted += value > threshold
        truth += inside
    return both / (predicted + truth - both), both / predicted if predicted else math.nan, both / truth


def scores(
    spoken: Sequence[tuple[str, list[int]]],
    grids: np.ndarray,
    placed: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    tagger: Tagger,
) -> tuple[list[tuple[float, float, float]], list[float]]:
    """Figures of object words and shares of function words. grids: maps at the token grid; placed: at the image's size;
    labels: 1 + the number of the category at each pixel, 0 for none."""
    kinds: list[int | str] = []
    for text, _ in spoken:
        tag = tagger.tag(text)[0]
        kind: int | str = "function" if tag in FUNCTION else "noun" if tag in NOUN else "other"
        if kind == "noun":
            for number, name in enumerate(names, 1):
                for part in name.split():
                    if lemma(part, tagger) == lemma(text, tagger):
                        kind = number
        kinds.append(kind)
    objects: list[tuple[float, float, float]] = []
    largest = []
    for at, (_, tokens) in enumerate(spoken):
        if kinds[at] == "noun" or isinstance(kinds[at], int):
            largest.append(max(otsu(placed[token]) for token in tokens))
        if isinstance(kinds[at], int):
            mask = labels == kinds[at]
            if mask.any():
                best = (-1.0, 0.0, 0.0)
                for token in tokens:
                    one = figures(placed[token], mask)
                    if one[0] > best[0]:
                        best = one
                objects.append(best)
            if len(objects) >= 2 and kinds[at - 1] == kinds[at]:
                last, before = objects.pop(), objects.pop()
                objects.append(last if last[0] > before[0] else before)
    shares = []
    for at, (_, tokens) in enumerate(spoken):
        if kinds[at] == "function" and largest:
            threshold = sum(largest) / len(largest)
            of = []
            for token in tokens:
                cells = grids[token].ravel().tolist()
                of.append(sum(value < threshold for value in cells) / len(cells))
            shares.append(sum(of) / len(of))
    return objects, shares
