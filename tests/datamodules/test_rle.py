"""Masks: what pycocotools wrote passes, what would lead it astray does not."""

import numpy as np
import pytest
from pycocotools import mask as coco

from datamodules.rle import check_rle, plain


@pytest.mark.parametrize("density", [0.0, 0.001, 0.5, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (480, 640)])
def test_masks_of_pycocotools_pass(size: tuple[int, int], density: float) -> None:
    noise = np.random.default_rng(0).random(size) < density
    rle = plain(coco.encode(np.asfortranarray(noise, dtype=np.uint8)))
    check_rle(rle, *size, "it")
    np.testing.assert_array_equal(coco.decode(rle), noise)


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [2, 3], "counts": ""},
        {"size": [2, 3], "counts": "7"},
        {"size": [2, 3], "counts": "5"},
        {"size": [2, 3], "counts": "16O"},
        {"size": [2, 3], "counts": "6o"},
        {"size": [2, 3], "counts": "6\n"},
        {"size": [2, 3], "counts": "oooooooooo1"},
        {"size": [2, 3], "counts": "60000000"},
        {"size": [2.0, 3], "counts": "6"},
        {"size": [3, 2], "counts": "6"},
        {"size": [2, 3], "counts": [6]},
        {"size": [2, 3]},
        "6",
    ],
    ids=str,
)
def test_others_are_refused(rle: object) -> None:
    with pytest.raises(ValueError, match="mask 'it'"):
        check_rle(rle, 2, 3, "it")


@pytest.mark.parametrize("counts", ["6", "0110000"])
def test_from_one_run_to_one_a_pixel_passes(counts: str) -> None:
    check_rle({"size": [2, 3], "counts": counts}, 2, 3, "it")
