"""Masks: what pycocotools wrote passes, what would lead it astray does not."""

import itertools

import numpy as np
import pytest
from pycocotools import mask as coco

from datamodules import rle as rles
from datamodules.rle import from_segmentation, plain, sound


@pytest.mark.parametrize("density", [0.0, 0.001, 0.5, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (480, 640)])
def test_masks_of_pycocotools_pass(size: tuple[int, int], density: float) -> None:
    noise = np.random.default_rng(0).random(size) < density
    rle = plain(coco.encode(np.asfortranarray(noise, dtype=np.uint8)))
    sound(rle, *size, "it")
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
        {"size": [2, 3], "counts": "600000001"},
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
        sound(rle, 2, 3, "it")


@pytest.mark.parametrize("counts", ["6", "0110000"])
def test_from_one_run_to_one_a_pixel_passes(counts: str) -> None:
    sound({"size": [2, 3], "counts": counts}, 2, 3, "it")


HOLLOW = [
    [0] * 6 + [6],
    [1] + [0] * 5 + [5],
    [2, 0, 4],
    [0, 6, 0],
    [6, 0, 0],
    [0, 0, 6],
    [0, 0, 0, 6],
    [1, 2, 0, 0, 3],
    [2, *[0] * 13, 4],
]


@pytest.mark.parametrize("runs", HOLLOW, ids=str)
def test_the_neighbours_of_an_empty_run_are_joined(runs: list[int]) -> None:
    """The pixels are those that pycocotools decodes, the RLE the one that it makes of them."""
    listed = {"size": [2, 3], "counts": runs}
    packed = plain(coco.frPyObjects(listed, 2, 3))
    expected = coco.decode(packed)
    for segmentation in (listed, packed):
        made, _ = from_segmentation(segmentation, 2, 3)
        assert made == plain(coco.encode(expected))
        np.testing.assert_array_equal(coco.decode(made), expected)
        assert sound(made, 2, 3, "it") is made
    assert sound(packed, 2, 3, "it") == made


def test_masks_with_empty_runs_are_merged_in_memory_that_they_have() -> None:
    """Unjoined, the union of these has twice as many runs as pixels, more than pycocotools has memory for."""
    parts = [from_segmentation({"size": [2, 3], "counts": runs}, 2, 3)[0] for runs in HOLLOW]
    assert rles.area(rles.union(parts, 2, 3)) == 6


@pytest.mark.parametrize("count", [0, 1, 2, 16, 17, 300])
def test_a_union_of_many_is_that_of_pycocotools(count: int) -> None:
    noise = np.random.default_rng(count).random((count, 9, 7)) < 0.02
    parts = [plain(coco.encode(np.asfortranarray(mask, dtype=np.uint8))) for mask in noise]
    np.testing.assert_array_equal(coco.decode(rles.union(parts, 9, 7)), noise.any(0))


def test_the_work_of_a_union_grows_with_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in runs that pycocotools is given: that of twice as many parts is twice, not four times, as much."""
    given, merge = [0], coco.merge

    def counting(masks: list[rles.RLE]) -> rles.RLE:
        given[0] += sum(len(mask["counts"]) for mask in masks) * len(masks)
        return merge(masks)

    monkeypatch.setattr(coco, "merge", counting)
    work = []
    for count in (4000, 8000):
        given[0] = 0
        pixels = [
            from_segmentation({"size": [100, 100], "counts": [i, 1, 9999 - i]}, 100, 100)[0] for i in range(count)
        ]
        assert rles.area(rles.union(pixels, 100, 100)) == count
        work.append(given[0])
    assert work[1] < 2.5 * work[0]


@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 9), (40, 50)])
def test_the_masks_of_a_label_image_are_those_of_its_numbers(shape: tuple[int, int]) -> None:
    labels = np.random.default_rng(0).integers(0, 4, shape) * 7
    found = rles.encode_labels(labels, [0, 7, 21, 5, 7])
    assert list(found) == [0, 7, 21, 5]
    for number, rle in found.items():
        assert rle == rles.encode_mask(labels == number)


def test_pycocotools_makes_no_empty_runs() -> None:
    """Neither of masks nor of polygons nor of unions, whatever touches the image's edges."""
    random = np.random.default_rng(0)
    for height, width in itertools.product((1, 2, 9), (1, 4, 7)):
        noise = [random.random((height, width)) < density for density in (0.2, 0.8)]
        made = [plain(coco.encode(np.asfortranarray(mask, dtype=np.uint8))) for mask in noise]
        corners = random.integers(-2, 12, (20, 8)).tolist()
        made += [from_segmentation([polygon], height, width)[0] for polygon in corners]
        for one, two in itertools.pairwise(made):
            sound(one, height, width, "it")
            sound(rles.union([one, two], height, width), height, width, "it")


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
