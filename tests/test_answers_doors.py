"""`--answers` takes a stranger's run folder: what no run writes is one line, and no token is asked for that is none."""

import json
from inspect import unwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import answers
from pipeline.arguments import UsageError
from pipeline.outputs.fingerprint import open_run
from pipeline.outputs.records import encode
from tests.outputs.test_records import ROW

MARK = {"manifest": "m", "model": {"checkpoint": "c"}}


def given(folder: Path) -> Any:
    """What takes the place of generation; of data that hold the key of the row."""
    data: Any = SimpleNamespace(digest="m", expected=[ROW.key])
    return unwrap(answers.given)(str(folder), data, {"checkpoint": "c"})


@pytest.fixture
def run(tmp_path: Path) -> Path:
    open_run(tmp_path / "run", MARK)
    (tmp_path / "run" / "rows.0.jsonl").write_bytes(encode(ROW))
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("env.json", "{"),
        ("env.json", "[" * 9000),
        ("env.json", json.dumps({"fingerprint": [], "starts": []})),
        ("env.json", json.dumps({"fingerprint": {"manifest": "m", "model": "abc"}, "starts": []})),
        ("env.json", json.dumps({"fingerprint": {"manifest": "m", "model": 5}, "starts": []})),
        ("rows.0.jsonl", encode(ROW).decode().replace('"index":3', '"index":"../x"')),
    ],
)
def test_a_folder_that_no_run_wrote_is_one_line(run: Path, name: str, data: str) -> None:
    assert given(run)[0] is not None
    (run / name).write_text(data)
    with pytest.raises(UsageError, match="--answers: ") as caught:
        given(run)
    assert "\n" not in str(caught.value)


def test_no_link_is_followed_out_of_the_folder(run: Path, tmp_path: Path) -> None:
    (run / "env.json").rename(tmp_path / "env.json")
    (run / "env.json").symlink_to(tmp_path / "env.json")
    with pytest.raises(UsageError, match="leads out"):
        given(run)
