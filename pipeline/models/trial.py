"""Work on a stranger's files, tried in a child process with limits, from which only JSON comes back."""

import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

import huggingface_hub.constants
import torch

from pipeline.models.refusal import describe, of_the_machine

SECONDS = 8
"""CPU seconds that a child has."""
SOON, LATE = 15, 60
"""Wall seconds after which a child is ended that has had half its CPU seconds, and any child."""
MEMORY = 2 * 2**30
"""Bytes of address space that a child may take besides what its parent has."""
ANSWER = 64 * 2**20
"""Bytes of the longest answer that is read."""
_OF_OS = ("exec", "posix_spawn", "remove", "rename", "mkdir", "rmdir", "link", "symlink", "truncate", "chmod")
FORBIDDEN = frozenset(
    {
        *("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "pickle.find_class"),
        *(f"os.{name}" for name in ("system", *_OF_OS)),
    }
)
"""Audit events of CPython that reading a checkpoint never causes."""
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
SYSTEM = ("/proc", "/sys", "/usr", "/lib", "/lib64", "/dev/null", "/dev/urandom", "/etc/localtime")
"""Places that libraries read by themselves."""


class Refused(ValueError):
    """What a child refused or could not do within its limits. kind: the name of the error's class in the child."""

    def __init__(self, reason: str, kind: str = "Refused") -> None:
        super().__init__(reason)
        self.kind = kind


def tried(work: Callable[[], Any], allowed: Iterable[Path]) -> Any:
    """Return what `work` returns in a child process, as JSON carries it.

    allowed: the files (resolved) that `work` may open, besides those of Python and its libraries. The child is a fork,
    so nothing is imported anew; it writes no file, connects to nothing, starts no program, and computes with one
    thread. Raises Refused with the message of what `work` raised or the limit that it broke, OSError where the machine
    could not read a file. Without `os.fork` there is no child and no limit.
    """
    if not hasattr(os, "fork"):
        return work()
    files = frozenset(str(path) for path in allowed)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child takes up none of them
        child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, files, writing)
    os.close(writing)
    try:
        said, late = _heard(reading, child)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)  # where it has ended, this does nothing
        ended = os.waitpid(child, 0)[1]
    if not said.endswith(b"\n"):
        raise Refused(_broken(ended, late))
    answer = json.loads(said)
    if "errno" in answer:
        raise OSError(answer["errno"], os.strerror(answer["errno"]), answer["file"])
    if "refused" in answer:
        raise Refused(answer["refused"], answer["kind"])
    return answer["found"]


def _heard(reading: int, child: int) -> tuple[bytes, bool]:
    """Return what a child wrote, up to the end of the line or of its life, and whether it took too long."""
    said, start = b"", time.monotonic()
    while not said.endswith(b"\n") and len(said) < ANSWER:
        if select.select([reading], [], [], 0.5)[0]:
            if not (more := os.read(reading, 2**20)):
                break
            said += more
            continue
        took = time.monotonic() - start
        if took > LATE or (took > SOON and _computed(child) > SECONDS / 2):
            return b"", True
    return said, False


def _computed(child: int) -> float:
    """Return the CPU seconds that a child has had; infinite where the system does not say."""
    try:
        fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return float("inf")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _broken(ended: int, late: bool) -> str:
    """Return why a child that ended with the status `ended` has no answer."""
    number = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0
    if late or number in (signal.SIGXCPU, signal.SIGKILL):
        return (
            f"reading it takes more than {SECONDS} s of computing: something in it loops, grows, or is absurdly large"
        )
    what = signal.Signals(number).name if number else f"status {os.WEXITSTATUS(ended)}"
    return f"reading it ends the process that tries to ({what}), as a lack of memory does"


def _work(work: Callable[[], Any], files: frozenset[str], writing: int) -> NoReturn:
    """Do `work` in the child and end it."""
    answer: dict[str, Any] = {"refused": "reading it takes more memory than it may", "kind": "MemoryError"}
    reached: list[str] = []
    try:
        _confine()
        sys.addaudithook(_guard(files, reached))
        answer = {"found": work()}
    except MemoryError:
        pass
    except OSError as error:
        answer = {"refused": describe(error), "kind": type(error).__name__}
        if of_the_machine(error):
            answer = {"errno": error.errno, "file": str(error.filename)}
    except BaseException as error:
        answer = {"refused": describe(error), "kind": type(error).__name__}
    with contextlib.suppress(BaseException):
        if reached:
            answer = {"refused": f"reading it {reached[0]}, which is not allowed", "kind": "Refused"}
        said = json.dumps(answer).encode() + b"\n"
        while said:
            said = said[os.write(writing, said) :]
    os._exit(0)


def _confine() -> None:
    """Give the process limits, no terminal, and no network."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU):
        with contextlib.suppress(ValueError):
            signal.signal(number, signal.SIG_DFL)
    faulthandler.disable()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115  (what is put in their place may be a file)
    limits = {resource.RLIMIT_CPU: SECONDS, resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0}
    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + MEMORY
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    huggingface_hub.constants.HF_HUB_OFFLINE = True


def _guard(files: frozenset[str], reached: list[str]) -> Callable[[str, tuple], None]:
    """Return an audit hook that refuses what is not allowed, and notes it in `reached`."""
    libraries = {os.path.realpath(place) for place in (sys.prefix, sys.base_prefix, *filter(None, sys.path))}
    own = tuple(f"{place.rstrip('/')}/" for place in libraries | set(SYSTEM) if place != "/")
    beside = {os.path.dirname(file) for file in files}

    def refuse(what: str) -> None:
        reached.append(what)
        raise PermissionError(what)

    def guard(event: str, args: tuple) -> None:
        if event in FORBIDDEN:
            refuse(f"would {event.replace('.', ' ')} {str(args)[:200]}")
        if event != "open" or not isinstance(args[0], str | bytes):
            return
        path = os.path.realpath(os.fsdecode(args[0]))
        if (args[2] or 0) & WRITES and path != os.devnull:
            refuse(f"would write {path}")
        if path not in files and (os.path.dirname(path) in beside or not f"{path}/".startswith(own)):
            refuse(f"would open {path}")

    return guard
