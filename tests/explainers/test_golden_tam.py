"""TAM against the recorded output of its public code, from given hidden states."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.explainers.tam import TAM
from pipeline.ops.maps import finish
from tests.explainers.arrays import scene
from tests.golden_files import cases, load

LAST_TEMPLATE_ID = 6
"""As the golden README says."""


@pytest.mark.parametrize("path", cases("tam/*.npz"))
def test_maps_equal_the_public_code(path: Path) -> None:
    arrays = load(path)
    rows, cols = arrays["grid"].tolist()
    prompts = len(arrays["prompt_ids"])
    start, length = 1 + rows * cols, rows * cols + prompts + 4
    gap = np.zeros((length - 1 - start - 1 - prompts, arrays["visual_hidden"].shape[1]), np.float32)
    text = np.concatenate(
        [
            arrays["hidden_before_first_prompt"][None],
            arrays["prompt_hidden"],
            gap,
            arrays["answer_first_hidden"][None],
            arrays["answer_hidden"],
        ]
    )
    ids = np.zeros(length, np.int64)
    positions = start + 1 + np.arange(prompts)
    ids[positions], ids[-1] = arrays["prompt_ids"], LAST_TEMPLATE_ID
    passes, query, answer = scene(
        {1.0: (arrays["visual_hidden"], rows, cols)},
        text,
        start,
        positions,
        ids,
        arrays["generated_ids"],
        arrays["unembedding"],
    )
    explainer = TAM(compat=True)
    maps = finish(explainer.explain(passes, query, answer), explainer.rank_filter, explainer.normalise)
    np.testing.assert_array_equal(maps.numpy(), arrays["maps"])
