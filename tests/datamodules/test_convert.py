"""Converting: the same bytes each time, also after a kill; nothing lost, nothing half published."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from datamodules import convert
from datamodules.journal import FILE as JOURNAL
from datamodules.manifest import Manifest
from datamodules.sources.base import Folders
from datamodules.verify import main as verify
from tests.datamodules import published

COUNT = len(published.IDS)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return published.coco_files(tmp_path / "from")


def options(files: dict[str, Path]) -> list[str]:
    return [part for name, path in files.items() for part in (f"--{name}", str(path))]


def command(files: dict[str, Path], out: Path, *more: str) -> list[str]:
    return ["coco_caption", "--out", str(out), "--per_shard", "2", *options(files), *more]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_converting_twice_gives_the_same_bytes(files: dict[str, Path], tmp_path: Path) -> None:
    assert convert.main(command(files, tmp_path / "a")) == 0
    assert convert.main(command(files, tmp_path / "b")) == 0
    found = contents(tmp_path / "a")
    assert found == contents(tmp_path / "b")
    shards = [f"coco_caption-{number:05d}.tar" for number in range(5)]
    assert sorted(found) == sorted(["README.md", "card.json", "left_out.jsonl", "manifest.json", *shards])
    assert verify([str(tmp_path / "a")]) == 0


def layout(folder: Path) -> list[str]:
    published.tam_coco(folder)
    return [str(folder), "--dataset", "coco_caption"]


OTHERS: dict[str, Callable[[Path], list[str]]] = {
    "grandf": lambda folder: options(published.grandf_files(folder)),
    "openpsg": lambda folder: options(published.psg_files(folder)[0]),
    "tam_layout": layout,
}


@pytest.mark.parametrize("source", OTHERS)
def test_every_source_gives_the_same_bytes_again(source: str, tmp_path: Path) -> None:
    args = [source, *OTHERS[source](tmp_path / "from"), "--per_shard", "2"]
    first, again = (tmp_path / name for name in "ab")
    for out in (first, again):
        assert convert.main([*args, "--out", str(out)]) == 0
    assert contents(first) == contents(again)
    assert list(first.glob("*.tar"))


def killed(args: list[str], at: Callable[[], None]) -> None:
    """Convert in a process of its own, which kills itself where `at` makes it."""

    def run() -> None:
        at()
        os._exit(convert.main(args))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("at", range(1, COUNT + 1))
def test_a_conversion_killed_at_any_record_continues(files: dict[str, Path], tmp_path: Path, at: int) -> None:
    os.remove(files["images"] / "COCO_val2014_000000000107.jpg")  # the second record is left out
    assert convert.main(command(files, tmp_path / "whole", "--max_left_out", "1")) == 0

    def kill_at_record() -> None:
        whole, reads = Folders.picture, iter(range(1, COUNT + 1))
        Folders.picture = lambda *args: die() if next(reads) == at else whole(*args)  # type: ignore[assignment]

    args = command(files, tmp_path / "out", "--max_left_out", "1")
    killed(args, kill_at_record)
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert not list((tmp_path / "out").glob("*.tar")), "nothing that could be taken for the dataset"
    done = len((tmp_path / "out" / JOURNAL).read_text().splitlines()) - 1
    assert done == max((at - 2) // 2, 0), "whole shards are kept"
    again = _counted(args)
    assert again <= COUNT - 2 * done
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def _counted(args: list[str]) -> int:
    """How many pictures a conversion that succeeds reads."""
    whole, count = Folders.picture, 0

    def counting(*read: object) -> object:
        nonlocal count
        count += 1
        return whole(*read)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folders, "picture", counting)
        assert convert.main(args) == 0
    return count


@pytest.mark.parametrize("at", range(1, 7))
def test_a_conversion_killed_while_it_publishes_continues(files: dict[str, Path], tmp_path: Path, at: int) -> None:
    assert convert.main(command(files, tmp_path / "whole")) == 0

    def kill_at_rename() -> None:
        whole, renames = os.replace, iter(range(1, 99))

        def replace(*paths: Path) -> None:
            whole(*paths)
            if next(renames) == at:
                die()

        os.replace = replace  # type: ignore[assignment]

    killed(command(files, tmp_path / "out"), kill_at_rename)
    assert _counted(command(files, tmp_path / "out")) == 0, "nothing is read again"
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_shard_that_was_damaged_meanwhile_is_written_anew(files: dict[str, Path], tmp_path: Path) -> None:
    assert convert.main(command(files, tmp_path / "whole")) == 0

    def kill_at_the_end() -> None:
        convert.write_card = lambda *args, **more: die()

    killed(command(files, tmp_path / "out"), kill_at_the_end)
    with (tmp_path / "out" / ".coco_caption-00003.tar.part").open("r+b") as shard:
        shard.seek(700)
        shard.write(b"\0\0")
    with (tmp_path / "out" / JOURNAL).open("a") as journal:
        journal.write('{"shard": {"na')  # a torn line
    assert _counted(command(files, tmp_path / "out")) == COUNT - 3 * 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_an_unfinished_conversion_of_something_else_is_refused(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def kill_at_the_end() -> None:
        convert.write_card = lambda *args, **more: die()

    killed(command(files, tmp_path / "out"), kill_at_the_end)
    with pytest.raises(SystemExit, match="2"):
        convert.main(command(files, tmp_path / "out", "--crowd", "drop"))
    assert "['crowd'] differ" in capsys.readouterr().err
    assert convert.main(command(files, tmp_path / "out", "--crowd", "drop", "--fresh")) == 0
    assert convert.main(command(files, tmp_path / "whole", "--crowd", "drop")) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_finished_dataset_is_not_overwritten(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert.main(command(files, tmp_path / "out")) == 0
    before = contents(tmp_path / "out")
    with pytest.raises(SystemExit, match="2"):
        convert.main(command(files, tmp_path / "out", "--crowd", "drop", "--fresh"))
    assert "holds a dataset already" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before


def test_a_full_disk_is_said_and_the_same_command_continues(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert.main(command(files, tmp_path / "whole")) == 0
    write, calls = convert.ShardWriter.write, iter(range(99))

    def full(self: convert.ShardWriter, samples: object) -> object:
        if next(calls) == 3:
            raise OSError(28, "No space left on device")
        return write(self, samples)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(convert.ShardWriter, "write", full)
        with pytest.raises(SystemExit, match="2"):
            convert.main(command(files, tmp_path / "out"))
    assert "out: No space left on device" in capsys.readouterr().err
    assert _counted(command(files, tmp_path / "out")) == COUNT - 3 * 2
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_all_that_is_left_out_is_named_before_the_conversion_fails(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (101, 105, 107):
        os.remove(files["images"] / f"COCO_val2014_{number:012d}.jpg")
    assert convert.main(command(files, tmp_path / "out", "--max_left_out", "2")) == 4
    assert list(contents(tmp_path / "out")) == ["left_out.jsonl"]
    lines = [json.loads(line) for line in (tmp_path / "out" / "left_out.jsonl").read_text().splitlines()]
    assert [line["record"] for line in lines] == ["107", "105", "101"]
    assert all("there is no file" in line["reason"] for line in lines)
    output, error = capsys.readouterr()
    assert "samples of" not in output
    assert "left out: 107: FileNotFoundError: there is no file 'COCO_val2014_000000000107.jpg'" in error
    assert f"no dataset was made: 3 of {COUNT} records left out, --max_left_out is 2" in error


def test_hostile_names_are_shown_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = {"file_name": "\x1b]0;owned\x07.jpg", "caption": "", "groundings": {}}
    path = published.write_json(tmp_path / "a.json", [entry])
    args = ["grandf", "--annotations", str(path), "--images", str(tmp_path), "--out", str(tmp_path / "out")]
    assert convert.main(args) == 4
    shown = capsys.readouterr().err
    assert "left out:  ]0;owned .jpg: file name" in shown
    assert "\x1b" not in shown


def test_rate_and_time_left_are_shown(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert.main(command(files, tmp_path / "out")) == 0
    assert f"{COUNT} of {COUNT} records" in (error := capsys.readouterr().err)
    assert "/s, 0 s left" in error


def test_the_card_is_the_same_in_both_forms(files: dict[str, Path], tmp_path: Path) -> None:
    assert convert.main(command(files, tmp_path / "out")) == 0
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    text = (tmp_path / "out" / "README.md").read_text()
    assert card["manifest"] == Manifest.load(tmp_path / "out" / "manifest.json").digest
    for part in ("counts", "notes", "sources", "records"):
        for value in card[part].values():
            assert str(value) in text
    assert card["licence"] == ""
    assert "No licence was given with the conversion." in text
    assert str(tmp_path) not in text + json.dumps(card), "no paths of the machine"


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["coco_caption"], "--instances"),
        (["nothing"], "nothing"),
        (["grandf", "--annotations", "no.json", "--images", "."], "no.json: No such file"),
        (["grandf", "--annotations", "no.json", "--images", "nowhere"], "'nowhere'"),
        (["grandf", "--annotations", "README.md", "--images", "."], "README.md"),
        (["grandf", "--annotations", "BAD", "--images", "."], "no GranD-f JSON"),
        (
            ["openpsg", "--annotations", "BAD", "--panoptic", ".", "--images", "."],
            "bad.json: 'thing_classes' is missing",
        ),
        (
            ["coco_caption", "--instances", "BAD", "--captions", "BAD", "--images", "."],
            "bad.json: images is 3; expected is a list",
        ),
        (["tam_layout", ".", "--dataset", "grandf"], "anno.json"),
        (["shards", "."], "manifest.json"),
        (["shards", ".", "--per_shard", "0"], "--per_shard"),
    ],
)
def test_a_wrong_command_is_said_in_one_line(
    args: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.json").write_text('{"images": 3}')
    args = [str(tmp_path / "bad.json") if arg == "BAD" else arg for arg in args]
    with pytest.raises(SystemExit, match="2"):
        convert.main([*args, "--out", str(tmp_path / "out")])
    line = capsys.readouterr().err.splitlines()[-1]
    assert "error: " in line
    assert named in line
    assert not (tmp_path / "out").exists()
