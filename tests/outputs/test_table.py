"""The table is readable anywhere and shows the paper's figures where they belong."""

import io
from dataclasses import replace

import pytest

from pipeline.outputs.published import beside, published
from pipeline.outputs.records import Row
from pipeline.outputs.summary import summarise
from pipeline.outputs.table import _difference, captions, show
from tests.outputs.made import EXPLAINERS, rows

ROWS = rows()
SUMMARY = summarise(ROWS, list(ROWS), EXPLAINERS, "hanta")


def shown(model: str, dataset: str, summary: dict[str, object] = SUMMARY, other: tuple[str, str] | None = None) -> str:
    file = io.StringIO()
    show(summary, model, dataset, other, file)
    return file.getvalue()


def test_every_line_fits_into_100_columns_without_colour_codes():
    text = shown("qwen2_vl_2b", "coco_caption")
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text
    assert "…" not in text


def test_it_shows_percent_intervals_the_profile_the_best_and_the_quarantined():
    text = shown("demo", "demo")
    assert "Profile corrected" in text
    assert "Profile reference" not in text
    assert "1 samples quarantined" in text
    figures = {name: of["corrected"]["f1_iou"] for name, of in SUMMARY["explainers"].items()}
    best = max(figures, key=lambda name: figures[name]["value"])
    for name, figure in figures.items():
        assert f"{100 * figure['value']:.2f}{'*' if name == best else ' '}" in text
        assert f"{100 * figure['low']:.1f}–{100 * figure['high']:.1f}" in text
    assert "cam - msea_arc" in text
    assert "paper" not in text


def test_published_figures_stand_beside_those_of_the_same_model_and_dataset():
    text = shown("qwen2_vl_2b", "coco_caption")
    for figure in ("44.45", "29.35", "91.57", "39.10", "21.23"):
        assert f"paper {figure}" in text
    assert "Profile reference" in text
    assert "paper" not in shown("qwen2_vl_2b", "demo")


def test_figures_of_another_model_are_shown_on_request_and_named():
    other = beside("qwen2_vl_2b/coco_caption")
    text = shown("demo", "demo", other=other)
    assert "paper 44.45" in text
    assert "qwen2_vl_2b" in text.split("another model")[0]
    assert "another model" not in shown("qwen2_vl_2b", "grandf", other=other), "its own come first"
    assert beside(None) is None
    with pytest.raises(ValueError, match=r"--beside: .*'demo/coco'"):
        beside("demo/coco")


def test_published_figures_are_those_of_the_file():
    assert published("llava15_7b", "coco_caption")["tam"] == {"f1_iou": 38.13, "obj_iou": 27.65, "func_iou": 61.43}
    assert published("llava15_7b", "demo") == {}


def test_the_public_tam_code_stands_beside_the_published_tam():
    summary = summarise({}, [], ["tam_compat"], "hanta")
    assert "paper 39.10" in shown("qwen2_vl_2b", "coco_caption", summary)


def test_what_rounds_to_zero_is_not_below_it():
    shown = _difference({"value": -1e-6, "low": -2e-4, "high": 1e-4})
    assert shown.plain == "+0.00 [+0.0, +0.0] "


def test_absent_figures_are_dashes():
    assert "–" in shown("demo", "demo", summarise({}, [], ["cam", "tam"], "hanta"))


def test_many_explainers_show_only_the_pairs_with_the_best():
    made = {key: row for key, row in ROWS.items() if row.error is None}
    figures = {name: SUMMARY["explainers"][name]["corrected"]["f1_iou"]["value"] for name in ("cam", "tam")}
    worse, better = sorted(figures, key=lambda name: figures[name])
    names = [f"e{at}" for at in range(12)]
    for key, row in made.items():
        explainers = dict.fromkeys(names, row.explainers[worse]) | {"e7": row.explainers[better]}
        made[key] = replace(row, explainers=explainers)
    text = shown("demo", "demo", summarise(made, list(made), names, "hanta"))
    pairs = [line for line in text.splitlines() if " - " in line]
    assert len(pairs) == 11
    assert all("e7" in line for line in pairs)


def test_without_ground_truth_the_captions_are_shown_and_no_terminal_obeys_them():
    said = {"text": "A \x1b[31mdog\x1b]0;owned\x07 <script>\u202e\nand.", "ids": [1], "pieces": ["A"], "ended": True}
    rows = {f"k{at}": Row(f"k{at}", at, said) for at in range(25)} | {"bad": Row("bad", 25, error="OSError: x")}
    file = io.StringIO()
    captions(rows, "demo", "images", limit=20, file=file)
    lines = file.getvalue().split("\n")
    assert "25 of 26 images captioned; no ground truth, so no figures" in lines[1]
    assert lines[2] == "    0  k0: A [31mdog ]0;owned <script> and."
    assert lines[22] == "       and 5 more in rows.*.jsonl"
    assert all(line.isprintable() for line in lines)
    assert summarise(rows, list(rows), EXPLAINERS, "hanta")["ground_truth"] == 0
    assert SUMMARY["ground_truth"] == 40
