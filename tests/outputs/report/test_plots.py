"""Plots show what they are of, in two colourings, and are left out where there is nothing to draw."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.outputs.report import breakdowns, plots, style
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
    drawn += [breakdowns.categories(group, "corrected", 0), breakdowns.lengths(group, "corrected", 0)]
    for plot in drawn:
        assert plot is not None
        assert all(any(name in text for text in texts(plot)) for name in EXPLAINERS), plot.name


def test_the_scatter_has_lines_of_equal_f1_inside_it(group: Group) -> None:
    scatter = plots.scatter([group], "corrected")
    assert scatter is not None
    assert sum(text.startswith("F1 ") for text in texts(scatter)) >= 3


def test_published_figures_are_drawn_beside_figures_of_their_scorer_only(group: Group) -> None:
    """Each explainer's number, and again, hollow, for those that the paper has: all three."""
    for draw in (plots.scatter, plots.bars):
        corrected, reference = (draw([group], profile) for profile in ("corrected", "reference"))
        assert corrected is not None
        assert reference is not None
        assert plots.PUBLISHED not in texts(corrected)
        assert corrected.text.endswith("published figures are drawn in profile reference, their scorer")
        assert plots.PUBLISHED in texts(reference)
        assert "published" not in reference.text
    corrected, reference = (plots.scatter([group], profile) for profile in ("corrected", "reference"))
    assert [texts(plot).count("2") for plot in (corrected, reference)] == [1, 2]


def test_published_figures_of_another_model_are_drawn_nowhere(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", beside="qwen2_vl_2b/coco_caption")
    (group,) = grouped(read_runs([folder]))
    assert all(entrant.paper for entrant in group.entrants)
    for draw in (plots.scatter, plots.bars):
        for profile in ("corrected", "reference"):
            plot = draw([group], profile)
            assert plot is not None
            assert "published" not in " ".join([*texts(plot), plot.text])


def test_numbers_of_markers_that_lie_on_each_other_stand_beside_them(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name, seed=seed) for name, seed in (("one", 0), ("two", 0), ("three", 1))]
    (group,) = grouped(read_runs(folders))
    plot = plots.scatter([group], "corrected")
    assert plot is not None
    assert {"1, 4", "2, 5", "3, 6", "7", "8", "9"} <= set(texts(plot))


def test_numbers_of_markers_that_touch_stand_apart_in_the_picture(tmp_path: Path) -> None:
    """Two heaps a little apart, and one marker far off."""
    (group,) = grouped(read_runs([run_folder(tmp_path / str(at), SCENES[:2], seed=at) for at in range(2)]))
    places = [(0.5, 0.4), (0.5, 0.4), (0.512, 0.4), (0.512, 0.4), (0.512, 0.4), (0.9, 0.8)]
    entrants = [
        replace(entrant, figures={"corrected": {"f1_iou": at(0.5), "func_iou": at(func), "obj_iou": at(obj)}})
        for entrant, (func, obj) in zip(group.entrants, places, strict=True)
    ]
    plot = plots.scatter([replace(group, entrants=entrants)], "corrected")
    assert plot is not None
    found = re.findall(r'<text [^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>([\d, ]+)</text>', plot.light)
    (x, y), (other_x, other_y) = ([float(x), float(y)] for x, y, text in found for of in NEAR if text == of)
    assert abs(x - other_x) > 20 or abs(y - other_y) > 7, "they are 7 points high, and 14 and 25 wide"


def at(value: float) -> dict[str, float]:
    """A figure that is known well."""
    return {"value": value, "low": value, "high": value}


NEAR = ("1, 2", "3, 4, 5")


def test_each_group_has_a_panel_of_the_scatter_on_one_scale(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name, model=name, seed=seed) for seed, name in enumerate(("x", "y"))]
    plot = plots.scatter(grouped(read_runs(folders)), "corrected")
    assert plot is not None
    assert {"x on demo", "y on demo"} <= set(texts(plot))
    assert [texts(plot).count(number) for number in "123"] == [2, 2, 2]


