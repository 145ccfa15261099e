"""Energy: how much of the map of an object word lies on the object.  python -m docs.examples.energy RUN_DIR

RUN_DIR is a run on the demo's scenes with --save_maps uint8.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from datamodules.demo import DemoDataModule
from datamodules.printable import printable
from metrics import interval, matching
from metrics.base import Evidence, Sum, gather
from metrics.classes import Sums
from metrics.pixels import Maps, decode
from metrics.words import Tagger, Word, tagger, words_of
from pipeline.outputs import fingerprint
from pipeline.outputs.records import read_rows


def energy(evidence: Evidence, words: Sequence[Word], tagger: Tagger) -> Sum:
    """Of every object word the sum of its map inside the mask over its whole sum, by its best token, in [0, 1]."""
    shares = []
    for match in matching.corrected(words, matching.vocabulary(evidence.categories, tagger)):
        rle = evidence.masks.get(match.category)
        mask = None if rle is None else decode(rle)
        if mask is not None and mask.any():
            maps = Maps(evidence.maps, mask.shape)
            said = words[match.first : match.first + match.length]
            placed = [maps.placed(token, evidence.box) for word in said for token in word.tokens]
            whole = [float(each.values.sum()) for each in placed]
            inside = [float(each.values[mask[each.there]].sum()) for each in placed]
            shares.append(max(part / total if total else 0.0 for part, total in zip(inside, whole, strict=True)))
    return gather(shares)


class Energy(Sums):
    """The same as a torchmetric: it adds what `energy` returns, also over processes."""

    names = ("energy",)

    def update(self, found: Sequence[Sum]) -> None:
        self._add({"energy": one} for one in found)


def main(args: Sequence[str] | None = None) -> int:
    """Print the figure and its interval for every explainer of a run."""
    parser = argparse.ArgumentParser(prog="python -m docs.examples.energy", description=__doc__)
    parser.add_argument("run_dir", type=Path)
    folder, data = parser.parse_args(args).run_dir, DemoDataModule()
    try:
        if fingerprint.read(folder)["manifest"] != data.digest:
            raise ValueError(f"{folder} is no run on the demo's scenes")
        if not (folder / "maps").is_dir():
            raise ValueError(f"{folder} holds no maps; --save_maps uint8 keeps them")
        rows = sorted((row for row in read_rows(folder).values() if row.answer), key=lambda row: row.index)
    except ValueError as error:
        parser.error(printable(str(error)))
    reader, words = data.reader, tagger("hanta")
    found: dict[str, list[Sum]] = {}
    for row, sample in zip(rows, reader([row.index for row in rows]), strict=True):
        assert row.answer is not None
        pieces = tuple(row.answer["pieces"])
        with np.load(folder / "maps" / f"{row.index:08d}.npz", allow_pickle=False) as maps:
            for name in maps:
                known = Evidence(maps[name], pieces, sample.masks or {}, sample.categories)
                found.setdefault(name, []).append(energy(known, words_of(pieces, words), words))
    for name, sums in found.items():
        (resampled,) = interval.bootstrap([interval.Table(["energy"], ({"energy": one} for one in sums))])
        figure = interval.interval(resampled, "energy")
        print(
            f"{name:20} {figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}] over {figure['count']} words"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
