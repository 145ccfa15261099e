"""One batch, each thing computed once; nothing as large as visual tokens x vocabulary is ever made."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.models.passes import Passes
from pipeline.notice import Notice
from tests import tiny


class Largest(TorchDispatchMode):
    """Notes the most elements that any operation's result had (views of weights aside)."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()
        self.known, self.elements = known, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for value in out if isinstance(out, tuple | list) else [out]:
            if isinstance(value, torch.Tensor) and value.untyped_storage().data_ptr() not in self.known:
                self.elements = max(self.elements, value.numel())
        return out


def ask_everything(passes, query):
    """What CAM, TAM and MSEA + ARC together want."""
    for scale in (0.5, 0.75, 1.0):
        passes.unembed(passes.trace(query, scale).vision, torch.arange(20))
    passes.top(query, 50)
    passes.least(query)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_no_tensor_of_visual_tokens_times_vocabulary(tmp_path, family, dtype):
    made = tiny.FAMILIES[family](tmp_path, vocab=9000)
    model = type(made)(made.location, dtype=dtype, max_new_tokens=6)
    model.load("cpu")
    queries = model.ask([tiny.image(6, 7), tiny.image(7, 6, 1)], ["What?", "Describe this image."])
    known = {weight.untyped_storage().data_ptr() for weight in model.model.parameters()}
    bound = len(queries[0].layout.vision) * 9000
    with Largest(known) as most:
        answers, traces = model.answer(queries)
        for given in (traces, None):
            passes = Passes(model, queries, answers, given)
            for query in queries:
                ask_everything(passes, query)
        model.score(queries, answers)
    assert most.elements < bound
    with Largest(known) as whole:
        model.model(**queries[0].inputs)
    assert whole.elements >= bound


def test_a_second_explainer_adds_no_forward_pass(vlm, asked, said):
    calls = []
    passes = Passes(vlm, asked, *said)
    with vlm.norm.register_forward_hook(lambda module, args, out: calls.append(out.shape)):
        for query in asked:
            ask_everything(passes, query)
        assert len(calls) == passes.count == 2
        for query in asked:
            ask_everything(passes, query)
        assert len(calls) == passes.count == 2


def test_without_traces_one_teacher_forced_pass_serves_the_batch(vlm, asked, said):
    passes = Passes(vlm, asked, said[0])
    for query, trace in zip(asked, said[1], strict=True):
        torch.testing.assert_close(passes.trace(query).text, trace.text, rtol=0, atol=1e-4)
    assert passes.count == 1


def test_smaller_k_is_a_prefix_and_batches_share_lists(vlm, asked, said):
    passes = Passes(vlm, asked, *said)
    fifty = [passes.top(query, 50) for query in asked]
    for query, trace, lists in zip(asked, said[1], fifty, strict=True):
        assert torch.equal(passes.top(query, 7), lists[:, :7])
        assert torch.equal(vlm.top(trace.text, 50), lists)
        assert passes.top(query, 60).shape == (len(trace.text), 60)


def test_least_of_the_tokenizers_entries(tmp_path):
    model = tiny.qwen2_vl(tmp_path, vocab=1200)
    queries = model.ask([tiny.image(3, 3, seed) for seed in range(4)], ["What?"] * 4)
    passes = Passes(model, queries, *model.answer(queries))
    entries = set(model.processor.tokenizer.get_vocab().values())
    weight = model.model.lm_head.weight
    for query in queries:
        sums = weight @ passes.trace(query).vision.sum(0)
        assert passes.least(query) == int(sums.argmin())
        assert passes.least(query, valid_ids_only=True) == min(entries, key=lambda i: float(sums[i]))


def test_the_least_of_a_batch_takes_one_pass_over_the_vocabulary(vlm, asked, said, monkeypatch):
    passes, seen = Passes(vlm, asked, *said), []
    monkeypatch.setattr(vlm.head, "blocks", lambda blocks=vlm.head.blocks: seen.append(1) or blocks())
    assert [passes.least(query) for query in asked] == [vlm.least([t.vision])[0] for t in said[1]]
    assert len(seen) == 1 + len(asked)


def test_other_scales_have_no_text_and_a_foreign_query_is_refused(vlm, asked, said):
    passes = Passes(vlm, asked[:2], said[0][:2], said[1][:2])
    assert passes.trace(asked[0], 0.5).text is None
    with pytest.raises(ValueError, match="is not in list"):
        passes.trace(asked[2])


def test_pixel_limits_that_undo_a_scale_are_told_once(qwen):
    queries = qwen.ask([tiny.image(8, 8)], ["What?"])
    passes = Passes(qwen, queries, *qwen.answer(queries))
    with pytest.warns(Notice, match=r"scale 2\.0: some images were shown at another size than 2\.0 times"):
        passes.trace(queries[0], 2.0)
