"""Explainers against the slow oracles, on random states with random options."""

from typing import Any

import numpy as np
import pytest

from pipeline.explainers.base import Explainer
from pipeline.explainers.cam import CAM
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.explainers.tam import TAM
from pipeline.ops.maps import finish
from pipeline.types import Explanation
from tests.explainers.arrays import explain
from tests.oracles import kernels, logit_lens
from tests.oracles.scene import Scene, random_scene

SHAPES: list[dict[str, Any]] = [
    {},
    {"prompts": 0},
    {"answers": 1},
    {"prompts": 0, "answers": 1},
    {"grid": (1, 7)},
    {"grid": (5, 1), "answers": 2},
    {"prompts": 7, "answers": 9, "grid": (6, 5), "vocab": 60},
]


def agree(explainer: Explainer, explanation: Explanation, expected: logit_lens.Explained) -> None:
    """Raw maps, scores and levels; no levels where nothing but rounding is left of a map."""
    maps, scores = expected
    size = np.abs(maps).max((1, 2))
    atol = 2e-4 * max(size.max(), 1e-2)
    np.testing.assert_allclose(explanation.maps.numpy(), maps, rtol=0, atol=atol)
    for r, row in enumerate(scores):
        ours = explanation.scores[r][explanation.valid[r]].numpy()
        np.testing.assert_allclose(ours, row, rtol=0, atol=1e-4)
    finished = kernels.finish(maps, scores, explainer.rank_filter, explainer.normalise) * 255
    levels = finish(explanation, explainer.rank_filter, explainer.normalise).numpy()
    assert (np.abs(levels + 0.5 - finished) < 0.6)[size > 1e-5].all()


@pytest.mark.parametrize("shape", SHAPES)
def test_cam(shape: dict[str, Any]) -> None:
    scene = random_scene(1, **shape)
    agree(CAM(), explain(CAM(), scene), logit_lens.cam(scene))


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_tam(shape: dict[str, Any], compat: bool) -> None:
    scene, explainer = random_scene(2, **shape), TAM(compat=compat)
    agree(explainer, explain(explainer, scene), logit_lens.tam(scene, compat))


def random_options(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    choices: dict[str, list[Any]] = {
        "scales": [(1.0,), (0.5, 0.75, 1.0), (0.5,), (0.75, 1.0, 1.0)],
        "fuse": ["mean", "max"],
        "interference": ["none", "mean", "tam", "arc", "arc", "arc"],
        "k": [1, 5, 20],
        "p": [0.5, 0.9, 1.0],
        "rbo": ["ext", "truncated"],
        "relu": ["end", "both"],
        "beta_floor": [None, 0.0, 0.3],
        "base_map": [True, False],
        "valid_ids_only": [False, True],
        "exclude_same_word": [False, True],
        "rank_position": ["predicting", "own", "tam"],
    }
    return {name: options[random.integers(len(options))] for name, options in choices.items()}


def check_msea_arc(scene: Scene, options: dict[str, Any], **finishing: Any) -> None:
    explainer = MSEAARC(**options, **finishing)
    agree(explainer, explain(explainer, scene), logit_lens.msea_arc(scene, **options))


@pytest.mark.parametrize("seed", range(24))
def test_msea_arc(seed: int) -> None:
    finishing = {
        "rank_filter": ("finite", "none", "compat")[seed % 3],
        "normalise": ("joint", "image")[seed % 2],
    }
    check_msea_arc(random_scene(seed, **SHAPES[seed % len(SHAPES)]), random_options(seed), **finishing)


@pytest.mark.parametrize("shape", SHAPES)
def test_msea_arc_by_default(shape: dict[str, Any]) -> None:
    options = random_options(0) | {
        "scales": (0.5, 0.75, 1.0),
        "fuse": "mean",
        "interference": "arc",
        "k": 20,
        "p": 0.9,
        "rbo": "ext",
        "relu": "end",
        "beta_floor": None,
        "base_map": True,
        "valid_ids_only": False,
        "exclude_same_word": False,
        "rank_position": "predicting",
    }
    scene = random_scene(3, **shape)
    check_msea_arc(scene, options)
    ours, default = explain(MSEAARC(**options), scene), explain(MSEAARC(k=20), scene)
    np.testing.assert_array_equal(ours.maps.numpy(), default.maps.numpy())
