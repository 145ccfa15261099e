"""Pages made once for all tests that look at them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.outputs.report import page
from tests.outputs.report.built import EXPLAINERS, HOSTILE, SCENES, Scene, run_folder
from tests.outputs.report.reader import Watched, chromium, need


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models on the same scenes; the second has a sample more and a quarantined one."""
    folder = tmp_path_factory.mktemp("runs")
    more = [Scene("f", "A tv.", ("tv",)), Scene("g", "", error="OSError: gone")]
    return [run_folder(folder / "x", model="x"), run_folder(folder / "y", [*SCENES, *more], model="y", seed=1)]


@pytest.fixture(scope="session")
def two(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their page."""
    return page.make(runs, tmp_path_factory.mktemp("two") / "page")


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with more samples than its list can show."""
    folder = run_folder(tmp_path_factory.mktemp("many") / "run", SCENES[:1], again=40)
    return page.make([folder], folder / "page")


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of nine forms of one explainer, each of a run that kept images of one sample."""
    made = {f"{k} {p}": EXPLAINERS["msea_arc"] | {"k": k, "p": p} for k in (5, 20, 50) for p in (0.5, 0.9, 0.98)}
    folder = tmp_path_factory.mktemp("sweep")
    runs = [
        run_folder(folder / name, SCENES[:2], {"msea_arc": of}, figures=1, seed=seed)
        for seed, (name, of) in enumerate(made.items())
    ]
    return page.make(runs, folder / "page")


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each hostile text as key, caption, question, name of a mask that the caption has, and error."""
    scenes = [Scene(text, f"{text} a dog", ("dog", text.strip("\x00\x07\ud83d ")), asked=text) for text in HOSTILE]
    broken = [Scene(f"broken {text}", "", error=f"ValueError: {text}") for text in HOSTILE]
    folder = run_folder(tmp_path_factory.mktemp("hostile") / "run", [*scenes, *broken])
    return page.make([folder], folder / "page")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    need()
    with chromium() as opened:
        yield opened


@pytest.fixture
def watched(browser: Any, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A page that must say nothing and ask nobody; `two` unless a parameter says otherwise."""
    which, options = getattr(request, "param", ("two", {}))
    opened = Watched(browser, request.getfixturevalue(which), **options)
    yield opened
    opened.close()
