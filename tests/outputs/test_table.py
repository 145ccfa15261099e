"""The table is readable anywhere and shows the paper's figures where they belong."""

import io
import re
from dataclasses import replace

import pytest

from metrics.entries import Entries, Object, Share
from pipeline.notation import interval, percent, points
from pipeline.outputs.published import beside, published
from pipeline.outputs.records import Row
from pipeline.outputs.summary import summarise
from pipeline.outputs.table import COLUMNS, _difference, best, captions, clear, show
from tests.outputs.made import EXPLAINERS, WORDS, answer, rows

ROWS = rows()
SUMMARY = summarise(ROWS, list(ROWS), EXPLAINERS, "hanta")


def shown(model: str, dataset: str, summary: dict[str, object] = SUMMARY, other: tuple[str, str] | None = None) -> str:
    file = io.StringIO()
    show(summary, model, dataset, other, file)
    return file.getvalue()


def test_every_line_fits_into_110_columns_without_colour_codes():
    text = shown("qwen2_vl_2b", "coco_caption")
    assert max(map(len, text.splitlines())) <= 110
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
        assert f"[{100 * figure['low']:.2f}, {100 * figure['high']:.2f}]" in text
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


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-0.051, -0.0003, "-2.54 [-5.10, -0.03]!"),
        (-0.083, 0.0003, "-2.54 [-8.30, +0.03] "),
        (-0.083, -2e-6, "-2.54 [-8.30, -<0.01]!"),
        (-0.083, 0.0, "-2.54 [-8.30, 0.00] "),
        (0.0001, 0.2, "-2.54 [+0.01, +20.00]!"),
    ],
)
def test_an_interval_that_leaves_out_zero_shows_it(low: float, high: float, told: str):
    figure = {"value": -0.0254, "low": low, "high": high}
    assert _difference(figure).plain == told
    assert clear(figure) is told.endswith("!")
    assert not clear({"value": None, "low": None, "high": None})


def test_an_explainer_that_lacks_samples_is_not_the_best_and_says_how_many_it_has():
    """`moody` is `cam`, and failed on the one sample where `cam` is bad, so that its mean is higher."""
    good, bad = (Entries((Object(1, "dog", iou, iou, iou, 1.0),), (Share(0, 1.0),)) for iou in (0.5, 0.0))
    made = {}
    for at in range(10):
        of = {"cam": bad if at == 3 else good, "tam": bad, "moody": good}
        failed = {"moody": "RuntimeError: no"} if at == 3 else {}
        scores = {
            name: dict.fromkeys(("corrected", "reference"), one) for name, one in of.items() if name not in failed
        }
        made[f"k{at}"] = Row(f"k{at}", at, answer(), WORDS, {}, scores, failed=failed)
    summary = summarise(made, list(made), list(of), "hanta")
    assert summary["whole"] == ["cam", "tam"]
    figures = {name: percent(one["corrected"]["obj_iou"]["value"]) for name, one in summary["explainers"].items()}
    assert figures == {"cam": "45.00", "tam": "0.00", "moody": "50.00"}
    lines = shown("demo", "demo", summary).splitlines()
    (moody,) = [at for at, line in enumerate(lines) if "│ moody  " in line]
    assert "*" not in lines[moody]
    assert "│ 9 of 10 samples" in lines[moody + 1]
    assert "* best of those with all samples" in " ".join(lines)
    assert "45.00*" in next(line for line in lines if "│ cam  " in line)
    assert "moody failed on 1 of 10 samples (1 RuntimeError): its figures are over the others" in lines


def test_absent_figures_are_dashes():
    assert "–" in shown("demo", "demo", summarise({}, [], ["cam", "tam"], "hanta"))


def of_twelve() -> dict[str, object]:
    """A summary of twelve explainers, of which `attention_rollout` is the best."""
    made = {key: row for key, row in ROWS.items() if row.error is None}
    figures = {name: SUMMARY["explainers"][name]["corrected"]["f1_iou"]["value"] for name in ("cam", "tam")}
    worse, better = sorted(figures, key=lambda name: figures[name])
    names = [*(f"e{at}" for at in range(10)), "grad_cam_pp", "attention_rollout"]
    for key, row in made.items():
        explainers = dict.fromkeys(names, row.explainers[worse]) | {"attention_rollout": row.explainers[better]}
        made[key] = replace(row, explainers=explainers)
    return summarise(made, list(made), names, "hanta")


def test_many_explainers_show_only_the_pairs_with_the_best():
    pairs = [line for line in shown("demo", "demo", of_twelve()).splitlines() if " - " in line]
    assert len(pairs) == 11


class Terminal(io.StringIO):
    """A file that rich takes for a terminal, of COLUMNS columns."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("many", [False, True])
def test_on_a_narrow_terminal_no_figure_is_cut_and_no_name_is_a_column_of_letters(
    width: int, many: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "50")  # else a dumb terminal has 80 columns
    file, summary = Terminal(), of_twelve() if many else SUMMARY
    show(summary, "demo", "demo", None, file)
    text = re.sub(r"\x1b\[[\d;]*m", "", file.getvalue())
    lines, words = text.splitlines(), " ".join(text.split())
    assert max(map(len, lines)) <= width
    assert "…" not in text
    for pair, of in summary["differences"].items():
        if not many or "attention_rollout" in pair:
            figure = of["corrected"]["f1_iou"]
            assert interval(figure, points) in text
    assert "┃ Explainer " in text
    assert "┃ Difference " in text
    assert len(lines) < (110 if many else 45)
    absent = [title for title in COLUMNS.values() if title not in text.split("captions")[0]]
    assert not absent, "what has no column is named below the table"
    assert ("on a wider terminal also" in words) is (width < 80)


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


@pytest.mark.parametrize(
    ("values", "marked"),
    [
        ([0.0, 0.0], ""),
        ([0.2, 0.2], ""),
        ([0.2, None], ""),
        ([0.2, 0.2, None], ""),
        ([0.1, 0.2, None], "b"),
        ([0.2, 0.0, 0.2], "ac"),
    ],
)
def test_nothing_is_marked_as_best_where_all_are_zero_or_the_same(values: list[float | None], marked: str):
    figures = {name: {"f1_iou": {"value": value}} for name, value in zip("abc", values, strict=False)}
    assert best(figures, "f1_iou") == set(marked)
