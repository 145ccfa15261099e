"""Logits in blocks against all logits at once, ties and biases included."""

import pytest
import torch
from torch import nn

from pipeline.models.head import BLOCK, Head

VOCAB = 2 * BLOCK + 300


def make(dtype=torch.float32, bias=False, vocab=VOCAB):
    torch.manual_seed(0)
    linear = nn.Linear(16, vocab, bias=bias)
    nn.init.normal_(linear.weight)
    return linear.to(dtype).requires_grad_(False)


def logits_of(linear, states):
    bias = 0 if linear.bias is None else linear.bias.float()
    return states.float() @ linear.weight.float().T + bias


def ordered(logits, k):
    """All entries by (-logit, id), in plain Python."""
    return [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k] for row in logits.tolist()]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("k", [1, 50])
def test_top_is_the_full_sort(bias, k):
    linear, states = make(bias=bias), torch.randn(11, 16)
    assert Head(linear).top(states, k).tolist() == ordered(logits_of(linear, states), k)


@pytest.mark.parametrize("copies", [2, 10, 400])
def test_ties_go_to_the_smaller_id(copies):
    """Equal rows of a bf16 head, also more of them than there are spare candidates, also across blocks."""
    linear = make(torch.bfloat16, vocab=BLOCK + 900)
    states = torch.randn(9, 16).to(torch.bfloat16)
    best = logits_of(linear, states[:1])[0].argmax()
    where = torch.randperm(linear.out_features)[:copies]
    linear.weight[where] = linear.weight[best].clone()
    logits = logits_of(linear, states)
    assert (logits[0] == logits[0].max()).sum() >= copies
    assert Head(linear).top(states, 20).tolist() == ordered(logits, 20)


def test_coarse_states_tie_everywhere():
    linear = make(vocab=BLOCK + 100)
    linear.weight.copy_(linear.weight.round())
    states = torch.randn(3, 16).round()
    assert Head(linear).top(states, 50).tolist() == ordered(logits_of(linear, states), 50)


def test_top_of_no_states_and_of_too_many_tokens():
    head = Head(make(vocab=30))
    assert head.top(torch.empty(0, 16), 5).shape == (0, 5)
    assert sorted(head.top(torch.randn(1, 16), 30)[0].tolist()) == list(range(30))
    with pytest.raises(ValueError, match="31 best tokens asked of a vocabulary of 30"):
        head.top(torch.randn(1, 16), 31)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_unembed_least_and_probabilities(dtype):
    linear, states = make(dtype, bias=True), torch.randn(13, 16).to(dtype)
    head, logits = Head(linear), logits_of(linear, states)
    ids = torch.randint(VOCAB, (13,))
    torch.testing.assert_close(head.unembed(states, ids), logits[:, ids])
    groups = [states[:1], states[1:5], states[5:]]
    assert head.least(groups) == [int(part.sum(0).argmin()) for part in logits.split([1, 4, 8])]
    allowed = torch.zeros(VOCAB, dtype=torch.bool)
    allowed[ids] = True
    assert head.least([states], allowed) == [min(ids.tolist(), key=lambda i: logits[:, i].sum())]
    linear.weight[ids[1]], linear.bias[ids[1]] = linear.weight[ids[0]].clone(), linear.bias[ids[0]].clone()
    allowed[:] = False
    allowed[ids[:2]] = True
    assert head.least([states], allowed) == [int(ids[:2].min())], "the smaller of equals"
    logits = logits_of(linear, states)
    expected = logits.softmax(1)[range(13), ids]
    torch.testing.assert_close(head.probabilities(states, ids), expected, rtol=1e-4, atol=1e-9)
