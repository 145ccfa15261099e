"""What each of two nodes has written of a run."""

from pathlib import Path

from tests.kills import key_of


def shares(folder: Path) -> list[list[str]]:
    """The keys of the whole rows of rank 0 and of rank 1."""
    paths = [folder / f"rows.{rank}.jsonl" for rank in (0, 1)]
    lines = [path.read_bytes().splitlines(keepends=True) if path.exists() else [] for path in paths]
    return [[key for line in of if (key := key_of(line))] for of in lines]


def written(folder: Path) -> set[str]:
    """All keys."""
    return {key for share in shares(folder) for key in share}


def grown(folder: Path, before: list[list[str]]) -> bool:
    """Whether both nodes have written more than they had."""
    return all(len(now) > len(then) for now, then in zip(shares(folder), before, strict=True))


def assert_exact(folder: Path, whole: bytes, samples: int) -> None:
    """Both nodes had a part, no sample is there twice, and the figures are those of one process."""
    first, second = shares(folder)
    assert first
    assert second
    assert len(written(folder)) == len(first) + len(second) == samples
    assert (folder / "summary.json").read_bytes() == whole
