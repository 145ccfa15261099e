"""ask, answer, trace, score: one pass or many steps, one sample or a batch, the same numbers."""

import json
import re
import shutil
import warnings
from contextlib import ExitStack, contextmanager

import pytest
import torch

from pipeline.types import Answer
from tests import tiny

CLOSE = {"rtol": 0.0, "atol": 1e-4}


def test_answers_vary(said):
    answers, _ = said
    assert all(len(set(answer.ids)) > 3 for answer in answers)
    assert len({answer.ids for answer in answers}) == len(answers)


def test_teacher_forced_states_equal_those_of_generation(vlm, asked, said):
    answers, stepped = said
    for one, other, query, answer in zip(stepped, vlm.trace(asked, answers), asked, answers, strict=True):
        assert len(one.text) == query.layout.length + len(answer.ids) - 1 - one.start
        assert one.start == other.start == query.layout.prompt[0] - 1
        torch.testing.assert_close(one.vision, other.vision, **CLOSE)
        torch.testing.assert_close(one.text, other.text, **CLOSE)


def test_states_predict_the_answer(vlm, asked, said):
    """The last G text states are those whose best next tokens were generated."""
    for answer, trace in zip(*said, strict=True):
        assert vlm.top(trace.text[-len(answer.ids) :], 1)[:, 0].tolist() == list(answer.ids)


def test_truncated_prefill_leaves_the_visual_states_of_the_full_pass(vlm, asked, said):
    for short, full in zip(vlm.trace(asked), vlm.trace(asked, said[0]), strict=True):
        assert short.text is None
        torch.testing.assert_close(short.vision, full.vision, **CLOSE)


def test_batched_equals_unbatched(vlm, asked, said):
    answers, traces = said
    scores = vlm.score(asked, answers)
    for query, answer, trace, score in zip(asked, answers, traces, scores, strict=True):
        alone, left = vlm.answer([query])
        assert alone == [answer]
        torch.testing.assert_close(left[0].vision, trace.vision, **CLOSE)
        torch.testing.assert_close(left[0].text, trace.text, **CLOSE)
        torch.testing.assert_close(vlm.trace([query])[0].vision, trace.vision, **CLOSE)
        torch.testing.assert_close(vlm.trace([query], [answer])[0].text, trace.text, **CLOSE)
        torch.testing.assert_close(vlm.score([query], [answer])[0], score, **CLOSE)
        again = vlm.ask([query.image], [query.text])[0]
        assert all(torch.equal(again.inputs[name], query.inputs[name]) for name in query.inputs)


def test_score_is_the_softmax_of_the_models_own_logits(vlm, asked, said):
    for query, answer, score in zip(asked, said[0], vlm.score(asked, said[0]), strict=True):
        extra = torch.tensor([answer.ids])
        inputs, length = dict(query.inputs), query.inputs["input_ids"].shape
        for name, given in query.inputs.items():
            if given.shape == length:
                fill = extra if name == "input_ids" else torch.full_like(extra, vlm.follow.get(name, 0))
                inputs[name] = torch.cat([given, fill], 1)
        logits = vlm.model(**inputs).logits[0, query.layout.length - 1 : -1]
        expected = logits.softmax(-1).gather(1, extra.T)[:, 0]
        torch.testing.assert_close(score, expected, rtol=0, atol=1e-5)


def test_score_of_other_images_is_that_of_their_queries(vlm, asked, said):
    others = [tiny.image(q.layout.rows, q.layout.cols, 9) for q in asked]
    direct = vlm.score(vlm.ask(others, [q.text for q in asked]), said[0])
    for one, other, own in zip(vlm.score(asked, said[0], others), direct, vlm.score(asked, said[0]), strict=True):
        torch.testing.assert_close(one, other)
        assert (one - own).abs().max() > 1e-3


