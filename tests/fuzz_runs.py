"""Damage a run folder at random and let every command that reads one loose on it.

    python -m tests.fuzz_runs --mutations 500 --seed 0

Each mutation is a copy of one real run with one thing changed (`tests.run_mutations`), read by the page, the tracker, a
resumed run, one with `--fresh` and one with `--answers`, each in a process forked from this one. Wrong are: a file
outside that is read or written (seen by an audit hook, and by what lies there before and after), a traceback, an
undocumented exit status, more than one line of error, more than 20 s of processor time or 120 s in all, more than 3 GB.
Exit status 1 if any is found.
"""

import argparse
import contextlib
import hashlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from tqdm import tqdm

from tests import run_mutations as mutations

SECONDS, WAIT, BYTES = 20, 120, 3 << 30
RUN = ["--explainers", "cam", "--limit", "3", "--figures", "3", "--panels", "1", "--wandb.mode", "disabled"]
RUN += ["--save_maps", "uint8", "--trainer.accelerator", "cpu"]
STATUSES = {"report": (0, 2), "tracker": (0, 2), "resume": (0, 2, 3, 4), "fresh": (0, 2), "answers": (0, 2, 4)}
OPENING = ("open", "os.listdir", "os.scandir")
CHANGING = (
    *("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.link", "os.truncate", "os.chmod"),
    *("shutil.rmtree", "shutil.copyfile", "shutil.move"),
)


class Board:
    """Stands in for a W&B run: everything up to W&B's own process."""

    entity, project = None, "p"

    def __init__(self, **_: Any) -> None:
        self.config = self.summary = self

    def update(self, *_: Any, **__: Any) -> None:
        """Take figures."""

    def log(self, figures: dict[str, Any]) -> None:
        """Take figures and the table."""

    def finish(self) -> None:
        """Be done."""


def report(folder: Path, out: Path) -> int:
    """Make a page of the folder, elsewhere or in it."""
    from pipeline.outputs.report import command

    return command.main([str(folder)] if len(folder.parent.name) % 2 else [str(folder), "--out", str(out / "page")])


def tracker(folder: Path, _: Path) -> int:
    """Publish it."""
    from pipeline.outputs import tracker as command

    with mock.patch("wandb.init", Board):
        return command.main([str(folder), "--project", "p"])


def evaluated(*args: str) -> int:
    """Run the evaluation in this process."""
    import run_eval

    return run_eval.main([*RUN, *args])


def resume(folder: Path, _: Path) -> int:
    """Go on in it."""
    return evaluated("--run_dir", str(folder))


def fresh(folder: Path, _: Path) -> int:
    """Start over in it, up to the first sample."""
    from pipeline.outputs import fingerprint

    try:
        fingerprint.open_run(folder, {"another": "run"}, fresh=True)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def answers(folder: Path, out: Path) -> int:
    """Explain its answers."""
    return evaluated("--answers", str(folder), "--run_dir", str(out / "run"))


COMMANDS: dict[str, Callable[[Path, Path], int]] = {
    **{"report": report, "tracker": tracker, "resume": resume, "fresh": fresh, "answers": answers}
}


def watch(folder: Path, out: Path) -> None:
    """From now on end this process, with a line, where it opens or changes what is neither its own nor Python's."""
    from wandb.sdk.data_types import _private  # W&B's folder for pictures that it is given as arrays

    here = Path(__file__).resolve().parents[1]
    own = [os.path.realpath(path) for path in (folder, out, _private.MEDIA_TMP.name)]
    system = ("/proc", "/sys", "/dev/null", "/dev/urandom", "/dev/shm", "/etc", "/usr", "/lib", "/var/lib", "/opt")
    home = [os.path.expanduser(f"~/{name}") for name in (".cache", ".config", ".local", "nltk_data", ".netrc")]
    read = [*own, str(here), sys.prefix, sys.base_prefix, *home, *system, *filter(None, sys.path)]

    def inside(path: str, among: list[str]) -> bool:
        return any(path == one or path.startswith(one.rstrip("/") + "/") for one in among)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in (*OPENING, *CHANGING):
            return
        paths = [os.fsdecode(one) for one in args[:2] if isinstance(one, str | bytes | os.PathLike)]
        if event not in ("os.rename", "os.link", "shutil.move"):
            paths = paths[-1:] if event in ("os.symlink", "shutil.copyfile") else paths[:1]
        flags = args[2] if event == "open" and isinstance(args[2], int) else 0
        follows = event in OPENING and not flags & (os.O_NOFOLLOW | os.O_EXCL)
        changes = event in CHANGING or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
        for path in paths:
            place = os.path.join(os.path.realpath(os.path.dirname(os.path.abspath(path))), os.path.basename(path))
            place = os.path.realpath(path) if follows else place
            if not inside(place, [*own, "/dev/null", "/proc", "/dev/shm"] if changes else read):
                os.write(2, f"OUTSIDE {event} {place}\n".encode("utf-8", "replace"))
                os._exit(99)

    sys.addaudithook(hook)


