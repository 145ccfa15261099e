"""Gradients inside the language model against central differences, and those of the head in closed form."""

import pytest
import torch

from pipeline.models.decoder import enter, logits, run
from pipeline.models.gradients import block_gradients, view_gradients
from tests import tiny


@pytest.fixture(scope="module", params=tiny.FAMILIES)
def double(request, tmp_path_factory):
    """A model in double precision, so that differences mean something; a query and its answer."""
    vlm = tiny.FAMILIES[request.param](tmp_path_factory.mktemp(request.param), max_new_tokens=4)
    query = vlm.ask([tiny.image(3, 4)], ["What?"])[0]
    answer = vlm.answer([query])[0][0]
    vlm.model.double()
    vlm.dtype = torch.float64
    return vlm, query, answer


@pytest.mark.parametrize("block", [0, 1, -2])
def test_against_central_differences(double, block):
    vlm, query, answer = double
    entry, vision = enter(vlm, query, answer), query.layout.vision
    trace, gradients = block_gradients(vlm, entry, query, answer, block)
    torch.manual_seed(1)
    direction = torch.randn(trace.vision.shape, dtype=torch.float64)

    def moved(step):
        def push(module, args, out):
            states = out.clone()
            states[0, vision] += step * direction
            return states

        with torch.no_grad(), vlm.blocks[block].register_forward_hook(push):
            return logits(vlm, entry, run(vlm, entry))

    slopes = (moved(1e-2) - moved(-1e-2)) / 2e-2
    for gradient, slope in zip(gradients, slopes, strict=True):
        torch.testing.assert_close((gradient * direction).sum().double(), slope.double(), rtol=2e-3, atol=1e-4)
        assert gradient.abs().max() > 1e-3


def test_nothing_at_visual_tokens_behind_the_last_block(double):
    vlm, query, answer = double
    trace, gradients = block_gradients(vlm, enter(vlm, query, answer), query, answer, -1)
    assert not any(gradient.any() for gradient in gradients)
    assert not trace.vision.requires_grad


def test_states_of_the_block(double):
    vlm, query, answer = double
    seen = []
    with vlm.blocks[1].register_forward_hook(lambda module, args, out: seen.append(out)):
        vlm.trace([query], [answer])
    trace, _ = block_gradients(vlm, enter(vlm, query, answer), query, answer, 1)
    torch.testing.assert_close(trace.vision, seen[0][0, query.layout.vision])
    torch.testing.assert_close(trace.text, seen[0][0, trace.start :])


def test_the_view_of_cam_has_the_heads_own_rows(double):
    vlm, query, answer = double
    (trace,) = vlm.trace([query], [answer])
    states = trace.vision.clone().requires_grad_()
    for token, found in zip(answer.ids, view_gradients(vlm, trace, answer), strict=True):
        summed = (states @ vlm.head.weight[token]).sum()
        assert torch.equal(found, torch.autograd.grad(summed, states)[0].float())
