"""Does the loader keep up? Images a second that it delivers alone, in units of what the embedded model explains.

Every byte checked against the manifest, pictures decoded, masks checked: once from the embedded shards, once from
photographs' size (640 x 480 JPEGs of some 150 kB, seven masks each), in the process itself and by one worker.

    python benchmarks/bench_loader.py
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import demo_samples, demo_vlm, predict, seconds, status
from PIL import Image, ImageDraw

from datamodules.base import SampleDataModule, ShardDataModule
from datamodules.demo import DemoDataModule
from datamodules.record import Record
from datamodules.rle import encode_mask
from datamodules.shards import write_shards
from pipeline.explainers.cam import CAM
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.explainers.tam import TAM
from run_eval import quieten

SCENES, ROUNDS, PHOTOS = 16, 5, 128
SIZE, MASKS, GOAL = (640, 480), 7, 20


def photos() -> Iterator[Record]:
    """Scenes of a photograph's size and grain, with ellipses for masks."""
    random = np.random.default_rng(0)
    for index, sample in enumerate(demo_samples(PHOTOS)):
        assert sample.image is not None
        pixels = np.asarray(sample.image.resize(SIZE)) + random.normal(0, 8, (SIZE[1], SIZE[0], 3))
        masks = {}
        for at in range(MASKS):
            mask = Image.new("1", SIZE)
            box = np.sort(random.random((2, 2)), axis=0) * SIZE
            ImageDraw.Draw(mask).ellipse([*box[0], *box[1]], fill=1)
            masks[f"object {at}"] = encode_mask(np.asarray(mask))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        yield Record(f"{index:06d}", image, "jpg", ["A scene."], masks)


def rate(data: SampleDataModule) -> float:
    """Images a second. Starting a worker counts: what it loads before the first batch is asked for would be free."""
    start = time.perf_counter()
    count = sum(len(batch) for batch in data.predict_dataloader())
    return count / (time.perf_counter() - start)


def main() -> int:
    """A line for each kind of picture and number of workers; all of them and the model take turns."""
    quieten()
    vlm, samples = demo_vlm(), demo_samples(SCENES)
    explainers = {"cam": CAM(), "tam": TAM(), "msea_arc": MSEAARC()}
    predict(vlm, explainers, samples, 8)
    with tempfile.TemporaryDirectory() as folder:
        write_shards(folder, "photos", photos(), prompt="What?", per_shard=PHOTOS)
        manifest = str(Path(folder) / "manifest.json")
        found: dict[str, list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):
            consumed = SCENES / seconds(lambda: predict(vlm, explainers, samples, 8))
            for workers in (0, 1):
                scenes = DemoDataModule(num_workers=workers)
                large = ShardDataModule(manifest, num_workers=workers)
                for name, data in {"256 x 256": scenes, "640 x 480": large}.items():
                    found.setdefault(f"{name}, {workers} workers", []).append((rate(data), consumed))
    ratios = []
    for name, pairs in found.items():
        ratio = statistics.median(loaded / consumed for loaded, consumed in pairs)
        loaded, consumed = (statistics.median(values) for values in zip(*pairs, strict=True))
        print(
            f"loader / model, {name}: {ratio:.0f} (goal {GOAL}; {loaded:.0f} / {consumed:.1f} images a second)",
            flush=True,
        )
        ratios.append(ratio)
    return status(min(ratios) >= GOAL)


if __name__ == "__main__":
    sys.exit(main())
