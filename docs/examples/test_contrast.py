"""Contrast once more, slowly, in float64."""

import numpy as np
import pytest

from docs.examples.contrast import Contrast
from tests.explainers.arrays import explain
from tests.oracles.scene import random_scene


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_contrast(weight: float) -> None:
    scene = random_scene(1)
    states, rows, cols = scene.states[1.0]
    found = explain(Contrast(weight=weight), scene).maps.numpy().reshape(len(scene.answer), -1)
    for t, k in enumerate(scene.answer):
        earlier = [j for j in scene.answer[:t] if j != k]
        for i in range(rows * cols):
            z = states[i].astype(np.float64)
            others = np.mean([z @ scene.head[j] for j in earlier]) if earlier else 0.0
            assert found[t, i] == pytest.approx(max(z @ scene.head[k] - weight * others, 0.0), abs=1e-5)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="weight: not negative"):
        Contrast(weight=-1)
