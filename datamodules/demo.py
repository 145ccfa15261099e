"""The embedded default: held-out scenes of openly licensed artwork with exact masks (assets/demo)."""

from pathlib import Path

from datamodules.base import ShardDataModule
from datamodules.pictures import MAX_PIXELS

MANIFEST = Path(__file__).resolve().parents[1] / "assets" / "demo" / "shards" / "manifest.json"


class DemoDataModule(ShardDataModule):
    """The scenes that `make demo` explains; they come with the project. Options as in `ShardDataModule`."""

    def __init__(
        self,
        *,
        batch_size: int = 8,
        limit: int | None = None,
        num_workers: int = 0,
        prompt: str | None = None,
        max_pixels: int = MAX_PIXELS,
        synonyms: str | None = None,
    ) -> None:
        super().__init__(
            str(MANIFEST),
            batch_size=batch_size,
            limit=limit,
            num_workers=num_workers,
            prompt=prompt,
            max_pixels=max_pixels,
            synonyms=synonyms,
        )
