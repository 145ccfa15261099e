"""The command `run_eval.py` in a process of its own, forked from one that has done its imports (`tests.ranks`).

A run takes twelve seconds of a processor to import what it needs; forked from the fork server it takes none. Where the
start of the command is itself under test (what it imports, how a launcher starts it), start `program(...)` instead.
"""

import atexit
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

from tests import ranks

ROOT = Path(__file__).resolve().parents[1]
ENV = {
    **os.environ,
    "WANDB_MODE": "offline",
    "HF_HUB_OFFLINE": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "OMP_NUM_THREADS": "1",
}


class Done(NamedTuple):
    """How the command ended and what it printed."""

    returncode: int
    stdout: str
    stderr: str


class Started(NamedTuple):
    """A command that is at work, and the files that take what it prints."""

    process: BaseProcess
    stdout: Path
    stderr: Path

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its process group."""
        assert self.process.pid is not None
        return self.process.pid

    def wait(self, seconds: float = 300) -> Done:
        """Return how it ended. Raises TimeoutError, with what it printed, where it does not end in time."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            raise TimeoutError(f"no end after {seconds} s: {self.stderr.read_text()[-2000:]}")
        return Done(self.process.exitcode, self.stdout.read_text(), self.stderr.read_text())


def program(*args: str) -> list[str]:
    """Return the words that start the command by a new interpreter."""
    return [sys.executable, str(ROOT / "run_eval.py"), *args]


def start_again(*args: str, env: Mapping[str, str] = ENV) -> subprocess.CompletedProcess[str]:
    """Run the command by a new interpreter, with its imports."""
    return subprocess.run(program(*args), cwd=ROOT, env=dict(env), capture_output=True, text=True, timeout=600)


@contextmanager
def started(*args: str, cwd: Path = ROOT, env: Mapping[str, str] = ENV) -> Iterator[Started]:
    """Start the command in a process group of its own; whatever of it is left at the end of the block is killed."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "stdout"), Path(folder, "stderr")
        out.touch()
        err.touch()
        process = ranks.server.Process(target=_run, args=(args, str(cwd), dict(env), str(out), str(err)))
        ranks.begin()
        process.start()
        try:
            yield Started(process, out, err)
        finally:
            process.kill()
            process.join()


def run(*args: str, cwd: Path = ROOT, env: Mapping[str, str] = ENV) -> Done:
    """Run the command to its end."""
    with started(*args, cwd=cwd, env=env) as at_work:
        return at_work.wait(600)


def _run(args: tuple[str, ...], cwd: str, env: dict[str, str], out: str, err: str) -> None:
    """Be the command: the body of the forked process."""
    ranks.as_started_anew()
    os.setsid()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [str(ROOT / "run_eval.py"), *args]
    sys.path[:0] = env.get("PYTHONPATH", "").split(os.pathsep)
    for path, number in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    import __main__
    import run_eval
    from pipeline import stop

    __main__.__spec__ = None  # else Lightning starts other ranks by `-m`, with the module that started the tests

    stop.at_once()
    try:
        status = run_eval.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()  # which multiprocessing leaves out
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(status)
