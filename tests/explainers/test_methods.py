"""What holds between explainers of attention, gradients and relevance, and what their parameters refuse."""

import inspect
from pathlib import Path

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
from pipeline.explainers.msea import MSEA
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.models.passes import Passes
from pipeline.ops.maps import finish, min_max, resize
from pipeline.types import Answer, Explanation, Extent, Query
from tests import tiny
from tests.explainers.contract import same

Case = tuple[Passes, Query, Answer]
ALL = [Attention(), AttentionRollout(), GradRollout(), CPLRP(), AttnLRP(), ArchiSurgery(blocks=2), GradCAM()]
ALL += [GradCAM(preset="causal"), GradCAMPP(), GradCAMPP(preset="causal"), LayerCAM(), LayerCAM(preset="causal")]


def passes_of(folder: Path, family: str) -> Case:
    vlm = tiny.FAMILIES[family](folder, max_new_tokens=5)
    queries = vlm.ask([tiny.image(4, 5)], ["What is on the table?"])
    answers, traces = vlm.answer(queries)
    return Passes(vlm, queries, answers, traces), queries[0], answers[0]


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return passes_of(tmp_path_factory.mktemp(request.param), request.param)


def close(one: Explanation, other: Explanation) -> None:
    for name in ("maps", "scores"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=1e-4)
    assert torch.equal(one.valid, other.valid)


def test_grad_cam_of_the_paper_is_cam(case: Case) -> None:
    close(GradCAM().explain(*case), CAM().explain(*case))
    ours, cam = (min_max(each.explain(*case)) for each in (GradCAM(), CAM()))
    torch.testing.assert_close(ours, cam, rtol=0, atol=1e-6)


def test_surgery_of_no_block_is_cam(case: Case) -> None:
    close(ArchiSurgery(blocks=0).explain(*case), CAM().explain(*case))


@pytest.mark.parametrize("base", ALL, ids=lambda each: type(each).__name__)
def test_msea_of_one_scale_is_its_base(base: Explainer, case: Case) -> None:
    msea = MSEA(base=base, scales=[1.0])
    assert same(msea.explain(*case), base.explain(*case))
    assert [getattr(msea, n) == getattr(base, n) for n in ("rank_filter", "normalise", "floor", "scales")] == [True] * 4


@pytest.mark.parametrize("fuse", ["mean", "max"])
def test_msea_of_cam_is_msea_arc_without_arc(fuse: str, case: Case) -> None:
    whole = MSEAARC(interference="none", relu="both", rank_filter="none", fuse=fuse)
    close(MSEA(base=CAM(), fuse=fuse).explain(*case), whole.explain(*case))


def test_msea_looks_at_every_scale(case: Case) -> None:
    base, (passes, query, answer) = AttnLRP(), case
    small, scaled = passes.at(query, 0.5)
    assert scaled.layout.rows < query.layout.rows
    expected = base.explain(small, scaled, answer).maps
    found = MSEA(base=base, scales=[0.5]).explain(*case)
    assert found.maps.shape[1:] == (query.layout.rows, query.layout.cols)
    torch.testing.assert_close(found.maps, resize(expected, query.layout.rows, query.layout.cols))
    assert torch.equal(found.scores, base.explain(*case).scores)
    assert not torch.allclose(found.maps, base.explain(*case).maps)


@pytest.mark.parametrize("explainer", [Attention(), Attention(layers="all"), AttentionRollout()])
def test_attention_knows_neither_the_head_nor_the_token(explainer: Explainer, tmp_path: Path) -> None:
    passes, query, answer = passes_of(tmp_path, "qwen2_vl")
    before = explainer.explain(passes, query, answer)
    assert not torch.equal(passes.vlm.head.weight, passes.vlm.decoder.get_input_embeddings().weight)
    with torch.no_grad():
        passes.vlm.head.weight.normal_()
    assert same(explainer.explain(Passes(passes.vlm, [query], [answer]), query, answer), before)


@pytest.mark.parametrize("explainer", ALL, ids=lambda each: type(each).__name__)
def test_renaming_the_entries_of_the_head_changes_nothing(explainer: Explainer, tmp_path: Path) -> None:
    """The answer's tokens keep their embeddings: only the head's rows move."""
    passes, query, answer = passes_of(tmp_path, "llava")
    entry = passes._entry(query)
    before = explainer.explain(passes, query, answer)
    order = torch.randperm(passes.vlm.head.vocab, generator=torch.Generator().manual_seed(0))
    renamed = Answer(tuple(order[list(answer.ids)].tolist()), answer.pieces, answer.text, answer.ended)
    with torch.no_grad():
        passes.vlm.head.weight[order] = passes.vlm.head.weight.clone()
    other = Passes(passes.vlm, [query], [renamed], [passes.trace(query)])
    other._entries[0] = type(entry)(entry.embeds, entry.others, entry.predicting, order[entry.ids])
    close(explainer.explain(other, query, renamed), before)


