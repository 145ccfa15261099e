"""Run the whole command on checkpoints that were changed at random, and see that it keeps its promises.

    python -m tests.fuzz_checkpoints --mutations 200 --seed 0

The promises: no file is written or read outside, no traceback, an exit status that is documented, one line where it is
2, at most 20 seconds (those in which it computed, where the machine has other work) and 3 GB.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import run_eval
from datamodules.printable import printable
from pipeline import evaluation  # noqa: F401  (imported here once, not in every child)
from tests import mutations, tiny

ROOT = Path(__file__).resolve().parents[1]
SECONDS, MEMORY = 20, 3 * 2**30
DOCUMENTED = (0, 2, 3, 4, 5, 75)
PLACES = (str(ROOT), sys.prefix, sys.base_prefix, "/proc", "/sys", "/usr", "/lib", "/dev/null", "/dev/urandom", "/etc")
FAMILIES = ("pipeline.models.qwen2_vl.Qwen2VL", "pipeline.models.auto.Auto")


@dataclass(frozen=True)
class Outcome:
    """What a command did. said: its stderr; touched: files outside; seconds: of computing; memory: bytes."""

    status: int
    said: str
    touched: tuple[str, ...]
    seconds: float
    memory: int

    def broken(self) -> list[str]:
        """Return the promises that it did not keep."""
        found = [f"touched {path}" for path in self.touched]
        found += [f"status {self.status}"] * (self.status not in DOCUMENTED)
        found += ["a traceback"] * ("Traceback" in self.said)
        errors = [line for line in self.said.splitlines() if "error:" in line]
        found += [f"{len(errors)} lines of error"] * (self.status == 2 and len(errors) != 1)
        found += ["an escape code"] * any(printable(line) != " ".join(line.split(" ")) for line in errors)
        found += [f"{self.seconds:.0f} s"] * (self.seconds > SECONDS)
        return found + [f"{self.memory / 1e9:.1f} GB"] * (self.memory > MEMORY)


def attempt(folder: Path, run: Path, family: str) -> Outcome:
    """Run the command on the checkpoint `folder` in a child."""
    told, kept = run.with_suffix(".said"), run.with_suffix(".touched")
    config = run.with_suffix(".yaml")
    config.write_text(f"class_path: {family}\ninit_args:\n  checkpoint: {folder}\n  max_new_tokens: 4\n")
    child = os.fork()
    if child == 0:
        command(folder, run, config, told, kept)
    _, ended, used = os.wait4(child, 0)
    touched = json.loads(kept.read_text()) if kept.exists() else ["(it died)"]
    seconds = used.ru_utime + used.ru_stime
    status = os.waitstatus_to_exitcode(ended)
    return Outcome(status, told.read_text(errors="replace"), tuple(touched), seconds, used.ru_maxrss * 1024)


def command(folder: Path, run: Path, config: Path, told: Path, kept: Path) -> None:
    """Be the command, in a child, and end it."""
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    own = tuple(map(os.path.realpath, (folder, run.parent, *PLACES)))
    own = tuple(place for place in own if place != os.path.realpath(folder.parent))
    touched: set[str] = set()

    def watch(event: str, args: tuple) -> None:
        if event != "open" or not isinstance(args[0], str | bytes):
            return
        path = os.path.realpath(os.fsdecode(args[0]))
        writes = (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        places = (os.path.realpath(run.parent), os.devnull) if writes else own
        if not path.startswith(places):
            touched.add(f"{'written' if writes else 'read'}: {path}")

    sys.addaudithook(watch)
    args = ["--vlm", str(config), "--run_dir", str(run), "--limit", "1", "--explainers", "cam", "--figures", "0"]
    args += ["--trainer.accelerator", "cpu", "--trainer.strategy", "auto", "--wandb.mode", "disabled"]
    status = 1
    try:
        status = run_eval.main(args)
    except SystemExit as left:
        status = int(left.code or 0)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(OSError):
        kept.write_text(json.dumps(sorted(touched)))
    os._exit(status)


def fuzz(count: int, seed: int, place: Path) -> list[str]:
    """Return what went wrong with `count` mutated checkpoints; a line each to stdout."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled", "TOKENIZERS_PARALLELISM": "false"}
    sound, wrong = tiny.qwen2_vl_folder(place / "sound"), []
    for number in range(seed, seed + count):
        home = place / str(number)
        folder = Path(shutil.copytree(sound, home / "checkpoint" / "model"))
        try:
            what = mutations.mutate(folder, number)
        except (OSError, KeyError, ValueError, TypeError) as error:
            what = f"nothing: {error}"
        (home / "runs").mkdir()
        start = time.monotonic()
        outcome = attempt(folder, home / "runs" / "run", FAMILIES[number % 2])
        said = next((line for line in outcome.said.splitlines() if "error:" in line), "")
        took = time.monotonic() - start
        print(
            f"{number:4} {outcome.status} {took:5.1f} s {outcome.memory / 1e9:.2f} GB  {what}: {said[-160:]}",
            flush=True,
        )
        if broken := outcome.broken():
            wrong.append(f"{number} ({what}): {'; '.join(broken)}: {outcome.said[-1500:]}")
        shutil.rmtree(home)
    return wrong


def main() -> None:
    """Fuzz; status 1 where a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        wrong = fuzz(options.mutations, options.seed, Path(place))
    print("\n".join(wrong) or f"{options.mutations} checkpoints: every promise kept")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
