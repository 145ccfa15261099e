"""W&B is a view: three explainers leave three runs, again and again, and nothing secret."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import typed
from pipeline.outputs import tracker
from pipeline.outputs.summary import write_json
from tests.outputs.made import CANARY, EXPLAINERS


def runs(run_dir: Path) -> list[Path]:
    return sorted((run_dir / "wandb").glob("offline-run-*"))


def only(run_dir: Path, explainer: str) -> None:
    """Leave but one explainer in the summary."""
    summary = json.loads((run_dir / "summary.json").read_text())
    write_json(run_dir / "summary.json", summary | {"explainers": {explainer: summary["explainers"][explainer]}})


def inspected(path: Path) -> dict[str, list[dict[str, object]]]:
    """Records by type, read by W&B's own program."""
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    records: dict[str, list[dict[str, object]]] = {}
    for line in done.stdout.splitlines():
        record = json.loads(line)
        records.setdefault(str(record.get("type")), []).append(record)
    return records


def test_three_explainers_leave_three_runs_of_one_group(run_dir: Path):
    assert tracker.publish(run_dir, group="demo demo", tags=["nightly"]) is None
    assert len(runs(run_dir)) == 3
    summary = json.loads((run_dir / "summary.json").read_text())
    seen = {}
    for path in runs(run_dir):
        text = json.dumps(inspected(path))
        called = [name for name in EXPLAINERS if f'"{name} demo demo"' in text]
        assert len(called) == 1
        figures = summary["explainers"][called[0]]
        for name, profile in (("obj_iou", "corrected"), ("reference/obj_iou", "reference")):
            assert f'"{name}"' in text
            assert repr(figures[profile]["obj_iou"]["value"]) in text
        assert all(word in text for word in ("nightly", "demo demo", "batch_size", "samples_table"))
        seen[called[0]] = path
    assert set(seen) == set(EXPLAINERS)


def test_publishing_again_leaves_the_same_three_runs(run_dir: Path):
    assert tracker.publish(run_dir, group="g") is None
    first = runs(run_dir)
    assert tracker.publish(run_dir) is None
    assert runs(run_dir) == first
    summary = json.loads((run_dir / "summary.json").read_text())
    summary["samples"]["scored"] = 11
    write_json(run_dir / "summary.json", summary)
    assert tracker.publish(run_dir) is None
    assert sorted(path.name.split("-")[-1] for path in runs(run_dir)) == sorted(
        path.name.split("-")[-1] for path in first
    )
    assert json.loads((run_dir / "wandb.json").read_text())["group"] == "g"


def test_published_elsewhere_and_back_it_is_where_it_was_sent_last(run_dir: Path):
    only(run_dir, "cam")
    seen = []
    for project in ("first", "second", "first", "first"):
        assert tracker.main([str(run_dir), "--project", project]) == 0
        (path,) = runs(run_dir)
        (run,) = inspected(path)["run"]
        seen.append(path.stat().st_mtime_ns)
        assert f'"project": "{project}"' in json.dumps(run)
    assert len(set(seen)) == 3, "the last time it was there already"


def test_the_key_is_in_no_file_and_nothing_is_written_elsewhere(run_dir: Path, tmp_path: Path):
    before = (run_dir / "summary.json").read_bytes()
    assert tracker.publish(run_dir) is None
    for path in tmp_path.glob("**/*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
    outside = [path for path in tmp_path.glob("**/*") if path.is_file() and run_dir not in path.parents]
    assert [path for path in outside if path.suffix in (".png", ".json", ".wandb")] == []
    staged = [path for path in (run_dir / "wandb" / "data").glob("**/staging/**/*") if path.is_file()]
    pictures = [path for path in staged if path.read_bytes().startswith(b"\x89PNG")]
    assert len(pictures) >= 4
    assert (run_dir / "summary.json").read_bytes() == before


def test_without_wandb_a_reason_comes_back_and_nothing_is_raised(run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert "not published to W&B" in (tracker.publish(run_dir) or "")


def test_a_failure_is_a_reason_without_the_key(run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    import wandb

    def refuse(**_: object) -> None:
        raise RuntimeError(f"bad key {CANARY}\nretry")

    monkeypatch.setattr(wandb, "init", refuse)
    assert tracker.publish(run_dir) == (
        "cam, msea_arc, tam: not published to W&B (RuntimeError: bad key *** retry); once it can be: "
        + typed.shown("publish", run_dir, "--online")
    )


def test_maps_that_hold_objects_are_not_unpickled(run_dir: Path, tmp_path: Path):
    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "canary",)

    np.savez(run_dir / "figures" / "1" / "maps.npz", cam=np.array([Payload()], dtype=object))
    only(run_dir, "cam")
    assert tracker.publish(run_dir) is None
    assert not (tmp_path / "canary").exists()
    table = next((run_dir / "wandb").glob("**/*.table.json"))
    damaged, sound = json.loads(table.read_text())["data"]
    assert "holds object" in damaged[2]
    assert damaged[3:] == [None] * 3
    assert [bool(cell) for cell in sound[3:]] == [True, False, True], "there are no masks"


def test_an_unfinished_run_is_a_reason_and_disabled_does_nothing(run_dir: Path):
    (run_dir / "summary.json").unlink()
    assert "summary.json" in (tracker.publish(run_dir) or "")
    assert tracker.publish(run_dir, mode="disabled") is None
    assert runs(run_dir) == []


def test_the_command_publishes_later_in_the_folder_name_as_group(run_dir: Path, capsys: pytest.CaptureFixture[str]):
    assert tracker.main([str(run_dir), "--project", "p"]) == 0
    assert len(runs(run_dir)) == 3
    assert json.loads((run_dir / "wandb.json").read_text())["group"] == "demo-run"
    assert f"wandb sync {run_dir}/wandb/offline-run-*" in capsys.readouterr().out
    assert tracker.main([str(run_dir / "nowhere")]) == 2
    assert "nowhere: no finished run lies there" in capsys.readouterr().err
    (run_dir / "summary.json").write_text("{")
    assert tracker.main([str(run_dir)]) == 2
    assert "summary.json cannot be read" in capsys.readouterr().err


def test_the_run_of_a_logger_gets_final_figures_and_is_not_doubled(run_dir: Path):
    import wandb

    only(run_dir, "cam")
    called = tracker.identity(run_dir, "cam", "g")
    assert called == tracker.identity(run_dir, "cam")
    called.pop("resume")
    run = wandb.init(mode="offline", project="p", dir=run_dir, reinit="create_new", **called)
    run.log({"running/obj_iou": 0.25})
    assert tracker.finish_single(run, run_dir, "cam") is None
    assert tracker.publish(run_dir, "p") is None
    assert len(runs(run_dir)) == 1
    text = json.dumps(inspected(runs(run_dir)[0]))
    assert "running/obj_iou" in text
    assert "reference/f1_iou" in text
    assert tracker.finish_single(None, run_dir, "cam") is not None
