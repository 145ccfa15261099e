"""Ranks are what the launcher says, and as many as the trainer counts: torchrun, srun, shells of SLURM, nobody."""

import os
import sys

import pytest
from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment, TorchElasticEnvironment
from lightning.pytorch.utilities import rank_zero_only

from pipeline import cli, launch
from pipeline.arguments import UsageError

TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
TORCHRUN |= {"RANK": "0", "LOCAL_RANK": "0"}
TWO_AGENTS = TORCHRUN | {"LOCAL_WORLD_SIZE": "1"}
JOB = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "seewhy", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"}
"""What a shell of salloc finds."""
BATCH = JOB | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
"""What a batch script finds."""
SRUN = BATCH | {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}
"""What a task of srun finds."""
TWO_NODES = {"SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2"}


@pytest.fixture(autouse=True)
def started(monkeypatch: pytest.MonkeyPatch):
    """Sets what a launcher's processes find in their environment; afterwards this process is of rank 0 again."""
    monkeypatch.setattr(rank_zero_only, "rank", 0)
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)

    def launcher(variables: dict[str, str]) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return launcher


def counted(devices: int, nodes: int = 1, strategy: str = "ddp", **more: object):
    quick = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return launch.trainer(quick | {"devices": devices, "num_nodes": nodes, "strategy": strategy} | more)


@pytest.mark.parametrize("strategy", ["auto", "ddp"])
@pytest.mark.parametrize(
    ("launcher", "devices", "nodes"),
    [(TORCHRUN, 2, 1), (TWO_AGENTS, 1, 2), (SRUN, 2, 1), (SRUN | TWO_NODES, 1, 2), (TWO_AGENTS | SRUN, 1, 2)],
    ids=["torchrun", "two agents", "srun", "two nodes", "an agent as a task"],
)
def test_a_launcher_that_the_trainer_does_not_count_with_is_refused(
    started, launcher: dict[str, str], devices: int, nodes: int, strategy: str
) -> None:
    started(launcher)
    for wrong in {(1, 1), (2, 1), (1, 2), (4, 1), (2, 2)} - {(devices, nodes)}:
        with pytest.raises(UsageError, match=r"--trainer.devices: the launcher started 2 processes"):
            launch.check(counted(*wrong, strategy))
    trainer = counted(devices, nodes, strategy)
    assert launch.check(trainer) == trainer.world_size == 2


def test_one_visible_device_for_each_process_is_refused(started) -> None:
    started(SRUN)
    with pytest.raises(UsageError, match="let each process see all devices"):
        launch.check(counted(1, 1, "auto"))


@pytest.mark.parametrize("variables", [JOB, BATCH, SRUN | {"SLURM_STEP_NUM_TASKS": "1"}, {"WORLD_SIZE": "1"}])
def test_a_process_started_alone_starts_the_others_itself(started, variables: dict[str, str]) -> None:
    """Also in an allocation of several tasks, if srun started none of them, and in a container that counts one."""
    started(variables)
    trainer = counted(2)
    assert launch.check(trainer) == 1
    environment = trainer.strategy.cluster_environment
    assert isinstance(environment, LightningEnvironment)
    assert not environment.creates_processes_externally


@pytest.mark.parametrize("name", ["seewhy", "interactive", "bash"])
def test_tasks_of_srun_are_ranks_whatever_the_job_is_called(started, name: str) -> None:
    """A job of salloc is called interactive."""
    started(SRUN | {"SLURM_JOB_NAME": name, "SLURM_PROCID": "1", "SLURM_LOCALID": "1"})
    trainer = counted(2)
    assert isinstance(trainer.strategy.cluster_environment, SLURMEnvironment)
    assert (trainer.global_rank, trainer.world_size, launch.check(trainer)) == (1, 2, 2)


def test_a_shell_with_a_terminal_is_no_rank(started, monkeypatch: pytest.MonkeyPatch) -> None:
    started(SRUN | {"SLURM_JOB_NAME": "bash"})
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    assert launch.check(counted(2)) == 1


def test_lightning_never_requeues_a_job(started) -> None:
    started(SRUN)
    for plugins in (None, [], SLURMEnvironment(), [SLURMEnvironment()]):
        environment = counted(2, plugins=plugins).strategy.cluster_environment
        assert isinstance(environment, SLURMEnvironment)
        assert environment.auto_requeue is False


def test_torchrun_inside_of_slurm_gives_the_ranks(started) -> None:
    started(SRUN | TORCHRUN)
    assert isinstance(counted(2).strategy.cluster_environment, TorchElasticEnvironment)


def test_tasks_of_which_srun_does_not_say_where_they_are_are_refused(started) -> None:
    started({name: value for name, value in SRUN.items() if name != "SLURM_NTASKS_PER_NODE"})
    with pytest.raises(UsageError, match=r"--trainer: You set `--ntasks=2`"):
        cli.parse(["--trainer.accelerator=cpu", "--trainer.devices=2"]).build()


def test_many_nodes_without_a_launcher_are_refused_unless_it_is_said_where_to_meet(started) -> None:
    with pytest.raises(UsageError, match=r"--trainer.num_nodes: 2 nodes, but this process was started alone"):
        launch.check(counted(1, 2))
    started({"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1", "NODE_RANK": "1"})
    trainer = counted(1, 2)
    assert (launch.check(trainer), trainer.global_rank, trainer.world_size) == (1, 1, 2)
