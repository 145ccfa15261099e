"""The summary says what the rows say, in any order, and nothing else."""

import json
import math
import random
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.outputs.records import Row, RowWriter, read_rows
from pipeline.outputs.summary import Timing, prove, summarise, write_json
from tests.outputs.made import EXPLAINERS, rows

ROWS = rows()
SUMMARY = summarise(ROWS, list(ROWS), EXPLAINERS, "hanta")
FIELDS = {"obj_iou": ("objects", 2), "precision": ("objects", 3), "recall": ("objects", 4), "pointing": ("objects", 5)}
FIELDS |= {"func_iou": ("functions", 1), "punct_iou": ("punctuation", 1)}


def values(keys: list[str], explainer: str, profile: str, metric: str) -> list[float]:
    """Every entry of the images named, one after the other."""
    found = []
    for key in keys:
        if ROWS[key].error is None:
            part, at = FIELDS[metric]
            found += [entry[at] for entry in getattr(ROWS[key].explainers[explainer][profile], part)]
    return found


def mean(keys: list[str], explainer: str, profile: str, metric: str) -> float:
    if metric == "f1_iou":
        a, b = mean(keys, explainer, profile, "obj_iou"), mean(keys, explainer, profile, "func_iou")
        return 2 * a * b / (a + b)
    found = values(keys, explainer, profile, metric)
    return sum(found) / len(found)


@pytest.mark.parametrize("profile", ["corrected", "reference"])
@pytest.mark.parametrize("metric", [*FIELDS, "f1_iou"])
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_figures_are_means_over_all_entries_of_all_images(explainer: str, metric: str, profile: str):
    figure = SUMMARY["explainers"][explainer][profile][metric]
    assert figure["value"] == pytest.approx(mean(list(ROWS), explainer, profile, metric), abs=1e-12)
    either = [key for key in ROWS if any(values([key], explainer, profile, m) for m in ("obj_iou", "func_iou"))]
    count = len(either) if metric == "f1_iou" else len(values(list(ROWS), explainer, profile, metric))
    assert figure["count"] == count


@pytest.mark.parametrize("metric", ["obj_iou", "f1_iou"])
def test_intervals_and_differences_redraw_images_with_seed_0(metric: str):
    keys = sorted(key for key, row in ROWS.items() if row.error is None)
    generator = np.random.default_rng(0)
    first, second = [], []
    for _ in range(1000):
        drawn = [keys[at] for at in generator.integers(0, len(keys), len(keys))]
        first.append(mean(drawn, "cam", "corrected", metric))
        second.append(mean(drawn, "tam", "corrected", metric))
    figure = SUMMARY["explainers"]["cam"]["corrected"][metric]
    assert [figure["low"], figure["high"]] == pytest.approx(np.percentile(first, [2.5, 97.5]), abs=1e-12)
    paired = SUMMARY["differences"]["cam-tam"]["corrected"][metric]
    assert paired["value"] == pytest.approx(
        mean(keys, "cam", "corrected", metric) - mean(keys, "tam", "corrected", metric), abs=1e-12
    )
    low, high = np.percentile(np.subtract(first, second), [2.5, 97.5])
    assert [paired["low"], paired["high"]] == pytest.approx([low, high], abs=1e-12)


def test_every_pair_of_explainers_has_its_differences():
    assert list(SUMMARY["differences"]) == ["cam-tam", "cam-msea_arc", "tam-msea_arc"]


def test_captions_samples_words_and_objects_are_counted():
    scored = [row for row in ROWS.values() if row.error is None]
    assert SUMMARY["samples"] == {"expected": 41, "scored": 40, "quarantined": 1}
    assert SUMMARY["quarantine"] == {"OSError": 1}
    assert set(SUMMARY["captions"]) == {"rouge_l", "noun_recall"}
    recall = SUMMARY["captions"]["noun_recall"]
    assert (recall["value"], recall["count"]) == (20 / 80, 80)
    assert recall["low"] < 0.25 < recall["high"]
    labels = {"function": 80, "noun": 120, "other": 40, "punctuation": 40}
    words = {"backend": "hanta", "count": 280, "tokens": 320, "by_label": labels, "unfinished": 0}
    assert SUMMARY["words"] == words
    found = [row.explainers["cam"]["corrected"] for row in scored]
    assert SUMMARY["objects"]["corrected"] == {
        "captions_without_object": sum(not one.objects and not one.absent for one in found),
        "present": 39,
        "absent": 20,
        "lost_pixels": sum(range(40)),
    }


