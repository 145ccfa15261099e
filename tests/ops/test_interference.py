"""Weights, the least-squares scale and what is left, by their defining properties."""

import torch

from pipeline.ops.interference import arc_weights, least_squares, mean_weights, subtract, tam_weights, weighted_mean
from pipeline.ops.text import earlier


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_what_is_left_is_orthogonal_to_the_interference() -> None:
    maps, interference = random(6, 3, 4), random(6, 3, 4, seed=1)
    left = subtract(maps, interference)
    assert torch.allclose((left * interference).sum((1, 2)), torch.zeros(6), atol=1e-5)


def test_the_scale_of_the_interference_does_not_matter() -> None:
    maps, interference = random(6, 3, 4), random(6, 3, 4, seed=1)
    assert torch.allclose(subtract(maps, interference * 50), subtract(maps, interference), atol=1e-5)


def test_no_interference_leaves_the_map() -> None:
    maps = random(2, 3, 4)
    assert torch.equal(subtract(maps, torch.zeros(2, 3, 4)), maps)
    assert not least_squares(torch.zeros(2, 3, 4), maps).any()


def test_a_map_is_taken_from_itself_whole() -> None:
    maps = random(2, 3, 4)
    assert not subtract(maps, maps).any()


def test_the_floor_of_beta() -> None:
    maps = random(2, 3, 4)
    assert torch.allclose(least_squares(maps, -maps), torch.tensor(-1.0).double())
    assert torch.equal(subtract(maps, -maps, beta_floor=0.0), maps)


def test_only_earlier_tokens_weigh() -> None:
    context = earlier(2, 3)
    assert context.int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert torch.equal(mean_weights(context) > 0, context)
    assert tam_weights(torch.tensor([[-1.0, 2.0, 5.0, 5.0]]), context[:1]).tolist() == [[0, 2, 0, 0]]
    assert arc_weights(torch.tensor([[0.25, 1.0, 0.5, 0.5]]), context[:1]).tolist() == [[0.75, 0, 0, 0]]


def test_no_weight_is_no_interference() -> None:
    assert not weighted_mean(torch.zeros(2, 3), random(3, 2, 2)).any()
    assert weighted_mean(torch.zeros(2, 0), torch.zeros(0, 2, 2)).shape == (2, 2, 2)
