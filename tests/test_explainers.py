"""Every file of configs/explainer on every family."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.explainers import base
from pipeline.explainers.grad_cam_pp import GradCAMPP
from pipeline.models.base import VLM
from pipeline.models.passes import Passes
from pipeline.types import Answer, Query
from tests import tiny, tiny_auto
from tests.command import ENV, run
from tests.explainers import contract

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted((ROOT / "configs" / "explainer").glob("*.yaml"))
TINY = {"archi_surgery": ["--blocks=2"]}
"""Parameters whose defaults are too large for three blocks."""

FAMILIES = tiny.FAMILIES | tiny_auto.FAMILIES

Case = tuple[VLM, Query, Answer]


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A tiny model of one family and one answered question."""
    vlm = FAMILIES[request.param](tmp_path_factory.mktemp(request.param), max_new_tokens=4)
    queries = vlm.ask([tiny.image(4, 3)], ["What is on the table?"])
    return vlm, queries[0], vlm.answer(queries)[0][0]


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def explainer(request: pytest.FixtureRequest) -> base.Explainer:
    """Each explainer that has a config."""
    return contract.build(request.param, *TINY.get(request.param.stem, []))


@pytest.mark.parametrize("tokens", [None, 1, 0])
def test_contract(explainer: base.Explainer, case: Case, tokens: int | None) -> None:
    """Whole answers, one token, none."""
    vlm, query, answer = case
    contract.keeps_its_promises(explainer, vlm, query, replace(answer, ids=answer.ids[:tokens]))


def test_no_prompt(explainer: base.Explainer, case: Case) -> None:
    vlm, query, answer = case
    (query,) = vlm.ask([query.image], [""])
    assert not len(query.layout.prompt)
    contract.keeps_its_promises(explainer, vlm, query, answer)


def test_the_model_is_left_as_it_was(explainer: base.Explainer, case: Case) -> None:
    contract.leaves_no_trace(explainer, *case)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The precision of real checkpoints."""
    own = tiny.qwen2_vl(tmp_path_factory.mktemp("half"), max_new_tokens=4)
    vlm = tiny.loaded(type(own)(own.checkpoint, dtype="bfloat16", max_new_tokens=4))
    queries = vlm.ask([tiny.image(4, 3)], ["What is on the table?"])
    return vlm, queries[0], vlm.answer(queries)[0][0]


def test_bfloat16(explainer: base.Explainer, half: Case) -> None:
    vlm, query, answer = half
    found = contract.keeps_its_promises(explainer, vlm, query, answer)
    exact = tiny.loaded(type(vlm)(vlm.checkpoint))
    expected = explainer.explain(Passes(exact, [query], [answer]), query, answer)
    if not isinstance(explainer, GradCAMPP):  # whose denominators may be anywhere near 0
        difference = (found.maps - expected.maps).abs().max() / expected.maps.abs().max()
        assert difference < 0.2


def test_later_tokens_do_not_change_earlier_maps(explainer: base.Explainer, case: Case) -> None:
    vlm, query, answer = case
    short = replace(answer, ids=answer.ids[:2])
    whole, part = (explainer.explain(Passes(vlm, [query], [a]), query, a) for a in (answer, short))
    torch.testing.assert_close(whole.maps[:2], part.maps, rtol=1e-3, atol=1e-4 * float(part.maps.abs().max()))
    columns = part.scores.shape[1]
    scores = (torch.where(each.valid, each.scores, 0)[:2, :columns] for each in (whole, part))
    torch.testing.assert_close(*scores, rtol=1e-3, atol=1e-4)


def test_a_sample_of_a_batch_is_explained_as_alone(explainer: base.Explainer, case: Case) -> None:
    """What comes from traces differs by the rounding of a padded batch; nothing else may."""
    vlm, query, answer = case
    (other,) = vlm.ask([tiny.image(3, 5, 1)], ["What?"])
    passes = Passes(vlm, [other, query], [replace(answer, ids=answer.ids[::-1]), answer])
    alone, beside = (
        explainer.explain(Passes(vlm, [query], [answer]), query, answer),
        explainer.explain(passes, query, answer),
    )
    torch.testing.assert_close(beside.maps, alone.maps, rtol=1e-3, atol=1e-4 * float(alone.maps.abs().max()))


def test_the_models_passes_are_what_explainers_may_ask(case: Case) -> None:
    assert isinstance(Passes(case[0], [case[1]], [case[2]]), base.Passes)


TOY = '''
"""A bright spot that moves to the right from token to token."""
import torch

from pipeline.explainers.base import Explainer, Passes
from pipeline.types import Answer, Explanation, Query, without_scores


class Walk(Explainer):
    """Map of token r: 1 in column `step * r`, counted around, else 0."""

    def __init__(self, *, step: int = 1) -> None:
        self.step = step

    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        maps = torch.zeros(len(answer.ids), query.layout.rows, query.layout.cols)
        for r, each in enumerate(maps):
            each[:, self.step * r % query.layout.cols] = 1
        assert len(passes.trace(query).vision) == each.numel() if answer.ids else True
        return without_scores(maps)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One file and one yaml, outside of the project."""
    (tmp_path / "toy_walk.py").write_text(TOY)
    config = tmp_path / "walk.yaml"
    config.write_text("class_path: toy_walk.Walk\n")
    monkeypatch.syspath_prepend(tmp_path)
    return config


def test_an_explainer_is_one_file_and_one_yaml(toy: Path, case: Case) -> None:
    contract.keeps_its_promises(contract.build(toy, "--step=2"), *case)
    contract.leaves_no_trace(contract.build(toy), *case)


def test_a_new_explainer_runs_like_any_other(toy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    args = ["--explainers", f"cam,{toy}", "--explainer.walk.step=3", "--limit", "2", "--figures", "2"]
    args += ["--wandb.mode", "disabled", "--run_dir", str(folder)]
    done = run(*args, env=ENV | {"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "walk" in done.stdout
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["samples"]["scored"] == 2
    assert summary["explainers"]["walk"]["corrected"]["obj_iou"]["count"] > 0
    with np.load(folder / "figures" / "1" / "maps.npz") as maps:
        found = maps["walk"]
        assert [row.any(0).argmax() for row in found] == [3 * r % found.shape[2] for r in range(len(found))]
    assert (folder / "figures" / "1" / "panel.png").stat().st_size > 0
