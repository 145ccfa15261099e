"""The pictures of the guide, drawn by the project's own code from a run folder:  python -m docs.pictures RUN_DIR

RUN_DIR is what the command of docs/explainers/index.md leaves. Every picture is drawn anew, into docs/pictures.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from datamodules.demo import DemoDataModule
from docs import captions, drawings, plots
from docs.drawings import Seen
from metrics.entries import sums
from metrics.words import tagger, words_of
from pipeline.outputs.records import Row, read_rows

OUT = Path(__file__).parent / "pictures"
PICTURED = 16
"""Of so many samples the run keeps maps."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.pictures", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a run of every explainer, with figures of the first 16 samples")
    folder = parser.parse_args().run_dir
    OUT.mkdir(exist_ok=True)
    rows = sorted(read_rows(folder).values(), key=lambda row: row.index)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    scene = seen(folder, typical(rows, summary))
    wrong = next(row for row in rows if row.explainers["cam"]["corrected"].absent)
    for name in scene.maps:
        drawings.explained(OUT / f"{name}.png", scene, name)
    drawings.overlap(OUT / "overlap.png", scene)
    drawings.shares(OUT / "shares.png", scene)
    drawings.pointing(OUT / "pointing.png", scene)
    plots.harmonic(OUT / "f1.png", summary)
    plots.resampled(OUT / "interval.png", rows)
    captions.rouge(OUT / "rouge_l.png", scene)
    captions.meteor(OUT / "meteor.png", scene)
    captions.named(OUT / "named.png", seen(folder, wrong))
    for path in sorted(OUT.glob("*.png")):
        shrink(path)
    print(f"{len(list(OUT.glob('*.png')))} pictures, {sum(path.stat().st_size for path in OUT.glob('*.png'))} bytes")
    return 0


def typical(rows: Sequence[Row], summary: Mapping[str, Any]) -> Row:
    """Of the scenes whose caption names each of at least two objects once, the one whose Obj-IoU lies nearest to the
    means of all explainers."""

    def distance(row: Row) -> float:
        apart = []
        for name, profiles in row.explainers.items():
            mean = summary["explainers"][name]["corrected"]["obj_iou"]["value"]
            apart.append(abs(sums(profiles["corrected"])["obj_iou"].mean - mean))
        return sum(apart)

    def right(row: Row) -> bool:
        said = [entry.category for entry in row.explainers["cam"]["corrected"].objects]
        sample = next(DemoDataModule().reader([row.index]))
        return len(said) > 1 and sorted(said) == sorted(sample.masks or {})

    return min(filter(right, rows[:PICTURED]), key=distance)


def seen(folder: Path, row: Row) -> Seen:
    """One sample with its row, words and maps (none where the run kept none)."""
    sample = next(DemoDataModule().reader([row.index]))
    maps = {name: np.zeros((0, 1, 1), np.uint8) for name in row.explainers}
    if row.index < PICTURED:
        with np.load(folder / "figures" / str(row.index) / "maps.npz", allow_pickle=False) as found:
            maps = dict(found)
    words = words_of(tuple(row.answer["pieces"]), tagger("hanta")) if row.answer else []
    return Seen(sample, row, words, maps)


def shrink(path: Path) -> None:
    """To 256 colours, no further from the drawn ones than an eye can see; a quarter of the bytes."""
    with Image.open(path) as picture:
        few = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
