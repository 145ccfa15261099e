"""Which rank computes which batches: pure integers, the same answer everywhere."""

from collections.abc import Set

Batch = tuple[int, ...]
"""Positions of samples in the manifest."""


def plan(
    count: int, batch_size: int, *, rank: int = 0, world_size: int = 1, done: Set[int] = frozenset()
) -> list[Batch]:
    """The batches of one rank.

    Batches are cut from the manifest's order, so their composition does not depend on the ranks. One whose samples are
    all `done` is skipped, any other is whole. What remains goes to the ranks in contiguous blocks, uneven or empty.
    """
    if count < 0 or batch_size < 1 or not 0 <= rank < world_size:
        raise ValueError(f"no plan for {count=}, {batch_size=}, {rank=}, {world_size=}")
    batches = [tuple(range(start, min(start + batch_size, count))) for start in range(0, count, batch_size)]
    left = [batch for batch in batches if not done >= set(batch)]
    return left[len(left) * rank // world_size : len(left) * (rank + 1) // world_size]
