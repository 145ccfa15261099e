"""The whole command: same figures from one or two processes and after a kill, and errors of one line."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command import ENV, ROOT, run, start_again, started

SMALL = ["--limit", "24", "--batch_size", "4", "--figures", "0", "--wandb.mode", "disabled"]


def killed_after(count: int, *args: str) -> bytes:
    """The rows of a run that is killed as soon as it has written so many; --run_dir must come with its value."""
    rows = Path(args[args.index("--run_dir") + 1]) / "rows.0.jsonl"
    deadline = time.monotonic() + 300
    with started(*args):
        while (not rows.exists() or rows.read_bytes().count(b"\n") < count) and time.monotonic() < deadline:
            time.sleep(0.01)
    kept = rows.read_bytes()
    assert kept.count(b"\n") >= count
    return kept


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run of one process."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = run(*SMALL, "--run_dir", str(folder))
    assert done.returncode == 0, done.stderr
    return folder


def test_started_by_a_new_interpreter_it_leaves_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    """Also where its terminal cannot show all characters: encodings are settled when an interpreter starts."""
    done = start_again(*SMALL, "--run_dir", str(tmp_path / "run"), env={**ENV, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "Paired differences, profile corrected" in done.stdout
    assert (tmp_path / "run" / "summary.json").read_bytes() == (whole / "summary.json").read_bytes()


def test_a_run_leaves_its_files_and_every_sample_once(whole: Path) -> None:
    names = {path.name for path in whole.iterdir()}
    assert {"config.yaml", "env.json", "rows.0.jsonl", "summary.json", "timing.json"} <= names
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["samples"] == {"expected": 24, "scored": 24, "quarantined": 0}
    assert set(summary["explainers"]) == {"cam", "tam", "msea_arc"}
    assert set(summary["explainers"]["cam"]) == {"corrected", "reference"}
    value = summary["explainers"]["cam"]["corrected"]["obj_iou"]
    assert 0 < value["low"] <= value["value"] <= value["high"] < 1
    assert value["count"] > 20
    assert {"cam-tam", "cam-msea_arc", "tam-msea_arc"} == set(summary["differences"])


def test_two_processes_give_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    done = run(*SMALL, "--run_dir", str(tmp_path / "two"), "--trainer.devices", "2", "--trainer.accelerator", "cpu")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / "rows.1.jsonl").stat().st_size > 0
    assert (tmp_path / "two" / "summary.json").read_bytes() == (whole / "summary.json").read_bytes()


def test_a_killed_run_resumes_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    kept = killed_after(10, *SMALL, "--run_dir", str(folder))
    assert kept.count(b"\n") < 24
    rows = folder / "rows.0.jsonl"
    done = run(*SMALL, "--run_dir", str(folder))
    assert done.returncode == 0, done.stderr
    assert rows.read_bytes().startswith(kept[: kept.rindex(b"\n") + 1])
    assert (folder / "summary.json").read_bytes() == (whole / "summary.json").read_bytes()


def test_a_finished_run_is_not_run_again_by_its_saved_configuration(whole: Path) -> None:
    before = (whole / "rows.0.jsonl").read_bytes()
    done = run("--config", str(whole / "config.yaml"), "--run_dir", str(whole), "--figures", "3")
    assert done.returncode == 0, done.stderr
    assert "run_eval.py: 24 of 24 samples are there already" in done.stderr
    assert "3 of the first 3 samples have no pictures" in done.stderr
    assert (whole / "rows.0.jsonl").read_bytes() == before
    assert "demo on demo: 24 of 24" in done.stdout


def test_another_configuration_in_the_same_folder_is_refused_by_name(whole: Path) -> None:
    done = run(*SMALL, "--run_dir", str(whole), "--explainer.msea_arc.k=20")
    assert done.returncode == 2
    assert "explainers.msea_arc.k" in done.stderr
    assert "--fresh" in done.stderr


def test_answers_of_an_earlier_run_are_explained_again(whole: Path, tmp_path: Path) -> None:
    args = ["--explainers", "cam", "--answers", str(whole), "--run_dir", str(tmp_path / "again")]
    done = run(*SMALL, *args)
    assert done.returncode == 0, done.stderr
    first, again = (json.loads((f / "summary.json").read_text()) for f in (whole, tmp_path / "again"))
    old, new = (s["explainers"]["cam"]["corrected"]["f1_iou"] for s in (first, again))
    assert new["value"] == pytest.approx(old["value"], abs=5e-3)
    assert new["count"] == old["count"]


def offline_runs(folder: Path) -> list[list[dict]]:
    """The records of each offline W&B run, read back with W&B's own program."""
    inspect = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json"]
    found = []
    for run_folder in sorted((folder / "wandb").glob("offline-run-*")):
        done = subprocess.run([*inspect, str(run_folder)], env=ENV, capture_output=True, text=True, check=True)
        found.append([json.loads(line) for line in done.stdout.splitlines()])
    return found


