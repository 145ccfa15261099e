"""Every explainer, parameter and metric has its page; what the table of departures offers can be had."""

import re
from collections.abc import Iterator

import pytest

from docs import guide
from metrics import text
from pipeline import cli
from pipeline.outputs import summary
from tests.docs import markdown
from tests.outputs import made

DOCS = markdown.ROOT / "docs"
PAGES = guide.explainers()


def test_every_explainer_has_a_page() -> None:
    written = {path.stem for path in (DOCS / "explainers").glob("*.md")} - {"index"}
    assert written == set(PAGES), "docs/explainers holds a page for each module that configs/explainer names"


@pytest.mark.parametrize("page", PAGES)
def test_its_page_is_whole(page: str) -> None:
    content = (DOCS / "explainers" / f"{page}.md").read_text(encoding="utf-8")
    for directive in ("explainer", "parameters", "deviations"):
        assert f"```{{{directive}}} {page}\n" in content
    for heading in ("Formula", "Source", "On a scene", "Parameters", "Departures", "Cost"):
        assert f"\n## {heading}\n" in content
    assert "$$" in content
    for name in PAGES[page]:
        assert f"(../pictures/{name}.png)" in content
        assert f"`{name}`" in guide.names(page)


@pytest.mark.parametrize("page", PAGES)
def test_every_parameter_is_explained(page: str) -> None:
    assert guide.parameters(guide.class_of(page))
    assert guide.about(guide.class_of(page))


def test_every_metric_has_a_page_with_a_picture() -> None:
    figures = {*summary.METRICS, *text.METRICS, "objects"}
    assert figures == {path.stem for path in (DOCS / "metrics").glob("*.md")} - {"index"}
    for name in figures:
        content = (DOCS / "metrics" / f"{name}.md").read_text(encoding="utf-8")
        assert "](../pictures/" in content
        assert f"`{name}`" in content


def test_every_count_of_objects_is_named() -> None:
    rows = made.rows(4)
    counts = summary.summarise(rows, list(rows), made.EXPLAINERS, "hanta")["objects"]["corrected"]
    content = (DOCS / "metrics" / "objects.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in content for name in counts)


def test_departures_are_about_something() -> None:
    topics = {row["about"] for row in guide.all_deviations()}
    assert topics <= set(PAGES) | {"explainers", "scoring", "generation", "models", "data"}
    assert all(
        {"about", "theirs", "here"} <= row.keys() <= {"about", "theirs", "here", "back"}
        for row in guide.all_deviations()
    )


VLM = {
    "canvas": "demo_llava",
    "head": "demo",
    "background": "demo_llava",
    "oversize": "demo_llava",
    "tiles": "demo_internvl",
}


def offers() -> Iterator[list[str]]:
    """Every option that the table of departures names, as a command."""
    for row in guide.all_deviations():
        for code in re.findall(r"`([^`]*)`", row.get("back") or ""):
            if row["about"] in PAGES and re.fullmatch(r"\w+=\S+", code):
                yield [f"--explainers={row['about']}", f"--explainer.{row['about']}.{code}"]
            elif found := re.match(r"--vlm\.(\w+)=", code):
                yield ["--vlm", f"configs/vlm/{VLM[found[1]]}.yaml", code]
            elif code.startswith(("--explainers ", "--words ")):
                yield code.split()


@pytest.mark.parametrize("args", list(offers()), ids=" ".join)
def test_their_way_is_an_option(args: list[str]) -> None:
    cli.parse(args).build()


def test_there_are_such_options() -> None:
    assert len(list(offers())) > 20


def test_every_sweep_is_named() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in markdown.PAGES)
    for path in (markdown.ROOT / "configs" / "sweep").glob("*.yaml"):
        assert f"configs/sweep/{path.name}" in text, path
