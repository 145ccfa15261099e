"""Patches last as long as a `with`, also one that fails; rules look at no later token and change no forward pass."""

import pytest
import torch

from pipeline.models import attention, grad_rollout, relevance, scope, surgery
from pipeline.models.decoder import enter, run
from pipeline.models.heads import attend
from tests.explainers.contract import snapshot

VERBS = {
    "attention": lambda vlm, entry, layout: attention.attention(vlm, entry, [0]),
    "rollout": lambda vlm, entry, layout: attention.rollout(vlm, entry),
    "grad_rollout": lambda vlm, entry, layout: grad_rollout.grad_rollout(vlm, entry),
    "cp": lambda vlm, entry, layout: relevance.relevance(vlm, entry, "cp"),
    "attn": lambda vlm, entry, layout: relevance.relevance(vlm, entry, "attn"),
    "surgery": lambda vlm, entry, layout: surgery.surgery(vlm, entry, layout, 2),
}
"""All that attends by a function of ours."""


def states_of(vlm, entry, layout, verb):
    """The states after the final norm of the pass that `verb` makes under its own rules."""
    seen = []
    with vlm.norm.register_forward_hook(lambda module, args, out: seen.append(out.detach())):
        VERBS[verb](vlm, entry, layout)
    return seen[0][0]


@pytest.mark.parametrize("verb", VERBS)
def test_causality(vlm, asked, said, verb):
    """States equal the model's own, and another last token leaves all earlier ones as they were."""
    answer, layout = said[0][2], asked[2].layout
    entry = enter(vlm, asked[2], answer)
    found = states_of(vlm, entry, layout, verb)
    torch.testing.assert_close(found, run(vlm, entry), rtol=0, atol=1e-5)
    changed = type(entry)(entry.embeds.clone(), entry.others, entry.predicting, entry.ids)
    changed.embeds[:, -1] += 1
    other = states_of(vlm, changed, layout, verb)
    torch.testing.assert_close(other[:-1], found[:-1], rtol=0, atol=1e-5)
    assert (other[-1] - found[-1]).abs().max() > 1e-2


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("stage", ["forward", "backward"])
def test_a_failure_leaves_nothing_behind(vlm, asked, said, verb, stage):
    entry = enter(vlm, asked[0], said[0][0])
    before = snapshot(vlm, asked[0], said[0][0])

    class Broken(Exception):
        pass

    def fail(*args):
        raise Broken

    def hook(module, args, out):
        if stage == "forward":
            fail()
        if out.requires_grad:
            out.register_hook(fail)

    backward = verb in ("grad_rollout", "cp", "attn")
    with vlm.blocks[1].register_forward_hook(hook):
        if stage == "forward" or backward:
            with pytest.raises(Broken):
                VERBS[verb](vlm, entry, asked[0].layout)
    snapshot(vlm, asked[0], said[0][0]).same(before)


def test_blocks_that_do_not_attend_once_each_are_refused(vlm, asked, said):
    entry = enter(vlm, asked[0], said[0][0])

    def twice():
        with scope.attention(vlm.decoder, len(vlm.blocks), lambda block, heads: attend(heads)):
            run(vlm, entry)
            run(vlm, entry)

    depth = len(vlm.blocks)
    with pytest.raises(ValueError, match=f"{depth} blocks made {2 * depth} calls of scaled dot product attention"):
        twice()


def test_norms_and_gates_that_the_rules_do_not_know_are_refused(vlm, asked, said, monkeypatch):
    entry = enter(vlm, asked[0], said[0][0])
    with pytest.raises(ValueError, match=r"RMS norms through torch\.rsqrt where at least 99"), scope.frozen_norms(99):
        run(vlm, entry)
    with monkeypatch.context() as patch:
        patch.delattr(vlm.blocks[1].mlp, "act_fn")
        with pytest.raises(ValueError, match="block 1 has 0 gated MLPs"):
            relevance.relevance(vlm, entry, "cp")