def child(command: str, folder: Path, out: Path, log: Path) -> None:
    """Carry out a command in this forked process, and end it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(out)
    tempfile.tempdir = os.environ["TMPDIR"] = str(out)
    used = sum(os.times()[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + SECONDS, int(used) + SECONDS + 5))
    held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + BYTES, held + BYTES))
    status = 1
    try:
        watch(folder, out)
        status = COMMANDS[command](folder, out)
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def carried_out(command: str, folder: Path, out: Path) -> tuple[list[str], float, float]:
    """What is wrong with how a command ends; its seconds of processor time, and its gigabytes."""
    out.mkdir()
    log = out.with_suffix(".log")
    process = os.fork()
    if process == 0:
        child(command, folder, out, log)
    end = time.monotonic() + WAIT
    while True:
        done, status, used = os.wait4(process, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    code, said = os.waitstatus_to_exitcode(status), log.read_text("utf-8", "replace")
    wrong = []
    if code == -signal.SIGXCPU or code == -signal.SIGKILL:
        wrong.append(f"no end: killed by {signal.Signals(-code).name}")
    elif code not in STATUSES[command]:
        wrong.append(f"status {code}: {said.strip()[-1500:]}")
    if "Traceback" in said:
        wrong.append(f"a traceback: {said[said.index('Traceback') :][-1500:]}")
    if code == 2 and len([line for line in said.splitlines() if "error:" in line]) != 1:
        wrong.append(f"not one line: {said[:500]}")
    if used.ru_maxrss * 1024 > BYTES:
        wrong.append(f"{used.ru_maxrss / 1e6:.1f} GB")
    left = [path for path in out.glob("**/*") if path.is_file() and path.stat().st_size < 1 << 24]
    wrong += [f"{path.name} holds what lies outside" for path in left if mutations.MARK in path.read_bytes()]
    return wrong, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def digest(folder: Path) -> str:
    """Of names and bytes of all that lies in a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("**/*")):
        total.update(f"{path} {os.lstat(path).st_mode}".encode())
        total.update(path.read_bytes() if path.is_file() else b"")
    return total.hexdigest()


def base(folder: Path) -> Path:
    """A real run, published once, with its page."""
    for command in (
        lambda: resume(folder, folder),
        lambda: tracker(folder, folder),
        lambda: report(folder, folder.parent),
    ):
        process = os.fork()
        if process == 0:
            try:
                os._exit(command())
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) != 0:
            raise RuntimeError("the run that is to be damaged did not come about")
    return folder


def warm() -> None:
    """Import what the commands need, once for all."""
    import wandb

    import pipeline.evaluation
    import pipeline.outputs.report.command
    import pipeline.outputs.tracker
    import run_eval
    from pipeline.sweep import process

    _ = wandb.Table, pipeline.evaluation, run_eval
    process.warm("hanta")


Found = tuple[str, str, list[str], float, float]


def fuzz(count: int, seed: int, commands: Sequence[str] = tuple(COMMANDS), turn: bool = False) -> Iterator[Found]:
    """Yield mutation, command, what is wrong, seconds and gigabytes. turn: one command for each mutation, not all."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as name:
        top = Path(os.path.realpath(name))
        original = base(top / "original")
        for number in range(count):
            for command in [commands[number % len(commands)]] if turn else commands:
                drawn = random.Random(f"{seed} {number}")
                place, canary = top / f"{number}{command}", top / "canary"
                shutil.rmtree(canary, ignore_errors=True)
                canary.mkdir()
                shutil.copytree(original, place / "run", symlinks=True)
                (canary / "a.txt").write_bytes(mutations.MARK)
                how = drawn.choice(mutations.KINDS)(drawn, place / "run", canary)
                before = digest(canary)
                wrong, seconds, size = carried_out(command, place / "run", place / "out")
                if digest(canary) != before:
                    wrong.append("what lies outside was changed")
                yield how, command, wrong, seconds, size
                shutil.rmtree(place, ignore_errors=True)


def main() -> int:
    """Print what is wrong, and how often each kind of mutation was tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz_runs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--mutations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--turn", action="store_true", help="one command for each mutation, in turn")
    given = parser.parse_args()
    warm()
    kinds, bad, slowest, largest = Counter[str](), 0, 0.0, 0.0
    total = given.mutations * (1 if given.turn else len(given.commands))
    damaged = fuzz(given.mutations, given.seed, given.commands, given.turn)
    for how, command, wrong, seconds, size in tqdm(damaged, total=total, unit="command", mininterval=10):
        kinds[how.partition(":")[0]] += 1
        slowest, largest, bad = max(slowest, seconds), max(largest, size), bad + bool(wrong)
        for one in wrong:
            print(f"{how} | {command}: {one}\n", flush=True)
    tried = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
    most = f"at most {slowest:.1f} s, {largest:.2f} GB"
    print(f"{sum(kinds.values())} commands on damaged folders ({tried}): {bad} wrong; {most}")
    return 1 if bad else 0


if __name__ == "__main__":
    os.environ |= {"HF_HUB_OFFLINE": "1", "WANDB_MODE": "offline", "TOKENIZERS_PARALLELISM": "false"}
    sys.exit(main())
