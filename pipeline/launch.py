"""The processes of a run: which one leads, and whether a launcher started as many as the trainer counts."""

import os

from lightning import Trainer
from lightning.fabric.plugins.environments import LightningEnvironment, SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only

from pipeline.arguments import UsageError


def leading() -> bool:
    """Whether this is the process of rank 0, also before there is a process group."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


def launched() -> int:
    """How many processes a launcher started: torchrun, or srun outside an interactive shell."""
    started = os.environ.get("WORLD_SIZE") or (SLURMEnvironment.detect() and os.environ["SLURM_NTASKS"])
    return int(started or 1)


def check(trainer: Trainer) -> int:
    """How many processes were launched. UsageError where each would run alone over all the data, or fail at meeting."""
    started, counted = launched(), trainer.num_devices * trainer.num_nodes
    if started not in (1, counted):
        raise UsageError(
            f"--trainer.devices: the launcher started {started} processes but the trainer counts {counted}; "
            "set trainer.devices and trainer.num_nodes to what the launcher starts, and trainer.strategy to ddp"
        )
    return started


def parent(trainer: Trainer) -> int | None:
    """The process of rank 0, where Lightning there started this one: nobody else ends it when rank 0 dies."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    return os.getppid() if isinstance(environment, LightningEnvironment) and trainer.local_rank > 0 else None
