"""The run's own options. Nothing heavy is imported, so that a mistake can be told before anything is loaded."""

from typing import Any, Literal

from jsonargparse import ArgumentParser
from jsonargparse.typing import NonNegativeInt, PositiveInt

from pipeline.refused import Bytes, Percent, Text

ABOUT = """Caption images with a model, explain every token by heat maps, and score the maps.

    seewhy --vlm configs/vlm/qwen2_vl_2b.yaml --data configs/data/coco_caption.yaml --explainers cam,tam --limit 64
    seewhy --data images --data.paths 'photos/*.jpg'
    seewhy --explainers msea_arc --explainer.msea_arc.k 20

Without options the embedded model explains the embedded scenes. The same command again goes on where it was stopped."""
COMMANDS = {
    "report RUN_DIR...": "make the page of one run or several",
    "sweep SWEEP.yaml": "many runs with other parameters, and a table of the best",
    "convert DATASET": "make shards of COCO Caption, GranDf, OpenPSG or TAM's layout",
    "verify DIR": "check every byte of a folder of shards",
    "publish RUN_DIR": "send a run to Weights & Biases",
    "dashboard": "make a Weights & Biases workspace that compares explainers",
    "convert_internvl SOURCE TARGET": "make a published InternVL2.5 checkpoint one that transformers reads",
}
"""What `seewhy` does beside runs."""


def commands() -> str:
    """Return the list of commands, a line each."""
    width = max(map(len, COMMANDS))
    lines = [f"  seewhy {name:{width}}  {about}" for name, about in COMMANDS.items()]
    return "\n".join(["commands (each with --help):", *lines, ""])


def add(parser: ArgumentParser, **more: Any) -> None:
    """Add every option of a run that belongs to no class. more: arguments of `add_argument` that hold for all."""

    def option(name: str, kind: Any, default: Any, about: str | None = None) -> None:
        parser.add_argument(f"--{name}", **{"type": kind, "default": default, "help": about, **more})

    option("names.vlm", Text | None, None, "what the model is called in tables; default: the name of its file or class")
    option("names.data", Text | None, None, "what the data is called in tables; default: the name of its file or class")
    option(
        "explainers", list[str] | str, None, "names of files in configs/explainer, yaml files or classes, as cam,tam"
    )
    option("run_dir", Text | None, None, "folder of the run; default: runs/MODEL-DATA-DIGEST")
    option("fresh", bool, False, "delete what an earlier run left in run_dir, and start over")
    option("limit", PositiveInt | None, None, "take only so many samples, the first ones")
    option("batch_size", PositiveInt, 8, "samples that the model answers at a time")
    option("threads", PositiveInt, 1, "CPU threads of each process")
    option("answers", Text | None, None, "explain these instead of new answers: those of a run folder, or `captions`")
    option("words", Literal["hanta", "nltk"], "hanta", "the tagger that tells nouns from function words")
    option("figures", NonNegativeInt, 256, "keep image and maps of so many samples for the page's gallery")
    option("panels", NonNegativeInt, 8, "draw so many of these samples as one picture each")
    option("save_maps", Literal["none", "uint8", "raw"], "none", "keep all maps as files: in 256 levels, or unrounded")
    option(
        "max_bad", NonNegativeInt | Percent, 0, "accept so many samples that went wrong: a number, or a share as 0.5%"
    )
    option("retry_quarantined", bool, False, "do samples that went wrong in an earlier start again")
    option("cache", Text | None, None, "a folder that keeps what the model gave, so that later runs need not ask again")
    option("cache_size", Bytes, "50GB", "how much that folder may hold, such as 500MB; nothing more is kept then")
    option("beside", Text | None, None, "MODEL/DATASET of the paper, whose figures are shown beside those of this run")
    option("wandb.mode", Literal["offline", "online", "disabled"] | None, None, "default: offline; in a sweep online")
    option("wandb.project", str, "seewhy", "project at Weights & Biases")
    option("wandb.entity", str | None, None, "user or team at Weights & Biases; default: your own")
