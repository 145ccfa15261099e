"""The run's own options. Nothing heavy is imported, so that a mistake can be told before anything is loaded."""

from typing import Any, Literal

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt, PositiveInt

from pipeline.refused import Bytes, Percent, Text

CACHE = "a folder that keeps what the model gave, for other runs that ask the same; one for all runs"
CACHE_SIZE = "what that folder may hold, such as 500MB; what comes after is not kept"
MAX_BAD = "quarantined samples that a good run may have: a number, or a percentage of all such as 0.5%"
BESIDE = "MODEL/DATASET whose published figures are shown where the paper has none for this run's own model and data"
WANDB = "default: offline; in a sweep online"


def add(parser: ArgumentParser, **more: Any) -> None:
    """Add every option of a run that belongs to no class. more: arguments of `add_argument` that hold for all."""

    def option(name: str, kind: Any, default: Any, about: str | None = None) -> None:
        parser.add_argument(f"--{name}", **{"type": kind, "default": default, "help": about, **more})

    option("names.vlm", Text | None, None, "its name; default: the stem of its file, or its class")
    option("names.data", Text | None, None, "its name; default: the stem of its file, or its class")
    option("explainers", list[str] | str, None, "stems in configs/explainer, yaml files or classes")
    option("run_dir", Text | None, None, "where the run is kept")
    option("fresh", bool, False, "discard what an earlier run left in run_dir")
    option("limit", PositiveInt | None, None, "only the first samples of the manifest")
    option("batch_size", PositiveInt, 8, "samples in one batch")
    option("threads", PositiveInt, 1, "CPU threads in one process")
    option("answers", Text | None, None, "a run folder, or `captions`")
    option("words", Literal["hanta", "nltk"], "hanta", "word backend")
    option("figures", NonNegativeInt, 256, "how many samples the page can show")
    option("panels", NonNegativeInt, 8, "how many of these are drawn as one picture")
    option("save_maps", Literal["none", "uint8", "raw"], "none", "keep the maps")
    option("max_bad", NonNegativeInt | Percent, 0, MAX_BAD)
    option("retry_quarantined", bool, False, "do quarantined samples again")
    option("cache", Text | None, None, CACHE)
    option("cache_size", Bytes, "50GB", CACHE_SIZE)
    option("beside", Text | None, None, BESIDE)
    option("wandb.mode", Literal["offline", "online", "disabled"] | None, None, WANDB)
    option("wandb.project", str, "seewhy")
    option("wandb.entity", str | None, None)
