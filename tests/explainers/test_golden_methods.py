"""Attention, gradient and relevance methods on the golden models, through the model's own verbs."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.explainers.archi_surgery import ArchiSurgery
from pipeline.explainers.attention import Attention
from pipeline.explainers.attention_rollout import AttentionRollout
from pipeline.explainers.attn_lrp import AttnLRP
from pipeline.explainers.base import Explainer
from pipeline.explainers.cam import CAM
from pipeline.explainers.cp_lrp import CPLRP
from pipeline.explainers.grad_cam import GradCAM
from pipeline.explainers.grad_cam_pp import GradCAMPP
from pipeline.explainers.grad_rollout import GradRollout
from pipeline.explainers.layer_cam import LayerCAM
from pipeline.models.decoder import enter
from pipeline.models.relevance import graph
from tests.golden_files import model_cases
from tests.tiny import golden_passes, tolerance

case = cache(golden_passes)
PATHS = model_cases()
EXPLAINERS: dict[str, Explainer] = {
    "attention": Attention(),
    "attention_rollout": AttentionRollout(),
    "grad_rollout": GradRollout(),
    "grad_cam_paper": GradCAM(),
    "grad_cam_causal": GradCAM(preset="causal"),
    "grad_cam_pp_paper": GradCAMPP(),
    "grad_cam_pp_causal": GradCAMPP(preset="causal"),
    "layer_cam_paper": LayerCAM(),
    "layer_cam_causal": LayerCAM(preset="causal"),
    "cp_lrp": CPLRP(),
    "attn_lrp": AttnLRP(),
    "archi_surgery": ArchiSurgery(blocks=2),  # as the golden README says
}
WITHOUT_TEXT = ("layer_cam_paper", "layer_cam_causal", "archi_surgery")
"""Their references have no text scores."""


def agree(path: Path, name: str, ours: torch.Tensor) -> None:
    expected = case(path)[3][name]
    found = np.zeros_like(expected)
    found[..., : ours.shape[-1]] = ours.numpy()  # the reference fed the last answer token, which nothing looks at
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(path, name) * np.abs(expected).max())


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("path", PATHS)
def test_map(path: Path, name: str) -> None:
    agree(path, f"{name}_map", EXPLAINERS[name].explain(*case(path)[:3]).maps)


@pytest.mark.parametrize("name", sorted(set(EXPLAINERS) - set(WITHOUT_TEXT)))
@pytest.mark.parametrize("path", PATHS)
def test_text(path: Path, name: str) -> None:
    explanation = EXPLAINERS[name].explain(*case(path)[:3])
    np.testing.assert_array_equal(explanation.valid.numpy(), case(path)[3]["text_valid"])
    agree(path, f"{name}_text", torch.where(explanation.valid, explanation.scores, 0))


@pytest.mark.parametrize("path", PATHS)
def test_surgery_leaves_text_scores_to_cam(path: Path) -> None:
    surgery = EXPLAINERS["archi_surgery"].explain(*case(path)[:3])
    torch.testing.assert_close(surgery.scores, CAM().explain(*case(path)[:3]).scores)


def rows(path: Path, name: str) -> torch.Tensor:
    """The method's quantity at every position."""
    explainer: Any = EXPLAINERS[name]
    return explainer.rows(*case(path)[:2])


@pytest.mark.parametrize("name", ["attention", "attention_rollout", "grad_rollout", "cp_lrp", "attn_lrp"])
@pytest.mark.parametrize("path", PATHS)
def test_sequence(path: Path, name: str) -> None:
    agree(path, f"{name}_seq", rows(path, name))


@pytest.mark.parametrize("name", ["cp_lrp", "attn_lrp"])
@pytest.mark.parametrize("path", PATHS)
def test_sum_of_relevance(path: Path, name: str) -> None:
    agree(path, f"{name}_sum_all_positions", rows(path, name).sum(1))


@pytest.mark.parametrize("name", ["cp_lrp", "attn_lrp"])
@pytest.mark.parametrize("path", PATHS)
def test_relevance_of_biases(path: Path, name: str) -> None:
    agree(path, f"{name}_bias_term", bias_terms(path, name))


def bias_terms(path: Path, name: str) -> torch.Tensor:
    """What of every token's logit the biases of the language model take."""
    passes, query, answer, _ = golden_passes(path)
    biases = [p.requires_grad_() for n, p in passes.vlm.decoder.named_parameters() if n.endswith("bias")]
    rule: Any = CPLRP.rule if name == "cp_lrp" else AttnLRP.rule
    with graph(passes.vlm, enter(passes.vlm, query, answer), rule) as (_, targets):
        grads = [
            torch.autograd.grad(t, biases, retain_graph=True, allow_unused=True) if biases else [] for t in targets
        ]
    terms = [sum((g * b).sum() for g, b in zip(each, biases, strict=True) if g is not None) for each in grads]
    return torch.tensor([float(term) for term in terms])


@pytest.mark.parametrize("path", PATHS)
def test_conservation(path: Path) -> None:
    agree(path, "logit_target", rows(path, "cp_lrp").sum(1) + bias_terms(path, "cp_lrp"))


@pytest.mark.parametrize("path", PATHS)
def test_states_of_the_new_path(path: Path) -> None:
    passes, query, _, _ = case(path)
    agree(path, "archi_surgery_hidden", passes.surgery(query, 2))
