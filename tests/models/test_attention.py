"""Attention rows and rollouts, streamed, against transformers' eager attention with everything stored."""

from dataclasses import replace

import pytest
import torch

from pipeline.models import heads as heads_module
from pipeline.models.attention import attention, rollout
from pipeline.models.decoder import enter, run
from pipeline.models.grad_rollout import grad_rollout
from pipeline.models.heads import Heads, mean_weights
from pipeline.types import Answer
from tests.oracles import decoder as oracle

CLOSE = {"rtol": 0.0, "atol": 1e-5}


@pytest.fixture(scope="module")
def entered(vlm, asked, said):
    """What enters the language model for the longest of the samples."""
    return enter(vlm, asked[2], said[0][2])


@pytest.fixture(scope="module")
def stored(vlm, asked, said):
    """The same sample with everything stored."""
    return oracle.stored(vlm, asked[2], said[0][2])


@pytest.mark.parametrize("layers", [[0], [2], [0, 1, 2]])
def test_rows_are_those_of_eager_attention(vlm, entered, stored, layers):
    expected = torch.stack([stored.attentions[n][0].mean(0) for n in layers]).mean(0)[stored.predicting]
    found = attention(vlm, entered, layers)
    torch.testing.assert_close(found, expected.detach(), **CLOSE)
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)), **CLOSE)


def test_rollout_is_the_stored_product(vlm, entered, stored):
    found = rollout(vlm, entered)
    torch.testing.assert_close(found.double(), oracle.rollout(stored.attentions)[stored.predicting].detach(), **CLOSE)
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)), **CLOSE)
    assert (found >= 0).all()


@pytest.mark.parametrize("discard", [0.0, 0.5, 0.9])
def test_grad_rollout_is_the_stored_product(vlm, entered, stored, discard):
    found = grad_rollout(vlm, entered, discard)
    expected = torch.stack([oracle.grad_rollout(stored, r, discard) for r in range(len(found))])
    torch.testing.assert_close(found.double(), expected.detach(), **CLOSE)
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)), **CLOSE)
    off = found.clone()
    off[range(len(found)), stored.predicting] = 0
    assert (off.amax(1) > 100 * CLOSE["atol"]).all()  # not the identity alone


@pytest.mark.parametrize(
    "verb", [lambda *a: attention(*a, [1]), rollout, grad_rollout, lambda *a: grad_rollout(*a, 0.7)]
)
def test_later_tokens_change_nothing(vlm, asked, said, entered, verb):
    answer = said[0][2]
    short = verb(vlm, enter(vlm, asked[2], replace(answer, ids=answer.ids[:3])))
    whole = verb(vlm, entered)[:3]
    torch.testing.assert_close(whole[:, : short.shape[1]], short, **CLOSE)
    assert not whole[:, short.shape[1] :].any()


def test_a_few_heads_after_the_other_are_all_heads(vlm, entered, monkeypatch):
    at_once = rollout(vlm, entered), grad_rollout(vlm, entered)
    monkeypatch.setattr(heads_module, "WEIGHTS", 1)
    for found, expected in zip((rollout(vlm, entered), grad_rollout(vlm, entered)), at_once, strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mask", ["bool", "bool per head", "added"])
def test_masks(mask):
    """Masked positions get no weight, whichever way the mask is told."""
    query, key, value = torch.randn(3, 1, 2, 5, 4)
    allowed = torch.rand(1, 2 if "per" in mask else 1, 5, 5).lt(0.6) | torch.eye(5, dtype=torch.bool)
    told = torch.where(allowed, 0.0, -torch.inf) if mask == "added" else allowed
    given = Heads(query, key, value, told, False, 0.7)
    expected = (query[0] @ key[0].mT * 0.7).masked_fill(~allowed[0], -torch.inf).softmax(-1)
    torch.testing.assert_close(mean_weights(given), expected.mean(0))
    torch.testing.assert_close(mean_weights(given, torch.tensor([3, 1])), expected.mean(0)[[3, 1]])
    torch.testing.assert_close(heads_module.attend(given)[0], expected @ value[0])


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_whatever_attention_the_model_was_loaded_with(vlm, asked, said, entered, implementation):
    other = type(vlm)(vlm.checkpoint, attention=implementation)
    other.load()
    own = enter(other, asked[2], said[0][2])
    for verb in (rollout, grad_rollout):
        torch.testing.assert_close(verb(other, own), verb(vlm, entered), **CLOSE)
    configs = [m.config for m in other.decoder.modules() if hasattr(m, "config")]
    assert {config._attn_implementation for config in configs} == {implementation}


def test_inference_mode_outside_does_not_matter(vlm, asked, said, entered):
    expected = grad_rollout(vlm, entered)
    with torch.inference_mode():
        queries = vlm.ask([asked[2].image], [asked[2].text])
        found = grad_rollout(vlm, enter(vlm, queries[0], said[0][2]))
    assert torch.equal(found, expected)
    assert not found.is_inference()


def test_an_entry_leads_to_the_traced_states(vlm, asked, said, entered):
    states, trace = run(vlm, entered), said[1][2]
    torch.testing.assert_close(states[asked[2].layout.vision], trace.vision, rtol=0, atol=1e-4)
    torch.testing.assert_close(states[trace.start :], trace.text, rtol=0, atol=1e-4)


def test_no_answer_no_rows(vlm, asked):
    nothing = enter(vlm, asked[0], Answer((), (), "", True))
    for verb in (lambda *a: attention(*a, [0]), rollout, grad_rollout):
        assert verb(vlm, nothing).shape == (0, asked[0].layout.length)
