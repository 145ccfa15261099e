"""The LightningDataModule: whole batches, each sample exactly once, whoever loads it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch.utils.data import DataLoader

from datamodules.base import ShardDataModule
from datamodules.demo import MANIFEST, DemoDataModule
from datamodules.manifest import ManifestError
from datamodules.sample import Sample
from tests.datamodules.builder import build

COUNT = 11


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("toy")
    build(folder, COUNT)
    return str(folder / "manifest.json")


def delivered(data: ShardDataModule, rank: int, world_size: int) -> list[list[int]]:
    """What the loader of one rank hands out, as positions in the manifest."""
    data.trainer = SimpleNamespace(global_rank=rank, world_size=world_size)  # type: ignore[assignment]
    loader = data.predict_dataloader()
    batches = list(loader)
    assert len(loader) == len(batches)
    assert all(isinstance(sample, Sample) and sample.error is None for batch in batches for sample in batch)
    return [[sample.index for sample in batch] for batch in batches]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_every_sample_once(manifest: str, batch_size: int, world_size: int) -> None:
    data = ShardDataModule(manifest, batch_size=batch_size)
    batches = [batch for rank in range(world_size) for batch in delivered(data, rank, world_size)]
    assert batches == [list(range(COUNT))[start : start + batch_size] for start in range(0, COUNT, batch_size)]


@pytest.mark.parametrize("world_size", [1, 2])
@pytest.mark.parametrize("num_workers", [1, 2])
def test_forked_workers_change_nothing(manifest: str, world_size: int, num_workers: int) -> None:
    alone = ShardDataModule(manifest, batch_size=2)
    several = ShardDataModule(manifest, batch_size=2, num_workers=num_workers)
    for rank in range(world_size):
        assert delivered(several, rank, world_size) == delivered(alone, rank, world_size)


def test_spawned_workers_change_nothing(manifest: str) -> None:
    dataset = ShardDataModule(manifest, batch_size=2).dataset(1, 2)
    loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context="spawn")
    assert [[sample.index for sample in batch] for batch in loader] == [[6, 7], [8, 9], [10]]


def test_limit(manifest: str) -> None:
    data = ShardDataModule(manifest, batch_size=2, limit=5)
    assert data.expected == ["0000", "0001", "0002", "0003", "0004"]
    assert delivered(data, 0, 1) == [[0, 1], [2, 3], [4]]
    assert len(ShardDataModule(manifest, limit=99).expected) == COUNT
    assert data.digest == ShardDataModule(manifest).digest


def test_resuming_skips_whole_batches_only(manifest: str) -> None:
    data = ShardDataModule(manifest, batch_size=3)
    data.done = frozenset({"0000", "0001", "0002", "0004", "from another run"})
    assert delivered(data, 0, 2) + delivered(data, 1, 2) == [[3, 4, 5], [6, 7, 8], [9, 10]]
    data.done = frozenset(data.expected)
    assert delivered(data, 0, 1) == []


def test_a_rank_may_be_idle(manifest: str) -> None:
    data = ShardDataModule(manifest, batch_size=COUNT)
    assert delivered(data, 0, 2) == []
    assert data.allow_zero_length_dataloader_with_multiple_devices, "else Lightning refuses such a rank"


def test_another_prompt(manifest: str) -> None:
    (batch,) = ShardDataModule(manifest, prompt="Who?", limit=2).predict_dataloader()
    assert [sample.prompt for sample in batch] == ["Who?", "Who?"]


def test_batches_stay_as_they_are(manifest: str) -> None:
    data = ShardDataModule(manifest, limit=2)
    batch = next(iter(data.predict_dataloader()))
    assert data.transfer_batch_to_device(batch, "cpu", 0) is batch


def test_a_small_image_bound_reaches_the_samples(manifest: str) -> None:
    (batch,) = ShardDataModule(manifest, limit=2, max_pixels=17 * 12).predict_dataloader()
    assert [sample.error for sample in batch] == [None, "toy-00000.tar: 0001: 17 x 13 pixels exceed 204 (max_pixels)"]


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"limit": 0}, {"num_workers": -1}, {"max_pixels": 0}])
def test_nonsense_is_refused(manifest: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ShardDataModule(manifest, **wrong)


def test_an_absent_dataset_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"is a folder; name the manifest\.json in it"):
        ShardDataModule(str(tmp_path))
    with pytest.raises(ManifestError, match="no such manifest"):
        ShardDataModule(str(tmp_path / "manifest.json"))


@pytest.mark.parametrize("address", ["pipe:touch canary", "https://127.0.0.1:9/manifest.json", "s3://x/manifest.json"])
def test_an_address_is_refused_by_name(address: str) -> None:
    with pytest.raises(ValueError, match=f"^manifest: '{address}' is an address; shards are read from local files"):
        ShardDataModule(address)


@pytest.mark.skipif(not MANIFEST.exists(), reason="the embedded dataset is not built")
def test_the_embedded_default() -> None:
    data = DemoDataModule(limit=16, batch_size=8)
    samples = [sample for batch in data.predict_dataloader() for sample in batch]
    assert [sample.key for sample in samples] == data.expected
    assert all(sample.error is None and sample.masks and sample.captions for sample in samples)
