"""The fingerprint of a run, put together from its command: whatever can change a number of it."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pipeline
from datamodules.base import SampleDataModule
from metrics.text import meteor
from pipeline import trainer_options
from pipeline.cli import Job
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.numerics import environment, settings
from pipeline.sources import digests

VERSIONS = ["torch", "transformers", "tokenizers", "torchmetrics", "lightning", "numpy", "scipy", "pillow"]
VERSIONS += ["opencv-python-headless", "pycocotools", "HanTa", "nltk"]
"""Packages whose version may change a figure."""


def mark(job: Job, vlm: VLM, data: SampleDataModule, explainers: Mapping[str, Explainer], words: str) -> dict[str, Any]:
    """Return all of a run's fingerprint but the identity of its checkpoint and the source of its answers.

    It holds how the trainer was set up, not what it does later to the process, so that it is the same at each start.
    words: the name of the word backend.
    """
    limit, trainer = job.config.limit, job.config.trainer.as_dict()
    inner = [one for explainer in explainers.values() for one in vars(explainer).values() if isinstance(one, Explainer)]
    used = [*map(type, (vlm, data, *explainers.values(), *inner)), *trainer_options.classes(trainer)]
    return {
        "manifest": data.digest,
        "explainers": job.explainer_parameters(),
        "data": job.data_options() | ({"synonyms": said} if (said := dict(data.synonyms)) else {}),
        "batch_size": job.config.batch_size,
        "limit": limit if limit is not None and limit < len(data.keys) else None,
        "threads": job.config.threads,
        "save_maps": job.config.save_maps,
        "words": words,
        "meteor": meteor("a", ["a"]) is not None,
        "trainer": trainer_options.recorded(trainer),
        "numerics": settings(),
        "environment": environment(),
        "code": digests(used),
        "versions": {"seewhy": pipeline.__version__, **{name: version(name) for name in VERSIONS}},
    }