def test_both_plots_number_alike_and_forms_of_one_explainer_are_named_by_what_they_differ_in(tmp_path: Path) -> None:
    made = {k: {"msea_arc": EXPLAINERS["msea_arc"] | {"k": k}} for k in (5, 50)}
    folders = [run_folder(tmp_path / str(k), explainers=explainers, seed=k) for k, explainers in made.items()]
    groups = grouped(read_runs(folders))
    for draw in (plots.scatter, plots.bars):
        plot = draw(groups, "corrected")
        assert plot is not None
        told = [" ".join(text.split()) for text in texts(plot)]
        assert {"1 k 5", "2 k 50", "msea_arc"} <= set(told), plot.name
        assert told.count("msea_arc") == 1
    single = plots.bars(grouped(read_runs(folders[:1])), "corrected")
    assert single is not None
    assert [" ".join(text.split()) for text in texts(single)].count("1 msea_arc") == 1
    assert "msea_arc" not in texts(single)


def test_long_names_of_one_kind_stay_apart(tmp_path: Path) -> None:
    names = [f"msea_arc · interference arc, base_map true, scales [0.5, 0.75, 1.0], k {k}" for k in (5, 50)]
    told = [style.named(name) for name in names]
    assert len(set(told)) == 2
    assert all(len(one) < 60 and "…" in one for one in told)
    assert style.columns(names) == 1
    assert style.short(names[0]) == style.short(names[1]), "a caption is told by its beginning"


def test_categories_come_with_their_counts_and_lengths_with_their_captions(group: Group) -> None:
    categories, lengths = breakdowns.categories(group, "corrected", 0), breakdowns.lengths(group, "corrected", 0)
    assert categories is not None
    assert lengths is not None
    assert {"dog (2)", "cat (2)", "skateboard (2)"} <= {" ".join(text.split()) for text in texts(categories)}
    assert {"0–10", "n=3", "11–20", "n=2"} <= set(texts(lengths))


def test_of_many_categories_and_explainers_some_are_drawn_and_the_caption_says_so(tmp_path: Path) -> None:
    many = {f"cam_{at}": EXPLAINERS["cam"] for at in range(breakdowns.SHOWN + 1)}
    names = [f"thing{at}" for at in range(breakdowns.CATEGORIES + 1)]
    scenes = [Scene(name, f"A {name} and the {name} of a dog.", (name, "dog")) for name in names]
    (found,) = grouped(read_runs([run_folder(tmp_path / "run", scenes, many)]))
    categories, lengths = breakdowns.categories(found, "corrected", 0), breakdowns.lengths(found, "corrected", 0)
    assert categories is not None
    assert lengths is not None
    assert sum(text.startswith("thing") for text in texts(categories)) + 1 == breakdowns.CATEGORIES
    assert sum(text.startswith("cam_") for text in texts(categories)) == breakdowns.SHOWN
    assert categories.text == (
        "Obj-IoU by category, the 24 most frequent of 26, in brackets the words; the 6 best of 7 explainers"
    )
    assert lengths.text.endswith("; the 6 best of 7 explainers")


def test_on_dark_ground_each_colour_has_its_fellow_and_the_rest_is_the_same(group: Group) -> None:
    plot = plots.scatter([group], "corrected")
    assert plot is not None
    assert not set(style.DARK) & set(re.findall(r"#[0-9a-f]{6}", plot.dark))
    assert re.sub(r"#[0-9a-f]{6}", "", plot.dark) == re.sub(r"#[0-9a-f]{6}", "", plot.light)


def test_without_function_words_there_are_objects_all_the_same(tmp_path: Path) -> None:
    (group,) = grouped(read_runs([run_folder(tmp_path / "run", [Scene("x", "dog cat", ("dog",))])]))
    assert plots.scatter([group], "corrected") is None
    assert plots.bars([group], "corrected") is None
    assert breakdowns.categories(group, "corrected", 0) is not None


def test_without_objects_there_is_nothing_to_draw(tmp_path: Path) -> None:
    (group,) = grouped(read_runs([run_folder(tmp_path / "run", [SCENES[3]])]))
    assert breakdowns.categories(group, "corrected", 0) is None
    assert breakdowns.lengths(group, "corrected", 0) is None
