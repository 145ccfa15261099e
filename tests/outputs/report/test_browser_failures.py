"""The gallery of a run in which an explainer failed, and stars where nothing is best."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from pipeline.outputs.fingerprint import write_json
from pipeline.outputs.records import RowWriter, read_rows
from pipeline.outputs.report import gallery, page
from pipeline.outputs.report.read import read_runs
from pipeline.outputs.summary import summarise
from tests.outputs.report.built import EXPLAINERS, SCENES, run_folder
from tests.outputs.report.reader import Watched


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which `cam`, the first explainer, failed on the first sample."""
    made = run_folder(tmp_path_factory.mktemp("failed") / "run", SCENES[:2])
    rows = dict(read_rows(made))
    rows["a"] = replace(
        rows["a"],
        explainers={name: of for name, of in rows["a"].explainers.items() if name != "cam"},
        failed={"cam": "RuntimeError: <b>no</b>"},
    )
    (made / "rows.0.jsonl").unlink()
    with RowWriter(made / "rows.0.jsonl") as writer:
        for row in rows.values():
            writer.write(row)
    write_json(made / "summary.json", summarise(rows, list(rows), list(EXPLAINERS), "reader"))
    return made


@pytest.fixture
def read(folder: Path, browser: Any, tmp_path: Path) -> Iterator[Any]:
    opened = Watched(browser, page.make([folder], tmp_path / "page"))
    yield opened.ready()
    opened.close()


def test_the_files_of_the_gallery_leave_out_what_failed(folder: Path) -> None:
    run = read_runs([folder])[0]
    _, _, _, absent, objects = gallery.brief(run.rows["a"], list(EXPLAINERS))
    assert absent == 0
    assert [figures[2] for figures in objects] == [None, None], "of two categories under cam"
    assert all(type(figure) is int for figures in objects for figure in (figures[1], *figures[3:]))


def test_in_the_place_of_a_map_stands_the_reason(read: Any) -> None:
    assert read.locator("#tiles strong").first.inner_text() == "cam"
    assert read.locator("#tiles .figures").first.inner_text() == "failed: RuntimeError: <b>no</b>"
    assert read.locator("#tiles canvas").count() == len(EXPLAINERS) - 1
    read.get_by_label("order").select_option("worst")
    read.get_by_label("IoU of").select_option("cam")
    expect(read.locator("#list .marks").first).to_contain_text("IoU")
    expect(read.locator("#list .marks").last).not_to_contain_text("IoU")
    read.get_by_label("IoU of").select_option("tam")
    expect(read.locator("#list .marks")).to_contain_text(["IoU", "IoU"])


def test_there_is_no_star_where_all_are_zero_or_all_are_the_same(read: Any) -> None:
    for figures, best in (([0, 0], None), ([0.2, 0.2, 0.2], None), ([0.3], None), ([], None), ([0, 0.2, 0.2], 0.2)):
        assert (
            read.evaluate(f"(() => {{ const best = bestOf({figures}); return isNaN(best) ? null : best; }})()") == best
        )
