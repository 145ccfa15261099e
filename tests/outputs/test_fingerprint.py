"""One folder, one run; nothing that a run did not write is touched."""

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.outputs.fingerprint import clear, differences, digest, open_run, read, write_json

PRINT = {"checkpoint": "abc", "explainers": {"cam": {}, "msea_arc": {"k": 50, "scales": [0.5, 1.0]}}, "limit": None}
CHANGED = {"checkpoint": "abc", "explainers": {"msea_arc": {"k": 20, "scales": [0.5, 1.0]}}, "limit": None, "batch": 8}


def test_the_digest_is_that_of_the_canonical_text_whatever_the_order_of_keys():
    assert digest({"b": 1, "a": "é"}) == hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()
    assert digest(PRINT) == digest(dict(reversed(PRINT.items())))
    assert digest(PRINT) != digest(CHANGED)


def test_differences_name_every_leaf_with_both_values():
    assert differences(PRINT, PRINT) == []
    assert differences(PRINT, CHANGED) == [
        "batch: absent -> 8",
        "explainers: cam, msea_arc -> msea_arc",
        "explainers.msea_arc.k: 50 -> 20",
    ]
    assert differences("a", "b") == ['"a" -> "b"']


def test_what_only_one_run_has_is_one_line_however_much_is_in_it():
    explainers = {"cam": {}, "tam": {"compat": False}, "msea_arc": {"k": 50, "p": 0.9, "base_map": True}}
    assert differences({"explainers": explainers}, {"explainers": {"cam": {}}}) == [
        "explainers: cam, tam, msea_arc -> cam"
    ]
    before, after = {"data": {"prompt": "Who?"}}, {"data": {"prompt": "Who?", "crop": {"top": 1, "left": 2}}}
    assert differences(before, after) == ["data.crop: absent -> {top, left}"]
    assert differences(after, before) == ["data.crop: {top, left} -> absent"]
    assert differences({"a": 1, "b": {}}, {"a": 1, "b": {"x": 2}}) == ["b.x: absent -> 2"]


def test_the_fingerprint_of_a_run_can_be_read_again(tmp_path: Path):
    open_run(tmp_path, PRINT)
    assert read(tmp_path) == PRINT
    with pytest.raises(ValueError, match="not the folder of a run"):
        read(tmp_path / "nowhere")


def test_the_same_run_goes_on_and_every_start_is_recorded(tmp_path: Path):
    folder = tmp_path / "a" / "run"
    open_run(folder, PRINT, environment={"host": "one"})
    (folder / "rows.0.jsonl").write_text("kept")
    open_run(folder, PRINT, environment={"host": "two"})
    record = json.loads((folder / "env.json").read_text())
    assert record == {"fingerprint": PRINT, "sha256": digest(PRINT), "starts": [{"host": "one"}, {"host": "two"}]}
    assert (folder / "rows.0.jsonl").read_text() == "kept"
    assert sorted(path.name for path in folder.iterdir()) == ["env.json", "rows.0.jsonl"]


def test_what_a_killed_process_left_half_written_goes_when_the_run_goes_on(tmp_path: Path):
    left, foreign = (".env.json.7.part", ".summary.json.31.part", ".wandb.json.7.part"), ".mine.json.7.part"
    open_run(tmp_path, PRINT)
    for name in (*left, foreign):
        (tmp_path / name).write_text("{")
    with pytest.raises(ValueError, match="another run"):
        open_run(tmp_path, CHANGED)
    assert {path.name for path in tmp_path.iterdir()} == {"env.json", foreign, *left}, "not ours to touch"
    open_run(tmp_path, PRINT)
    assert {path.name for path in tmp_path.iterdir()} == {"env.json", foreign}


def test_tuples_of_a_fingerprint_equal_the_lists_that_json_makes_of_them(tmp_path: Path):
    open_run(tmp_path, {"scales": (0.5, 1.0)})
    open_run(tmp_path, {"scales": (0.5, 1.0)})


