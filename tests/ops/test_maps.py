"""What the map operations promise, on values one can redo on paper."""

import pytest
import torch

from pipeline.ops.maps import finish, fold, min_max, rank_gaussian, resize
from pipeline.types import Explanation, without_scores


def explanation(maps: list, scores: list, valid: list) -> Explanation:
    return Explanation(torch.tensor(maps), torch.tensor(scores), torch.tensor(valid))


@pytest.mark.parametrize("value", [0.1, 1 / 3, 0.5, 1.0])
def test_a_constant_window_keeps_the_constant(value: float) -> None:
    assert torch.allclose(rank_gaussian(torch.full((2, 4, 5), value)), torch.tensor(value))


@pytest.mark.parametrize("value", [0.5, 1.0, 3.0])
def test_a_constant_window_becomes_zero_on_request(value: float) -> None:
    assert not rank_gaussian(torch.full((2, 4, 5), value), constant_to_zero=True).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (2, 2), (3, 5)])
def test_any_grid_is_filtered_and_zero_stays_zero(shape: tuple[int, int]) -> None:
    assert not rank_gaussian(torch.zeros(1, *shape)).any()
    lone = torch.zeros(1, *shape)
    lone[0, -1, -1] = 1
    filtered = rank_gaussian(lone)
    assert torch.isfinite(filtered).all()
    assert filtered.max() <= 1


def test_an_impulse_is_spread_over_its_window_alone() -> None:
    impulse = torch.zeros(1, 7, 7)
    impulse[0, 3, 3] = 1
    filtered = rank_gaussian(impulse)[0]
    inside = filtered[2:5, 2:5]
    assert torch.allclose(inside, inside[0, 0].expand(3, 3))
    assert inside[0, 0] > 0
    assert filtered.count_nonzero() == 9
    # mean 1/9, population variance 8/81, so (std / mean)^2 = 8: the largest of nine ranks weighs exp(-16 / 16)
    weights = torch.exp(-torch.arange(-4.0, 5).square() / 16)
    assert torch.allclose(inside[0, 0], weights[-1] / weights.sum())


def test_the_filter_follows_the_scale_of_a_map_but_not_a_shift() -> None:
    maps = torch.rand(3, 6, 7, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(rank_gaussian(maps * 40), rank_gaussian(maps) * 40, rtol=1e-5)
    assert not torch.allclose(rank_gaussian(maps + 1), rank_gaussian(maps) + 1, atol=1e-3)


def test_each_map_is_filtered_alone() -> None:
    maps = torch.rand(5, 4, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(rank_gaussian(maps)[2:3], rank_gaussian(maps[2:3]))


def test_joint_normalisation_counts_valid_text_scores_only() -> None:
    given = explanation([[[1.0, 2.0]], [[1.0, 2.0]]], [[5.0, 9.0], [9.0, 0.0]], [[True, False], [False, True]])
    assert min_max(given).tolist() == [[[0.0, 0.25]], [[0.5, 1.0]]]
    assert min_max(given, "image").tolist() == [[[0.0, 1.0]], [[0.0, 1.0]]]


def test_finishing_floors_and_truncates() -> None:
    given = without_scores(torch.tensor([[[-3.0, 0.5, 1.0]]]))
    assert finish(given).tolist() == [[[0, 127, 255]]]


def test_a_map_of_one_value_becomes_zero() -> None:
    for value in (0.0, 0.7, -2.0):
        assert not finish(without_scores(torch.full((2, 3, 3), value)), "finite").any()


def test_no_map_gives_no_map() -> None:
    assert finish(without_scores(torch.zeros(0, 3, 4)), "finite").shape == (0, 3, 4)


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        finish(without_scores(torch.tensor([[[1.0, float("nan")]]])))


def test_scores_that_do_not_count_may_be_anything() -> None:
    given = explanation([[[0.0, 1.0]]], [[float("nan")]], [[False]])
    assert finish(given).tolist() == [[[0, 255]]]


def test_fold_is_row_major_and_resize_keeps_the_grid_it_has() -> None:
    maps = fold(torch.arange(12.0).reshape(2, 6), 2, 3)
    assert maps[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert resize(maps, 2, 3) is maps
    assert resize(torch.tensor([[[0.0, 4.0]]]), 1, 4).tolist() == [[[0.0, 1.0, 3.0, 4.0]]]
