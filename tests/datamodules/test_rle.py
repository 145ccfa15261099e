"""Masks: what pycocotools wrote passes, what would lead it astray does not."""

import itertools

import numpy as np
import pytest
from pycocotools import mask as coco

from datamodules import rle as rles
from datamodules.rle import check_rle, from_segmentation, plain


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


HOLLOW = [[0] * 6 + [6], [1] + [0] * 5 + [5], [2, 0, 4], [0, 6, 0]]


@pytest.mark.parametrize("runs", HOLLOW, ids=str)
def test_empty_runs_are_refused_before_they_are_merged(runs: list[int]) -> None:
    """The union of the first two has twice as many runs as pixels, more than pycocotools has memory for."""
    listed = {"size": [2, 3], "counts": runs}
    packed = plain(coco.frPyObjects(listed, 2, 3))
    for segmentation in (listed, packed):
        with pytest.raises(ValueError, match="empty, and not the first"):
            from_segmentation(segmentation, 2, 3)


def test_pycocotools_makes_no_empty_runs() -> None:
    """Neither of masks nor of polygons nor of unions, whatever touches the image's edges."""
    random = np.random.default_rng(0)
    for height, width in itertools.product((1, 2, 9), (1, 4, 7)):
        noise = [random.random((height, width)) < density for density in (0.2, 0.8)]
        made = [plain(coco.encode(np.asfortranarray(mask, dtype=np.uint8))) for mask in noise]
        corners = random.integers(-2, 12, (20, 8)).tolist()
        made += [from_segmentation([polygon], height, width)[0] for polygon in corners]
        for one, two in itertools.pairwise(made):
            check_rle(one, height, width, "it")
            check_rle(rles.union([one, two], height, width), height, width, "it")


def test_polygons_that_go_too_far_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few thousand points inside the reach could take gigabytes; the bound is on all polygons of a mask."""
    zigzag = [float(n) for i in range(5000) for n in ((-1) ** i * 10_000, i % 480)]
    with pytest.raises(ValueError, match="the edges of the polygons are longer than 2097152 pixels"):
        from_segmentation([zigzag], 480, 640)
    square = [0, 0, 30, 0, 30, 30, 0, 30]
    monkeypatch.setattr(rles, "OUTLINE", 240)
    assert rles.area(from_segmentation([square, square], 480, 640)[0]) == 900
    for more in ([square] * 3, [[*square[:-1], 31], square]):
        with pytest.raises(ValueError, match="longer than 240"):
            from_segmentation(more, 480, 640)