def test_breakdowns_by_category_and_by_length():
    by = SUMMARY["breakdowns"]["tam"]["corrected"]
    dogs = [
        entry.iou
        for row in ROWS.values()
        if row.error is None
        for entry in row.explainers["tam"]["corrected"].objects
        if entry.category == "dog"
    ]
    assert by["category"]["dog"] == {"value": pytest.approx(sum(dogs) / len(dogs), abs=1e-12), "count": len(dogs)}
    whole = SUMMARY["explainers"]["tam"]["corrected"]["obj_iou"]
    assert by["length"]["0-10"]["images"] == 40
    value = pytest.approx(whole["value"], abs=1e-12)
    assert by["length"]["0-10"]["obj_iou"] == {"value": value, "count": whole["count"]}


def test_classes_of_length_hold_their_bounds():
    made = {}
    for words in (0, 10, 11, 20, 21, 40, 41, 80, 81, 500):
        key = f"{words:03d}"
        made[key] = replace(ROWS["image 001"], key=key, words=(("a", "function", "a", 0, 1),) * words)
    by = summarise(made, list(made), ["cam"], "hanta")["breakdowns"]["cam"]["corrected"]["length"]
    assert {name: of["images"] for name, of in by.items()} == dict.fromkeys(
        ["0-10", "11-20", "21-40", "41-80", "81-"], 2
    )


def test_shuffled_rows_in_many_files_give_the_same_bytes(tmp_path: Path):
    write_json(tmp_path / "one.json", SUMMARY)
    shuffled = list(ROWS.values())
    random.Random(1).shuffle(shuffled)
    for at, row in enumerate(shuffled):
        with RowWriter(tmp_path / f"rows.{at % 3}.jsonl") as writer:
            writer.write(row)
    read = read_rows(tmp_path)
    write_json(tmp_path / "two.json", summarise(read, list(ROWS), EXPLAINERS, "hanta"))
    assert (tmp_path / "two.json").read_bytes() == (tmp_path / "one.json").read_bytes()
    text = (tmp_path / "one.json").read_text()
    assert "node17" not in text
    assert "/data" not in text
    assert "seconds" not in text


def test_a_row_is_let_go_when_the_next_has_come():
    alive: list[weakref.ref[Row]] = []

    class OnDisk(dict[str, Row]):
        def __getitem__(self, key: str) -> Row:
            assert not any(row() for row in alive[:-1])
            row = replace(ROWS[key])
            alive.append(weakref.ref(row))
            return row

    assert summarise(OnDisk.fromkeys(ROWS), list(ROWS), EXPLAINERS, "hanta") == SUMMARY
    assert len(alive) >= len(ROWS)


def test_the_proof_names_missing_and_superfluous_keys():
    assert prove(ROWS, list(ROWS)) == ([], [])
    assert prove(["b", "x"], ["c", "b", "a"]) == (["c", "a"], ["x"])
    with pytest.raises(ValueError, match="twice"):
        prove(["a"], ["a", "a"])
    with pytest.raises(ValueError, match=r"missing \['lost'\], superfluous \['broken'\]"):
        summarise(ROWS, [*(key for key in ROWS if key != "broken"), "lost"], EXPLAINERS, "hanta")


def test_what_is_absent_is_null_and_counts_nothing():
    alone = {"broken": ROWS["broken"]}
    summary = summarise(alone, ["broken"], ["cam"], "hanta")
    nothing = {"value": None, "low": None, "high": None, "count": 0}
    assert set(map(json.dumps, summary["explainers"]["cam"]["corrected"].values())) == {json.dumps(nothing)}
    assert summary["differences"] == {}
    assert summary["captions"] == {}
    json.dumps(summary, allow_nan=False)


def test_timing_is_the_mean_of_each_stage():
    timing = Timing()
    summarise(ROWS, list(ROWS), EXPLAINERS, "hanta", timing)
    found = timing.figures()
    assert found["samples"] == 40
    assert found["seconds"] == pytest.approx({"answer": 2.05, "explain.cam": 0.1})
    assert found["mean"] == pytest.approx(2.15)
    assert math.isclose(found["total"], 86.0)
    assert Timing().figures() == {"seconds": {}, "mean": None, "total": 0.0, "samples": 0}
