"""The paper's own figures, to be laid beside those of a run. They are never mixed with them."""

import csv
from collections.abc import Iterable
from pathlib import Path

REPORTED = Path(__file__).with_name("reported.csv")
PAPER = {"tam_compat": "tam"}
"""Explainers that the paper calls otherwise: its TAM figures come from the public code."""

Published = tuple[str, str]
"""Stems of a model and of a data set that the paper has figures for."""
Figures = dict[str, dict[str, float]]
"""Explainer or method -> metric -> figure in percent."""


def beside(name: str | None) -> Published | None:
    """`MODEL/DATASET` as a pair. Raises ValueError where the paper has no figures of it."""
    if name is None:
        return None
    model, _, dataset = name.partition("/")
    if not published(model, dataset):
        raise ValueError(f"--beside: the paper has no figures for {name!r}; one that it has: qwen2_vl_2b/coco_caption")
    return model, dataset


def published(model: str, dataset: str) -> Figures:
    """The paper's figures of one model and data set, by method; the first table counts."""
    found: Figures = {}
    with REPORTED.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            if (line["model"], line["dataset"]) == (model, dataset):
                figures = {name: float(line[name]) for name in ("f1_iou", "obj_iou", "func_iou") if line[name]}
                found.setdefault(line["method"], figures)
    return found


def alongside(
    explainers: Iterable[str], model: str, dataset: str, other: Published | None = None
) -> tuple[Figures, str]:
    """The paper's figures of those explainers that it has, and whose they are where they are not of this model.

    other: whose figures are taken where the paper has none of this model and data set.
    """
    paper, whose = published(model, dataset), ""
    if other and not paper:
        kinds = [("another model", other[0] != model), ("other images", other[1] != dataset)]
        unlike = " on ".join(kind for kind, holds in kinds if holds)
        paper, whose = published(*other), f" for {other[0]} on {other[1]}, {unlike}"
    return {name: paper[PAPER.get(name, name)] for name in explainers if PAPER.get(name, name) in paper}, whose
