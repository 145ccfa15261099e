"""Weights & Biases beside a run: the one W&B run of a single explainer while it works, or one for each at the end."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from lightning import Trainer
from lightning.pytorch.loggers import WandbLogger

from datamodules import program
from pipeline.outputs import service, tracker


class Board:
    """What W&B is shown of a run; only rank 0 shows anything. A failure there is one line, and the result stands.

    names: of model and data, by which runs are grouped. mode: offline by default, in a sweep online.
    """

    def __init__(
        self,
        trainer: Trainer,
        run_dir: Path,
        explainers: Sequence[str],
        names: Sequence[str],
        *,
        project: str,
        entity: str | None,
        mode: tracker.Mode | None,
    ) -> None:
        self.trainer, self.run_dir = trainer, run_dir
        self.project, self.entity = project, entity
        self.group, self.tags = "-".join(names), list(names)
        self.mode: tracker.Mode = mode or ("online" if in_a_sweep() else "offline")
        self.single = explainers[0] if len(explainers) == 1 and self.mode != "disabled" else None

    def open(self) -> None:
        """Give the trainer the W&B run of the only explainer; with several, or where W&B fails, none."""
        if self.single:
            self.trainer.logger = self._logger(self.single)

    def log(self, figures: dict[str, float], step: int) -> None:
        """Running figures, as long as W&B takes them."""
        try:
            for logger in self.trainer.loggers:
                logger.log_metrics(figures, step=step)
        except Exception as error:  # a view must never change a result
            program.tell(f"no more figures on W&B while this runs ({service.reason(error)})")
            self.trainer.logger = None

    def publish(self, verify: Callable[[], object] | None = None) -> None:
        """Final figures and pictures of every explainer. verify: called before each; what it raises ends the run."""
        if in_a_sweep() and not self.trainer.logger:
            self.open()  # nothing was left to do, yet the trial wants its metric
        logger = self.trainer.logger
        if isinstance(logger, WandbLogger) and self.single:
            failed = tracker.finish_single(logger.experiment, self.run_dir, self.single, self.mode)
        else:
            failed = tracker.publish(self.run_dir, self.project, self.entity, self.mode, self.group, self.tags, verify)
        if failed:
            program.tell(failed)

    def _logger(self, explainer: str) -> WandbLogger | None:
        try:
            called = tracker.identity(self.run_dir, explainer, self.group, self.tags)
            if in_a_sweep():  # the agent names the run
                called = {"group": called["group"], "job_type": explainer, "tags": called["tags"]}
            elif self.mode == "offline":
                tracker.supersede(self.run_dir, called["id"])
                called.pop("resume")
            called |= {"mode": self.mode, "project": self.project, "entity": self.entity}
            with service.environment(self.run_dir):
                made = WandbLogger(save_dir=self.run_dir, settings=service.settings(), **called)
                url = made.experiment.url  # starts the run, or fails, now
        except Exception as error:  # a view must never change a result
            program.tell(f"no figures on W&B while this runs ({service.reason(error)})")
            return None
        if url:
            program.tell(f"W&B: {url}")
        return made


def in_a_sweep() -> bool:
    """Whether a W&B agent started this process."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))
