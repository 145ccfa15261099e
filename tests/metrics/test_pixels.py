"""Kernels on pixels against slow readings."""

import numpy as np
import pytest

from metrics.pixels import Placed, area, decode, otsu, resize
from tests.metrics.scenes import random_maps, rle, slow_bilinear, slow_otsu


@pytest.mark.parametrize("seed", range(4))
def test_otsu_is_the_slow_one(seed):
    pixels = random_maps(1, seed=seed)[0]
    assert otsu(pixels) == slow_otsu(pixels)


@pytest.mark.parametrize(("rows", "cols"), [(6, 9), (1, 7), (7, 1), (1, 1)])
def test_resize_is_the_slow_one_to_a_grey_level(rows, cols):
    pixels = random_maps(1, rows, cols)[0]
    assert np.abs(resize(pixels, 20, 33) - slow_bilinear(pixels, 20, 33)).max() <= 1


def test_pointing_is_the_expected_hit_over_the_plateau():
    values = np.array([[9, 9, 1], [9, 0, 9]], np.uint8)
    placed = Placed(values, (slice(0, 2), slice(0, 3)))
    assert placed.pointing(np.array([[True, False, True], [False, False, False]])) == 0.25
    assert placed.pointing(np.zeros((2, 3), bool)) == 0.0


def test_masks_come_compressed_or_as_runs():
    runs = {"size": [3, 2], "counts": [1, 2, 3]}
    expected = np.array([[0, 0], [1, 0], [1, 0]], bool)
    text = {**rle(expected), "counts": rle(expected)["counts"].decode()}
    for given in (runs, rle(expected), text):
        np.testing.assert_array_equal(decode(given), expected)
        assert area(given) == 2
