"""Plots show what they are of, in two colourings, and are left out where there is nothing to draw."""

import re
from pathlib import Path

import pytest

from pipeline.outputs.report import plots, style
from pipeline.outputs.report.read import Group, grouped, read_runs
from tests.outputs.report.built import EXPLAINERS, SCENES, Scene, run_folder

PAPER = {"model": "qwen2_vl_2b", "data": "coco_caption"}


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Group:
    return grouped(read_runs([run_folder(tmp_path_factory.mktemp("plots") / "run", **PAPER)]))[0]


def texts(plot: style.Plot) -> list[str]:
    return re.findall(r"<text [^>]*>([^<]*)</text>", plot.light)


def test_every_explainer_is_named_in_every_plot(group: Group) -> None:
    drawn = [plots.scatter([group], "corrected"), plots.bars([group], "corrected")]
    drawn += [plots.categories(group, "corrected", 0), plots.lengths(group, "corrected", 0)]
    for plot in drawn:
        assert plot is not None
        assert all(any(name in text for text in texts(plot)) for name in EXPLAINERS), plot.name


def test_the_scatter_has_lines_of_equal_f1_and_the_published_figures(group: Group) -> None:
    scatter, bars = plots.scatter([group], "corrected"), plots.bars([group], "corrected")
    assert scatter is not None
    assert bars is not None
    assert sum(text.startswith("F1 ") for text in texts(scatter)) >= 3
    # each explainer's number, and again, hollow, for those that the paper has: all three
    assert texts(scatter).count("2") == 2
    assert "published" in texts(bars)


def test_categories_come_with_their_counts_and_lengths_with_their_captions(group: Group) -> None:
    categories, lengths = plots.categories(group, "corrected", 0), plots.lengths(group, "corrected", 0)
    assert categories is not None
    assert lengths is not None
    assert {"dog (2)", "cat (2)", "skateboard (2)"} <= {" ".join(text.split()) for text in texts(categories)}
    assert {"0–10", "n=3", "11–20", "n=2"} <= set(texts(lengths))


def test_on_dark_ground_each_colour_has_its_fellow_and_the_rest_is_the_same(group: Group) -> None:
    plot = plots.scatter([group], "corrected")
    assert plot is not None
    assert not set(style.DARK) & set(re.findall(r"#[0-9a-f]{6}", plot.dark))
    assert re.sub(r"#[0-9a-f]{6}", "", plot.dark) == re.sub(r"#[0-9a-f]{6}", "", plot.light)


def test_without_function_words_there_are_objects_all_the_same(tmp_path: Path) -> None:
    (group,) = grouped(read_runs([run_folder(tmp_path / "run", [Scene("x", "dog cat", ("dog",))])]))
    assert plots.scatter([group], "corrected") is None
    assert plots.bars([group], "corrected") is None
    assert plots.categories(group, "corrected", 0) is not None


def test_without_objects_there_is_nothing_to_draw(tmp_path: Path) -> None:
    (group,) = grouped(read_runs([run_folder(tmp_path / "run", [SCENES[3]])]))
    assert plots.categories(group, "corrected", 0) is None
    assert plots.lengths(group, "corrected", 0) is None
