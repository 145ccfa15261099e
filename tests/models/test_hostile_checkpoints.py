"""Checkpoints of strangers are refused in one line that names the file, in bounded time."""

import shutil
from pathlib import Path

import pytest

from datamodules.printable import printable
from pipeline.models import trial
from pipeline.models.base import VLM
from pipeline.models.checkpoint import CheckpointError
from pipeline.models.qwen2_vl import Qwen2VL
from tests import hostile, tiny
from tests.hostile_changes import Change


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that nobody changed."""
    return tiny.qwen2_vl_folder(tmp_path_factory.mktemp("sound") / "model")


def use(vlm: VLM) -> None:
    """Do what a run does with a checkpoint."""
    vlm.identity()
    vlm.load("cpu")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes too long is found out sooner."""
    monkeypatch.setattr(trial, "SECONDS", 2)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("change", "told"), hostile.REFUSED.values(), ids=hostile.REFUSED)
def test_it_is_refused_in_one_line_that_names_the_file(tmp_path: Path, sound: Path, change: Change, told: str) -> None:
    folder = Path(shutil.copytree(sound, tmp_path / "model"))
    change(folder)
    with pytest.raises(CheckpointError, match=f"(?s)^checkpoint '[^']*': .*({told})") as refused:
        use(Qwen2VL(str(folder)))
    assert len(printable(str(refused.value))) < 900
