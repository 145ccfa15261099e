"""LightningDataModules: whole batches of samples, cut from the dataset's order, each delivered once."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

from datamodules.manifest import Manifest, ManifestError
from datamodules.pictures import MAX_PIXELS
from datamodules.plan import Batch, plan
from datamodules.sample import Sample
from datamodules.shards import read
from datamodules.synonyms import read_synonyms

Reader = Callable[[Sequence[int]], Iterator[Sample]]
"""Positions, ascending, to the samples there, in order; it can be pickled."""


class BatchDataset(IterableDataset):
    """The given batches, in order; loader worker w of n delivers every n-th from the w-th on.

    It knows its batches as integers and looks up nothing about ranks, so it is the same in a forked or spawned worker.
    """

    def __init__(self, reader: Reader, batches: Sequence[Batch]) -> None:
        self.reader = reader
        self.batches = list(batches)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Sample]]:
        worker = get_worker_info()
        mine = self.batches if worker is None else self.batches[worker.id :: worker.num_workers]
        samples = self.reader([index for batch in mine for index in batch])
        for batch in mine:
            yield list(islice(samples, len(batch)))


class SampleDataModule(LightningDataModule, ABC):
    """What a run asks of its data: batches of `Sample`s for each rank. A dataset says its digest, its keys and how
    samples are read; the rest is here.

    prompt: asked instead of the dataset's own question. done: keys that need no more work, set before prediction; a
    batch is skipped when all its keys are among them. synonyms: words or phrases that name a category, in scoring.
    captioned: whether samples may have reference captions.
    """

    done: frozenset[str] = frozenset()
    synonyms: Mapping[str, str] = MappingProxyType({})
    captioned: bool = True

    def __init__(
        self, *, batch_size: int, limit: int | None, num_workers: int, prompt: str | None, max_pixels: int
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size: at least 1, got {batch_size}")
        if limit is not None and limit < 1:
            raise ValueError(f"limit: at least 1, got {limit}")
        if max_pixels < 1:
            raise ValueError(f"max_pixels: at least 1, got {max_pixels}")
        if num_workers < 0:
            raise ValueError(f"num_workers: at least 0, got {num_workers}")
        self.allow_zero_length_dataloader_with_multiple_devices = True  # a rank may be idle
        self.batch_size, self.limit, self.num_workers = batch_size, limit, num_workers
        self.prompt: str | None = prompt
        self.max_pixels = max_pixels

    @property
    @abstractmethod
    def digest(self) -> str:
        """The dataset's identity: it follows from the content, not from where that lies."""

    @property
    @abstractmethod
    def keys(self) -> Sequence[str]:
        """Of all samples, in order."""

    @property
    @abstractmethod
    def reader(self) -> Reader:
        """How samples are read."""

    @property
    def expected(self) -> list[str]:
        """The keys that a run must account for, in order."""
        return list(self.keys[: self.limit])

    def dataset(self, rank: int = 0, world_size: int = 1) -> Dataset[list[Sample]]:
        """What one rank has left to do."""
        done = {index for index, key in enumerate(self.expected) if key in self.done}
        batches = plan(len(self.expected), self.batch_size, rank=rank, world_size=world_size, done=done)
        return BatchDataset(self.reader, batches)

    def predict_dataloader(self) -> DataLoader:
        """This rank's batches; rank and world size are read here, in the main process."""
        rank, world_size = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        return DataLoader(self.dataset(rank, world_size), batch_size=None, num_workers=self.num_workers)

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """Samples stay where they are; the model's processor moves what it needs."""
        return batch


class ShardDataModule(SampleDataModule):
    """Samples of any dataset that `datamodules.shards.write_shards` wrote.

    Args:
        manifest: path of the dataset's manifest.json; its shards lie beside it. Local files only: an address is
            refused.
        batch_size: samples in one batch.
        limit: only the first samples of the manifest; all by default.
        num_workers: loader processes of each rank; 0 loads in the process itself.
        prompt: asked instead of the dataset's own question.
        max_pixels: an image with more pixels is refused.
        follow_links: take shards that are links which lead out of the manifest's folder, too.
        synonyms: a yaml file of words or phrases and the categories that they name, such as `woman: person`.
    """

    def __init__(
        self,
        manifest: str,
        *,
        batch_size: int = 8,
        limit: int | None = None,
        num_workers: int = 0,
        prompt: str | None = None,
        max_pixels: int = MAX_PIXELS,
        follow_links: bool = False,
        synonyms: str | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size, limit=limit, num_workers=num_workers, prompt=prompt, max_pixels=max_pixels
        )
        self.save_hyperparameters(logger=False)
        if re.match(r"\w+:", manifest):
            raise ValueError(f"manifest: {manifest!r} is an address; shards are read from local files: download them")
        self.follow_links = follow_links
        try:
            self.manifest = Manifest.load(manifest)
        except ManifestError as error:
            raise ManifestError(f"manifest: {error}") from error
        self.folder = folder_of(Path(manifest), self.manifest.shards[0].name)
        if synonyms is not None:
            self.synonyms = read_synonyms(synonyms, self.manifest.categories)

    @property
    def digest(self) -> str:
        """sha256 of the manifest."""
        return self.manifest.digest

    @property
    def keys(self) -> Sequence[str]:
        """As the manifest says."""
        return [entry.key for entry in self.manifest.samples]

    @property
    def reader(self) -> Reader:
        """Shards, checked against the manifest."""
        return partial(
            read,
            self.manifest,
            self.folder,
            prompt=self.prompt,
            max_pixels=self.max_pixels,
            follow_links=self.follow_links,
        )


def folder_of(manifest: Path, shard: str) -> Path:
    """Return the folder that a manifest's shards stand in, told by the first of them.

    A manifest may be a link: then it is the folder that the link leads to, or, as in a cache of downloads that keeps
    every file under its digest, that of the link itself.
    """
    target = manifest.resolve().parent
    return target if (target / shard).exists() else manifest.absolute().parent
