"""Plausibility of the maps of one answer: entries per word in two profiles, and their sums.

`corrected` is what the definitions mean; `reference` reproduces the public TAM scorer (xmed-lab/TAM, `evaluate`)
with its slips, numbered as in the evaluation protocol. Words are given: those of `words_of` know how either profile
reads the answer, plain lists of words are taken by both as they are. Pixels are in `pixels`.

Deviation of `reference`: slip 10 gives the last word the end token's text and its map. Here an answer ends before its
end token, so no explainer makes a map of it: the text alone is glued (it decides the word's tag and match) and the word
is scored by the maps of its own tokens. Given a last word that holds the end token, and its map, the result is that of
the public code.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from metrics import matching
from metrics.base import Box, Evidence
from metrics.entries import Absent, Entries, Object, Share
from metrics.pixels import WHOLE, Maps, Mask, below, decode
from metrics.words import FUNCTION, NOUN, Plain, Tagger, Word, Words, reference_word

Profile = Literal["corrected", "reference"]
PROFILES: tuple[Profile, ...] = get_args(Profile)


class _Scene:
    """Masks and maps of one sample, decoded and resized once for both profiles."""

    def __init__(self, evidence: Evidence) -> None:
        self.masks = {name: decode(rle) for name, rle in evidence.masks.items()}
        sizes = {mask.shape for mask in self.masks.values()} | ({evidence.size} if evidence.size else set())
        if len(sizes) > 1:
            raise ValueError(f"image and masks of a sample differ in size: {sorted(sizes)}")
        self.maps = Maps(evidence.maps, next(iter(sizes), None))

    def painted(self) -> tuple[dict[str, Mask], int]:
        """The masks as one label image keeps them, later over earlier, and how many pixels that loses."""
        labels = np.zeros(self.maps.size or (0, 0), np.int32)
        for index, mask in enumerate(self.masks.values(), 1):
            labels[mask] = index
        kept = {name: labels == index for index, name in enumerate(self.masks, 1)}
        return kept, sum(_area(mask) for mask in self.masks.values()) - int(np.count_nonzero(labels))


def score(evidence: Evidence, words: Sequence[Word], profile: Profile, tagger: Tagger | None = None) -> Entries:
    """The entries of one answer. `tagger` reads the category names and must be the one that read the words; None takes
    each word of a name as its own lemma and as a noun."""
    return _score(_Scene(evidence), evidence, words, profile, tagger or Plain())


def score_all(evidence: Evidence, words: Sequence[Word], tagger: Tagger | None = None) -> dict[str, Entries]:
    """Both profiles, as `score`, from maps resized and masks decoded once."""
    scene = _Scene(evidence)
    return {profile: _score(scene, evidence, words, profile, tagger or Plain()) for profile in PROFILES}


def _score(scene: _Scene, evidence: Evidence, words: Sequence[Word], profile: Profile, tagger: Tagger) -> Entries:
    if profile == "corrected":
        names = matching.vocabulary(evidence.categories, tagger, evidence.synonyms)
        return _corrected(scene, evidence, words, names)
    spoken = words.reference if isinstance(words, Words) else words
    return _reference(scene, _glued(spoken, evidence.end, tagger), matching.vocabulary(evidence.categories, tagger))


def _corrected(scene: _Scene, evidence: Evidence, words: Sequence[Word], names: matching.Vocabulary) -> Entries:
    objects, absent = [], []
    for match in matching.corrected(words, names):
        mask = scene.masks.get(match.category)
        if mask is None or not mask.any():
            absent.append(Absent(match.first, match.category))
            continue
        phrase = words[match.first : match.first + match.length]
        tokens = [token for word in phrase for token in word.tokens]
        best = _best(scene.maps, tokens, mask, evidence.box, match.first, match.category)
        objects.append(best._replace(precision=0.0) if math.isnan(best.precision) else best)
    nouns = [word for word in words if word.label == "noun"]
    threshold = _threshold(scene.maps, nouns, evidence.box)
    kinds = [word.label for word in words]
    functions = _shares(scene.maps, words, [kind == "function" for kind in kinds], threshold)
    punctuation = _shares(scene.maps, words, [kind == "punctuation" for kind in kinds], threshold)
    return Entries(tuple(objects), functions, punctuation, tuple(absent), threshold)


def _reference(scene: _Scene, words: Sequence[Word], names: matching.Vocabulary) -> Entries:
    masks, lost = scene.painted()
    if not words or words[-1].tokens[-1] != len(scene.maps.maps) - 1:  # slip 4
        return Entries(lost=lost)
    objects: list[Object] = []
    absent: list[Absent] = []
    categories = matching.reference(words, names)
    for index, category in categories.items():
        mask = masks.get(category)
        if mask is None or not mask.any():
            absent.append(Absent(index, category))
        else:
            objects.append(_best(scene.maps, words[index].tokens, mask, WHOLE, index, category))
        if len(objects) > 1 and categories.get(index - 1) == category:  # slip 3: also without an entry of this word
            earlier, later = objects[-2:]
            better = later if later.iou > earlier.iou else earlier
            objects[-2:] = [better._replace(first=earlier.first)]
    threshold = _threshold(scene.maps, [word for word in words if word.tag in NOUN], WHOLE)
    functions = _shares(scene.maps, words, [word.tag in FUNCTION for word in words], threshold)
    return Entries(tuple(objects), functions, (), tuple(absent), threshold, lost)


def _glued(words: Sequence[Word], end: str, tagger: Tagger) -> list[Word]:
    """Slip 10: glue the end token's text to the last word, which is tagged anew; its map is not at hand."""
    if not words or not end:
        return list(words)
    return [*words[:-1], reference_word(words[-1].text + end.replace(" ", ""), words[-1].tokens, tagger)]


def _best(maps: Maps, tokens: Sequence[int], mask: Mask, box: Box, first: int, category: str) -> Object:
    truth = _area(mask)
    figures = {token: maps.placed(token, box).overlap(mask, truth) for token in tokens}
    best = max(tokens, key=lambda token: figures[token][0])
    return Object(first, category, *figures[best], maps.placed(best, box).pointing(mask))


def _threshold(maps: Maps, nouns: Sequence[Word], box: Box) -> float | None:
    """Mean over the noun words of the word's largest Otsu threshold."""
    largest = [max(maps.placed(token, box).threshold for token in word.tokens) for word in nouns]
    return sum(largest) / len(largest) if largest else None


def _shares(maps: Maps, words: Sequence[Word], chosen: Sequence[bool], threshold: float | None) -> tuple[Share, ...]:
    if threshold is None:
        return ()
    shares = []
    for index, word in enumerate(words):
        if chosen[index]:
            found = [below(maps.maps[token], threshold) for token in word.tokens]
            shares.append(Share(index, sum(found) / len(found)))
    return tuple(shares)


def _area(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
