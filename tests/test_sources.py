"""The code that decides a run's numbers: whatever the used classes import, and no more."""

import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from pipeline import sources
from pipeline.explainers.cam import CAM
from pipeline.outputs.fingerprint import differences
from pipeline.sources import digests, packages, reached
from tests.command import ROOT

OWN = {
    "own_explainer": "from pathlib import Path\nfrom pipeline.explainers.cam import CAM\nfrom own_base import Base\n"
    "class Own(Base, CAM):\n    def explain(self, *given):\n        from own_folder.late import weight\n"
    "        return super().explain(*given)\n",
    "own_base": "import own_helper\nclass Base: pass\n",
    "own_helper": "import torch\ndef late():\n    from own_absent import nothing\n",
    "own_folder/__init__": "",
    "own_folder/late": "from . import deep\nfrom .deep import weight\n",
    "own_folder/deep": "weight = 1\n",
    "own_other": "",
}
COUNTED = {"own_explainer", "own_base", "own_helper", "own_folder", "own_folder.late", "own_folder.deep"}


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    """An explainer of the user's own, over modules of the user's own."""
    for name, text in OWN.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    sources.installed.cache_clear()
    yield importlib.import_module("own_explainer").Own
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]
    sources.installed.cache_clear()


def test_every_module_that_the_users_classes_import_counts(own: type, tmp_path: Path) -> None:
    before = digests([own])
    assert before.keys() - digests([CAM]).keys() == COUNTED
    for name in OWN:
        with (tmp_path / f"{name}.py").open("a") as file:
            file.write("# another\n")
        after, module = digests([own]), name.replace("/", ".").removesuffix(".__init__")
        told = differences({"code": before}, {"code": after})
        assert told == ([f"code of {module}: changed"] if module in COUNTED else [])
        before = after


def test_code_that_comes_and_goes_is_named(own: type) -> None:
    here, there = digests([own]), digests([CAM])
    assert "code of own_base: added" in differences({"code": there}, {"code": here})
    assert "code of own_base: gone" in differences({"code": here}, {"code": there})
    assert differences({"limit": 1}, {"limit": 1, "code": here}) == [f"code: absent -> {{{', '.join(here)}}}"]


def test_what_is_imported_by_a_name_that_is_written_out_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ("importlib.import_module('own_one')\n__import__('own_two')\nimport_module(f'own_{3}')", "", "", "")
    for name, text in zip(("own_code", "own_one", "own_two", "own_3"), texts, strict=True):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    sources.installed.cache_clear()
    assert reached(["own_code"]).keys() == {"own_code", "own_one", "own_two"}


def test_installed_packages_that_the_users_modules_import_count_by_their_versions(own: type, tmp_path: Path) -> None:
    assert packages([CAM]) == {}
    (tmp_path / "own_helper.py").write_text("import json, PIL.Image\nfrom yaml import nodes\nimport own_absent")
    assert packages([own]) == {"pillow": version("pillow"), "PyYAML": version("PyYAML")}


@pytest.mark.parametrize("fault", ["raise SystemExit(3)", "raise OSError('no')", "1 / 0"])
def test_a_package_that_fails_when_it_is_imported_is_not_the_end(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text(fault)
    (tmp_path / "own_code.py").write_text("import own_package.part")
    monkeypatch.syspath_prepend(tmp_path)
    sources.installed.cache_clear()
    assert "own_code" in reached(["own_code"])


@pytest.mark.parametrize("name", ["broken", "compiled"])
def test_what_cannot_be_parsed_counts_by_its_bytes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_code.py").write_bytes(b"import own_broken\n")
    (tmp_path / "own_broken.py").write_bytes(b"class \xff(" if name == "broken" else b"\0\0")
    monkeypatch.syspath_prepend(tmp_path)
    sources.installed.cache_clear()
    assert reached(["own_code"]).keys() == {"own_code", "own_broken"}


@pytest.mark.parametrize("used", [True, False])
def test_an_installed_package_counts_by_its_files_only_if_a_class_stands_in_it(used: bool) -> None:
    found = reached(["yaml.nodes"], {"yaml"} if used else ())
    assert {"yaml", "yaml.nodes"} <= found.keys() if used else not found


@pytest.mark.parametrize(
    "name", ["torch.nn.modules.module", "json.decoder", "transformers", "lightning.pytorch", "nowhere"]
)
def test_what_has_a_version_or_is_nowhere_does_not_count(name: str) -> None:
    assert reached([name], {name.partition(".")[0]}) == {}


def test_all_that_can_change_a_number_counts_and_no_view_does() -> None:
    found = reached([*sources._spelt(sources.ROOTS), "datamodules.demo"]).keys()
    listed = {str(path.relative_to(ROOT).with_suffix("")).replace("/", ".") for path in ROOT.glob("pipeline/**/*.py")}
    for package in ("explainers", "ops"):
        assert {name for name in listed if name.startswith(f"pipeline.{package}.") and "__init__" not in name} <= found
    assert {"pipeline.types", "pipeline.module", "pipeline.answers", "metrics.words", "datamodules.shards"} <= found
    assert {"pipeline.models.base", "pipeline.models.passes", "pipeline.remembered", "datamodules.rle"} <= found
    views = ("pipeline.outputs", "pipeline.sweep", "pipeline.board", "pipeline.evaluation", "datamodules.convert")
    assert not [name for name in found if name.startswith((*views, "pipeline.models.convert", "datamodules.streams"))]
    files = [
        *ROOT.glob("configs/vlm/*.yaml"),
        *ROOT.glob("configs/data/*.yaml"),
        *ROOT.glob("configs/explainer/*.yaml"),
    ]
    named = {yaml.safe_load(path.read_text())["class_path"].rpartition(".")[0] for path in files}
    assert len(named) > 15
    assert named <= found


def test_every_module_of_the_project_counts_or_is_listed_with_the_reason_why_not() -> None:
    paths = [path for package in sources.PACKAGES for path in (ROOT / package).rglob("*.py")]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in paths}
    counted = reached([*sources._spelt(sources.ROOTS), "datamodules.demo"]).keys()
    left = {name for name in names - counted if not any(f"{name}.".startswith(f"{view}.") for view in sources.VIEWS)}
    assert not left, "import it from what counts, or name it with a reason in sources.UNCOUNTED"
    assert names >= {*sources.VIEWS}, "a reason for a module that is gone"
    assert len(sources.VIEWS) == len({*sources.VIEWS})


def test_another_version_of_an_area_is_told_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digests([CAM])
    changed = tmp_path / "cam.py"
    changed.write_text("# another\n")
    place = sources.located
    monkeypatch.setattr(
        sources, "located", lambda n, own=(): changed if n == "pipeline.explainers.cam" else place(n, own)
    )
    assert differences({"code": before}, {"code": digests([CAM])}) == ["code of pipeline.explainers: changed"]
