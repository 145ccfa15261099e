"""What a sweep shows of the trial in hand."""

from pathlib import Path

from pipeline.outputs.fingerprint import open_run
from pipeline.sweep.show import Rows


def test_rows_are_counted_as_they_are_written_and_none_is_read_twice(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    assert rows.look() == "starting"
    open_run(tmp_path, {}, environment={"samples": 5000})
    first, second = tmp_path / "rows.0.jsonl", tmp_path / "rows.1.jsonl"
    first.write_bytes(b"{}\n{}\n{")
    assert rows.look() == "2 of 5,000 samples"
    first.write_bytes(b"xxxxxxx}\n")
    second.write_bytes(b"{}\n")
    assert rows.look() == "4 of 5,000 samples"
