"""The scorers and their kernels against the golden arrays."""

import json
from pathlib import Path

import numpy as np
import pytest

from metrics import matching, pixels
from metrics.base import Evidence
from metrics.localisation import score
from metrics.words import Plain, Word, label, plain
from tests.golden_files import cases, load
from tests.metrics.scenes import rle

EXACT = {"rtol": 0, "atol": 1e-12, "equal_nan": True}
TAM_LEMMAS = {"dogs": "dog", "cars": "car"}


def tam_case(path: Path) -> tuple[Evidence, list[Word]]:
    case = load(path)
    names = [str(name) for name in case["category_names"]]
    masks = {name: case["mask"] == number for name, number in zip(names, case["category_ids"], strict=True)}
    tokens = json.loads(str(case["word_tokens"]))
    words = [
        Word(text, tuple(indices), label(text, tag), TAM_LEMMAS.get(text, plain(text)), tag)
        for text, indices, tag in zip(map(str, case["words"]), tokens, map(str, case["word_pos"]), strict=True)
    ]
    encoded = {name: rle(mask) for name, mask in masks.items()}
    pieces = tuple(map(str, case["words"]))[: len(case["maps"])]
    return Evidence(case["maps"], pieces, encoded, tuple(names)), words


@pytest.mark.parametrize("quantity", ["obj_iou", "func_iou", "precision", "recall"])
@pytest.mark.parametrize("path", cases("tam/*.npz"))
def test_reference_scorer(path, quantity):
    entries = score(*tam_case(path), "reference")
    lists = {
        "obj_iou": [entry.iou for entry in entries.objects],
        "func_iou": [entry.share for entry in entries.functions],
        "precision": [entry.precision for entry in entries.objects],
        "recall": [entry.recall for entry in entries.objects],
    }
    np.testing.assert_allclose(lists[quantity], load(path)[quantity], **EXACT)


def scorer_case(path: Path) -> tuple[Evidence, list[Word]]:
    case = load(path)
    height, width = case["masks"].shape[1:]
    top, left, bottom, right = case["box_y0x0y1x1"].tolist()
    box = (top / height, left / width, bottom / height, right / width)
    tokens = json.loads(str(case["word_tokens"]))
    words = [
        Word(str(text), tuple(indices), str(kind), str(lemma), "")
        for text, indices, kind, lemma in zip(
            case["words"], tokens, case["word_labels"], case["word_lemmas"], strict=True
        )
    ]
    masks = {str(name): rle(mask) for name, mask in zip(case["mask_names"], case["masks"], strict=True)}
    pieces = tuple("" for _ in case["maps"])
    return Evidence(case["maps"], pieces, masks, tuple(map(str, case["categories"])), box=box), words


@pytest.mark.parametrize("path", cases("scorer/*.npz"))
def test_corrected_matches(path):
    given, words = scorer_case(path)
    found = matching.corrected(words, matching.vocabulary(given.categories, Plain()))
    indexed = [[match.first, match.length, given.categories.index(match.category)] for match in found]
    assert indexed == json.loads(str(load(path)["matches"]))


@pytest.mark.parametrize(
    "quantity",
    ["object_entries", "function_entries", "punctuation_entries", "absent_objects", "foreground_threshold"],
)
@pytest.mark.parametrize("path", cases("scorer/*.npz"))
def test_corrected_scorer(path, quantity):
    given, words = scorer_case(path)
    entries = score(given, words, "corrected")
    number = given.categories.index
    found = {
        "object_entries": [[e.first, number(e.category), e.iou, e.precision, e.recall] for e in entries.objects],
        "function_entries": list(entries.functions),
        "punctuation_entries": list(entries.punctuation),
        "absent_objects": [[e.first, number(e.category)] for e in entries.absent],
        "foreground_threshold": np.nan if entries.threshold is None else entries.threshold,
    }
    expected = load(path)[quantity]
    np.testing.assert_allclose(np.reshape(found[quantity], expected.shape), expected, **EXACT)


@pytest.mark.parametrize("path", cases("methods/kernels.npz"))
@pytest.mark.parametrize("quantity", ["threshold", "mask"])
def test_otsu(path, quantity):
    case = load(path)
    for index, threshold in enumerate(case["otsu_threshold"]):
        given = case[f"otsu_in_{index:02d}"]
        placed = pixels.Placed(given, (slice(None), slice(None)))
        if quantity == "threshold":
            assert pixels.otsu(given) == threshold
        else:
            np.testing.assert_array_equal(placed.foreground, case[f"otsu_mask_{index:02d}"] > 0)


@pytest.mark.parametrize("path", cases("methods/kernels.npz"))
@pytest.mark.parametrize(("kind", "tolerance"), [("u8", 0), ("f32", 2e-6)])
def test_resize(path, kind, tolerance):
    case = load(path)
    for index, (height, width) in enumerate(case["resize_target_hw"].tolist()):
        found = pixels.resize(case[f"resize_{kind}_in_{index:02d}"], height, width)
        np.testing.assert_allclose(
            found.astype(np.float64), case[f"resize_{kind}_out_{index:02d}"], rtol=0, atol=tolerance
        )
