"""Whatever lies in a cache is read, computed anew, or left alone: no result changes, and one warning names the file."""

import errno
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import store as stores
from pipeline.store import Store, decoded, encoded, held
from tests.test_store import ANSWER, CPU, same, store

FOREIGN: dict[str, bytes] = {
    "empty": b"",
    "text": b"{}",
    "pickle": b"\x80\x04N.",
    "noise": os.urandom(4096),
    "cut": encoded("key", [1])[:-1],
    "another question": encoded("another", [1]),
}


def told_once(one: Store, why: str) -> None:
    """Nothing is read under `key`, and one warning names the file."""
    with pytest.warns(UserWarning, match=f"^cache: {re.escape(str(one.path('key')))} {why}, and") as told:
        assert one.read("key", CPU) is None
    assert len(told) == 1


def quietly(one: Store, *keys: str) -> None:
    """Something is written under each of the keys, or not, without another warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for key in keys:
            one.write(key, [2])


def refusing(number: int) -> Callable[..., Any]:
    """A call of the system that fails."""

    def refuse(path: Any, *_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number), str(path))

    return refuse


def test_no_flipped_byte_and_no_cut_is_believed() -> None:
    value = [(ANSWER, torch.randn(2, 3))]
    whole = encoded("key", value)
    for place in range(len(whole)):
        for damaged in (whole[:place], bytes([*whole[:place], whole[place] ^ 0x10, *whole[place + 1 :]])):
            try:
                found = decoded(damaged, "key", CPU)
            except Exception:
                continue
            assert same(found, value), "padding of the header says nothing"


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_what_is_foreign_is_told_and_overwritten(tmp_path: Path, foreign: bytes) -> None:
    one = store(tmp_path)
    one.path("key").write_bytes(foreign)
    told_once(one, "is damaged or foreign")
    one.write("key", [2])
    assert one.read("key", CPU) == [2]


def test_what_another_checkpoint_left_is_not_found_nor_believed_when_it_is_moved(tmp_path: Path) -> None:
    one, other = store(tmp_path, model="a"), store(tmp_path, model="b")
    one.write(one.key("verb"), [1])
    assert other.read(other.key("verb"), CPU) is None
    one.path(one.key("verb")).rename(other.path(other.key("verb")))
    place = re.escape(str(other.path(other.key("verb"))))
    with pytest.warns(UserWarning, match=f"{place} is damaged or foreign.* belongs elsewhere"):
        assert other.read(other.key("verb"), CPU) is None


def test_a_link_in_the_place_of_an_entry_is_replaced_and_what_it_leads_to_neither_read_nor_written(
    tmp_path: Path,
) -> None:
    one, outside = store(tmp_path / "cache"), tmp_path / "outside"
    sound = encoded("key", [1])
    outside.write_bytes(sound)
    one.path("key").symlink_to(outside)
    told_once(one, "is damaged or foreign")
    one.write("key", [2])
    assert (one.read("key", CPU), outside.read_bytes()) == ([2], sound)


def test_a_link_in_the_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder, outside = store(tmp_path / "cache").folder, tmp_path / "outside"
    (folder / "about.json").unlink()
    folder.rmdir()
    outside.mkdir()
    (outside / "key.safetensors").write_bytes(encoded("key", [1]))
    folder.symlink_to(outside)
    with pytest.warns(UserWarning, match=f"nothing more is kept: {re.escape(str(folder))}: it is a link") as told:
        one = store(tmp_path / "cache")
    assert one.empty
    assert one.read("key", CPU) is None
    quietly(one, "other")
    assert len(told) == 1
    assert len(list(outside.iterdir())) == 1
    assert held(tmp_path / "cache") < 200, "the link itself counts"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    one = store(tmp_path)
    os.mkfifo(one.path("key"))
    told_once(one, "is damaged or foreign")
    one.write("key", [2])
    assert one.read("key", CPU) == [2]


def test_a_folder_in_the_place_of_an_entry_is_told_once_and_others_are_kept(tmp_path: Path) -> None:
    one = store(tmp_path)
    one.path("key").mkdir()
    told_once(one, "cannot be read")
    quietly(one, "key", "other")
    assert one.path("key").is_dir()
    assert one.read("other", CPU) == [2]
    assert not list(one.folder.glob(".*.part"))


def test_an_entry_that_may_not_be_read_is_told_and_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = store(tmp_path)
    one.write("key", [1])
    with monkeypatch.context() as patch:
        patch.setattr(stores.os, "open", refusing(errno.EACCES))
        told_once(one, "cannot be read")
    one.write("key", [2])
    assert one.read("key", CPU) == [2]


def test_a_folder_that_may_not_be_read_is_told_once_and_counts_as_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(tmp_path).write("key", [1])
    monkeypatch.setattr(stores.os, "scandir", refusing(errno.EACCES))
    with pytest.warns(UserWarning, match="nothing more is kept: .*: Permission denied") as told:
        one = store(tmp_path)
    quietly(one, "key")
    assert (one.empty, one.read("key", CPU), len(told)) == (True, None, 1)


def test_a_folder_that_may_only_be_read_gives_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path).write("key", [1])
    for name in ("write_atomic", "write_json"):
        monkeypatch.setattr(stores, name, refusing(errno.EROFS))
    with pytest.warns(UserWarning, match="nothing more is kept: .*: Read-only file system") as told:
        one = store(tmp_path)
    quietly(one, "other")
    assert (one.empty, one.read("key", CPU), len(told)) == (False, [1], 1)


def test_a_disk_that_fails_is_told_once_and_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    one = store(tmp_path)
    monkeypatch.setattr(stores, "write_atomic", full)
    with pytest.warns(UserWarning, match="cache: nothing more is kept: .*No space left on device") as told:
        list(map(one.write, "abc", [[1], [2], [3]]))
    assert len(told) == 1
    (tmp_path / "taken").write_text("mine")
    with pytest.warns(UserWarning, match="nothing more is kept"):
        Store(tmp_path / "taken", {}, limit=10**9).write("key", [1])
