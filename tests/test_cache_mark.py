"""What decides a result besides the question: a change of any of it finds nothing that was kept before."""

import importlib
import shutil
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import cache
from pipeline.cache import mark, numerics
from pipeline.models.auto import Auto
from pipeline.models.base import VLM
from pipeline.models.qwen2_vl import Qwen2VL
from tests import tiny

CPU = torch.device("cpu")


def code(vlm: VLM) -> str:
    """What the mark says of the sources."""
    return str(mark(vlm, {}, CPU)["code"])


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> VLM:
    return Qwen2VL(str(tiny.qwen2_vl_folder(tmp_path_factory.mktemp("qwen2_vl"))))


def test_whatever_decides_a_result_marks_it(qwen: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = mark(qwen, qwen.identity(), CPU)
    assert mark(Qwen2VL(qwen.location), qwen.identity(), CPU) == plain
    other = type(qwen)(qwen.location, max_new_tokens=99)
    assert mark(other, other.identity(), CPU) != plain
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    assert mark(qwen, qwen.identity(), CPU) != plain
    torch.set_num_threads(threads)
    monkeypatch.setattr("pipeline.cache.version", lambda name: "0")
    assert mark(qwen, qwen.identity(), CPU)["versions"] != plain["versions"]


def test_a_precision_set_around_the_model_marks_its_results() -> None:
    plain = numerics(CPU)
    with torch.autocast("cpu", torch.bfloat16):
        assert numerics(CPU) != plain
    assert numerics(CPU) == plain


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("backends.mkldnn.matmul", "fp32_precision", "bf16"),
        ("backends.cuda.matmul", "fp32_precision", "tf32"),
        ("backends.cudnn.conv", "fp32_precision", "ieee"),
        ("backends.cudnn", "benchmark", True),
        ("backends.cudnn", "deterministic", True),
    ],
)
def test_what_is_set_for_the_whole_program_marks_results(place: str, name: str, value: Any) -> None:
    plain, part = numerics(CPU), attrgetter(place)(torch)
    before = getattr(part, name)
    setattr(part, name, value)
    try:
        assert numerics(CPU) != plain
    finally:
        setattr(part, name, before)
    assert numerics(CPU) == plain


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources, which the mark takes for its own."""
    copy = shutil.copytree(cache.HERE, tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cache, "HERE", copy)
    return copy


@pytest.mark.parametrize(
    "name", ["types.py", "store.py", "remembered.py", "cache.py", "models/head.py", "models/batch.py", "models/new.py"]
)
def test_the_code_that_decides_what_is_kept_marks_it(pipeline: Path, qwen: VLM, name: str) -> None:
    plain = code(qwen)
    with (pipeline / name).open("a") as file:
        file.write("# another\n")
    assert code(qwen) != plain


@pytest.mark.parametrize("name", ["explainers/cam.py", "ops/lens.py", "outputs/table.py"])
def test_code_that_asks_and_shows_does_not(pipeline: Path, qwen: VLM, name: str) -> None:
    plain = code(qwen)
    (pipeline / name).write_text("# another\n")
    assert code(qwen) == plain


def test_code_that_moves_from_one_file_to_the_next_marks_it(pipeline: Path, qwen: VLM) -> None:
    one, two = pipeline / "models" / "head.py", pipeline / "models" / "heads.py"
    both, plain = one.read_bytes() + two.read_bytes(), code(qwen)
    one.write_bytes(both)
    two.write_bytes(b"")
    assert code(qwen) != plain


def test_every_file_in_which_a_class_stands_marks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_mixin.py").write_text("class Mixin:\n    pass\n")
    (tmp_path / "own_family.py").write_text(
        "from own_mixin import Mixin\nfrom pipeline.models.qwen2_vl import Qwen2VL\nclass Own(Mixin, Qwen2VL): pass\n"
    )
    (tmp_path / "own_other.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    vlm = importlib.import_module("own_family").Own("owner/name")
    seen = [code(Qwen2VL("owner/name")), code(vlm)]
    for name in ("own_mixin.py", "own_family.py"):
        with (tmp_path / name).open("a") as file:
            file.write("# another\n")
        seen.append(code(vlm))
    assert len(set(seen)) == 4
    (tmp_path / "own_other.py").write_text("# another\n")
    assert code(vlm) == seen[-1]


def test_packages_are_marked_by_their_versions_not_their_files(qwen: VLM) -> None:
    for kind in (Qwen2VL, Auto):
        assert all(path.is_relative_to(cache.HERE) for path in cache.sources(kind))


def test_flash_attention_is_marked_where_it_is_asked_for(qwen: VLM, monkeypatch: pytest.MonkeyPatch) -> None:
    flash = Qwen2VL(qwen.location, attention="flash_attention_2")
    for name in ("identity", "load"):
        with pytest.raises(
            ValueError, match=r"^attention: flash_attention_2 needs the package flash-attn, which is not"
        ):
            getattr(flash, name)()
    versions = {"flash_attn": "2.8.1"}
    monkeypatch.setattr("pipeline.models.checkpoint.version", versions.__getitem__)
    first = flash.identity()
    assert first["flash_attn"] == "2.8.1"
    assert "flash_attn" not in qwen.identity()
    versions["flash_attn"] = "2.8.2"
    assert mark(flash, flash.identity(), CPU) != mark(flash, first, CPU)
