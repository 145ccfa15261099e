"""The options of commands whose own modules take long to import."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from datamodules.options import Options
from pipeline import signatures


def publish() -> Options:
    """Return the parser of `seewhy publish`."""
    parser = Options(
        prog="seewhy publish", description="Send a finished run to Weights & Biases, a W&B run for each explainer."
    )
    parser.add_argument("run_dir", type=Path, help="folder of a finished run")
    parser.add_argument("--project", default="seewhy", help="project at W&B")
    parser.add_argument("--entity", help="user or team at W&B; default: that of the login")
    parser.add_argument("--group", help="name under which W&B compares explainers; default: the run's model and data")
    parser.add_argument("--online", action="store_true", help="send it now; otherwise `wandb sync` can later")
    return parser


def convert_internvl() -> Options:
    """Return the parser of `seewhy convert_internvl`."""
    summary, _, details = signatures.docstring("pipeline.models.convert_internvl").partition("\n")
    parser = Options("seewhy convert_internvl", description=summary, epilog=details)
    parser.add_argument("source", type=Path, help="folder with the published checkpoint")
    parser.add_argument("target", type=Path, help="new folder that is written")
    return parser


def sweep() -> Options:
    """Return the parser of `seewhy sweep`, for the words before `--`."""
    made = Options(
        prog="seewhy sweep",
        description=signatures.docstring("pipeline.sweep.command"),
        usage="seewhy sweep SWEEP [--trials N] [--out DIR] [--seed N] [-- options of run_eval.py]",
    )
    made.add_argument("sweep", type=Path, help="a yaml file in W&B's format; see configs/sweep")
    made.add_argument(
        "--trials", type=positive, help="run at most so many trials; default: run_cap of the yaml, else the whole grid"
    )
    made.add_argument(
        "--out", type=Path, help="folder of the sweep; default: runs/sweep-NAME-DIGEST, the same for the same sweep"
    )
    made.add_argument("--seed", type=int, default=0, help="from which random and bayes choose their values; default: 0")
    return made


def positive(text: str) -> int:
    """Return a number above 0. Raises ArgumentTypeError."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def divided(given: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what is for the sweep, and what is for its runs: the words after `--`."""
    place = list(given).index("--") if "--" in given else len(given)
    return list(given[:place]), list(given[place + 1 :])
