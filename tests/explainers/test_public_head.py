"""`head: model` explains the logits that the public code of TAM explains; `head: float32` finer ones."""

import pytest
import torch

from pipeline.explainers.tam import TAM
from pipeline.models.internvl import InternVL
from pipeline.models.llava import LLaVA
from pipeline.models.passes import Passes
from pipeline.models.qwen2_vl import Qwen2VL
from pipeline.ops.maps import finish
from tests import tiny
from tests.checkpoints import internvl_folder, llava_folder, qwen2_vl_folder
from tests.oracles import tam_public

MAKE = {"qwen2_vl": (Qwen2VL, qwen2_vl_folder), "llava": (LLaVA, llava_folder), "internvl": (InternVL, internvl_folder)}
PROMPT = "What is on the table, a dog or a teddy bear?"


@pytest.fixture(scope="module", params=MAKE)
def folder(request, tmp_path_factory):
    """A family and the folder of a checkpoint with heads wide enough to round."""
    kind, make = MAKE[request.param]
    return kind, str(make(tmp_path_factory.mktemp(request.param), hidden=64))


@pytest.fixture(scope="module")
def explained(folder):
    """Of a head: query, answer, trace, the public code's logits and its maps, the model, our maps; three images."""
    known = {}

    def get(head):
        if head not in known:
            vlm = tiny.loaded(folder[0](folder[1], dtype="bfloat16", head=head, max_new_tokens=12))
            known[head] = [both(vlm, tiny.image(6, 8, seed)) for seed in range(3)]
        return known[head]

    return get


def both(vlm, image):
    """One image as the public code and as we explain it."""
    (query,) = vlm.ask([image], [PROMPT])
    (answer,), traces = vlm.answer([query])
    explainer = TAM(compat=True)
    found = explainer.explain(Passes(vlm, [query], [answer], traces), query, answer)
    maps = finish(found, explainer.rank_filter, explainer.normalise).numpy()
    ids, logits = tam_public.stepwise_logits(vlm, query)
    assert tuple(ids) == answer.ids
    return query, answer, traces[0], logits, tam_public.tam(query, ids, logits), vlm, maps


def equal(cases):
    """Which maps equal the public code's to the level."""
    return [bool(same) for *_, theirs, _, ours in cases for same in (theirs == ours).all((1, 2))]


def test_in_bfloat16_all_maps_of_the_public_code_with_the_models_own_head(explained):
    assert equal(explained("model")) == [True] * 36


def test_a_finer_head_gives_other_maps(explained):
    assert sum(equal(explained("float32"))) < 18


def test_logits_and_best_tokens_are_the_models_own_to_the_bit(explained):
    for query, answer, trace, logits, _, vlm, _ in explained("model"):
        ids = torch.randperm(logits.shape[1])[:50]
        states = torch.cat([trace.vision, trace.text])
        positions = [*query.layout.vision.tolist(), *range(trace.start, query.layout.length + len(answer.ids) - 1)]
        own = logits[positions].float()
        assert torch.equal(vlm.unembed(states, ids), own[:, ids])
        assert torch.equal(vlm.top(states, 1)[:, 0], own.argmax(1))
        chance = own[-len(answer.ids) :].softmax(1).gather(1, torch.tensor(answer.ids)[:, None])[:, 0]
        torch.testing.assert_close(
            vlm.head.probabilities(trace.text[-len(answer.ids) :], torch.tensor(answer.ids)), chance
        )


def test_the_switch_is_part_of_the_identity_and_checked(folder):
    kind, path = folder
    assert kind(path, head="model", dtype="bfloat16").identity()["head"] == "bfloat16"
    assert kind(path, dtype="bfloat16").identity()["head"] == "float32"
    assert kind(path, head="model").identity() == kind(path).identity()
