"""The metrics that count along: they agree with rows, and say so when they do not."""

import pytest

from metrics.entries import Entries, Object, Share
from pipeline.outputs.records import Row
from pipeline.outputs.summary import summarise
from pipeline.watch import Watch, check


def rows() -> dict[str, Row]:
    found = {}
    for n in range(7):
        entries = Entries(
            objects=(Object(1, "dog", 0.1 * n, 0.3, 0.7, 0.5),) * (n % 3),
            functions=(Share(0, 0.9 - 0.01 * n),),
            punctuation=(),
            absent=(),
            threshold=80.0,
        )
        profiles = {"corrected": entries, "reference": entries}
        found[f"key{n}"] = Row(f"key{n}", n, explainers={"cam": profiles})
    return found | {"bad": Row("bad", 7, error="ValueError: unreadable")}


def test_counted_figures_agree_with_the_summary() -> None:
    watch = Watch(["cam"])
    for row in rows().values():
        watch(row)
    check(watch.total(None), summarise(rows(), list(rows()), ["cam"], "hanta"))


def test_a_lost_row_is_noticed() -> None:
    watch = Watch(["cam"])
    for row in list(rows().values())[:-3]:
        watch(row)
    with pytest.raises(RuntimeError, match="cam/corrected/obj_iou"):
        check(watch.total(None), summarise(rows(), list(rows()), ["cam"], "hanta"))


def test_what_an_earlier_start_left_is_logged_as_if_it_came_one_by_one() -> None:
    logged: list[list[tuple[dict[str, float], int]]] = [[], []]
    one_by_one, caught_up = (Watch(["cam"], lambda *seen, to=to: to.append(seen), every=3) for to in logged)
    for row in rows().values():
        one_by_one(row)
    caught_up.catch_up(row for row in list(rows().values())[:5])
    for row in list(rows().values())[5:]:
        caught_up(row)
    steps = [[step for _, step in of] for of in logged]
    assert steps[0] == steps[1] == [3, 6]
    for (first, _), (second, _) in zip(*logged, strict=True):
        assert first == pytest.approx(second, abs=1e-12, nan_ok=True)
    assert caught_up.seen == one_by_one.seen == 8


def test_running_figures_come_every_so_many_samples() -> None:
    logged: list[tuple[dict[str, float], int]] = []
    watch = Watch(["cam"], lambda figures, step: logged.append((figures, step)), every=3)
    for row in rows().values():
        watch(row)
    assert [step for _, step in logged] == [3, 6]
    assert logged[0][0]["running/func_iou"] == pytest.approx((0.9 + 0.89 + 0.88) / 3)
    assert "running/reference/obj_iou" in logged[0][0]
