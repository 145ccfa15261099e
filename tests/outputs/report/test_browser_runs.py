"""Pages of runs as users have them: the command on the embedded model, pictures of their own, nothing at all."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from pipeline import cli
from pipeline.evaluation import Evaluation
from pipeline.outputs.report import command, page
from tests.outputs.report.built import Scene, run_folder
from tests.outputs.report.reader import Watched

OPTIONS = ["--limit", "6", "--trainer.accelerator", "cpu", "--trainer.strategy", "auto", "--wandb.mode", "disabled"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo` ends with, of fewer scenes."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    assert Evaluation(cli.parse([*OPTIONS, "--run_dir", str(folder)])).run() == 0
    assert command.main([str(folder)]) == 0
    return folder / "page" / "index.html"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures without ground truth, one of them unreadable."""
    scenes = [*(Scene(name, "A dog by a lake.", None) for name in "ab"), Scene("c", "", None, error="OSError: gone")]
    folder = run_folder(tmp_path_factory.mktemp("own") / "run", scenes)
    return page.make([folder], folder / "page")


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every sample is quarantined."""
    folder = tmp_path_factory.mktemp("nothing") / "run"
    run_folder(folder, [Scene(name, "", error=f"OSError: no {name}") for name in "abc"])
    return page.make([folder], folder / "page")


def unfinished(read: Any) -> list[str]:
    """Pictures that did not load, once every one was scrolled to."""
    for image in read.locator("img:visible").all():
        image.scroll_into_view_if_needed()
    read.wait_for_load_state("networkidle")
    return read.eval_on_selector_all(
        "img", "(all) => all.filter((one) => one.checkVisibility() && !one.naturalWidth).map((one) => one.src)"
    )


@pytest.mark.parametrize("watched", [("demo", {})], indirect=True)
def test_the_page_of_the_demo_asks_nobody_and_shows_every_sample(watched: Watched) -> None:
    """Whom it asked and what it said is looked at when it closes."""
    read = watched.ready()
    assert read.locator("#list li").count() == 6
    for at in range(6):
        read.locator("#list button").nth(at).click()
        read.locator("#where", has_text=f"sample {at},").wait_for()
        shown = set()
        for word in read.locator("#caption button").all():
            word.click()
            assert read.locator("#tiles canvas").count() == 3
            shown.add(tuple(read.locator("#tiles .figures").all_text_contents()))
        assert len(shown) > 3, "words differ in their figures"
    for name in ("smooth", "cut at the threshold", "mask outline"):
        read.get_by_label(name).click()
    read.get_by_label("order", exact=True).select_option("worst")
    read.get_by_label("reference", exact=True).check()
    for details in read.locator("details > summary:visible").all():
        details.click()
    assert unfinished(read) == []


@pytest.mark.parametrize("watched", [("own", {})], indirect=True)
def test_pictures_of_ones_own_have_words_and_maps_and_no_scores(watched: Watched) -> None:
    read = watched.ready()
    assert read.locator("#count").inner_text() == "2 of 2"
    assert read.locator(".if-scored:visible").count() == 0
    assert read.locator("#caption [aria-pressed=true]").all_text_contents() == ["dog"], "the first noun"
    assert read.locator("#tiles .figures").all_text_contents() == ["", "", ""]
    assert read.locator("#list .marks").all_text_contents() == ["", ""]
    before = read.eval_on_selector_all("#tiles canvas", "(all) => all.map((canvas) => canvas.toDataURL())")
    read.get_by_role("button", name="lake", exact=True).click()
    after = read.eval_on_selector_all("#tiles canvas", "(all) => all.map((canvas) => canvas.toDataURL())")
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert read.locator("#tiles strong").all_text_contents() == ["cam", "tam", "msea_arc"], "no best"
    assert read.get_by_role("cell", name="OSError: gone").is_visible()
    assert unfinished(read) == []


def test_beside_a_run_with_ground_truth_each_has_what_it_knows(browser: Any, own: Path, tmp_path: Path) -> None:
    scored = run_folder(tmp_path / "scored")
    watched = Watched(browser, page.make([scored, own.parents[1]], tmp_path / "page"))
    read = watched.ready()
    read.get_by_label("order", exact=True).select_option("worst")
    for name, known in (("run", False), ("scored", True)):
        read.get_by_label("run", exact=True).select_option(label=name)
        expect(read.locator("#tiles canvas")).to_have_count(3)
        expect(read.locator("#count")).to_have_text("5 of 5" if known else "2 of 2")
        for needs in ("scored", "objects", "absent"):
            assert (read.locator(f".if-{needs}:visible").count() > 0) == known, needs
    watched.close()


def test_where_no_caption_names_an_object_nothing_is_offered_that_needs_one(browser: Any, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", [Scene("x", "A lake by a lake.", ("dog",))])
    watched = Watched(browser, page.make([folder], tmp_path / "page"))
    read = watched.ready()
    assert read.get_by_label("find", exact=True).is_visible()
    assert read.locator(".if-scored:visible").count() > 0
    assert read.locator(".if-objects:visible, .if-absent:visible").count() == 0
    watched.close()


@pytest.mark.parametrize("watched", [("nothing", {})], indirect=True)
def test_a_run_with_nothing_but_quarantined_samples_says_why(watched: Watched) -> None:
    read = watched.page
    assert read.locator(".notice").inner_text().startswith("Nothing was scored in run: all 3 samples were quarantined")
    read.get_by_role("link", name="the reasons").click()
    assert read.locator("#quarantined").evaluate("(node) => Math.abs(node.getBoundingClientRect().top) < innerHeight")
    assert [read.get_by_role("cell", name=f"OSError: no {name}").is_visible() for name in "abc"] == [True] * 3
    assert read.locator("#samples").count() == 0
    assert unfinished(read) == []
