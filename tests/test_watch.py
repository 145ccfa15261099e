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


def test_running_figures_come_every_so_many_samples() -> None:
    logged: list[tuple[dict[str, float], int]] = []
    watch = Watch(["cam"], lambda figures, step: logged.append((figures, step)), every=3)
    for row in rows().values():
        watch(row)
    assert [step for _, step in logged] == [3, 6]
    assert logged[0][0]["running/func_iou"] == pytest.approx((0.9 + 0.89 + 0.88) / 3)
    assert "running/reference/obj_iou" in logged[0][0]
