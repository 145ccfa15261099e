"""An explainer of the user's own that changes in place what it is given changes nobody else's numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.explain import explain
from pipeline.explainers.archi_surgery import ArchiSurgery
from pipeline.explainers.attention import Attention
from pipeline.explainers.attention_rollout import AttentionRollout
from pipeline.explainers.attn_lrp import AttnLRP
from pipeline.explainers.base import Explainer
from pipeline.explainers.base import Passes as Protocol
from pipeline.explainers.cam import CAM
from pipeline.explainers.grad_cam import GradCAM
from pipeline.explainers.grad_rollout import GradRollout
from pipeline.explainers.msea import MSEA
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.explainers.tam import TAM
from pipeline.lent import Lent, known
from pipeline.models.base import VLM
from pipeline.models.passes import Passes
from pipeline.types import Answer, Explanation, Query
from tests import tiny

OTHERS: dict[str, Explainer] = {
    "cam": CAM(),
    "tam": TAM(),
    "msea_arc": MSEAARC(scales=(0.5, 1.0), k=7),
    "grad_cam": GradCAM(),
    "causal": GradCAM(preset="causal"),
    "attention": Attention(),
    "rollout": AttentionRollout(),
    "grad_rollout": GradRollout(),
    "attn_lrp": AttnLRP(),
    "surgery": ArchiSurgery(blocks=1),
}


class Vandal(CAM):
    """CAM, which then overwrites all that it was given and all that it can ask for."""

    @torch.no_grad()
    def explain(self, passes: Any, query: Query, answer: Answer) -> Explanation:
        found = super().explain(passes, query, answer)
        for seen, shown in ((passes, query), passes.at(query, 0.5)):
            self.spoil(seen, shown)
        return found

    def spoil(self, passes: Any, query: Query) -> None:
        """Overwrite what is known of one query."""
        activations, gradients = passes.gradients(query, None)
        inside, others = passes.gradients(query, 0)
        traces = [passes.trace(query), passes.trace(query, 0.5), activations, inside]
        tensors = [part for trace in traces for part in (trace.vision, trace.text) if part is not None]
        tensors += [*gradients, *others, passes.top(query, 9), passes.attention(query, (0, 1)), passes.rollout(query)]
        tensors += [passes.grad_rollout(query), passes.relevance(query, "attn"), passes.surgery(query, 1)]
        tensors += [
            query.layout.vision,
            query.layout.prompt,
            *query.inputs.values(),
            *passes.queries[-1].inputs.values(),
        ]
        for tensor in tensors:
            tensor.zero_()
        query.image.paste(0, (0, 0, *query.image.size))
        passes.queries.clear()


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> VLM:
    return tiny.qwen2_vl(tmp_path_factory.mktemp("lent"))


def maps(vlm: VLM, explainers: Mapping[str, Explainer]) -> list[Mapping[str, np.ndarray]]:
    """The finished maps of a batch of two."""
    queries = vlm.ask([tiny.image(3, 4, 0), tiny.image(5, 4, 1)], ["Describe this image.", "What is on the table?"])
    answers = [vlm.read([5, 6, 7], False), vlm.read([8, 9], True)]
    made = explain(Passes(vlm, queries, answers), explainers)
    assert [one.failed for one in made] == [{}, {}]
    return [one.maps for one in made]


def same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray], names: Mapping[str, Any]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in names)


def test_what_it_changes_is_nobody_elses(vlm: VLM) -> None:
    alone = maps(vlm, OTHERS)
    beside = maps(vlm, {"vandal": Vandal(), "inside": MSEA(base=Vandal(), scales=(1.0,)), **OTHERS})
    for before, after in zip(alone, beside, strict=True):
        assert same(before, after, OTHERS)
        for name in ("vandal", "inside"):
            assert np.array_equal(after[name], before["cam"]), "and it is given what the others are given"


def test_who_is_known() -> None:
    assert all(known(one) for one in (*OTHERS.values(), MSEA(base=CAM())))
    assert not known(Vandal())
    assert not known(MSEA(base=Vandal()))


def test_what_every_verb_gives_is_a_copy_and_equal(vlm: VLM) -> None:
    (query,) = vlm.ask([tiny.image(3, 4, 0)], ["What?"])
    passes = Passes(vlm, [query], [vlm.read([5, 6], False)])
    lent = Lent(passes)
    copy = lent.lent(query)
    asked: dict[str, tuple[Any, ...]] = {"top": (9,), "attention": ((0, 1),), "relevance": ("attn",), "surgery": (1,)}
    for name in ("top", "attention", "rollout", "grad_rollout", "relevance", "surgery"):
        own = getattr(passes, name)(query, *asked.get(name, ()))
        given = getattr(lent, name)(copy, *asked.get(name, ()))
        assert torch.equal(own, given), name
        given.zero_()
        assert torch.equal(own, getattr(passes, name)(query, *asked.get(name, ()))), name
    assert lent.trace(query=copy).vision is not passes.trace(query).vision
    assert (lent.extent, lent.least(copy)) == (passes.extent, passes.least(query))
    trace, gradients = lent.gradients(copy, None)
    assert len(list(gradients)) == 2
    assert torch.equal(trace.vision, passes.trace(query).vision)
    assert isinstance(lent, Protocol)


def test_what_is_not_read_is_not_made(vlm: VLM) -> None:
    (query,) = vlm.ask([tiny.image(3, 4, 0)], ["What?"])
    lent = Lent(Passes(vlm, [query], [vlm.read([5], False)]))
    copy = lent.lent(query)
    assert copy is lent.lent(query)
    assert list(copy.inputs) == list(query.inputs)
    assert vars(copy.inputs)["made"].keys() <= {"input_ids"}, "which may have been looked at to check its type"
    assert copy.inputs["input_ids"] is copy.inputs["input_ids"]
    assert vars(copy.inputs)["made"].keys() == {"input_ids"}
