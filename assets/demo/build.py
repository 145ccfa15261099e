"""Rebuild the embedded models: artwork -> held-out shards -> training -> exported model.

python assets/demo/build.py [FAMILY ...] [--work DIR] [--shards-only | --export-only]
A killed run continues where it stood.
"""

import argparse
import os
import signal
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import held_out
import torch
from internvl import InternVL
from llava import Llava
from qwen2_vl import Qwen2VL
from recipe import Trainer
from scenes import FONT, FONT_SHA256, Artist

FAMILIES = {family.name: family for family in (Qwen2VL(), Llava(), InternVL())}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=f"any of {', '.join(FAMILIES)}; default: all")
    parser.add_argument("--work", type=Path, default=Path("build"), help="checkpoints and logs, a folder a family")
    parser.add_argument("--font", type=Path, default=FONT, help="NotoColorEmoji.ttf")
    parser.add_argument(
        "--threads", type=int, default=1, help="another number gives other roundings, hence another model"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--shards-only", action="store_true", help="write the held-out shards and stop")
    only.add_argument("--export-only", action="store_true", help="export the last checkpoint, finished or not")
    options = parser.parse_args()
    if unknown := set(options.families) - set(FAMILIES):
        parser.error(f"no such family: {', '.join(sorted(unknown))}")
    torch.set_num_threads(options.threads)
    try:
        artist = Artist(options.font)
    except FileNotFoundError as error:
        raise SystemExit(str(error)) from None
    if artist.sha256 != FONT_SHA256:
        print(f"warning: another version of the font (sha256 {artist.sha256}): bytes and figures will differ")
    if not options.export_only:
        manifest = held_out.write(artist)
        print(f"{len(manifest.samples)} held-out scenes in {len(manifest.shards)} shards, manifest {manifest.digest}")
    if options.shards_only:
        return
    stopped: list[int] = []
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda number, frame: stopped.append(number))
    for name in options.families or FAMILIES:
        work = options.work / name
        work.mkdir(parents=True, exist_ok=True)
        trainer = Trainer(FAMILIES[name], work, artist)
        trainer.resume()
        if not options.export_only:
            trainer.run(until=lambda: bool(stopped))
            if stopped:
                raise SystemExit(f"stopped; the same command continues from {work}")
        trainer.export()
        print(f"{name}: exported after {trainer.cpu_seconds / 60:.1f} CPU-minutes")


if __name__ == "__main__":
    main()
