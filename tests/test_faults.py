"""A disk that is full and folders that cannot be written: one clear line, and nothing half-written counts."""

import errno
import io
import os
from pathlib import Path

import pytest

from datamodules import files, tar
from datamodules.demo import MANIFEST
from datamodules.manifest import Manifest
from pipeline import cli, evaluation
from pipeline.outputs import records
from pipeline.outputs.records import Row, RowWriter, encode, read_rows
from tests import command as commands
from tests.datamodules.damage import Failing, offset

ROW = Row("first", 0, error="ValueError: none")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch):
    """Gives the disk room for so many more bytes of rows."""
    write = os.write

    def room(left: int) -> None:
        def limited(file: int, data: bytes) -> int:
            nonlocal left
            if not left:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            done = write(file, data[:left])
            left -= done
            return done

        monkeypatch.setattr(records.os, "write", limited)

    return room


def test_of_a_row_that_does_not_fit_nothing_stays(tmp_path: Path, disk) -> None:
    path, whole = tmp_path / "rows.0.jsonl", len(encode(ROW))
    for left in range(whole):
        path.unlink(missing_ok=True)
        with RowWriter(path) as writer:
            disk(whole + left)
            writer.write(ROW)
            with pytest.raises(OSError, match=r"No space left on device: .*rows\.0\.jsonl"):
                writer.write(Row("other", 1, error=ROW.error))
            assert path.read_bytes() == encode(ROW)
            disk(10 * whole)
            writer.write(Row("third", 2, error=ROW.error))
    rows = read_rows(tmp_path)
    assert (list(rows), rows.dropped) == (["first", "third"], 0)


def run(capsys: pytest.CaptureFixture[str], folder: Path, *more: str) -> tuple[int, str]:
    """The exit status of a run, and the last line that it says."""
    args = ["--run_dir", str(folder), "--limit", "4", "--batch_size", "2", "--explainers", "cam", "--figures", "0"]
    args += ["--trainer.accelerator", "cpu", "--trainer.strategy", "auto", "--wandb.mode", "disabled"]
    job = cli.parse([*args, *more])
    capsys.readouterr()
    try:
        status = evaluation.Evaluation(job).run()
    except SystemExit as left:
        status = int(left.code or 0)
    said = capsys.readouterr().err.splitlines()
    return status, said[-1] if said else ""


def test_a_full_disk_ends_the_run_with_one_line_and_the_rows_before_it_count(
    tmp_path: Path, disk, capsys: pytest.CaptureFixture[str]
) -> None:
    disk(10_000_000)
    assert run(capsys, tmp_path / "whole")[0] == 0
    lines = (tmp_path / "whole" / "rows.0.jsonl").read_bytes().splitlines(keepends=True)
    disk(len(lines[0] + lines[1]) + 200)
    status, said = run(capsys, tmp_path / "full")
    assert status == 5
    assert said.startswith("run_eval.py: error: ")
    assert "rows.0.jsonl: No space left on device; mend that, then the same command resumes" in said
    rows = read_rows(tmp_path / "full")
    assert (len(rows), rows.dropped) == (2, 0)
    disk(10_000_000)
    assert run(capsys, tmp_path / "full")[0] == 0
    assert (tmp_path / "full" / "summary.json").read_bytes() == (tmp_path / "whole" / "summary.json").read_bytes()


@pytest.mark.parametrize("workers", ["0", "1"])
def test_data_that_the_machine_cannot_read_end_the_run_and_stay_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], workers: str
) -> None:
    entry = Manifest.load(MANIFEST).samples[3]
    shard = MANIFEST.parent / entry.shard
    first = min(offset(shard, f"{entry.key}.{suffix}")[0] for suffix in entry.members)

    class Stale(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= first:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return super().read(size)

    with monkeypatch.context() as patch:
        patch.setattr(tar, "open_file", Stale)
        status, said = run(capsys, tmp_path, "--data.num_workers", workers)
    wanted = f"run_eval.py: error: {shard}: Stale file handle; mend that, then the same command resumes"
    assert (status, said) == (5, wanted)
    assert [head.error for head in read_rows(tmp_path).heads.values()] == [None, None]
    assert run(capsys, tmp_path, "--data.num_workers", workers)[0] == 0
    assert len(read_rows(tmp_path)) == 4


def test_pictures_that_the_machine_cannot_read_end_the_run_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(b"")
    monkeypatch.setattr(files, "open_file", lambda path, *_: Failing(path, 0, errno.ESTALE))
    status, said = run(capsys, tmp_path / "run", "--data", "images", f"--data.paths={picture}")
    wanted = f"run_eval.py: error: {picture}: Stale file handle; mend that, then the same command resumes"
    assert (status, said) == (5, wanted)
    assert not (tmp_path / "run").exists()


def test_a_file_in_the_way_of_the_run_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("mine")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below", Path("/proc/below")):
        status, said = run(capsys, folder)
        assert status == 2
        assert f"--run_dir: {folder} cannot be a folder: a file is in its way, or none can be made there" in said
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    status, said = run(capsys, tmp_path / "run")
    tmp_path.chmod(0o700)
    assert status == 5
    assert f"{tmp_path / 'run'}: Permission denied; mend that, then the same command resumes" in said


@pytest.mark.parametrize(("name", "number", "rows"), [("env.json", errno.EROFS, 0), ("summary.json", errno.ENOSPC, 4)])
def test_a_view_that_cannot_be_written_is_named_and_leaves_nothing_half_done(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    number: int,
    rows: int,
) -> None:
    write = Path.write_bytes

    def refuse(path: Path, data: bytes) -> int:
        if path.name.startswith(f".{name}."):
            if number != errno.EROFS:
                write(path, data[: len(data) // 2])
            raise OSError(number, os.strerror(number), str(path))
        return write(path, data)

    def keep(path: Path, missing_ok: bool = False) -> None:
        raise OSError(number, os.strerror(number), str(path))

    with monkeypatch.context() as patch:
        if number == errno.EROFS:  # where even a file that is not there cannot be removed
            patch.setattr(Path, "unlink", keep)
        patch.setattr(Path, "write_bytes", refuse)
        status, said = run(capsys, tmp_path)
    wanted = f"{tmp_path / name}: {os.strerror(number)}; mend that, then the same command resumes"
    assert (status, said) == (5, f"run_eval.py: error: {wanted}")
    assert not list(tmp_path.glob(f"*{name}*"))
    assert len(read_rows(tmp_path)) == rows
    (tmp_path / "owner.json").unlink(missing_ok=True)  # where it could not be removed; this process is still there
    assert run(capsys, tmp_path)[0] == 0
    assert len(read_rows(tmp_path)) == 4


def test_a_rank_without_a_batch_waits_for_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, tmp_path / "one")[0] == 0
    args = ["--limit", "4", "--batch_size", "2", "--explainers", "cam", "--figures", "0", "--wandb.mode", "disabled"]
    args += ["--trainer.accelerator", "cpu", "--trainer.devices", "3", "--run_dir", str(tmp_path / "three")]
    done = commands.run(*args)
    assert done.returncode == 0, done.stderr
    sizes = [(tmp_path / "three" / f"rows.{rank}.jsonl").read_bytes().count(b"\n") for rank in range(3)]
    assert sorted(sizes) == [0, 2, 2]
    assert (tmp_path / "three" / "summary.json").read_bytes() == (tmp_path / "one" / "summary.json").read_bytes()
