"""How good the answer is as a caption: ROUGE-L, METEOR, and the categories it names against those in the masks."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from torchmetrics.functional.text import rouge_score

from metrics import matching, rouge
from metrics.base import Evidence, Sum
from metrics.pixels import area
from metrics.spelling import spaced, tokens
from metrics.words import Plain, Tagger, Word

METEOR = ("wordnet",)
"""NLTK's data that METEOR reads."""
METRICS = ("rouge_l", "rouge_l_reference", "meteor", "noun_recall", "noun_precision")


def rouge_l(text: str, captions: Sequence[str]) -> Sum:
    """Return the best ROUGE-L F1 over the references, in [0, 1], by torchmetrics (float32) on `spelling.tokens`.

    Those are words of letters and numbers, case folded, no stemming; in scripts without spaces every character. An
    answer without a token scores 0. References without one are left out; without any reference there is no count.
    """
    known = [caption for caption in captions if tokens(caption)]
    if not known:
        return Sum()
    best = rouge_score(
        text, known, accumulate="best", rouge_keys="rougeL", normalizer=lambda whole: whole, tokenizer=tokens
    )
    return Sum(float(best["rougeL_fmeasure"]), 1)


def rouge_l_reference(text: str, captions: Sequence[str]) -> Sum:
    """Return the best ROUGE-L F1 over the references, in [0, 1], as TAM's public code computes it (`metrics.rouge`)."""
    best = rouge.rouge_l(text, captions)
    return Sum() if best is None else Sum(best, 1)


def meteor(text: str, captions: Sequence[str]) -> Sum | None:
    """Return METEOR against the best reference, in [0, 1], by NLTK on lower-cased words split at spaces.

    So the public code of TAM does it; here every character of a script without spaces is a word too. None where NLTK's
    WordNet is not installed (nothing is fetched). References without a word are left out; without any, no count.
    """
    wordnet = _wordnet()
    if wordnet is None:
        return None
    references = [words for caption in captions if (words := spaced(caption).lower().split())]
    if not references:
        return Sum()
    from nltk.translate.meteor_score import meteor_score

    return Sum(float(meteor_score(references, spaced(text).lower().split(), wordnet=wordnet)), 1)


@cache
def _wordnet() -> Any:
    from nltk.corpus import wordnet

    try:
        wordnet.ensure_loaded()
    except LookupError:
        return None
    return wordnet


def mentioned(
    words: Sequence[Word],
    categories: Sequence[str],
    tagger: Tagger | None = None,
    synonyms: Mapping[str, str] | None = None,
) -> set[str]:
    """Return the categories that the words name, by the matching of the corrected profile."""
    names = matching.vocabulary(tuple(categories), tagger or Plain(), synonyms)
    return {match.category for match in matching.corrected(words, names)}


def phrases(evidence: Evidence, words: Sequence[Word], tagger: Tagger | None = None) -> list[tuple[int, int]]:
    """Return first word and number of words of each phrase of several words that names a category."""
    names = matching.vocabulary(evidence.categories, tagger or Plain(), evidence.synonyms)
    return [(match.first, match.length) for match in matching.corrected(words, names) if match.length > 1]


def nouns(evidence: Evidence, words: Sequence[Word], tagger: Tagger | None = None) -> tuple[Sum, Sum]:
    """Recall and precision of the categories named by the answer against those with a non-empty mask. Micro: the totals
    are hits, the counts the categories in the image, and those named."""
    said = mentioned(words, evidence.categories, tagger, evidence.synonyms)
    there = {name for name, rle in evidence.masks.items() if area(rle)}
    hits = float(len(said & there))
    return Sum(hits, len(there)), Sum(hits, len(said))


def noun_recall(evidence: Evidence, words: Sequence[Word], tagger: Tagger | None = None) -> Sum:
    """Of the categories in the image, those that the answer names."""
    return nouns(evidence, words, tagger)[0]


def noun_precision(evidence: Evidence, words: Sequence[Word], tagger: Tagger | None = None) -> Sum:
    """Of the categories that the answer names, those in the image."""
    return nouns(evidence, words, tagger)[1]


def sums(text: str, evidence: Evidence, words: Sequence[Word], tagger: Tagger | None = None) -> dict[str, Sum]:
    """Every metric in `METRICS` for one answer; METEOR is left out where it cannot be computed."""
    recall, precision = nouns(evidence, words, tagger)
    figures = {
        "rouge_l": rouge_l(text, evidence.captions),
        "rouge_l_reference": rouge_l_reference(text, evidence.captions),
        "meteor": meteor(text, evidence.captions),
        "noun_recall": recall,
        "noun_precision": precision,
    }
    return {name: figure for name, figure in figures.items() if figure is not None}
