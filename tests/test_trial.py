"""What cannot explain a model is told before the first sample, each explainer in a line of its own."""

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline import trial
from pipeline.explainers.archi_surgery import ArchiSurgery
from pipeline.explainers.attention import Attention
from pipeline.explainers.attn_lrp import AttnLRP
from pipeline.explainers.base import Explainer, Passes
from pipeline.explainers.cam import CAM
from pipeline.explainers.cp_lrp import CPLRP
from pipeline.explainers.grad_cam import GradCAM
from pipeline.explainers.grad_cam_pp import GradCAMPP
from pipeline.explainers.layer_cam import LayerCAM
from pipeline.explainers.msea import MSEA
from pipeline.explainers.msea_arc import MSEAARC
from pipeline.models.base import VLM
from pipeline.models.capabilities import NEEDS
from pipeline.types import Answer, Explanation, Query
from tests import tiny, tiny_auto

EXPLAINERS: dict[str, Callable[[], Explainer]] = {
    "cam": CAM,
    "grad_cam": GradCAM,
    "attention": Attention,
    "attn_lrp": AttnLRP,
    "cp_lrp": CPLRP,
    "surgery": lambda: ArchiSurgery(blocks=1),
    "msea_arc": MSEAARC,
    "msea": lambda: MSEA(base=AttnLRP(), scales=[1.0]),
}


def failures(vlm: VLM, **others: Explainer) -> dict[str, str]:
    return trial.failures(vlm, {name: make() for name, make in EXPLAINERS.items()} | others)


@pytest.fixture(scope="module")
def vlm(tmp_path_factory: pytest.TempPathFactory) -> VLM:
    return tiny.qwen2_vl(tmp_path_factory.mktemp("tiny"))


class Fails(Explainer):
    def explain(self, passes: Passes, query: Query, answer: Answer) -> Explanation:
        assert len(answer.ids) == 2, "the trial is short"
        raise RuntimeError("never")


def test_all_work_on_a_model_that_has_all(vlm: VLM) -> None:
    before = torch.get_rng_state()
    assert failures(vlm) == {}
    assert trial.failures(vlm, {"cam": CAM()}, generates=False) == {}
    assert torch.equal(torch.get_rng_state(), before)


def test_an_explainer_that_raises_is_named_with_its_reason(vlm: VLM) -> None:
    (found,) = failures(vlm, own=Fails()).items()
    assert found[0] == "own"
    assert found[1].startswith("RuntimeError: own (test_trial.py:")


@pytest.mark.parametrize(
    ("family", "names"),
    [
        ("qwen3_vl_moe", {"attn_lrp", "cp_lrp", "msea"}),
        ("qwen3_5", {"attention", "attn_lrp", "cp_lrp", "surgery", "msea"}),
    ],
)
def test_what_a_model_lacks_by_its_structure_is_said_of_those_that_need_it(
    family: str, names: set[str], tmp_path: Path
) -> None:
    vlm = tiny_auto.build(tiny_auto.LACKING[family], tmp_path)
    found = failures(vlm)
    assert set(found) == names
    said = {"qwen3_vl_moe": "experts", "qwen3_5": "linear_attention"}[family]
    assert all(said in reason for reason in found.values())


def spoilt(vlm: VLM, monkeypatch: pytest.MonkeyPatch, need: str) -> None:
    """Take from the model what `need` stands for."""
    if need == "rms_norm":
        monkeypatch.setattr(vlm.blocks[0], "input_layernorm", torch.nn.LayerNorm(32))
    elif need == "output_projection":
        monkeypatch.setattr(vlm.blocks[1].self_attn, "o_proj", None)
    elif need == "gated_mlp":
        monkeypatch.setattr(vlm.blocks[0].mlp, "act_fn", None)
    elif need == "attention":
        monkeypatch.setattr(type(vlm.decoder), "_supports_sdpa", False)
    else:
        monkeypatch.setattr(vlm.head, "weight", torch.zeros(1, 1, dtype=torch.int8), raising=False)


@pytest.mark.parametrize("need", NEEDS)
def test_the_model_says_what_it_lacks(need: str, vlm: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    assert vlm.lacks(need) == ""
    spoilt(vlm, monkeypatch, need)
    assert vlm.lacks(need)


def test_every_explainer_says_what_it_needs_in_known_words() -> None:
    for make in EXPLAINERS.values():
        assert make().needs <= NEEDS.keys()
    assert MSEA(base=AttnLRP()).needs == AttnLRP.needs
    assert not CAM.needs
    for kind in (GradCAM, GradCAMPP, LayerCAM):
        assert (kind().needs, kind(preset="causal").needs) == (frozenset(), {"gradients"}), "rows of the head will do"


def test_the_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(trial.CannotExplainError({"a": "no"})))
    assert (error.reasons, str(error)) == ({"a": "no"}, "a: no")
