"""Bootstrap intervals against a loop over resamples."""

import math

import numpy as np
import pytest

from metrics.base import Sum
from metrics.interval import Bootstrap, Table, bootstrap, difference, draws, interval, on_a_grid

NAMES = ("obj_iou", "func_iou", "recall")


def images(count: int, seed: int = 0) -> list[dict[str, Sum]]:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, (count, len(NAMES)))
    return [{name: Sum(float(n * rng.random()), int(n)) for name, n in zip(NAMES, row, strict=True)} for row in counts]


def figures_of(rows: list[dict[str, Sum]], resamples: int = 1000) -> Bootstrap:
    (found,) = bootstrap([Table(NAMES, rows)], resamples)
    return found


def slow(rows: list[dict[str, Sum]], name: str, resamples: int = 100) -> list[float]:
    """The figure on each resample: draw images, add, divide."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(resamples):
        drawn = [rows[index] for index in rng.integers(0, len(rows), len(rows))]
        means = {one: sum((row[one] for row in drawn), Sum()).mean for one in NAMES}
        obj, func = means["obj_iou"], means["func_iou"]
        means["f1_iou"] = 2 * obj * func / (obj + func)
        found.append(means[name])
    return found


@pytest.mark.parametrize("name", [*NAMES, "f1_iou"])
def test_interval_is_the_percentiles_of_the_resamples(name):
    rows = images(30)
    found = interval(figures_of(rows, 100), name)
    low, high = np.percentile(slow(rows, name), [2.5, 97.5])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=1e-12)
    assert found["low"] < found["value"] < found["high"]


def test_values_are_exact_sums_over_counts():
    rows = images(30)
    figures = figures_of(rows)
    for name in NAMES:
        assert figures.values[name] == math.fsum(row[name].total for row in rows) / figures.counts[name]
        assert figures.counts[name] == sum(row[name].count for row in rows)
    obj, func = figures.values["obj_iou"], figures.values["func_iou"]
    assert figures.values["f1_iou"] == 2 * obj * func / (obj + func)
    assert figures.counts["f1_iou"] == sum(row["obj_iou"].count + row["func_iou"].count > 0 for row in rows)
    assert figures.counts["f1_iou"] < 30


@pytest.mark.parametrize("name", [*NAMES, "f1_iou"])
def test_differences_are_paired_on_the_same_resamples(name):
    one, two = images(30, seed=1), images(30, seed=2)
    first, second = bootstrap([Table(NAMES, one), Table(NAMES, two)], 100)
    found = difference(first, second, name)
    paired = np.subtract(slow(one, name), slow(two, name))
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.percentile(paired, [2.5, 97.5])), abs=1e-12)
    assert found["value"] == first.values[name] - second.values[name]
    assert found["count"] == min(first.counts[name], second.counts[name])
    assert difference(first, first, name) == {"value": 0, "low": 0, "high": 0, "count": first.counts[name]}


def test_a_constant_gain_is_seen_through_the_spread_between_images():
    rows = images(50)
    better = [{name: Sum(one.total + 0.01 * one.count, one.count) for name, one in row.items()} for row in rows]
    a, b = figures_of(better), figures_of(rows)
    found = difference(a, b, "recall")
    assert (found["low"], found["high"]) == pytest.approx((0.01, 0.01), abs=1e-12)


def test_resamples_are_added_exactly_whatever_the_order():
    """BLAS adds in another order with each number of threads and on each kind of processor."""
    rows = images(5000)
    table = Table(NAMES, rows)
    totals = on_a_grid(table.totals)
    assert np.abs(totals - table.totals).max() < 1e-11
    for times in draws(5000, 3):
        drawn = np.stack([times @ totals, times[:, ::-1] @ totals[::-1], np.einsum("ri,im->rm", times, totals)])
        whole = [[math.fsum(n * x for n, x in zip(row, column, strict=True)) for column in totals.T] for row in times]
        assert (drawn == np.array(whole)).all()


def test_figures_over_other_images_are_not_paired():
    with pytest.raises(ValueError, match="the same images: 3 and 4"):
        difference(*(figures_of(images(n)) for n in (3, 4)), "recall")
    with pytest.raises(ValueError, match="the same images: 3 and 4"):
        bootstrap([Table(NAMES, images(n)) for n in (4, 3)])


def test_figures_are_the_same_in_any_company():
    alone, (_, beside) = (
        figures_of(images(30)),
        bootstrap([Table(("recall",), images(30, 1)), Table(NAMES, images(30))]),
    )
    for name in (*NAMES, "f1_iou"):
        assert interval(beside, name) == interval(alone, name)


def test_absence_is_nan_and_a_count_of_0():
    rows = [{"obj_iou": Sum(0.5, 1)}, {}]
    figures = figures_of(rows)
    for name in ("func_iou", "f1_iou"):
        found = interval(figures, name)
        assert all(math.isnan(found[key]) for key in ("value", "low", "high"))
    assert interval(figures, "func_iou")["count"] == 0
    assert interval(figures, "obj_iou") == {"value": 0.5, "low": 0.5, "high": 0.5, "count": 1}


def test_no_image_and_one_image():
    nothing = interval(figures_of([]), "f1_iou")
    assert math.isnan(nothing["value"])
    assert nothing["count"] == 0
    one = figures_of([{"recall": Sum(1.0, 4)}])
    assert interval(one, "recall") == {"value": 0.25, "low": 0.25, "high": 0.25, "count": 4}


def test_a_nan_total_poisons_its_own_figure_alone():
    rows = images(20)
    rows[3] = {**rows[3], "recall": Sum(math.nan, 1)}
    figures = figures_of(rows)
    assert math.isnan(interval(figures, "recall")["value"])
    assert not math.isnan(interval(figures, "obj_iou")["low"])


def test_both_means_0_give_f1_0():
    rows = [{"obj_iou": Sum(0.0, 2), "func_iou": Sum(0.0, 1)}] * 3
    found = interval(figures_of(rows), "f1_iou")
    assert found == {"value": 0, "low": 0, "high": 0, "count": 3}


def test_resamples_are_seeded_and_draw_as_many_images_as_there_are(monkeypatch: pytest.MonkeyPatch):
    (drawn,) = draws(17, 40, 3)
    assert drawn.shape == (40, 17)
    assert (drawn.sum(1) == 17).all()
    assert (np.vstack([*draws(17, 40, 4)]) != drawn).any()
    monkeypatch.setattr("metrics.interval.CELLS", 17 * 12)
    parts = [*draws(17, 40, 3)]
    assert [len(part) for part in parts] == [12, 12, 12, 4]
    np.testing.assert_array_equal(np.vstack(parts), drawn)
    whole = slow(images(17), "recall")
    found = interval(figures_of(images(17), 100), "recall")
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.percentile(whole, [2.5, 97.5])), abs=1e-12)
