"""What every explainer keeps on every family: the shape of an explanation, and a model that is as it was."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from torch import Tensor
from torch.nn import functional
from torch.overrides import _len_torch_function_stack
from transformers import AttentionInterface, AttentionMaskInterface

from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.models.passes import Passes
from pipeline.ops.maps import finish
from pipeline.ops.text import before, score_positions
from pipeline.types import Answer, Explanation, Query


class Broken(Exception):
    """Raised on purpose, in the middle of a pass."""


def build(config: Path, *options: str) -> Explainer:
    """The explainer that a yaml file describes, with some of its parameters set otherwise (`--blocks=2`)."""
    parser = ArgumentParser()
    parser.add_subclass_arguments(Explainer, "explainer")
    given = [f"--explainer={config}", *(option.replace("--", "--explainer.", 1) for option in options)]
    explainer = parser.instantiate(parser.parse_args(given)).explainer
    assert isinstance(explainer, Explainer)
    return explainer


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All of a model that an explainer could leave changed, and what torch and transformers hold for everybody."""

    numbers: tuple[Tensor, ...]
    rest: Any

    def same(self, other: "Snapshot") -> None:
        """Fails where a bit differs."""
        assert all(torch.equal(one, two) for one, two in zip(self.numbers, other.numbers, strict=True))
        assert self.rest == other.rest


def snapshot(vlm: VLM, query: Query, answer: Answer) -> Snapshot:
    """The model's logits and the gradient of their sum at the pixels; hooks, instance patches, settings, registries."""
    inputs = vlm.batch([query], [answer]).inputs
    pixels = inputs["pixel_values"].clone().requires_grad_()
    with torch.enable_grad():
        logits = vlm.model(**inputs | {"pixel_values": pixels}, use_cache=False).logits
        (gradient,) = torch.autograd.grad(logits.sum(), pixels)
    modules = dict(vlm.model.named_modules())
    hooks = {name: [len(getattr(m, kind)) for kind in vars(m) if kind.endswith("hooks")] for name, m in modules.items()}
    own = {name: sorted(n for n in vars(m) if callable(vars(m)[n])) for name, m in modules.items()}
    settings = {
        n: (m.training, getattr(getattr(m, "config", None), "_attn_implementation", 0)) for n, m in modules.items()
    }
    weights = [(p.requires_grad, p.grad is None) for p in vlm.model.parameters()]
    registries = [dict(kind._global_mapping) for kind in (AttentionInterface, AttentionMaskInterface)]
    torch_state = (
        functional.scaled_dot_product_attention,
        torch.rsqrt,
        _len_torch_function_stack(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
    )
    return Snapshot((logits.detach(), gradient), (hooks, own, settings, weights, registries, torch_state))


def same(one: Explanation, other: Explanation) -> bool:
    """Equal to the bit."""
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("maps", "scores", "valid"))


def keeps_its_promises(explainer: Explainer, vlm: VLM, query: Query, answer: Answer) -> Explanation:
    """One finite map per token on the right grid, detached, in fp32, the same twice; scores where text is."""
    explanation = explainer.explain(Passes(vlm, [query], [answer]), query, answer)
    layout, answers = query.layout, len(answer.ids)
    assert explanation.maps.shape == (answers, layout.rows, layout.cols)
    assert len(explanation.scores) == answers
    for values in (explanation.maps, explanation.scores):
        assert values.dtype == torch.float32
        assert values.isfinite().all()
        assert not values.requires_grad
        assert not values.is_inference()
    assert explanation.scores.shape == explanation.valid.shape
    if explanation.scores.shape[1]:
        assert torch.equal(explanation.valid, before(score_positions(layout, answers), layout, answers))
    finished = finish(explanation, explainer.rank_filter, explainer.normalise, explainer.floor)
    assert finished.shape == explanation.maps.shape
    assert same(explanation, explainer.explain(Passes(vlm, [query], [answer]), query, answer))
    return explanation


def leaves_no_trace(explainer: Explainer, vlm: VLM, query: Query, answer: Answer) -> None:
    """The model is as it was: after an explanation, and after an exception in the forward or the backward pass."""
    untouched = snapshot(vlm, query, answer)

    def explain() -> None:
        explainer.explain(Passes(vlm, [query], [answer]), query, answer)

    def fail(*args: Any) -> None:
        raise Broken

    differentiated: list[Tensor] = []

    def backwards(module: Any, args: Any, out: Any) -> None:
        states = out if isinstance(out, Tensor) else out[0]
        if states.requires_grad:
            differentiated.append(states)
            states.register_hook(fail)

    explain()
    snapshot(vlm, query, answer).same(untouched)
    with vlm.blocks[1].register_forward_hook(fail), pytest.raises(Broken):
        explain()
    snapshot(vlm, query, answer).same(untouched)
    with vlm.blocks[-1].register_forward_hook(backwards), suppress(Broken):
        explain()
        assert not differentiated, "the backward pass of this explainer does not come through the last block"
    snapshot(vlm, query, answer).same(untouched)
