"""Entries on their way to JSON and back, their sums, and F1."""

import json
import math

import pytest

from metrics.base import Sum
from metrics.entries import METRICS, Absent, Entries, Object, Share, f1, sums


def test_entries_survive_json_with_nan_as_null():
    entries = Entries(
        (Object(1, "dog", 0.1, math.nan, 0.3, 0.5),),
        (Share(0, 1 / 3),),
        (Share(4, 0.25),),
        (Absent(2, "cat"),),
        12.5,
        7,
    )
    text = json.dumps(entries.to_json(), allow_nan=False)
    assert json.loads(text)["objects"] == [[1, "dog", 0.1, None, 0.3, 0.5]]
    back = Entries.from_json(json.loads(text))
    assert math.isnan(back.objects[0].precision)
    assert back.to_json() == entries.to_json()
    assert Entries.from_json(json.loads(json.dumps(Entries().to_json()))) == Entries()


def test_sums_are_totals_and_counts_of_entries():
    entries = Entries((Object(0, "a", 0.1, 0.2, 0.3, 0.4), Object(1, "b", 0.2, 0.2, 0.3, 0.4)), (Share(2, 0.7),))
    found = sums(entries)
    assert tuple(found) == METRICS
    assert found["obj_iou"] == Sum(math.fsum([0.1, 0.2]), 2)
    assert found["func_iou"] == Sum(0.7, 1)
    assert found["punct_iou"] == Sum(0.0, 0)


@pytest.mark.parametrize(("obj", "func", "mean"), [(0.5, 0.25, 1 / 3), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)])
def test_f1_is_the_harmonic_mean(obj, func, mean):
    assert f1(obj, func) == pytest.approx(mean, abs=1e-15)


@pytest.mark.parametrize(("obj", "func"), [(math.nan, 0.5), (0.5, math.nan), (math.nan, 0.0)])
def test_f1_of_an_absent_mean_is_absent(obj, func):
    assert math.isnan(f1(obj, func))
