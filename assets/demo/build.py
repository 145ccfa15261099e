"""Rebuild the embedded default: artwork -> held-out shards -> training -> exported model.

python assets/demo/build.py [--work DIR] [--shards-only | --export-only]; killed runs continue where they stood.
"""

import argparse
import os
import signal
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import held_out
import torch
from recipe import MODEL, Trainer
from scenes import FONT, FONT_SHA256, Artist


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/demo-model"), help="checkpoints and the log")
    parser.add_argument("--font", type=Path, default=FONT, help="NotoColorEmoji.ttf")
    parser.add_argument("--threads", type=int, default=2)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--shards-only", action="store_true", help="write the held-out shards and stop")
    only.add_argument("--export-only", action="store_true", help="export the last checkpoint, finished or not")
    options = parser.parse_args()
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
    options.work.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(options.work, artist)
    trainer.resume()
    if not options.export_only:
        stopped: list[int] = []
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, lambda number, frame: stopped.append(number))
        trainer.run(until=lambda: bool(stopped))
        if stopped:
            raise SystemExit(f"stopped; the same command continues from {options.work}")
    trainer.export(MODEL)
    print(f"model exported to {MODEL} after {trainer.cpu_seconds / 60:.1f} CPU-minutes")


if __name__ == "__main__":
    main()
