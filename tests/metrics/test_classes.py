"""The torchmetrics agree with the sums over rows and hold nothing but sums."""

import math

import numpy as np
import pytest
import torch

from metrics import entries, text
from metrics.base import Sum
from metrics.classes import CaptionText, Localisation
from metrics.entries import Entries, Object, Share, f1, sums


def answers(count: int, seed: int = 0) -> list[Entries]:
    rng = np.random.default_rng(seed)
    return [
        Entries(
            tuple(Object(i, "dog", *rng.random(4).tolist()) for i in range(rng.integers(0, 4))),
            tuple(Share(i, float(rng.random())) for i in range(rng.integers(0, 9))),
        )
        for _ in range(count)
    ]


def test_localisation_agrees_with_fsum_over_rows():
    rows = answers(2000)
    metric = Localisation()
    for start in range(0, len(rows), 7):
        metric.update(rows[start : start + 7])
    found = metric.compute()
    by_hand = {
        "obj_iou": [one.iou for row in rows for one in row.objects],
        "func_iou": [one.share for row in rows for one in row.functions],
        "precision": [one.precision for row in rows for one in row.objects],
        "recall": [one.recall for row in rows for one in row.objects],
        "pointing": [one.pointing for row in rows for one in row.objects],
    }
    means = {name: math.fsum(values) / len(values) for name, values in by_hand.items()}
    means["f1_iou"] = f1(means["obj_iou"], means["func_iou"])
    assert set(found) == {*entries.METRICS, "f1_iou"}
    assert all(value.dtype == torch.float64 for value in found.values())
    assert {name: found[name].item() for name in means} == pytest.approx(means, abs=1e-12)
    assert found["punct_iou"].isnan()


def test_f1_is_of_the_means_not_a_mean_of_f1():
    metric = Localisation()
    rows = [Entries((Object(0, "a", 1.0, 1, 1, 1),)), Entries((), (Share(0, 0.5),))]
    metric.update(rows)
    assert metric.compute()["f1_iou"].item() == pytest.approx(2 / 3, abs=1e-15)


def test_caption_text_agrees_with_fsum():
    rng = np.random.default_rng(0)
    rows = [
        {"rouge_l": Sum(float(rng.random()), 1), "noun_recall": Sum(1.0, int(rng.integers(1, 4)))} for _ in range(999)
    ]
    metric = CaptionText()
    metric.update(rows)
    found = metric.compute()
    assert tuple(found) == text.METRICS
    assert found["rouge_l"].item() == pytest.approx(math.fsum(row["rouge_l"].total for row in rows) / 999, abs=1e-12)
    assert found["noun_recall"].item() == pytest.approx(999 / sum(row["noun_recall"].count for row in rows), abs=1e-12)
    assert found["meteor"].isnan()
    assert found["noun_precision"].isnan()


@pytest.mark.parametrize("metric", [Localisation(), CaptionText()])
def test_states_are_sums_alone(metric):
    assert metric.full_state_update is False
    assert {name: state.dtype for name, state in metric._defaults.items()} == {
        "totals": torch.float64,
        "counts": torch.int64,
    }
    assert {reduction.__name__ for reduction in metric._reductions.values()} == {"dim_zero_sum"}


def test_parts_on_two_ranks_add_up_and_reset_clears():
    rows = answers(40)
    whole, first, second = Localisation(), Localisation(), Localisation()
    whole.update(rows)
    first.update(rows[:13])
    second.update(rows[13:])
    assert torch.equal(first.counts + second.counts, whole.counts)
    torch.testing.assert_close(first.totals + second.totals, whole.totals, rtol=0, atol=1e-12)
    assert whole.counts.tolist() == [sum(sums(row)[name].count for row in rows) for name in entries.METRICS]
    whole.reset()
    assert whole.counts.sum() == 0


def test_without_rows_every_figure_is_absent():
    metric = Localisation()
    metric.update([])
    assert all(value.isnan() for value in metric.compute().values())
