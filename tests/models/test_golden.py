"""Hidden states and logits of the golden models through our own loading and trace."""

import numpy as np
import pytest
import torch

from tests import golden_files, tiny


@pytest.mark.parametrize("path", golden_files.model_cases())
@pytest.mark.parametrize("name", ["last_hidden", "logits_predict", "logit_target", "logit_map"])
def test_golden(path, name):
    passes, query, answer, arrays = tiny.golden_passes(path)
    trace, reference = passes.trace(query), arrays[name]
    ids = torch.tensor(answer.ids)
    predicting = trace.text[-len(ids) :]
    if name == "last_hidden":
        seen = np.r_[arrays["visual_positions"], trace.start : trace.start + len(trace.text)]
        found, expected = torch.cat([trace.vision, trace.text]), reference[seen]
    elif name == "logits_predict":
        found, expected = passes.unembed(predicting, torch.arange(reference.shape[1])), reference
    elif name == "logit_target":
        found, expected = passes.unembed(predicting, ids).diagonal(), reference
    else:
        found = passes.unembed(trace.vision, ids).T.reshape(-1, trace.rows, trace.cols)
        expected = reference
    difference = np.abs(found.numpy() - expected).max()
    assert difference <= tiny.tolerance(path, name) * np.abs(reference).max()


@pytest.mark.parametrize("path", golden_files.model_cases())
def test_golden_scores_are_softmaxes(path):
    passes, query, answer, arrays = tiny.golden_passes(path)
    logits = torch.from_numpy(arrays["logits_predict"])
    expected = logits.softmax(1)[range(len(answer.ids)), list(answer.ids)]
    found = passes.vlm.score([query], [answer])[0].double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
