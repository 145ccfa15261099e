"""Evaluate explainers: a model, explainers and data in; a run folder with rows, figures and a summary out.

    python run_eval.py
    python run_eval.py --vlm configs/vlm/qwen2_vl_2b.yaml --data my_shards.yaml --explainers cam,msea_arc \\
                       --explainer.msea_arc.k=20 --limit 100 --trainer.devices 2

Exit status: 0 complete; 2 the command is wrong, or the checkpoint cannot be used; 3 samples are missing, or rows are
not of this data; 4 more samples are quarantined than --max_bad; 5 the run folder cannot be written (full disk,
read-only), the machine fails to read data (stale mount), or another command owns the run folder; 75 stopped by Ctrl-C,
SIGTERM or SIGUSR1 after the batch in hand: the same command resumes; a second Ctrl-C ends it at once. With several
processes the status of rank 0 counts.
"""

if __name__ == "__main__":  # before anything else is imported
    from datamodules.safe_path import leave_working_directory

    leave_working_directory()

import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from datamodules import program
from datamodules.faults import Overlooked
from datamodules.streams import protect
from pipeline import stop
from pipeline.notice import Notice


def main(args: list[str] | None = None, started: str = "run_eval.py") -> int:
    """Run the evaluation that `args` (default: the command line) describes; returns the exit status.

    started: the command as it was typed, which its messages begin with.
    """
    with program.named(started):
        return evaluate(sys.argv[1:] if args is None else args)


def evaluate(words: list[str]) -> int:
    """Run the evaluation that `words` describe; returns the exit status."""
    protect(program.name())
    from pipeline import early

    command = early.refuse(words)
    if not words:
        program.tell(f"no options, so this starts the default run: {early.started(command)}")
    from pipeline import cli

    job = cli.parse(words)
    os.environ["OMP_NUM_THREADS"] = str(job.config.threads)  # else Lightning divides the cores among its processes
    quieten()
    from pipeline.evaluation import Evaluation

    return Evaluation(job).run()


def quieten() -> None:
    """Leave the terminal to progress, results and errors."""
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", "The `srun` command is available")  # on a login node, or in a shell of salloc
    warnings.filterwarnings("ignore", "Your `IterableDataset` has `__len__`")  # it is right for any number of workers
    warnings.filterwarnings("ignore", "predict returned None")
    warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`")
    warnings.filterwarnings("ignore", "The ``compute`` method of metric")  # without ground truth nothing is counted
    warnings.filterwarnings("ignore", "The 'predict_dataloader' does not have many workers")
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")  # --data.max_pixels decides
    warnings.showwarning = one_line(warnings.showwarning)


def one_line(others: Callable[..., None]) -> Callable[..., None]:
    """Shows notices of the project on one line to stderr, without a line of source; other warnings as `others` does."""

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, Notice | Overlooked):
            program.tell(message)
        else:
            others(message, category, *place)

    return show


if __name__ == "__main__":
    stop.at_once()
    from pipeline.commands import main as command

    sys.exit(command())
