"""Relevance propagation: what is conserved, the frozen network one input at a time, and the rules one by one."""

from contextlib import ExitStack, contextmanager

import pytest
import torch
from torch import nn

from pipeline.models import relevance as rules
from pipeline.models.decoder import enter, run
from pipeline.models.heads import Heads, attend, weights
from tests import tiny


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def own(request, tmp_path_factory):
    """A model whose weights have the names that the oracle below knows, and what enters its decoder."""
    vlm = tiny.FAMILIES[request.param](tmp_path_factory.mktemp(request.param))
    queries = vlm.ask([tiny.image(3, 4)], ["What is on the table?"])
    return vlm, enter(vlm, queries[0], vlm.answer(queries)[0][0])


@contextmanager
def biases_of(vlm):
    """The decoder's biases, requiring gradients."""
    found = [p.requires_grad_() for name, p in vlm.decoder.named_parameters() if name.endswith("bias")]
    try:
        yield found
    finally:
        for bias in found:
            bias.requires_grad_(False)


def share(targets, inputs):
    """What of every logit `inputs` take together: gradient times input."""
    found = []
    for target in targets:
        grads = torch.autograd.grad(target, inputs, retain_graph=True, allow_unused=True)
        found.append(sum(float((g * each).sum()) for g, each in zip(grads, inputs, strict=True) if g is not None))
    return torch.tensor(found)


@pytest.fixture(scope="module")
def any_entry(vlm, asked, said):
    """What enters the decoder, in all families."""
    return enter(vlm, asked[0], said[0][0])


def test_cp_conserves_the_logit(vlm, any_entry):
    """Relevance of all positions and of all biases."""
    with biases_of(vlm) as biases, rules.graph(vlm, any_entry, "cp") as (_, targets):
        terms, logits = share(targets, biases) if biases else 0, targets.detach()
    rows = rules.relevance(vlm, any_entry, "cp")
    torch.testing.assert_close(rows.sum(1) + terms, logits, rtol=1e-4, atol=1e-4)


def test_attn_rules_for_mlps_and_norms_conserve_under_constant_attention(vlm, any_entry, monkeypatch):
    """The softmax alone leaves relevance behind."""
    lost = rules.relevance(vlm, any_entry, "attn").sum(1)
    monkeypatch.setattr(rules, "shared", rules.constant)
    with biases_of(vlm) as biases, rules.graph(vlm, any_entry, "attn") as (_, targets):
        terms, logits = share(targets, biases) if biases else 0, targets.detach()
    rows = rules.relevance(vlm, any_entry, "attn")
    torch.testing.assert_close(rows.sum(1) + terms, logits, rtol=1e-4, atol=1e-4)
    assert (lost + terms - logits).abs().max() > 1e-2


@pytest.mark.parametrize("rule", ["cp", "attn"])
def test_positions_after_the_predicting_one_get_exactly_nothing(vlm, any_entry, rule):
    for row, position in zip(rules.relevance(vlm, any_entry, rule), any_entry.predicting, strict=True):
        assert row[: position + 1].any()
        assert not row[position + 1 :].any()


def test_cp_is_the_frozen_network_fed_one_position_at_a_time(own):
    """With attention, gates and scales as recorded the network is linear: no gradient is needed."""
    vlm, entry = own
    frozen = record(vlm, entry)
    found = rules.relevance(vlm, entry, "cp").double()
    for position in (0, int(entry.predicting[0]) - 3, int(entry.predicting[-1])):
        alone = torch.zeros_like(entry.embeds[0], dtype=torch.float64)
        alone[position] = entry.embeds[0, position].double()
        expected = through(vlm, frozen, alone)
        logit = [expected[q] @ vlm.head.weight[k].double() for q, k in zip(entry.predicting, entry.ids, strict=True)]
        torch.testing.assert_close(found[:, position], torch.stack(logit), rtol=1e-3, atol=1e-4)


def record(vlm, entry):
    """Attention weights and gates of every block, and by what each norm multiplied its input."""
    attentions, gates, scales = [], [], []

    def watch(block, heads):
        attentions.append(torch.cat([found for _, found in weights(heads)]).double())
        return attend(heads)

    def scale(module, args, out):
        scales.append((out / args[0])[0].double())

    with ExitStack() as hooks:
        for block in vlm.blocks:
            hooks.enter_context(block.mlp.act_fn.register_forward_hook(lambda m, a, out: gates.append(out[0].double())))
            for norm in (block.input_layernorm, block.post_attention_layernorm):
                hooks.enter_context(norm.register_forward_hook(scale))
        hooks.enter_context(vlm.norm.register_forward_hook(scale))
        run(vlm, entry, watch)
    return attentions, gates, scales


def through(vlm, frozen, states):
    """The recorded network without biases, layer by layer."""
    attentions, gates, scales = frozen
    scales = iter(scales)
    for block, attention, gate in zip(vlm.blocks, attentions, gates, strict=True):
        attn = block.self_attn
        values = (states * next(scales)) @ attn.v_proj.weight.double().T
        values = values.view(len(states), -1, attn.head_dim).transpose(0, 1)
        values = values.repeat_interleave(len(attention) // len(values), 0)
        states = states + (attention @ values).transpose(0, 1).flatten(1) @ attn.o_proj.weight.double().T
        inner = gate * ((states * next(scales)) @ block.mlp.up_proj.weight.double().T)
        states = states + inner @ block.mlp.down_proj.weight.double().T
    return states * next(scales)


def test_the_rule_of_attention():
    """Half to the values, half to the weights; theirs through the softmax, then half each to queries and keys."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 1, 4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    arriving = torch.randn(4, 3, dtype=torch.float64)
    heads = Heads(query, key, value, None, False, 0.6)
    out = rules.shared(0, heads)
    given = arriving / out[0, 0].detach()
    grads = torch.autograd.grad(out, (query, key, value), given[None, None])
    found = [(each * grad)[0, 0] for each, grad in zip((query, key, value), grads, strict=True)]

    q, k, v = (each[0, 0].detach() for each in (query, key, value))
    scores = 0.6 * q @ k.T
    soft = scores.softmax(-1)
    output = soft @ v
    to_value, to_query, to_key = torch.zeros(3, 4, 3, dtype=torch.float64)
    for i in range(4):
        parts = soft[i, :, None] * v / output[i] * arriving[i]  # of the product, by summand
        to_value += parts / 2
        weight = parts.sum(1) / 2
        score = scores[i] * (weight - soft[i] * weight.sum())
        for j in range(4):
            terms = 0.6 * q[i] * k[j] / scores[i, j] * score[j] / 2
            to_query[i] += terms
            to_key[j] += terms
    for ours, expected in zip(found, (to_query, to_key, to_value), strict=True):
        torch.testing.assert_close(ours.detach(), expected)


def test_an_activation_passes_on_its_secant():
    states = torch.tensor([-3.0, -1e-30, 0.0, 0.5, 4.0], requires_grad=True)
    out = rules.Secant.apply(states, nn.functional.silu(states))
    assert torch.equal(out, nn.functional.silu(states))
    (grad,) = torch.autograd.grad(out.sum(), states)
    torch.testing.assert_close(grad, states.detach().sigmoid())


def test_damping_changes_the_gradient_alone():
    states = torch.randn(5, requires_grad=True)
    damped = rules.damp(states, 0.25)
    assert torch.equal(damped, states)
    assert torch.equal(torch.autograd.grad(damped.sum(), states)[0], torch.full((5,), 0.25))
