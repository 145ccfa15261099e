"""The fingerprint of a run, put together from its command: whatever can change a number of it."""

from collections.abc import Mapping
from importlib.metadata import version
from pkgutil import resolve_name
from typing import Any

from jsonargparse import Namespace

import pipeline
from datamodules.base import SampleDataModule
from metrics import nltk_data
from metrics.taggers import Nltk
from metrics.text import METEOR, meteor
from pipeline import trainer_options
from pipeline.cli import Job
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.numerics import environment, settings
from pipeline.sources import digests, packages

VERSIONS = ["torch", "transformers", "tokenizers", "torchmetrics", "lightning", "numpy", "scipy", "pillow"]
VERSIONS += ["opencv-python-headless", "pycocotools", "HanTa", "nltk"]
"""Packages whose version may change a figure."""


def classes(options: Any) -> list[type]:
    """Return the classes that options choose by `class_path`, at any depth."""
    if isinstance(options, Namespace):
        options = options.as_dict()
    if isinstance(options, list | tuple):
        return [one for value in options for one in classes(value)]
    if not isinstance(options, Mapping):
        return []
    path = options.get("class_path")
    try:
        own = resolve_name(path) if isinstance(path, str) else None
    except (ImportError, AttributeError, ValueError):
        own = None
    return ([own] if isinstance(own, type) else []) + classes(list(options.values()))


def mark(job: Job, vlm: VLM, data: SampleDataModule, explainers: Mapping[str, Explainer], words: str) -> dict[str, Any]:
    """Return all of a run's fingerprint but the identity of its checkpoint and the source of its answers.

    It holds how the trainer was set up, not what it does later to the process, so that it is the same at each start.
    words: the name of the word backend; HanTa's model is that of its installed version, NLTK's data count by their
    hash.
    """
    scored = meteor("a", ["a"]) is not None
    limit, trainer = job.config.limit, job.config.trainer.as_dict()
    chosen = classes({**job.config.as_dict(), "trainer": None, "explainer": job.explainer_parameters()})
    used = [*map(type, (vlm, data, *explainers.values())), *chosen, *trainer_options.classes(trainer)]
    return {
        "manifest": data.digest,
        "explainers": job.explainer_parameters(),
        "data": job.data_options() | ({"synonyms": said} if (said := dict(data.synonyms)) else {}),
        "batch_size": job.config.batch_size,
        "limit": limit if limit is not None and limit < len(data.keys) else None,
        "threads": job.config.threads,
        "save_maps": job.config.save_maps,
        "words": words,
        "meteor": scored,
        "nltk_data": nltk_data.digests({*(Nltk.DATA if words == Nltk.name else ()), *(METEOR if scored else ())}),
        "trainer": trainer_options.recorded(trainer),
        "numerics": settings(),
        "environment": environment(),
        "code": digests(used),
        "versions": packages(used) | {"seewhy": pipeline.__version__, **{name: version(name) for name in VERSIONS}},
    }
