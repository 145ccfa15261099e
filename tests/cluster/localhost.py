"""A whole SLURM on this machine, in a temporary folder: munged, slurmctld, and a slurmd for each of two nodes."""

import getpass
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

NODES = ("node1", "node2")
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "scancel", "sinfo", "squeue")
CONF = """
ClusterName=localhost
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
ReturnToService=2
SlurmdTimeout=10
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=1
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=1
PartitionName=all Nodes=ALL Default=YES State=UP
"""
"""Without cgroups, so that it runs in a container too. A requeued job waits until its credential has expired: 5 s."""


MUNGE = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}


def absent() -> list[str]:
    """The programs of SLURM that are not installed."""
    return [name for name in NEEDED if not shutil.which(name)]


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def until(true: Callable[[], object], what: str, seconds: float = 300) -> None:
    """Wait for a condition; TimeoutError, which says `what` it was, where it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)


class Cluster:
    """Two nodes of one CPU each, while it is entered. Logs, sockets and keys lie in `folder`, whose path is short."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.daemons = folder, dict[str, subprocess.Popen[bytes]]()
        self.env = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}

    def __enter__(self) -> "Cluster":
        ports, host, user = free_ports(3), socket.gethostname().split(".")[0], getpass.getuser()
        self.write("slurm.conf", CONF.format(folder=self.folder, ports=ports, host=host, user=user, nodes=NODES))
        # before 23.02 there was no way to say that there are no cgroups; version 1 is not touched until it is used
        version = tuple(map(int, re.findall(r"\d+", self.tell("slurmd", "-V"))[:2]))
        self.write("cgroup.conf", f"CgroupPlugin={'disabled' if version >= (23, 2) else 'cgroup/v1'}\n")
        self.write("munge.key", secrets.token_hex(64))
        files = [f"--{name}={self.folder}/munge.{suffix}" for name, suffix in MUNGE.items()]
        try:
            self.start("munged", "munged", "--foreground", "--force", *files)
            until((self.folder / "munge.socket").exists, "munged", 20)
            self.start("slurmctld", "slurmctld", "-D")
            for node in NODES:
                self.restore(node)
            until(self.ready, "the nodes to be idle", 60)
        except BaseException as error:
            self.stop()
            raise RuntimeError(f"SLURM does not start: {error}; its logs are {self.folder}/*.log") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the daemons, the last one first, and what is left of jobs."""
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait(30)
        for node in NODES:
            self.kill(self.steps(node))

    def write(self, name: str, text: str) -> None:
        """A file that only its owner may read."""
        with open(self.folder / name, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)

    def start(self, name: str, *command: str) -> None:
        """Start a daemon that writes to its own log."""
        with open(self.folder / f"{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)

    def tell(self, *command: str, **env: str) -> str:
        """What a command of SLURM answers; RuntimeError, with what it complains of, where it fails."""
        done = subprocess.run(command, env=self.env | env, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def job(self, number: str) -> dict[str, str]:
        """What is known of a job: JobState, Restarts, ExitCode ..."""
        return dict(re.findall(r"(\w+)=(\S*)", self.tell("scontrol", "--oneliner", "show", "job", number)))

    def idle(self) -> bool:
        """Whether no job is left, not even one that is being ended."""
        return not self.tell("squeue", "--noheader")

    def ready(self) -> bool:
        """Whether both nodes take jobs."""
        try:
            return set(self.tell("sinfo", "--noheader", "--format", "%T").split()) == {"idle"}
        except RuntimeError:
            return False  # slurmctld does not answer yet

    def restore(self, node: str) -> None:
        """Switch a node on."""
        (self.folder / node).mkdir(exist_ok=True)
        self.start(node, "slurmd", "-D", "-N", node)

    def cut(self, node: str) -> None:
        """Switch a node off as a power cut does: kill -9 to all that runs there."""
        daemon = self.daemons.pop(node)
        self.kill([daemon.pid, *self.steps(node)])
        daemon.wait()

    def kill(self, processes: Iterable[int]) -> None:
        """kill -9."""
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def steps(self, node: str) -> set[int]:
        """The processes of jobs on a node, and each slurmstepd above them."""
        tasks = self.tasks(node)
        return {*tasks, *filter(None, map(stepd, tasks))}

    def tasks(self, node: str) -> list[int]:
        """The processes of jobs on a node."""
        mine = {f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={self.env['SLURM_CONF']}".encode()}
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with suppress(OSError):  # it ended meanwhile, or is another user's
                if mine <= set(path.read_bytes().split(b"\0")):
                    found.append(int(path.parent.name))
        return found


def stepd(process: int) -> int | None:
    """The slurmstepd above a process; None where it is gone."""
    try:
        parent = int(re.findall(r"^PPid:\s*(\d+)", Path(f"/proc/{process}/status").read_text(), re.M)[0])
        found = Path(f"/proc/{parent}/comm").read_text() == "slurmstepd\n"
    except FileNotFoundError:
        return None
    return parent if found else stepd(parent)
