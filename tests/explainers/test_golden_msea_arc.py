"""MSEA + ARC against a naive reference, from given hidden states: every intermediate, clipped and signed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.explainers.msea_arc import MSEAARC
from pipeline.ops import interference as inter
from pipeline.ops.maps import finish, min_max, rank_gaussian
from pipeline.ops.ranking import rbo
from pipeline.ops.text import before, earlier, score_positions, text_ids
from pipeline.types import Answer, Explanation, Query
from tests.explainers.arrays import ArrayPasses, scene
from tests.golden_files import cases, load

Case = tuple[ArrayPasses, Query, Answer, dict[str, np.ndarray]]
PATHS = cases("methods/msea_arc_case*.npz")
RELU = pytest.mark.parametrize("relu", ["both", "end"])


@pytest.fixture
def case(path: Path) -> Case:
    arrays = load(path)
    scales, grids = arrays["scales"].tolist(), arrays["grids"].tolist()
    states = {
        scale: (arrays[f"visual_hidden_s{str(scale).replace('.', '')}"], rows, cols)
        for scale, (rows, cols) in zip(scales, grids, strict=True)
    }
    ids = np.zeros(int(arrays["n_prompt"]), np.int64)
    ids[arrays["prompt_positions"]] = arrays["prompt_ids"]
    first = int(arrays["text_hidden_first_position"])
    names = ("prompt_positions", "generated_ids", "unembedding")
    prompt, generated, head = (arrays[name] for name in names)
    return *scene(states, arrays["text_hidden"], first, prompt, ids, generated, head), arrays


def explained(case: Case, relu: str) -> Explanation:
    passes, query, answer, arrays = case
    return MSEAARC(scales=arrays["scales"].tolist(), relu=relu).explain(passes, query, answer)


def golden(case: Case, name: str, relu: str) -> np.ndarray:
    """The array for this option; those that do not depend on it exist once."""
    arrays = case[3]
    return arrays.get(f"signed_{name}", arrays[name]) if relu == "end" else arrays[name]


def close(ours: torch.Tensor, reference: np.ndarray) -> None:
    np.testing.assert_allclose(ours.numpy(), reference, rtol=0, atol=1e-5 * np.abs(reference).max())


@pytest.mark.parametrize("path", PATHS)
def test_maps_of_each_scale(case: Case) -> None:
    passes, query, answer, arrays = case
    for scale in arrays["scales"].tolist():
        maps = MSEAARC(relu="both").maps(passes, query, text_ids(query, answer), scale)
        close(maps, arrays[f"A_s{str(scale).replace('.', '')}"])


@RELU
@pytest.mark.parametrize("path", PATHS)
def test_aggregated_maps(case: Case, relu: str) -> None:
    passes, query, answer, arrays = case
    explainer = MSEAARC(scales=arrays["scales"].tolist(), relu=relu)
    close(explainer.aggregate(passes, query, text_ids(query, answer)), golden(case, "A_avg", relu))


@RELU
@pytest.mark.parametrize("path", PATHS)
def test_base_map(case: Case, relu: str) -> None:
    passes, query, _, _ = case
    close(MSEAARC(relu=relu).base(passes, query)[0], golden(case, "A_0", relu))


@pytest.mark.parametrize("path", PATHS)
def test_base_token(case: Case) -> None:
    passes, query, _, arrays = case
    assert passes.least(query) == arrays["k0"]


@pytest.mark.parametrize("path", PATHS)
def test_rankings_and_their_overlap(case: Case) -> None:
    passes, query, answer, arrays = case
    lists = torch.from_numpy(arrays["top50"])
    np.testing.assert_allclose(rbo(lists, lists).numpy(), arrays["rbo"], rtol=0, atol=1e-6)
    prompts, k = len(query.layout.prompt), lists.shape[1]
    ours = MSEAARC(k=k).overlaps(passes, query, len(answer.ids))
    np.testing.assert_allclose(ours.numpy(), arrays["rbo"][prompts:, :-1], rtol=0, atol=1e-6)
    positions = np.concatenate([arrays["prompt_positions"], len(query.inputs["input_ids"][0]) + np.arange(len(ours))])
    rows = positions - 1 - passes.trace(query).start
    np.testing.assert_array_equal(passes.top(query, k)[rows].numpy(), arrays["top50"])


@pytest.mark.parametrize("path", PATHS)
def test_weights(case: Case) -> None:
    passes, query, answer, arrays = case
    context = earlier(len(query.layout.prompt), len(answer.ids))
    weights = MSEAARC().weights(passes, query, explained(case, "end").scores, context)
    np.testing.assert_allclose(weights.numpy(), arrays["weights"][:, 1:-1], rtol=0, atol=1e-6)


def refined(case: Case, relu: str) -> dict[str, torch.Tensor]:
    """Interference, beta and residual by the functions the explainer calls, from the reference's maps."""
    prompts = len(case[1].layout.prompt)
    contexts = torch.from_numpy(golden(case, "A_avg", relu)).float()
    base = torch.from_numpy(golden(case, "A_0", relu)).float()
    weights = torch.from_numpy(case[3]["weights"])
    mean = inter.weighted_mean(weights, torch.cat([base[None], contexts]))
    maps = contexts[prompts:]
    residual = inter.subtract(maps, mean).relu()
    return {"interference": mean, "beta": inter.least_squares(maps, mean), "residual": residual}


@RELU
@pytest.mark.parametrize("name", ["interference", "beta", "residual"])
@pytest.mark.parametrize("path", PATHS)
def test_subtraction(case: Case, name: str, relu: str) -> None:
    close(refined(case, relu)[name], golden(case, name, relu))


FINISHED: dict[str, Callable[[Explanation], torch.Tensor]] = {
    "residual": lambda e: e.maps.relu(),
    "text_scores": lambda e: torch.where(e.valid, e.scores, 0),
    "joint_norm": min_max,
    "final_float": lambda e: rank_gaussian(min_max(e)),
}


@RELU
@pytest.mark.parametrize("name", FINISHED)
@pytest.mark.parametrize("path", PATHS)
def test_chain(case: Case, name: str, relu: str) -> None:
    close(FINISHED[name](explained(case, relu)), golden(case, name, relu))


@RELU
@pytest.mark.parametrize("path", PATHS)
def test_finished_maps(case: Case, relu: str) -> None:
    maps = finish(explained(case, relu), MSEAARC().rank_filter, MSEAARC().normalise).numpy().astype(int)
    assert np.abs(maps - golden(case, "final_u8", relu)).max() <= 1


@pytest.mark.parametrize("path", PATHS)
def test_text_of_every_token(case: Case) -> None:
    _, query, answer, arrays = case
    positions = score_positions(query.layout, len(answer.ids))
    np.testing.assert_array_equal(positions.numpy(), arrays["text_positions"])
    valid = before(positions, query.layout, len(answer.ids))
    np.testing.assert_array_equal(valid.numpy(), arrays["text_valid"])
