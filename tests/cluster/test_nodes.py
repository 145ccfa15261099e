"""Two nodes on one machine, by torchrun and as srun starts them: the bytes of one process, also when one is lost."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.localhost import free_ports, until
from tests.cluster.shares import assert_exact, grown, written
from tests.command import ENV, ROOT, program, run
from tests.test_launch import SRUN, TWO_NODES
from tests.test_run import SMALL

CAM = [*SMALL, "--explainers", "cam", "--trainer.accelerator", "cpu"]
Process = subprocess.Popen[str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The summary of one process."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = run(*CAM, "--run_dir", str(folder))
    assert done.returncode == 0, done.stderr
    return (folder / "summary.json").read_bytes()


@pytest.fixture
def start():
    """Starts a command in a session of its own; what still runs in the end is killed."""
    started: list[Process] = []

    def one(args: list[str], **env: str) -> Process:
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(args, cwd=ROOT, env=ENV | env, text=True, start_new_session=True, **pipes))
        return started[-1]

    yield one
    for process in started:
        if process.poll() is None:
            kill(process)
            process.communicate()


def children(process: Process) -> list[int]:
    return [int(each) for each in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def kill(process: Process) -> None:
    """kill -9 to a process and those that it started."""
    for each in (*children(process), process.pid):
        os.kill(each, signal.SIGKILL)


def torchrun(start, numbered: bool, *args: str) -> list[Process]:
    """An agent for each node, numbered by us or by torchrun."""
    env = {"NODES": "2", "GPUS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_ports(1)[0])}
    script = ["configs/cluster/torchrun.sh", *CAM, *args]
    return [start(script, PYTHON=sys.executable, **env | ({"NODE": str(n)} if numbered else {})) for n in (0, 1)]


def srun(start, *args: str) -> list[Process]:
    """A task for each node, with what srun tells it."""
    env = {**SRUN, **TWO_NODES, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_ports(1)[0])}
    script = program(*CAM, "--trainer.num_nodes", "2", *args)
    return [start(script, **env | {"SLURM_PROCID": str(n), "SLURM_NODEID": str(n)}) for n in (0, 1)]


def ends(processes: list[Process]) -> tuple[list[int], str]:
    """Their statuses, and all that they said."""
    said = [process.communicate(timeout=300)[1] for process in processes]
    return [process.returncode for process in processes], "\n".join(said)


def test_a_node_of_torchrun_that_is_lost_is_made_up_for_to_the_byte(whole: bytes, tmp_path: Path, start) -> None:
    folder = tmp_path / "run"
    first, second = torchrun(start, True, "--run_dir", str(folder))
    until(lambda: grown(folder, [[], []]), "rows of both nodes")
    kill(second)
    (status,), said = ends([first])
    assert status == 1, said
    assert not (folder / "summary.json").exists()
    assert len(written(folder)) < 24
    statuses, said = ends(torchrun(start, False, "--run_dir", str(folder)))
    assert statuses == [0, 0], said
    assert_exact(folder, whole, 24)


def test_what_the_first_process_alone_finds_wrong_ends_the_other_node_too(tmp_path: Path, start) -> None:
    args = ["--explainers", "msea_arc", "--explainer.msea_arc.k", "1000000", "--run_dir", str(tmp_path / "run")]
    statuses, said = ends(torchrun(start, True, *args))
    assert statuses == [1, 1]
    assert said.count("run_eval.py: error: --explainer.msea_arc.k: at most the") == 1


def test_tasks_of_srun_stop_for_the_queue_and_resume_to_the_byte(whole: bytes, tmp_path: Path, start) -> None:
    """As with --kill-on-bad-exit, SIGTERM follows to those that are left when the first has gone."""
    folder = tmp_path / "run"
    first, second = tasks = srun(start, "--run_dir", str(folder))
    until(lambda: grown(folder, [[], []]), "rows of both nodes")
    for task in tasks:
        task.send_signal(signal.SIGUSR1)
    first.wait(60)
    second.send_signal(signal.SIGTERM)
    statuses, said = ends(tasks)
    assert statuses == [75, 0], said
    assert not (folder / "summary.json").exists()
    statuses, said = ends(srun(start, "--run_dir", str(folder)))
    assert statuses == [0, 0], said
    assert_exact(folder, whole, 24)