def test_three_explainers_leave_three_wandb_runs(tmp_path: Path) -> None:
    folder = tmp_path / "three"
    args = ["--limit", "4", "--figures", "1", "--wandb.mode", "offline", "--run_dir", str(folder)]
    done = run(*args, "--save_maps", "uint8")
    assert done.returncode == 0, done.stderr
    assert len(offline_runs(folder)) == 3
    assert {path.name for path in (folder / "figures" / "0").iterdir()} == {
        "image.jpg",
        "maps.npz",
        "sample.json",
        "masks.png",
        "panel.png",
    }
    assert len(list((folder / "maps").glob("*.npz"))) == 4


def test_one_explainer_is_one_wandb_run_with_running_figures_also_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    args = ["--limit", "56", "--figures", "1", "--explainers", "cam", "--run_dir", str(folder)]
    args += ["--wandb.mode", "offline"]
    killed_after(10, *args)
    assert len(list((folder / "wandb").glob("offline-run-*"))) == 1
    done = run(*args)
    assert done.returncode == 0, done.stderr
    (records,) = offline_runs(folder)
    text = json.dumps(records)
    assert "running/f1_iou" in text
    assert "reference/f1_iou" in text
    assert "samples_table" in text


def test_reference_captions_can_be_explained(tmp_path: Path) -> None:
    done = run(*SMALL, "--explainers", "cam", "--answers", "captions", "--run_dir", str(tmp_path / "captions"))
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "captions" / "summary.json").read_text())
    assert summary["captions"]["rouge_l"]["value"] > 0.99


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--explainer.msea_arc.typo=1"], "typo"),
        (["--explainer.msea_arc.k=many"], "explainer.msea_arc.k"),
        (["--explainer.msea_arc.k=0"], "explainer.msea_arc.k"),
        (["--explainers"], "--explainers"),
        (["--explainers", "BAD_YAML"], "kk"),
        (["--explainers", "DASHED_YAML"], "my-cam"),
        (["--trainer.accelerator", "gpu"], "gpu"),
        (["--explainers", "cam,nobody"], "nobody"),
        (["--explainers", "cam,configs/explainer/cam.yaml"], "'cam' stands twice"),
        (["--vlm", "nowhere.yaml"], "nowhere.yaml"),
        (["--data", "nowhere.yaml"], "nowhere.yaml"),
        (["--batch_size", "0"], "batch_size"),
        (["--vlm.checkpoint=nowhere/at/all"], "nowhere/at/all"),
        (["--words", "nobody"], "nobody"),
        (["--answers", "nowhere"], "nowhere"),
    ],
)
def test_a_wrong_option_ends_with_one_line_that_names_it(args: list[str], named: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("class_path: pipeline.explainers.msea_arc.MSEAARC\ninit_args: {kk: 3}\n")
    (tmp_path / "my-cam.yaml").write_text("class_path: pipeline.explainers.cam.CAM\n")
    files = {"BAD_YAML": str(tmp_path / "bad.yaml"), "DASHED_YAML": str(tmp_path / "my-cam.yaml")}
    done = run("--run_dir", str(tmp_path / "run"), *(files.get(arg, arg) for arg in args))
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    assert "error" in lines[0]
    assert named in lines[0]
    assert not (tmp_path / "run").exists()


def test_the_command_wins_over_its_configs(tmp_path: Path) -> None:
    from pipeline import cli

    config = tmp_path / "c.yaml"
    vlm = ROOT / "configs" / "vlm" / "qwen2_vl_2b.yaml"
    config.write_text(f"vlm: {vlm}\nbatch_size: 3\nexplainers: [cam, msea_arc]\nexplainer: {{msea_arc: {{k: 7}}}}\n")
    job = cli.parse(["--config", str(config)])
    assert job.stems["vlm"] == "qwen2_vl_2b"
    assert (job.config.batch_size, list(job.classes), job.parameters("msea_arc")["k"]) == (3, ["cam", "msea_arc"], 7)
    job = cli.parse(["--vlm", "demo", "--explainer.msea_arc.k=9", "--batch_size=5", "--config", str(config)])
    assert job.stems["vlm"] == "demo"
    assert job.config.vlm.init_args.checkpoint == "assets/demo/model"
    assert (job.config.batch_size, job.parameters("msea_arc")["k"]) == (5, 9)


def test_torchrun_shares_one_folder_and_starts_over_with_fresh(tmp_path: Path) -> None:
    """The folder's name follows from the fingerprint, which rank 0 alone takes."""
    args = ["--limit", "8", "--batch_size", "2", "--explainers", "cam", "--figures", "0", "--wandb.mode", "disabled"]
    args += ["--trainer.devices", "2", "--trainer.accelerator", "cpu"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    for fresh in ([], ["--fresh", "true"]):
        whole = [*torchrun, str(ROOT / "run_eval.py"), *args, *fresh]
        done = subprocess.run(whole, cwd=tmp_path, env=ENV, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    rows = [(folder / f"rows.{rank}.jsonl").read_bytes().count(b"\n") for rank in (0, 1)]
    assert rows == [4, 4]


def test_a_sweep_refuses_several_explainers(tmp_path: Path) -> None:
    done = run("--run_dir", str(tmp_path / "run"), env={**ENV, "WANDB_SWEEP_ID": "abc"})
    assert done.returncode == 2
    assert "--explainers" in done.stderr
