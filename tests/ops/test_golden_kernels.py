"""The kernels against recorded outputs of the libraries that define them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.ops.interference import least_squares
from pipeline.ops.maps import rank_gaussian, resize
from pipeline.ops.ranking import rbo
from tests.golden_files import cases, load


def indexed(arrays: dict[str, np.ndarray], prefix: str) -> list[str]:
    return sorted(name.removeprefix(prefix) for name in arrays if name.startswith(prefix))


@pytest.mark.parametrize("path", cases("methods/kernels*.npz"))
@pytest.mark.parametrize("variant", ["truncated", "ext", "ext_method"])
def test_rbo(path: Path, variant: str) -> None:
    arrays = load(path)
    depths = [name.removesuffix("_lists") for name in arrays if name.endswith("_lists")]
    assert depths
    persistences = arrays["rbo_p_truncated" if variant == "truncated" else "rbo_p_ext"]
    for name in depths:
        lists = torch.from_numpy(arrays[f"{name}_lists"])
        for p, expected in zip(persistences.tolist(), arrays[f"{name}_{variant}"], strict=True):
            overlap = rbo(lists, lists, p, extrapolate=variant != "truncated", chunk=3)
            np.testing.assert_allclose(overlap.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("path", cases("methods/kernels*.npz"))
@pytest.mark.parametrize("constant_to_zero", [False, True])
def test_rank_gaussian(path: Path, constant_to_zero: bool) -> None:
    """Where the public filter yields NaN, ours yields the constant, or 0 on request."""
    arrays = load(path)
    for index in indexed(arrays, "rgf_in_"):
        given, expected = arrays[f"rgf_in_{index}"], arrays[f"rgf_out_{index}"]
        ours = rank_gaussian(torch.from_numpy(given)[None], constant_to_zero)[0]
        assert ours.numpy().dtype == given.dtype
        replaced = np.where(np.isnan(expected), 0 if constant_to_zero else given, expected)
        scale = max(np.abs(replaced).max(), np.finfo(given.dtype).tiny)
        tolerance = 1e-5 if given.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(ours.numpy() / scale, replaced / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("path", cases("methods/kernels*.npz"))
def test_least_squares(path: Path) -> None:
    arrays = load(path)
    maps, interference = (torch.from_numpy(arrays[name])[:, None] for name in ("ls_map", "ls_interference"))
    beta = least_squares(maps, interference).numpy()
    np.testing.assert_allclose(beta, arrays["ls_beta"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("path", cases("methods/kernels*.npz"))
def test_resize(path: Path) -> None:
    arrays = load(path)
    for index in indexed(arrays, "resize_f32_in_"):
        expected = arrays[f"resize_f32_out_{index}"]
        ours = resize(torch.from_numpy(arrays[f"resize_f32_in_{index}"])[None], *expected.shape)[0]
        np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=2e-6)
