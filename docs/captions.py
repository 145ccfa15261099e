"""What the metrics of a caption look at: its words beside those of a reference, and the objects that it names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.patches import ConnectionPatch
from nltk.translate.meteor_score import align_words, meteor_score

from docs.drawings import BLUE, GREEN, MAPS, RED, Seen, bare, hide, outline, save, sheet
from metrics import matching, text
from metrics.words import tagger
from pipeline.outputs.typeset import BOLD, PLAIN, typeset


def rouge(path: Path, scene: Seen) -> None:
    """The longest common subsequence."""
    said, told = normal(scene.said), normal(scene.sample.captions[-1])
    best = text.rouge_l(scene.said, scene.sample.captions[-1:]).mean
    pairs = subsequence(said, told)
    aligned(path, said, told, pairs, f"{len(pairs)} words in the same order: ROUGE-L {best:.2f}")


def meteor(path: Path, scene: Seen) -> None:
    """Words aligned by form and by stem; the picture goes without synonyms, for which WordNet is needed."""
    said, told = (line.lower().split() for line in (scene.said, scene.sample.captions[-1]))
    pairs, _, _ = align_words(said, told, wordnet=NoWordNet())
    value = meteor_score([told], said, wordnet=NoWordNet())
    aligned(
        path, said, told, pairs, f"{len(pairs)} words aligned, by form or stem: METEOR {value:.2f} without synonyms"
    )


class NoWordNet:
    """Stands in for WordNet: no synonyms."""

    @staticmethod
    def synsets(word: str) -> list[str]:
        return []


def normal(line: str) -> list[str]:
    """Words of a-z and digits, as ROUGE-L reads them."""
    return "".join(c if c.isascii() and c.isalnum() else " " for c in line.lower()).split()


def subsequence(one: Sequence[str], other: Sequence[str]) -> list[tuple[int, int]]:
    """Positions of a longest common subsequence."""
    best: list[list[list[tuple[int, int]]]] = [[[] for _ in range(len(other) + 1)] for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            best[i + 1][j + 1] = [*best[i][j], (i, j)] if a == b else max(best[i][j + 1], best[i + 1][j], key=len)
    return best[-1][-1]


def aligned(
    path: Path, said: Sequence[str], reference: Sequence[str], pairs: Sequence[tuple[int, int]], below: str
) -> None:
    """Two lines of words, the matched ones joined."""
    figure, (place,) = sheet(1, 9, 1.7, across=1)
    hide(place)
    bare(place, "", below)
    at: list[list[float]] = []
    for line, (label, words) in zip((0.82, 0.2), (("answer", said), ("reference", reference)), strict=True):
        place.text(0.0, line, label, fontsize=8, color="#777777", va="center")
        edges = 0.1 + 0.9 * np.cumsum([0, *(len(word) + 2 for word in words)]) / (sum(map(len, words)) + 2 * len(words))
        at.append([(edges[n] + edges[n + 1]) / 2 for n in range(len(words))])
        hit = {pair[len(at) - 1] for pair in pairs}
        for n, word in enumerate(words):
            place.text(
                at[-1][n], line, word, fontsize=10, ha="center", va="center", color=GREEN if n in hit else "black"
            )
    for first, second in pairs:
        place.add_artist(ConnectionPatch((at[0][first], 0.7), (at[1][second], 0.32), "data", color=GREEN, linewidth=1))
    save(figure, path)


def named(path: Path, scene: Seen) -> None:
    """The categories that a caption names against those in the image."""
    names = matching.vocabulary(scene.sample.categories, tagger("hanta"))
    said = {match.first + n: match for match in matching.corrected(scene.words, names) for n in range(match.length)}
    there = [name for name, mask in scene.masks.items() if mask.any()]
    recall, precision = text.nouns(scene.evidence(MAPS), scene.words, tagger("hanta"))
    figure, (image, lines) = sheet(2, 4.2, 2.4)
    image.imshow(scene.sample.image)
    for name in there:
        outline(image, scene.masks[name], "white")
    bare(image, "in the image: " + ", ".join(there))
    right, whole = (f"{one.total:.0f} of {one.count}" for one in (precision, recall))
    bare(lines, "", f"precision {right} named · recall {whole} there")
    hide(lines)
    marks = [said[n].category in there if n in said else None for n in range(len(scene.words))]
    pieces = [("" if word.label == "punctuation" else " ") + word.text for word in scene.words]
    segments = [(piece, None if mark is None else str(mark)) for piece, mark in zip(pieces, marks, strict=True)]
    placed = typeset(segments, 3.8)
    for left, line, part, mark in placed:
        ink = {None: "black", "True": GREEN, "False": RED}[mark]
        lines.text(left / 4, 0.9 - 0.14 * line, part, color=ink, fontproperties=PLAIN if mark is None else BOLD)
    below = 0.9 - 0.14 * (placed[-1].line + 2)
    missing = [name for name in there if name not in {match.category for match in said.values()}]
    absent = [match.category for match in dict.fromkeys(said.values()) if match.category not in there]
    for label, found, ink in (("absent", absent, RED), ("not named", missing, BLUE)):
        lines.text(0, below, f"{label}: " + (", ".join(found) or "–"), color=ink, fontproperties=PLAIN)
        below -= 0.16
    save(figure, path)
