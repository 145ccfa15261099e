"""A checkpoint that cannot be used ends the command with one line and status 2, on however many processes."""

import os
from pathlib import Path

import pytest
import torch

from pipeline.models import probe
from pipeline.models.qwen2_vl import Qwen2VL
from tests import command as commands
from tests import tiny, tiny_auto
from tests.command import ROOT
from tests.test_faults import run

DEMO = ROOT / "assets" / "demo" / "model"


def yaml(folder: Path, name: str, checkpoint: Path) -> str:
    """The configuration of a model of class `name`."""
    path = folder / "vlm.yaml"
    path.write_text(f"class_path: {name}\ninit_args:\n  checkpoint: {checkpoint}\n")
    return str(path)


@pytest.mark.parametrize("cache", [[], ["--cache", "CACHE"]], ids=["plain", "cache"])
def test_a_family_that_auto_refuses_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: list[str]
) -> None:
    checkpoint, features = tiny_auto.qwen2_5_vl_folder(tmp_path / "model"), probe.features
    monkeypatch.setattr(probe, "features", lambda vlm, pixels: features(vlm, pixels).mean(0, keepdim=True))
    args = ["--vlm", yaml(tmp_path, "pipeline.models.auto.Auto", checkpoint)]
    args += [str(tmp_path / "cache") if arg == "CACHE" else arg for arg in cache]
    status, said = run(capsys, tmp_path / "run", *args)
    assert status == 2
    assert said.startswith(f"run_eval.py: error: checkpoint '{checkpoint}': its image tokens are no grid")
    assert "Auto refuses such a qwen2_5_vl: name another checkpoint, or describe its family" in said
    assert not list((tmp_path / "run").glob("rows.*")), "no sample is blamed"


def test_pickled_weights_are_told_before_a_folder_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = tiny.qwen2_vl_folder(tmp_path / "model")
    (checkpoint / "model.safetensors").rename(checkpoint / "pytorch_model.bin")
    status, said = run(
        capsys, tmp_path / "run", "--vlm", yaml(tmp_path, "pipeline.models.qwen2_vl.Qwen2VL", checkpoint)
    )
    assert status == 2
    assert said.startswith(f"run_eval.py: error: checkpoint '{checkpoint}': it holds no .safetensors, and pickled")
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_family_is_not_an_explainers_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tiny.qwen2_vl_folder(tmp_path / "model")
    status, said = run(capsys, tmp_path / "run", "--vlm", yaml(tmp_path, "pipeline.models.llava.LLaVA", checkpoint))
    assert status == 2
    assert said.startswith(f"run_eval.py: error: checkpoint '{checkpoint}': a qwen2_vl is no model for LLaVA")


class Uneven(Qwen2VL):
    """Sound on all nodes but that of rank 1."""

    def load(self, device: torch.device | str = "cpu") -> None:
        """As every model, elsewhere."""
        if os.environ.get("LOCAL_RANK") == "1":
            raise self.unusable("its copy is old")
        super().load(device)


def test_what_one_of_two_processes_cannot_use_ends_both_and_rank_0_says_why(tmp_path: Path) -> None:
    args = ["--vlm", yaml(tmp_path, f"{__name__}.Uneven", DEMO), "--run_dir", str(tmp_path / "run")]
    args += ["--limit", "4", "--trainer.devices", "2", "--trainer.accelerator", "cpu", "--wandb.mode", "disabled"]
    done = commands.run(*args)
    assert done.returncode == 2, done.stderr
    (said,) = (line for line in done.stderr.splitlines() if "its copy is old" in line)
    assert said == f"run_eval.py: error: checkpoint '{DEMO}': its copy is old"
    assert "Traceback" not in done.stderr
    assert not any(path.stat().st_size for path in (tmp_path / "run").glob("rows.*"))
