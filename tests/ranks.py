"""The command on several ranks, started and ended as torchrun does, from a process that has imported everything once.

The standard library's fork server imports; each rank is forked from it and calls `run_eval.main`, so that seven ranks
cost one import. It runs no thread and no tensor operation itself, hence nothing is shared that a fork would break.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from multiprocessing.connection import wait
from multiprocessing.forkserver import ensure_running
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import RLock
from typing import NamedTuple

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["tests.preloaded"])
GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL for the others where a rank has died; torchrun leaves them 30. A rank that waits
for others to start hears no SIGTERM, and has nothing to lose; one that explains has only its batch to finish."""


class Blow(NamedTuple):
    """Kill -9 from outside: after so many seconds, or as soon as a rank died of SIGKILL of its own."""

    victims: Collection[int]
    seconds: float | None = None


def begin() -> None:
    """Start the server, if it is not at work. The path of its socket must be short, and TMPDIR may be long."""
    before, tempfile.tempdir = tempfile.tempdir, "/tmp"
    try:
        ensure_running()
    finally:
        tempfile.tempdir = before


def warm() -> None:
    """Wait until the server has imported everything, so that what follows can be timed."""
    begin()
    nothing = server.Process(target=int)
    nothing.start()
    nothing.join()


def launch(
    args: Sequence[str],
    count: int,
    said: Path,
    blow: Blow | None = None,
    more: Mapping[str, str] | None = None,
    limit: float = 300,
) -> list[int]:
    """The statuses of `run_eval.py args` on `count` ranks; what they print goes to the file `said`. more: variables of
    their environment.

    A rank that fails takes the others along: SIGTERM, after `GRACE` seconds SIGKILL. TimeoutError after `limit` s.
    """
    from torch.distributed import TCPStore

    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # the agent's, where ranks find each other
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    common |= {"TORCHELASTIC_RUN_ID": "test", "GROUP_RANK": "0", "WORLD_SIZE": str(count)}
    common |= {"LOCAL_WORLD_SIZE": str(count), **(more or {})}
    args = [*args, "--trainer.devices", str(count), "--trainer.strategy", "ddp", "--trainer.accelerator", "cpu"]
    places = [common | {"RANK": str(number), "LOCAL_RANK": str(number)} for number in range(count)]
    ranks = [server.Process(target=run, args=(place, args, said)) for place in places]
    end = time.monotonic() + limit
    begin()
    try:
        for rank in ranks:
            rank.start()
        if blow and blow.seconds is not None and not over(ranks, blow.seconds):
            kill(ranks, blow.victims)
        if not over(ranks, end - time.monotonic()):
            raise TimeoutError(f"{count} ranks did not end in {limit} s: {said.read_text()[-2000:]}")
        if blow and any(rank.exitcode == -signal.SIGKILL for rank in ranks):
            kill(ranks, blow.victims)
        for rank in ranks:
            rank.terminate()
        end = time.monotonic() + GRACE
        for rank in ranks:
            rank.join(max(0.0, end - time.monotonic()))
    finally:
        kill(ranks, range(count))
    return [rank.exitcode or 0 for rank in ranks]


def over(ranks: Sequence[BaseProcess], seconds: float) -> bool:
    """Waits, so long at most, until all ranks have ended or one has failed; whether that is so."""
    end = time.monotonic() + seconds
    while (living := [rank for rank in ranks if rank.exitcode is None]) and not any(rank.exitcode for rank in ranks):
        if not wait([rank.sentinel for rank in living], max(0.0, end - time.monotonic())):
            return False
    return True


def kill(ranks: Sequence[BaseProcess], victims: Collection[int]) -> None:
    """SIGKILL, at once and together; they are gone when this returns."""
    chosen = [ranks[number] for number in victims if ranks[number].pid]
    for rank in chosen:
        rank.kill()
    for rank in chosen:
        rank.join()


def as_started_anew() -> None:
    """Start loader workers as a command does: by a fork, not by a server of their own, which would import all again."""
    multiprocessing.set_start_method("fork", force=True)


def run(environment: dict[str, str], args: Sequence[str], said: Path) -> None:
    """One rank, in its own process."""
    as_started_anew()
    os.environ.update(environment)
    sys.argv = ["run_eval.py", *args]
    with said.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from lightning.pytorch.utilities import rank_zero_only
    from tqdm import tqdm

    import run_eval

    tqdm.set_lock(RLock())  # its own is shared among processes, and outlives one that is killed
    rank_zero_only.rank = int(environment["RANK"])  # which Lightning reads when it is imported
    sys.exit(run_eval.main(list(args)))
