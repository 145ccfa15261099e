"""The page stands alone: nothing from elsewhere, nothing inline, everything escaped, and it says what was run."""

import json
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from pipeline.outputs.report import page, tables
from pipeline.outputs.report.command import main
from pipeline.outputs.report.page import make
from pipeline.outputs.report.read import grouped, read_runs
from tests.outputs.report.built import HOSTILE, SCENES, Scene, run_folder
from tests.outputs.report.parsed import Parsed

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of one run with published figures and a quarantined sample."""
    scenes = [*SCENES, Scene("broken", "", error="OSError: cannot read <x>")]
    named = {"model": "qwen2_vl_2b", "data": "coco_caption"}
    folder = run_folder(tmp_path_factory.mktemp("one") / "run", scenes, **named)
    return page.make([folder], folder / "page")


def outside(path: Path) -> list[str]:
    """What a page or a plot refers to that is neither in its folder nor in itself."""
    found = []
    for _, attributes in Parsed(path).tags:
        for name in ("src", "href", "srcset", "xlink:href", "action", "data", "poster"):
            value = attributes.get(name)
            inside = value is None or value.startswith("#") or (path.parent / value).is_file()
            found += [] if inside else [str(value)]
    return found


@pytest.mark.parametrize("which", ["made", "hostile"])
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(which: str, request: pytest.FixtureRequest) -> None:
    index: Path = request.getfixturevalue(which)
    parsed = Parsed(index)
    policy = next(a["content"] for a in parsed.named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert set(policy.split("; ")) >= {"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'"}
    assert "unsafe" not in policy
    names = [name for name, _ in parsed.tags]
    assert [attributes["src"] for attributes in parsed.named("script")] == ["static/figures.js", "static/page.js"]
    assert names.index("meta") < names.index("script"), "the policy comes first"
    assert not parsed.scripts.strip()
    assert "style" not in names
    for name, attributes in parsed.tags:
        assert not [attribute for attribute in attributes if attribute == "style" or attribute.startswith("on")], name
    assert outside(index) == []
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    targets = {a["href"][1:] for a in parsed.named("a")} | {a["aria-labelledby"] for a in parsed.named("section")}
    assert targets <= set(ids)
    script = "".join(path.read_text() for path in (index.parent / "static").glob("*.js"))
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|https?://(?!www\.w3)", script
    )
    assert set(re.findall(r'\$\("([\w-]+)"\)', script)) <= set(ids), "what the script asks for is there"


def test_scripts_stay_below_300_lines() -> None:
    scripts = list((ROOT / "pipeline/outputs/report/static").glob("*.js"))
    assert not [path for path in scripts if len(path.read_text().splitlines()) >= 300]


def test_plots_are_xml_that_loads_nothing_and_text_stays_text(hostile: Path) -> None:
    plots = sorted((hostile.parent / "plots").glob("*.svg"))
    assert len(plots) == 16
    for path in plots:
        ElementTree.parse(path)
        text = path.read_text()
        assert "http" not in text.replace("http://www.w3.org/", "")
        assert not re.search(r"<(script|image|foreignObject)\b", text), path
    assert "كلب يجلس على العشب" in (hostile.parent / "plots/corrected-category-0.svg").read_text()


def test_hostile_text_is_shown_and_nothing_else(hostile: Path) -> None:
    source, text = hostile.read_text(encoding="utf-8"), Parsed(hostile).plain()
    assert source.count("<script") == 2
    assert "<img src=x" not in source
    assert "{{ 7 * 7 }}" in text
    for wanted in HOSTILE[:3]:
        assert f"ValueError: {' '.join(wanted.split())}" in text
    assert "x" * 2000 in text
    assert "👩‍👩‍👧‍👦 🐈 \U000f0000 ?" in text, "half a character is a question mark"


def test_the_same_runs_make_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = page.make([made.parents[1]], tmp_path / "again")
    files = {path.relative_to(made.parent): path.read_bytes() for path in made.parent.glob("**/*") if path.is_file()}
    assert {
        path.relative_to(again.parent): path.read_bytes() for path in again.parent.glob("**/*") if path.is_file()
    } == files


def test_the_page_says_what_was_run(made: Path) -> None:
    text = Parsed(made).plain()
    record = json.loads((made.parents[1] / "env.json").read_text())
    for wanted in (
        record["sha256"],
        "run_eval.py --run_dir '<folder> & co'",
        "python 3.11, seewhy 0.1.0, torch 2.13.0",
        "6 expected",
        "1 quarantined",
    ):
        assert wanted in text
    assert "coco_caption manifest" in text
    assert "OSError: cannot read <x>" in text


def test_both_profiles_stand_in_tables_with_intervals_the_best_and_the_paper(made: Path) -> None:
    summary = json.loads((made.parents[1] / "summary.json").read_text())
    source, text = made.read_text(), Parsed(made).plain()
    for profile in ("corrected", "reference"):
        figures = {name: of[profile]["f1_iou"] for name, of in summary["explainers"].items()}
        for figure in figures.values():
            assert f"{100 * figure['value']:.2f}[{100 * figure['low']:.2f}, {100 * figure['high']:.2f}]" in text
        top = max(figure["value"] for figure in figures.values())
        assert f'<td class="best"><b>{100 * top:.2f}</b>' in source
        assert f"In profile {profile}, " in text
    assert source.count('<small class="paper">44.45</small>') == 2
    assert text.count("Grey: as published, scored by the public code (profile reference).") == 2
    assert source.count('<p class="verdict">') == 2
    assert "not adjusted for 2 comparisons" in text


def test_a_run_with_a_cache_does_not_say_what_an_explainer_costs(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", SCENES)
    seconds = [line.seconds for line in tables.standings(grouped(read_runs([folder]))[0], "corrected")]
    assert all(seconds)
    config = folder / "config.yaml"
    config.write_text(config.read_text() + "cache: runs/cache\n")
    (run,) = read_runs([folder])
    assert [line.seconds for line in tables.standings(grouped([run])[0], "corrected")] == [None] * len(seconds)
    assert dict(tables.facts(run))["time"].endswith("with what the cache knew")


def test_plots_and_tables_stand_without_scripts(made: Path) -> None:
    parsed = Parsed(made)
    images = [attributes["src"] for attributes in parsed.named("img")]
    shown = {Path(source).name for source in images}
    assert shown == {
        f"{p}-{plot}.svg" for p in ("corrected", "reference") for plot in ("scatter", "f1", "category-0", "length-0")
    }
    assert all(attributes["alt"] for attributes in parsed.named("img"))
    assert len(parsed.named("table")) >= 6
    assert "The gallery needs scripts" in parsed.text


def test_a_run_without_ground_truth_has_no_figures_but_a_gallery(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", [Scene(name, "A dog by a lake.", None) for name in "ab"])
    parsed = Parsed(page.make([folder], tmp_path / "page"))
    assert "nothing is known of these images" in parsed.plain()
    sections = [attributes["id"] for attributes in parsed.named("section")]
    assert sections == ["gallery", "runs"]
    assert shown_of(parsed) == {"plain"}, "the times; no table of figures"
    assert not parsed.named("img")
    assert not list((tmp_path / "page" / "plots").iterdir())
    assert not parsed.named("fieldset"), "there are no profiles to choose from"
    assert not re.search(r"\d\.\d+–\d|profile corrected|Figures", parsed.text)


def shown_of(parsed: Parsed) -> set[str]:
    """The kinds of tables on a page."""
    return {attributes["class"] for attributes in parsed.named("table")}


def test_a_run_with_nothing_but_quarantined_samples_says_why(tmp_path: Path) -> None:
    errors = [*(f"OSError: no {name}" for name in "abc"), "ValueError: no grid"]
    folder = run_folder(tmp_path / "run", [Scene(error, "", error=error) for error in errors])
    parsed = Parsed(page.make([folder], tmp_path / "page"))
    text = parsed.plain()
    assert "Nothing was scored in run: all 4 samples were quarantined" in text
    assert "stand in no figure: 3 OSError, 1 ValueError." in text
    assert all(error in text for error in errors)
    assert [attributes["id"] for attributes in parsed.named("section")] == ["quarantined", "runs"], "the reasons first"
    assert not parsed.named("img")
    assert not parsed.named("fieldset")
    assert "0 words" not in text


def test_runs_without_a_figure_stand_in_no_table_of_those_that_have_some(tmp_path: Path) -> None:
    known = run_folder(tmp_path / "known")
    blind = run_folder(tmp_path / "blind", [Scene("x", "A dog.", None)])
    lost = run_folder(tmp_path / "lost", [Scene("x", "", error="OSError: gone")])
    index = page.make([lost, blind, known], tmp_path / "page")
    alone = page.make([known], tmp_path / "alone")
    (rows, wanted) = (
        re.findall(r'<th scope="row">(cam|tam|msea_arc)[^<]*</th>', one.read_text()) for one in (index, alone)
    )
    assert rows == wanted
    text = Parsed(index).plain()
    assert "Nothing was scored in lost" in text
    assert "blind: nothing is known of these images" in text
    assert "The runs scored different images" not in text


def test_without_a_word_to_score_there_are_counts_and_nothing_empty(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", [Scene("x", "Green", ("dog",))])
    parsed = Parsed(page.make([folder], tmp_path / "page"))
    assert [attributes["id"] for attributes in parsed.named("section")] == ["figures", "gallery", "runs"]
    assert "0 in the image, 0 not; 1 captions name none" in parsed.plain()
    assert parsed.plain().count("so there is no Obj-IoU and no F1-IoU") == 2, "in each profile"
    assert shown_of(parsed) == {"standings", "plain"}
    assert not parsed.named("img")


def test_the_gallery_says_of_which_profile_it_is(made: Path) -> None:
    assert "Objects, scores and order of the gallery are of profile corrected." in Parsed(made).plain()


def test_a_run_that_kept_no_images_has_no_gallery_and_one_that_kept_few_says_so(tmp_path: Path) -> None:
    none = Parsed(page.make([run_folder(tmp_path / "none", figures=0)], tmp_path / "p0"))
    few = Parsed(page.make([run_folder(tmp_path / "few", figures=2)], tmp_path / "p2"))
    assert "gallery" not in [attributes["id"] for attributes in none.named("section")]
    assert "the 2 samples of 5 that the run kept images of (--figures)" in few.plain()


def test_three_runs_stand_on_one_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for at, (name, data) in enumerate((("x", "demo"), ("y", "demo"), ("x", "other"))):
        run_folder(tmp_path / "runs" / f"r{at}", model=name, data=data, seed=at)
    given = [str(tmp_path / "runs" / f"r{at}") for at in range(3)]
    assert main(given) == 0
    index = tmp_path / "runs" / "page" / "index.html"
    assert capsys.readouterr().out == f"page: {index}\n"
    parsed = Parsed(index)
    text = parsed.plain()
    for wanted in ("x on demo, y on demo, x on other", "3 runs, 3 explainers, 10 of 10 samples"):
        assert wanted in text
    assert "Every explainer on every model and data set" in text
    assert "Paired differences between models" in text
    assert "model.family" in text, "where they differ"
    assert [f">r{at}</option>" in index.read_text() for at in range(3)] == [True] * 3, "all have the same explainers"
    assert [attributes["value"] for attributes in parsed.named("option")][:3] == ["0", "1", "2"]
    assert outside(index) == []
    assert main([*given, str(index.parent)]) == 0, "an earlier page among the folders is passed over"


def test_a_page_replaces_a_page_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = run_folder(tmp_path / "run", SCENES[:2])
    out = tmp_path / "out"
    assert main([str(folder), "--out", str(out)]) == 0
    (out / "runs" / "0" / "99.js").write_text("of an earlier run")
    assert main([str(folder), "--out", str(out)]) == 0
    assert not (out / "runs" / "0" / "99.js").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "index.html").write_text("<h1>Mine</h1>")
    assert main([str(folder), "--out", str(mine)]) == 2
    assert "--out" in capsys.readouterr().err
    assert (mine / "index.html").read_text() == "<h1>Mine</h1>"
    before = {path: path.read_bytes() for path in out.glob("**/*") if path.is_file()}
    (folder / "summary.json").unlink()
    assert main([str(folder), "--out", str(out)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {path: path.read_bytes() for path in out.glob("**/*") if path.is_file()} == before, (
        "it stays until there is another"
    )


def test_a_page_may_lie_behind_a_link(tmp_path: Path) -> None:
    folder, place = run_folder(tmp_path / "run", SCENES[:1]), tmp_path / "elsewhere"
    place.mkdir()
    out = tmp_path / "link"
    out.symlink_to(place, target_is_directory=True)
    for _ in range(2):
        assert make([folder], out) == out / "index.html"
    assert (place / "index.html").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"run", "elsewhere", "link"}


def test_a_page_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_folder(tmp_path / "run", SCENES[:1])

    def broken(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("pipeline.outputs.report.gallery.write", broken)
    with pytest.raises(OSError, match="full"):
        make([folder], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_templates_and_static_files_go_into_the_wheel() -> None:
    package = ROOT / "pipeline/outputs/report"
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    files = [path for path in package.glob("**/*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert len(files) == 5
    for path in files:
        name = path.relative_to(package).as_posix()
        assert any(fnmatch(name, pattern) for pattern in patterns["pipeline.outputs.report"]), name
