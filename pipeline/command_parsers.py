"""The options of commands whose own modules take long to import."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pipeline import signatures

FORM = argparse.RawDescriptionHelpFormatter


def publish() -> argparse.ArgumentParser:
    """Return the parser of `seewhy publish`."""
    parser = argparse.ArgumentParser(prog="seewhy publish", description="Publish a run to W&B.")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--project", default="seewhy")
    parser.add_argument("--entity")
    parser.add_argument("--group", help="model and dataset, by which runs are compared")
    parser.add_argument("--online", action="store_true", help="send it now; otherwise `wandb sync` can later")
    return parser


def convert_internvl() -> argparse.ArgumentParser:
    """Return the parser of `seewhy convert_internvl`."""
    summary, _, details = signatures.docstring("pipeline.models.convert_internvl").partition("\n")
    parser = argparse.ArgumentParser(
        "seewhy convert_internvl", description=summary, epilog=details, formatter_class=FORM
    )
    parser.add_argument("source", type=Path, help="folder with the published checkpoint")
    parser.add_argument("target", type=Path, help="folder to write, new")
    return parser


def sweep() -> argparse.ArgumentParser:
    """Return the parser of `seewhy sweep`, for the words before `--`."""
    made = argparse.ArgumentParser(
        prog="seewhy sweep",
        description=signatures.docstring("pipeline.sweep.command"),
        formatter_class=FORM,
        usage="seewhy sweep SWEEP [--trials N] [--out DIR] [--seed N] [-- options of run_eval.py]",
    )
    made.add_argument("sweep", type=Path, help="a yaml file in W&B's format; see configs/sweep")
    made.add_argument("--trials", type=positive, help="at most so many; default: run_cap, else the whole grid")
    made.add_argument(
        "--out", type=Path, help="its folder; default: runs/sweep-NAME-DIGEST, the same for the same sweep"
    )
    made.add_argument("--seed", type=int, default=0, help="of random and bayes; default 0")
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
