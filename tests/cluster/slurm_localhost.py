"""configs/cluster/slurm.sbatch under a real SLURM of two nodes on this machine: exact, requeued, cut off, cancelled.

    apt-get install slurm-wlm munge
    python -m tests.cluster.slurm_localhost [undisturbed refused requeued killed cut_off cancelled]

Every figure is checked against the same run in one process, byte for byte.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.cluster.localhost import NODES, Cluster, absent, free_ports, until
from tests.cluster.shares import assert_exact, grown, shares, written
from tests.command import ROOT, run

SAMPLES = 64
DEMO = ["--limit", str(SAMPLES), "--batch_size", "2", "--explainers", "cam,msea_arc", "--figures", "0"]
DEMO += ["--wandb.mode", "disabled", "--trainer.accelerator", "cpu"]
SBATCH = ["--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=0", "--cpus-per-task=1", "--time=30"]
PARTS = ("undisturbed", "refused", "requeued", "killed", "cut_off", "cancelled")


class Demonstration:
    """Jobs of one cluster, each with a run folder of its own below `folder`."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder
        done = run(*DEMO, "--run_dir", str(folder / "one"))
        assert done.returncode == 0, done.stderr
        self.whole = (folder / "one" / "summary.json").read_bytes()

    def submit(self, name: str, *args: str) -> str:
        """Submit the script as a user does; the job's number. Its nodes' names are no addresses, so that is said."""
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_ports(1)[0]), "PYTHON": sys.executable}
        log = f"--output={self.folder}/{name}.log"
        command = ["sbatch", "--parsable", f"--chdir={ROOT}", *SBATCH, log, "configs/cluster/slurm.sbatch"]
        return self.cluster.tell(*command, *DEMO, "--run_dir", str(self.folder / name), *args, **place)

    def under_way(self, name: str) -> None:
        """Wait until both nodes have written more rows than they had."""
        before = shares(self.folder / name)
        until(lambda: grown(self.folder / name, before), f"more rows in {name}")
        assert not (self.folder / name / "summary.json").exists(), "it is over too early to be disturbed"

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")  # a killed task may end amid a character

    def ended(self, job: str, *states: str) -> None:
        until(lambda: self.cluster.job(job)["JobState"] in states, f"job {job} to be {' or '.join(states)}")

    def exact(self, name: str) -> None:
        assert_exact(self.folder / name, self.whole, SAMPLES)

    def completes(self, name: str, *args: str) -> None:
        """The same command, whatever came before."""
        self.ended(self.submit(name, *args), "COMPLETED")
        assert_exact(self.folder / name, self.whole, SAMPLES)

    def undisturbed(self) -> None:
        """Two nodes give the bytes of one process."""
        self.completes("undisturbed")

    def refused(self) -> None:
        """What only the first task finds wrong ends the other too."""
        self.ended(self.submit("one", "--save_maps", "uint8"), "FAILED")
        assert "holds another run" in self.log("one")

    def requeued(self) -> None:
        """By the signal that SLURM sends to the script before the time is up, then by one to its tasks. What --fresh
        asks for is done at the first start only."""
        job = self.submit("requeued", "--fresh", "true")
        for times, whom in enumerate([["--batch"], []], start=1):
            self.under_way("requeued")
            kept = written(self.folder / "requeued")
            self.cluster.tell("scancel", "--signal=USR1", *whom, job)
            until(partial(self.restarted, job, times), f"job {job} to be requeued")
            assert self.log("requeued").count("stopped by SIGUSR1") == times
            assert kept <= written(self.folder / "requeued")
        self.ended(job, "COMPLETED")
        self.exact("requeued")

    def restarted(self, job: str, times: int) -> bool:
        return self.cluster.job(job)["Restarts"] == str(times)

    def killed(self) -> None:
        """kill -9 to the task of one node ends the job; the same command resumes."""
        job = self.submit("killed")
        self.under_way("killed")
        self.cluster.kill(self.cluster.tasks(NODES[1]))
        self.ended(job, "FAILED")
        self.completes("killed")

    def cut_off(self) -> None:
        """A node that loses its power is missed by SLURM, which requeues the job; it resumes when the node is back."""
        job = self.submit("cut_off")
        self.under_way("cut_off")
        self.cluster.cut(NODES[1])
        until(partial(self.restarted, job, 1), f"job {job} to be requeued")
        self.cluster.restore(NODES[1])
        self.ended(job, "COMPLETED")
        self.exact("cut_off")

    def cancelled(self) -> None:
        """A job that is cancelled does not come back by itself."""
        job = self.submit("cancelled")
        self.under_way("cancelled")
        self.cluster.tell("scancel", job)
        self.ended(job, "CANCELLED")
        until(self.cluster.idle, "the nodes to be free")
        assert self.cluster.job(job)["JobState"] == "CANCELLED"
        assert self.restarted(job, 0)
        self.completes("cancelled")


@contextmanager
def demonstration() -> Iterator[Demonstration]:
    """A cluster, and the run of one process to compare with. Where the body raises, the folder stays."""
    folder = Path(tempfile.mkdtemp(prefix="slurm"))  # sockets lie in it, so its path must be short
    print(f"jobs and logs: {folder}")
    with Cluster(folder) as cluster:
        yield Demonstration(cluster, folder)
    shutil.rmtree(folder)


if __name__ == "__main__":
    if missing := absent():
        sys.exit(f"not installed: {', '.join(missing)}; apt-get install slurm-wlm munge")
    with demonstration() as shown:
        for part in sys.argv[1:] or PARTS:
            start = time.monotonic()
            getattr(shown, part)()
            print(f"{part}: as it should be, {time.monotonic() - start:.0f} s", flush=True)
