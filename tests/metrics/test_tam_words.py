"""Profile `reference` against TAM's rules read literally: 950 captions of every kind of token."""

import random

import numpy as np
import pytest

from metrics.localisation import score
from metrics.pixels import resize
from metrics.words import Plain, reference_words, tagger, words_of
from tests.metrics.scenes import evidence
from tests.oracles import tam_scorer

NAMES = ("person", "dog", "hot dog", "traffic light", "teddy bear", "t-shirt", "wine glass", "tv")
SPOKEN = """
the A two dog dogs Dog hot light lights traffic bear Teddy teddy shirt T and it it's on with which people person men
glass glasses wine tv TVs 3 is sitting red her " ( - ." ... . “dog” 狗
"""
INSIDE = """
dog T t -shirt s board er ing and 's n't 5 2024 ly ed . , ! ? : ; " ' ( ) [ - / & () [] +, ,- ... ." .' ). ," ?! !! --
'' `` "." .) “ ” ’ — … 。 ， 、 狗 只 一只 狗。 猫s é caf ñ 🐶 ™ “dog” dog. dog" %
"""
BLANK = ["\n", "\n\n", ".\n", ",\n", ":\n\n", '"\n', "\n ", "\t", " \n", " ", "  ", "   ", "dog\n", "\nThe"]
PLAIN = [*(f" {word}" for word in SPOKEN.split() * 4), *INSIDE.split(), *BLANK]
SPECIAL = ("<|sep|>", "</ref>", "[INST]", "<unk>")
HALF = "\ufffd"


def caption(chance: random.Random, kind: str) -> tuple[list[str], list[str], list[bool]]:
    """Pieces, each token by itself, and which tokens bear SentencePiece's mark."""
    pieces, alone, marked = [], [], []

    def add(piece: str, own: str, mark: bool = False) -> None:
        pieces.append(piece)
        alone.append(own)
        marked.append(mark)

    length = chance.randint(1, 20)
    while len(pieces) < length:
        drawn = chance.random()
        text = chance.choice(PLAIN)
        if kind == "bytes" and drawn < 0.15:
            for piece, own in zip(
                ["", "", chance.choice("狗é🐶…")], [chance.choice([HALF, " " + HALF]), HALF, HALF], strict=True
            ):
                add(" " if own[0] == " " else piece, own)
        elif kind == "bytes" and drawn < 0.25:
            name = chance.choice(SPECIAL)
            add("", name)
        elif kind == "marks" and text.startswith(" "):
            add(text, text[1:], mark=True)
        else:
            add(text, text)
        if kind == "empty" and drawn < 0.15:
            add("", "")
    return pieces, alone, marked


def scene(chance: np.random.Generator, tokens: int) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Maps of a 3 × 4 grid, masks that do not overlap, and the label image."""
    grids = chance.integers(0, 256, (tokens, 3, 4), dtype=np.uint8)
    labels = chance.integers(0, len(NAMES) + 1, (3, 3)).repeat(2, 0).repeat(2, 1)
    labels[labels == 5] = 0  # a category without a mask
    return grids, {name: labels == number for number, name in enumerate(NAMES, 1) if number != 5}, labels


@pytest.mark.parametrize("kind", ["pieces", "empty", "bytes", "marks", "plain tagger"])
def test_every_entry_of_reference_is_that_of_tams_rules(kind):
    backend = Plain() if kind == "plain tagger" else tagger("hanta")
    several = 0
    for seed in range(190):
        chance = random.Random(f"{kind} {seed}")
        pieces, alone, marked = caption(chance, kind)
        grids, masks, labels = scene(np.random.default_rng(seed), len(pieces))
        words = words_of(pieces, backend, alone if kind in ("bytes", "marks") else ())
        given = evidence(grids, masks, NAMES)
        expected = tam_scorer.words(alone, marked)
        found = [(word.text, list(word.tokens)) for word in words.reference]
        assert found == expected, pieces
        placed = np.stack([resize(map, *labels.shape) for map in grids])
        objects, shares = tam_scorer.scores(expected, grids, placed, labels, NAMES, backend)
        entries = score(given, words, "reference", backend)
        np.testing.assert_allclose([entry[2:5] for entry in entries.objects], objects, rtol=0, atol=1e-12)
        np.testing.assert_allclose([entry.share for entry in entries.functions], shares, rtol=0, atol=1e-12)
        several += len(objects) + len(shares)
    assert several > 100, "entries"


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((" dog", '."'), ['dog."']),
        ((" dog", "..."), ["dog..."]),
        ((" dog", ").", " A"), ["dog).", "A"]),
        ((" dog", ',"', "\n", "The"), ['dog,"\nThe']),
        ((" dog", ".\n", "The"), ["dog.\nThe"]),
        ((" dog", ".", "\n"), ["dog", ".\n"]),
        ((" dog", "()", "s"), ["dog", "()s"]),
        ((" dog", "", "s"), ["dog", "s"]),
        ((" dog", "”", "。"), ["dog”。"]),
        ((" dog", "狗", "s"), ["dog", "狗s"]),
    ],
)
def test_words_of_reference(pieces, words):
    assert [word.text for word in reference_words(pieces, tagger("hanta"))] == words


def test_the_words_of_a_row_are_those_of_corrected():
    words = words_of((" Yes", '."', " It", " is", " a", " dog", ".\n"), tagger("hanta"))
    assert [word.text for word in words] == ["Yes", '."', "It", "is", "a", "dog", "."]
    assert [word.text for word in words.reference] == ['Yes."', "It", "is", "a", "dog.\n"]
