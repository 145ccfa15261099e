"""Energy on a map that can be summed by hand, and in two processes' worth of updates."""

import numpy as np
import pytest

from docs.examples.energy import Energy, energy
from metrics.base import Sum
from metrics.words import Plain
from tests.metrics.scenes import evidence, square, word

DOG = square(4, 4, 0, 0, 2, 4)


def test_energy() -> None:
    maps = np.zeros((2, 4, 4), np.uint8)
    maps[0, 0], maps[0, 3] = 30, 10  # three quarters on the dog
    maps[1, 3] = 10  # none
    words = [word("dog", (0,)), word("dog", (1,)), word("cat", (1,))]
    found = energy(evidence(maps, {"dog": DOG}, ("dog", "cat")), words, Plain())
    assert found == Sum(0.75, 2)


def test_the_class_agrees_with_the_function() -> None:
    metric = Energy()
    metric.update([Sum(0.75, 2)])
    metric.update([Sum(0.5, 1), Sum()])
    assert metric.compute()["energy"].item() == pytest.approx((Sum(0.75, 2) + Sum(0.5, 1)).mean, abs=1e-12)
