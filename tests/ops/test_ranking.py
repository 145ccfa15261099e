"""Rank-biased overlap: hand values, symmetry, extremes, and the definition itself on random rankings."""

import numpy as np
import pytest
import torch

from pipeline.ops.ranking import rbo
from tests.oracles import kernels

FIRST, SECOND = torch.tensor([[0, 1, 2]]), torch.tensor([[1, 0, 3]])


def test_hand_values() -> None:
    assert rbo(FIRST, SECOND, 0.9, extrapolate=False).item() == pytest.approx(0.144, abs=1e-12)
    assert rbo(FIRST, SECOND, 0.9).item() == pytest.approx(0.63, abs=1e-12)
    assert rbo(FIRST, SECOND, 1.0).item() == pytest.approx(5 / 9, abs=1e-12)


@pytest.mark.parametrize("p", [0.5, 0.9, 0.98, 1.0])
def test_equal_rankings_give_one_and_disjoint_ones_zero(p: float) -> None:
    lists = torch.stack([torch.arange(20), torch.arange(20, 40)])
    assert torch.allclose(rbo(lists, lists, p), torch.eye(2, dtype=torch.float64), atol=1e-12)
    if p < 1:
        assert rbo(lists, lists, p, extrapolate=False)[0, 0].item() == pytest.approx(1 - p**20)


def test_promoting_a_shared_item_raises_the_overlap() -> None:
    other = torch.tensor([[9, 8, 7, 0], [9, 8, 0, 7], [9, 0, 8, 7], [0, 9, 8, 7]])
    overlaps = rbo(torch.tensor([[0, 1, 2, 3]]), other)[0].tolist()
    assert overlaps == sorted(overlaps)
    assert overlaps[0] < overlaps[-1]


@pytest.mark.parametrize("extrapolate", [False, True])
@pytest.mark.parametrize("p", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("k", [1, 4, 12])
def test_definition(k: int, p: float, extrapolate: bool) -> None:
    random = np.random.default_rng(k)
    first, second = (np.stack([random.permutation(20)[:k] for _ in range(n)]) for n in (7, 5))
    ours = rbo(torch.from_numpy(first), torch.from_numpy(second), p, extrapolate, chunk=3)
    expected = [[kernels.rbo(a, b, p, extrapolate) for b in second.tolist()] for a in first.tolist()]
    np.testing.assert_allclose(ours.numpy(), expected, rtol=0, atol=1e-12)
    mirrored = rbo(torch.from_numpy(second), torch.from_numpy(first), p, extrapolate)
    np.testing.assert_allclose(mirrored.numpy().T, expected, rtol=0, atol=1e-12)


def test_no_ranking_on_one_side() -> None:
    assert rbo(FIRST, FIRST[:0]).shape == (1, 0)