def test_signs_of_relevance(case: Case) -> None:
    signed, relu, absolute = (CPLRP(sign=sign).explain(*case).maps for sign in ("signed", "relu", "abs"))
    assert signed.min() < 0 < signed.max()
    assert torch.equal(signed.relu(), relu)
    assert torch.equal(signed.abs(), absolute)


def test_signed_maps_keep_what_is_below_zero(case: Case) -> None:
    explainer = CPLRP()
    explanation = explainer.explain(*case)
    alone = finish(explanation, normalise="image", floor=explainer.floor)
    assert (alone.amin((1, 2)) == 0).all()
    assert (alone.amax((1, 2)) == 255).all()
    low = explanation.maps.flatten(1).argmin(1)
    assert all(each.flatten()[place] == 0 for each, place in zip(alone, low, strict=True))
    assert (alone > 0).sum() > (finish(explanation, normalise="image") > 0).sum()


def test_layers_of_attention(case: Case) -> None:
    depth = case[0].extent.depth
    each = [Attention(layers=[n]).explain(*case).maps for n in range(depth)]
    torch.testing.assert_close(Attention(layers="all").explain(*case).maps, torch.stack(each).mean(0))
    assert torch.equal(Attention().explain(*case).maps, each[-1])
    assert torch.equal(Attention(layers=[-depth]).explain(*case).maps, each[0])
    assert not torch.allclose(each[0], each[-1])


@pytest.mark.parametrize(
    ("explainer", "message"),
    [
        (ArchiSurgery(), "blocks: 6 where the model has 4 in all; at most 3"),
        (ArchiSurgery(blocks=4), "blocks: 4 where the model has 4"),
        (GradCAM(preset="causal", layer=3), "layer: 3 is no block that another follows.* 0 to 2"),
        (GradCAMPP(preset="causal", layer=-5), "layer: -5 is no block"),
        (LayerCAM(preset="causal", layer=7), "layer: 7 is no block"),
        (Attention(layers=[0, 4]), "layers: 4 is none of the model's 4 blocks"),
        (MSEA(base=ArchiSurgery()), "base.blocks: 6 where"),
    ],
)
def test_what_a_model_of_four_blocks_refuses(explainer: Explainer, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        explainer.check(Extent(depth=4, vocabulary=100))
    explainer.check(Extent(depth=9, vocabulary=100))


@pytest.mark.parametrize(
    "explainer", [ArchiSurgery(blocks=3), GradCAM(preset="causal", layer=2), Attention(layers=[3])]
)
def test_it_is_refused_without_a_run_as_well(explainer: Explainer, case: Case) -> None:
    with pytest.raises(ValueError, match=r"^(blocks|layer|layers): "):
        explainer.explain(*case)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (Attention, "layers", "first"),
        (Attention, "layers", []),
        (GradRollout, "discard", 1.0),
        (GradRollout, "discard", -0.1),
        (GradCAM, "preset", "both"),
        (LayerCAM, "layer", -1),
        (CPLRP, "sign", "none"),
        (ArchiSurgery, "blocks", -1),
        (MSEA, "scales", []),
        (MSEA, "scales", [0.0]),
        (MSEA, "fuse", "median"),
        (MSEA, "base", MSEAARC()),
    ],
)
def test_a_wrong_parameter_is_named(kind: type[Explainer], name: str, value: object) -> None:
    unchecked = inspect.unwrap(kind.__init__)
    given = {"base": CAM()} | {name: value} if kind is MSEA else {name: value}
    with pytest.raises(ValueError, match=f"^{name}: "):
        unchecked(object.__new__(kind), **given)


def test_weights_that_are_not_finite_count_nothing(case: Case) -> None:
    class Undefined(GradCAM):
        def weights(self, activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
            weights = super().weights(activations, gradients)
            weights[0, 0] = torch.nan
            return weights

    found, plain = Undefined().explain(*case), GradCAM().explain(*case)
    assert found.notes["undefined_weights"] == len(case[2].ids)
    assert plain.notes["undefined_weights"] == 0
    assert found.maps.isfinite().all()
    assert not torch.allclose(found.maps, plain.maps)
