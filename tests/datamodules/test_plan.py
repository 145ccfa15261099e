"""Every batch once, whoever computes it."""

from typing import Any

import pytest

from datamodules.plan import plan


@pytest.mark.parametrize("count", [0, 1, 7, 24])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("world_size", [1, 2, 3, 7, 30])
def test_the_ranks_share_the_batches_of_one(count: int, batch_size: int, world_size: int) -> None:
    parts = [plan(count, batch_size, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert [batch for part in parts for batch in part] == plan(count, batch_size)
    assert [index for part in parts for batch in part for index in batch] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_only_whole_batches_are_skipped_and_none_is_cut_anew() -> None:
    assert plan(8, 3, done={0, 1, 2, 4, 6, 7}) == [(3, 4, 5)]
    assert plan(8, 3, done={0, 1, 3}) == [(0, 1, 2), (3, 4, 5), (6, 7)]
    assert plan(8, 3, rank=1, world_size=2, done={0, 1, 2}) == [(6, 7)]


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"rank": 2, "world_size": 2}, {"world_size": 0}, {"count": -1}])
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no plan"):
        plan(**({"count": 4, "batch_size": 2} | wrong))
