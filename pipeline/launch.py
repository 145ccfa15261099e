"""The processes of a run: who starts them, which one leads, and whether there are as many as the trainer counts."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import torch.distributed as dist
from lightning import Trainer
from lightning.fabric.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.utilities import rank_zero_only

from pipeline.arguments import UsageError


def leading() -> bool:
    """Whether this is the process of rank 0, also before there is a process group."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def tasks() -> int:
    """How many processes srun started together with this one; 1 in a terminal that it opened, where they are shells."""
    terminal = sys.stdin is not None and sys.stdin.isatty()
    return 1 if terminal else int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))


def launched(devices: int) -> tuple[int, int] | None:
    """How many processes torchrun, srun or Lightning started: in all, and on this node (`devices` where that is not
    said). None where this process was started alone."""
    if TorchElasticEnvironment.detect():
        return int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        return int(os.environ["WORLD_SIZE"]), devices
    return (tasks(), int(os.environ.get("SLURM_NTASKS_PER_NODE", devices))) if tasks() > 1 else None


def trainer(options: Mapping[str, Any]) -> Trainer:
    """A trainer that takes its ranks from torchrun or srun, and starts processes itself where neither did.

    Lightning goes by SLURM_NTASKS and the job's name instead: it waits for tasks that nobody starts in a batch script
    without srun, and under srun in a shell of salloc each of its processes runs alone. Nor may it requeue a job: that
    is left to who started it. Raises RuntimeError where srun does not say how tasks are spread over nodes.
    """
    given = options.get("plugins") or []
    given = list(given) if isinstance(given, list | tuple) else [given]
    chosen = any(isinstance(plugin, ClusterEnvironment) for plugin in given)
    if "SLURM_JOB_ID" in os.environ and not chosen and not TorchElasticEnvironment.detect():
        given.append(SLURMEnvironment() if tasks() > 1 else LightningEnvironment())
    made = Trainer(**{**options, "plugins": given})
    environment = getattr(made.strategy, "cluster_environment", None)
    if isinstance(environment, SLURMEnvironment):
        environment.auto_requeue = False
    return made


def meet(trainer: Trainer) -> int:
    """Check the processes that a launcher started, as `check` does, and connect them; returns how many.

    Who leaves after this is missed at once by the others, who else would wait half an hour for it on nodes where the
    launcher does not end them.
    """
    started = check(trainer)
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if isinstance(environment, TorchElasticEnvironment | SLURMEnvironment):
        trainer.strategy.setup_environment()
        dist.new_group(backend="gloo")  # returns when all are there; a barrier of NCCL would not miss who leaves later
    return started


def check(trainer: Trainer) -> int:
    """How many processes a launcher started: as many as the trainer counts, else UsageError."""
    nodes, devices = trainer.num_nodes, trainer.num_devices
    found = launched(devices)
    if found is None:
        if nodes > 1 and "MASTER_ADDR" not in os.environ:
            raise UsageError(
                f"--trainer.num_nodes: {nodes} nodes, but this process was started alone; "
                "start it on each of them with srun or torchrun, as the files of configs/cluster do"
            )
        return 1
    started, here = found
    if (started, here, started) != (nodes * devices, devices, trainer.world_size):
        raise UsageError(
            f"--trainer.devices: the launcher started {started} processes, {here} of them on this node, but the "
            f"trainer counts {nodes * devices} and {devices}; set trainer.devices and trainer.num_nodes to what the "
            "launcher starts and trainer.strategy to ddp, and let each process see all devices of its node"
        )
    return started


def parent(trainer: Trainer) -> int | None:
    """The process of rank 0, where Lightning there started this one: nobody else ends it when rank 0 dies."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    return os.getppid() if isinstance(environment, LightningEnvironment) and trainer.local_rank > 0 else None
