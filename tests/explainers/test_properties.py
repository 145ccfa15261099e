"""What holds between explainers, and what every explainer keeps."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser

from pipeline.explainers.base import Explainer
from pipeline.explainers.cam import CAM
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.explainers.tam import TAM
from pipeline.ops.maps import finish
from pipeline.types import Explanation
from tests.explainers.arrays import explain, passes_of
from tests.oracles.scene import random_scene

FOLDER = Path(__file__).parents[2] / "configs" / "explainer"
CONFIGS = [FOLDER / f"{name}.yaml" for name in ("cam", "msea_arc", "tam", "tam_compat")]
"""The explainers that need nothing but traces; tests/test_explainers.py has all, on models."""
SMALL: list[dict[str, Any]] = [{}, {"prompts": 0}, {"answers": 1}, {"answers": 0}, {"prompts": 0, "answers": 0}]
SHAPES = [*SMALL, {"grid": (1, 5)}, {"grid": (4, 1), "prompts": 0, "answers": 1}, {"grid": (1, 1)}]


def build(config: Path) -> Explainer:
    parser = ArgumentParser()
    parser.add_subclass_arguments(Explainer, "explainer")
    explainer = parser.instantiate(parser.parse_args([f"--explainer={config}"])).explainer
    assert isinstance(explainer, Explainer)
    if isinstance(explainer, MSEAARC):
        explainer.k = 20  # the vocabulary here has 30 entries
    return explainer


def same(one: Explanation, other: Explanation) -> bool:
    return all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("maps", "scores", "valid"))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_contract(config: Path, shape: dict[str, Any]) -> None:
    scene, explainer = random_scene(5, **shape), build(config)
    explanation = explain(explainer, scene)
    assert explanation.maps.shape == (len(scene.answer), *shape.get("grid", (4, 6)))
    assert explanation.maps.dtype == explanation.scores.dtype == torch.float32
    assert torch.isfinite(explanation.maps).all()
    assert not explanation.maps.requires_grad
    assert same(explanation, explain(build(config), scene))
    assert len(finish(explanation, explainer.rank_filter, explainer.normalise)) == len(scene.answer)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_detached_from_a_model_that_has_a_gradient(config: Path) -> None:
    passes, query, answer = passes_of(random_scene(6))
    passes = replace(passes, head=passes.head.requires_grad_())
    explanation = build(config).explain(passes, query, answer)
    assert not explanation.maps.requires_grad
    assert not explanation.scores.requires_grad


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_asks_for_the_scales_it_declares(config: Path) -> None:
    passes, query, answer = passes_of(random_scene(6))
    explainer = build(config)
    declared = {scale: passes.traces[scale] for scale in explainer.scales}
    explainer.explain(replace(passes, traces=declared), query, answer)


@pytest.mark.parametrize("seed", range(5))
def test_one_clipped_scale_with_tam_weights_is_tam(seed: int) -> None:
    scene = random_scene(seed, prompts=seed, answers=1 + 2 * seed)
    ours = explain(MSEAARC(scales=[1.0], interference="tam", relu="both"), scene)
    assert same(ours, explain(TAM(), scene))


def test_nothing_switched_on_is_cam() -> None:
    scene = random_scene(7)
    off = MSEAARC(scales=[1.0], interference="none", relu="both", rank_filter="none")
    assert same(explain(off, scene), explain(CAM(), scene))
    assert (off.rank_filter, off.normalise) == (CAM.rank_filter, CAM.normalise)


def test_one_scale_needs_no_other() -> None:
    passes, query, answer = passes_of(random_scene(8))
    alone = replace(passes, traces={1.0: passes.traces[1.0]})
    explainer = MSEAARC(scales=[1.0], k=20)
    assert same(explainer.explain(passes, query, answer), explainer.explain(alone, query, answer))


def test_scale_one_may_be_missing_from_the_list() -> None:
    explainer = MSEAARC(scales=[0.5], k=20)
    assert explainer.scales == (0.5, 1.0)
    assert explainer.fused == (0.5,)
    assert explain(explainer, random_scene(8)).maps.shape[1:] == (4, 6)


def test_the_first_token_without_a_prompt_meets_the_base_map_alone() -> None:
    scene = random_scene(9, prompts=0, answers=2)
    plain = explain(MSEAARC(interference="none"), scene).maps[0]
    assert torch.equal(explain(MSEAARC(k=20, base_map=False), scene).maps[0], plain)
    assert not torch.allclose(explain(MSEAARC(k=20), scene).maps[0], plain)


def test_later_tokens_do_not_change_earlier_maps() -> None:
    scene = random_scene(10, answers=6)
    shorter = replace(scene, answer=scene.answer[:3], hidden=scene.hidden[:-3])
    for explainer in (CAM(), TAM(), TAM(compat=True), MSEAARC(k=20)):
        whole, part = explain(explainer, scene), explain(explainer, shorter)
        np.testing.assert_allclose(whole.maps[:3].numpy(), part.maps.numpy(), atol=1e-5)


def test_renaming_the_vocabulary_changes_nothing() -> None:
    scene = random_scene(11)
    order = np.random.default_rng(0).permutation(len(scene.head))
    head = np.empty_like(scene.head)
    head[order] = scene.head
    renamed = replace(scene, head=head, ids=order[scene.ids], answer=order[scene.answer])
    for explainer in (CAM(), TAM(), TAM(compat=True), MSEAARC(k=20)):
        one, other = explain(explainer, scene), explain(explainer, renamed)
        np.testing.assert_allclose(one.maps.numpy(), other.maps.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scales", []),
        ("scales", [0.5, 0.0]),
        ("scales", [float("inf")]),
        ("k", 0),
        ("p", 0.0),
        ("p", 1.5),
        ("beta_floor", float("nan")),
        ("fuse", "median"),
        ("interference", "all"),
        ("rbo", "base"),
        ("relu", "never"),
        ("rank_filter", "median"),
        ("normalise", "text"),
        ("rank_position", "next"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, value: object) -> None:
    unchecked = inspect.unwrap(MSEAARC.__init__)
    with pytest.raises(ValueError, match=f"^{name}: "):
        unchecked(object.__new__(MSEAARC), **{name: value})