def test_an_empty_answer_is_traced_and_scored(vlm, asked):
    empty = [Answer((), (), "", True)] * len(asked)
    for query, trace, score in zip(asked, vlm.trace(asked, empty), vlm.score(asked, empty), strict=True):
        assert trace.start + len(trace.text) == query.layout.length - 1
        assert score.shape == (0,)


@pytest.mark.parametrize(("rows", "cols"), [(3, 4), (5, 2), (2, 7)])
def test_grid_probe(vlm, rows, cols):
    """Repaint one cell, all attention silenced: the state of that cell changes most."""
    layout = vlm.ask([tiny.image(rows, cols)], ["What?"])[0].layout
    rows, cols = layout.rows, layout.cols
    base = tiny.image(rows, cols, 5)
    cells = [(r, c) for r in range(rows) for c in range(cols)]
    painted = []
    for r, c in cells:
        copy = base.copy()
        copy.paste(tiny.image(1, 1, 77), (c * tiny.CELL, r * tiny.CELL))
        painted.append(copy)

    def states(images):
        return torch.stack([t.vision for t in vlm.trace(vlm.ask(images, ["What?"] * len(images)))])

    with silenced(vlm.model):
        change = (states(painted) - states([base])).norm(dim=2)
    assert change.argmax(1).tolist() == list(range(len(cells)))


@contextmanager
def silenced(model):
    """No position hears of another: every attention puts out zeros."""
    found = [m for m in model.modules() if re.search("Attention$", type(m).__name__)]
    assert len(found) > 1

    def silence(module, args, out):
        return (torch.zeros_like(out[0]), *out[1:]) if isinstance(out, tuple) else torch.zeros_like(out)

    with ExitStack() as hooks:
        for attention in found:
            hooks.enter_context(attention.register_forward_hook(silence))
        yield


def test_sampling_and_penalties_of_a_checkpoint_are_not_inherited(tmp_path, vlm, asked, said):
    folder = shutil.copytree(vlm.location, tmp_path / "copy")
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {"do_sample": True, "temperature": 3.0, "top_k": 5, "repetition_penalty": 5.0}
    settings |= {"no_repeat_ngram_size": 1, "suppress_tokens": list(said[0][0].ids), "num_beams": 2}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    other = type(vlm)(str(folder), max_new_tokens=8)
    other.load("cpu")
    assert other.answer(asked)[0] == said[0]
    assert other.generation_record == vlm.generation_record
    assert "temperature" not in vlm.generation_record


def test_an_answer_ends_before_the_end_token(tmp_path, vlm, asked, said):
    """The checkpoint's list of end tokens counts; batched with longer answers, nothing changes."""
    folder = shutil.copytree(vlm.location, tmp_path / "copy")
    settings = json.loads((folder / "generation_config.json").read_text())
    stop = said[0][0].ids[3]
    (folder / "generation_config.json").write_text(json.dumps(settings | {"eos_token_id": [stop, 2]}))
    other = type(vlm)(str(folder), max_new_tokens=8)
    other.load("cpu")
    answers, traces = other.answer(asked)
    for long, short, full, trace in zip(said[0], answers, said[1], traces, strict=True):
        cut = next((n for n, i in enumerate(long.ids) if i in (stop, 2)), None)
        assert short.ids == long.ids[:cut]
        assert short.ended == (cut is not None)
        torch.testing.assert_close(trace.text, full.text[: len(trace.text)], **CLOSE)
    assert answers[0].ended
    assert other.end_text == vlm.processor.tokenizer.decode([stop])


def test_the_model_is_left_without_hooks_of_ours(vlm, asked, said):
    """transformers leaves its own at the first pass of some families; ours would add up with every pass."""
    before = [list(module._forward_hooks) for module in vlm.model.modules()]
    vlm.trace(asked, vlm.answer(asked)[0])
    assert [list(module._forward_hooks) for module in vlm.model.modules()] == before


def test_no_warning_and_no_gradient(vlm, asked):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = vlm.trace(asked)[0]
    assert not trace.vision.requires_grad
    assert not trace.vision.is_inference()
