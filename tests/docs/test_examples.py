"""The worked examples of the guide: their own tests, the contract, and a run with both."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.examples import energy
from docs.examples.test_contrast import test_a_negative_weight_is_refused, test_contrast
from docs.examples.test_energy import test_energy, test_the_class_agrees_with_the_function
from tests import tiny
from tests.explainers import contract

ROOT = Path(__file__).resolve().parents[2]
__all__ = [
    "test_a_negative_weight_is_refused",
    "test_contrast",
    "test_energy",
    "test_the_class_agrees_with_the_function",
]


def test_the_explainer_keeps_the_contract(tmp_path: Path) -> None:
    vlm = tiny.qwen2_vl(tmp_path, max_new_tokens=4)
    queries = vlm.ask([tiny.image(4, 3)], ["What is on the table?"])
    case = vlm, queries[0], vlm.answer(queries)[0][0]
    explainer = contract.build(ROOT / "docs" / "examples" / "contrast.yaml")
    contract.keeps_its_promises(explainer, *case)
    contract.leaves_no_trace(explainer, *case)


def test_both_work_on_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--explainers", "cam,docs/examples/contrast.yaml", "--limit", "4", "--save_maps", "uint8", "--figures", "0"]
    args += ["--explainer.contrast.weight=0.3", "--wandb.mode", "disabled", "--run_dir", str(tmp_path / "run")]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "run_eval.py", *args]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert energy.main([str(tmp_path / "run")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["cam", "contrast"]
    assert all(0 < float(line[1]) < 1 for line in lines)
    shutil.rmtree(tmp_path / "run" / "maps")
    for folder, why in ((tmp_path, "is not the folder of a run"), (tmp_path / "run", "--save_maps uint8 keeps them")):
        with pytest.raises(SystemExit, match="2"):
            energy.main([str(folder)])
        assert why in capsys.readouterr().err
