"""What configs/cluster/slurm.sbatch asks of srun, and when it goes back to the queue; srun and scontrol are stand-ins.

Under the real ones: `tests/cluster/slurm_localhost.py`.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cluster.localhost import until
from tests.command import ROOT

SRUN = """#!/bin/bash
trap 'exit "$LEAVES"' USR1
printf '%s\\n' "$SRUN_CPUS_PER_TASK" "$@" > asked
[ "${STATUS:-}" ] && exit "$STATUS"
touch waiting
while :; do sleep 0.01; done
"""
SCONTROL = """#!/bin/bash
echo "$@" > requeued
"""
JOB = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS_PER_NODE": "8", "SLURM_CPUS_PER_TASK": "4"}


@pytest.fixture
def submit(tmp_path: Path):
    """Starts the script as slurmd does, in a folder of its own."""
    for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str, **env: str) -> subprocess.Popen[bytes]:
        whole = {**os.environ, **JOB, **env, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        script = ROOT / "configs" / "cluster" / "slurm.sbatch"
        started.append(subprocess.Popen(["bash", str(script), *args], cwd=tmp_path, env=whole, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.parametrize(("status", "requeued"), [(0, False), (2, False), (4, False), (75, True), (137, False)])
def test_a_stopped_run_goes_back_to_the_queue_and_no_other(submit, tmp_path: Path, status: int, requeued: bool) -> None:
    assert submit("--limit", "7 8", STATUS=str(status)).wait(60) == status
    assert (tmp_path / "requeued").exists() == requeued
    if requeued:
        assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    cpus, kill, _, *rest = (tmp_path / "asked").read_text().splitlines()
    assert (cpus, kill) == ("4", "--kill-on-bad-exit=1")
    assert rest == ["run_eval.py", "--trainer.num_nodes", "2", "--trainer.devices", "8", "--limit", "7 8"]


@pytest.mark.parametrize(("leaves", "requeued"), [(75, True), (137, True), (0, False)])
def test_the_signal_before_the_end_reaches_the_tasks_also_if_one_is_too_slow(
    submit, tmp_path: Path, leaves: int, requeued: bool
) -> None:
    script = submit(LEAVES=str(leaves))
    until((tmp_path / "waiting").exists, "srun")
    script.send_signal(signal.SIGUSR1)
    assert script.wait(60) == leaves
    assert (tmp_path / "requeued").exists() == requeued


@pytest.mark.parametrize(("restarts", "last"), [("0", "true"), ("1", "false")])
def test_fresh_means_the_first_start(submit, tmp_path: Path, restarts: str, last: str) -> None:
    assert submit("--fresh", "true", STATUS="0", SLURM_RESTART_COUNT=restarts).wait(60) == 0
    assert (tmp_path / "asked").read_text().splitlines()[-2:] == ["--fresh", last]


def test_a_cancelled_job_does_not_go_back_to_the_queue(submit, tmp_path: Path) -> None:
    script = submit(LEAVES="75")
    until((tmp_path / "waiting").exists, "srun")
    os.killpg(script.pid, signal.SIGTERM)
    assert script.wait(60) == -signal.SIGTERM
    assert not (tmp_path / "requeued").exists()
