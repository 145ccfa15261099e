"""CAM and TAM on the golden models, through the models' own verbs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.explainers.cam import CAM
from pipeline.explainers.tam import TAM
from pipeline.ops.maps import finish, min_max, rank_gaussian
from pipeline.types import Explanation
from tests.explainers.arrays import scene
from tests.golden_files import load, model_cases
from tests.tiny import golden_passes, tolerance

PATHS = model_cases()


@pytest.mark.parametrize("name", ["cam_map", "cam_text"])
@pytest.mark.parametrize("path", PATHS)
def test_cam(path: Path, name: str) -> None:
    passes, query, answer, arrays = golden_passes(path)
    explanation = CAM().explain(passes, query, answer)
    text = torch.where(explanation.valid, explanation.scores, 0)
    ours, expected = (explanation.maps if name == "cam_map" else text), arrays[name]
    atol = tolerance(path, name) * np.abs(expected).max()
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("path", PATHS)
def test_tam(path: Path) -> None:
    passes, query, answer, arrays = golden_passes(path)
    explainer = TAM(compat=True)
    maps = finish(explainer.explain(passes, query, answer), explainer.rank_filter, explainer.normalise)
    assert np.abs(maps.numpy().astype(int) - arrays["tam_map_u8"]).max() <= 1


@pytest.mark.parametrize("path", PATHS)
def test_text_positions(path: Path) -> None:
    passes, query, answer, arrays = golden_passes(path)
    valid = CAM().explain(passes, query, answer).valid
    np.testing.assert_array_equal(valid.numpy(), arrays["text_valid"])


def tam_from_logits(path: Path) -> tuple[Explanation, dict[str, np.ndarray]]:
    """TAM fed the very logits that the public code was fed: they stand for the states, under an identity head."""
    arrays = load(path)
    logits, prompt, length = arrays["tam_logits_f32"], arrays["prompt_text_positions"], int(arrays["n_prompt"])
    states = {1.0: (logits[arrays["visual_positions"]], *arrays["grid"].tolist())}
    start, ids = int(prompt[0]) - 1, arrays["in_input_ids"][0, :length]
    head = np.eye(logits.shape[1], dtype=np.float32)
    given = scene(states, logits[start:-1], start, prompt, ids, arrays["target_ids"], head)
    return TAM(compat=True).explain(*given), arrays


@pytest.mark.parametrize("path", PATHS)
def test_tam_from_its_logits_is_equal(path: Path) -> None:
    explanation, arrays = tam_from_logits(path)
    np.testing.assert_array_equal(finish(explanation, "compat").numpy(), arrays["tam_map_u8"])


@pytest.mark.parametrize("name", ["tam_prefilter", "tam_filtered"])
@pytest.mark.parametrize("path", PATHS)
def test_tam_step_by_step(path: Path, name: str) -> None:
    explanation, arrays = tam_from_logits(path)
    maps = min_max(explanation)
    ours = maps if name == "tam_prefilter" else rank_gaussian(maps, constant_to_zero=True)
    np.testing.assert_allclose(ours.numpy(), np.nan_to_num(arrays[name]), rtol=0, atol=1e-5)