def test_another_run_is_refused_and_what_differs_is_named(tmp_path: Path):
    open_run(tmp_path, PRINT)
    before = (tmp_path / "env.json").read_bytes()
    with pytest.raises(ValueError, match=r"explainers\.msea_arc\.k: 50 -> 20.*--fresh true$"):
        open_run(tmp_path, CHANGED)
    assert (tmp_path / "env.json").read_bytes() == before


def test_fresh_removes_what_a_run_wrote_and_nothing_else(tmp_path: Path):
    written = ["config.yaml", "rows.0.jsonl", "rows.11.jsonl", "summary.json", "timing.json", "wandb.json"]
    written += [f"figures/3/{name}" for name in ("image.jpg", "maps.npz", "sample.json", "masks.png", "panel.png")]
    written += ["page/index.html", "page/static/page.css", "page/plots/corrected-f1.svg", "page/runs/0/index.js"]
    written += ["wandb/offline-run-1-a/files/media/x.png", "wandb/offline-run-1-a/run-a.wandb", "wandb/data/s/y"]
    written += [".summary.json.7.part", "figures/3/.maps.npz.part", "maps/.00000003.npz.part", "maps/00000002.npz"]
    foreign = [
        "notes.txt",
        ".mine.7.part",
        "figures/3/mine.png",
        "page/mine.html",
        "figures/mine.txt",
        "wandb/settings",
        "rows.txt",
        "other/rows.0.jsonl",
    ]
    open_run(tmp_path, PRINT)
    for name in written + foreign:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    open_run(tmp_path, CHANGED, fresh=True)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("**/*") if path.is_file()}
    assert left == {*foreign, "env.json"}
    assert json.loads((tmp_path / "env.json").read_text())["fingerprint"] == CHANGED


def test_fresh_never_follows_a_link_out_of_the_folder(tmp_path: Path):
    outside, folder = tmp_path / "outside", tmp_path / "run"
    (outside / "3").mkdir(parents=True)
    (outside / "target.json").write_text("x")
    open_run(folder, PRINT)
    (folder / "wandb").mkdir()
    (folder / "wandb" / "latest-run").symlink_to(outside)
    (folder / "summary.json").symlink_to(outside / "target.json")
    clear(folder)
    assert (outside / "target.json").read_text() == "x"
    assert (outside / "3").is_dir()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("env", [None, "{", "[]", '{"a": 1}'])
def test_a_folder_of_unknown_origin_is_left_alone(tmp_path: Path, env: str | None, fresh: bool):
    (tmp_path / "rows.0.jsonl").write_text("precious")
    if env is not None:
        (tmp_path / "env.json").write_text(env)
    with pytest.raises(ValueError, match="choose another folder"):
        open_run(tmp_path, PRINT, fresh=fresh)
    assert (tmp_path / "rows.0.jsonl").read_text() == "precious"


def test_json_is_written_whole_or_not_at_all(tmp_path: Path):
    path = tmp_path / "summary.json"
    write_json(path, {"b": 1, "a": None})
    assert path.read_text() == '{\n  "a": null,\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert path.read_text() == '{\n  "a": null,\n  "b": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_fingerprint_that_was_changed_afterwards_is_refused(tmp_path: Path):
    open_run(tmp_path, {"threads": 1, "name": "\udc80"})
    path = tmp_path / "env.json"
    path.write_text(path.read_text().replace('"threads": 1', '"threads": 2'))
    with pytest.raises(ValueError, match=r"env\.json: sha256 is not that of the fingerprint"):
        read(tmp_path)


def test_starting_over_says_how_many_rows_it_deletes(tmp_path: Path):
    said: list[str] = []
    open_run(tmp_path, PRINT, fresh=True, say=said.append)
    assert said == []
    (tmp_path / "rows.0.jsonl").write_text("{}\n{}\n")
    (tmp_path / "rows.1.jsonl").write_text("{}\n")
    open_run(tmp_path, PRINT, say=said.append)
    assert said == []
    open_run(tmp_path, CHANGED, fresh=True, say=said.append)
    assert said == [f"--fresh true: deletes 3 rows of the earlier run in {tmp_path}"]
    assert not list(tmp_path.glob("rows.*"))
