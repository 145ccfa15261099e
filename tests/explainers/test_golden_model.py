"""CAM and TAM on the golden Qwen2-VL, through the model's own verbs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.explainers.cam import CAM
from pipeline.explainers.tam import TAM
from pipeline.ops.maps import finish
from tests.golden_files import cases
from tests.tiny import golden_passes, tolerance

PATHS = cases("methods/qwen2vl_case*.npz")


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
