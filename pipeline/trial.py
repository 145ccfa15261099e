"""Try every explainer once on the loaded model, before the first sample."""

import shlex
import warnings
from collections.abc import Mapping
from copy import copy

import numpy as np
from PIL import Image

from pipeline.explain import explain
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.models.capabilities import NEEDS
from pipeline.models.passes import Passes
from pipeline.notice import Notice

SIZE = (252, 336)
"""Height and width in pixels of the picture that explainers are tried on."""
QUESTION, TOKENS = "What is this?", 2


class CannotExplainError(ValueError):
    """Explainers that cannot work with the loaded model. reasons: explainer -> why."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))
        self.reasons = dict(reasons)

    def lines(self, given: Mapping[str, str]) -> list[str]:
        """Return a line for each, with what to leave out. given: explainer -> what the command calls it."""
        left = [called for name, called in given.items() if name not in self.reasons]
        mend = f"leave it out: --explainers {shlex.quote(','.join(left))}" if left else "choose others or another model"
        return [f"explainer {name} cannot work with this model: {why}; {mend}" for name, why in self.reasons.items()]

    def __reduce__(self) -> tuple[type, tuple[Mapping[str, str]]]:
        return type(self), (self.reasons,)


def check_needs(explainer: Explainer) -> None:
    """Raise ValueError where an explainer needs what no model can have."""
    if unknown := sorted(explainer.needs - NEEDS.keys()):
        raise ValueError(
            f"needs: {unknown[0]!r} is nothing that a model can have; its class may name {', '.join(NEEDS)}"
        )


def failures(vlm: VLM, explainers: Mapping[str, Explainer], generates: bool = True) -> dict[str, str]:
    """Return why explainers cannot work with the loaded model; those that can are left out.

    First the model says what it lacks of their `needs`. The others are tried on a picture of noise and an answer of
    two tokens, which costs about as much as one sample. generates: whether answers come from the model; where they are
    given, the states come from a pass of their own here too. Raises what is the machine's fault.
    """
    found = {name: reason for name, one in explainers.items() if (reason := lacking(vlm, one))}
    tried = {name: explainer for name, explainer in explainers.items() if name not in found}
    if not tried:
        return found
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    brief = copy(vlm.generation)
    brief.max_new_tokens = brief.min_new_tokens = TOKENS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        queries = vlm.ask([Image.fromarray(noise)], [QUESTION])
        answers, traces = vlm.answer(queries, brief)
        (made,) = explain(Passes(vlm, queries, answers, traces if generates else None), tried)
    return found | made.failed


def lacking(vlm: VLM, explainer: Explainer) -> str:
    """Return why the model has not all that the explainer needs, as far as its structure tells; else nothing."""
    reasons = (vlm.lacks(need) for need in sorted(explainer.needs))
    return "; ".join(filter(None, reasons))
