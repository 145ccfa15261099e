"""Results on disk: found by what was asked, never believed where a byte is wrong, bounded, shared."""

import errno
import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from pipeline import store as stores
from pipeline.store import Store, decoded, digest, encoded, held
from pipeline.types import WHOLE, Answer, Layout, Query, Trace
from tests import tiny

CPU = torch.device("cpu")
LAYOUT = Layout(torch.arange(6), 2, 3, WHOLE, torch.empty(0, dtype=torch.long), 9)
ANSWER = Answer((5, 7), ("A ", "“café” \ud83d"), "A “café” \ud83d", False)
TRACE = Trace(0.5, 2, 3, torch.randn(6, 4).bfloat16(), None, 3)
VALUES: list[Any] = [
    [ANSWER],
    ([ANSWER, ANSWER], [TRACE, Trace(1.0, 2, 3, torch.randn(6, 4), torch.randn(2, 4), 3)]),
    [(torch.tensor([[3, 4, 5]]), LAYOUT)],
    [0, 552],
    [torch.randn(4).half(), torch.tensor(0.25)],
    torch.tensor([True, False]),
    torch.empty(0, 3),
    ("", None, 1e-300, -0.0, 3, True),
]


def store(root: Path, limit: int = 10**9, writers: int = 1, **mark: Any) -> Store:
    return Store(root, mark, limit=limit, writers=writers)


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit, and of the same types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one):
        return all(same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    return repr(one) == repr(other)


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_what_is_written_is_read_again_by_any_store(tmp_path: Path, value: Any) -> None:
    first, second = store(tmp_path), store(tmp_path)
    assert first.empty
    assert first.read(first.key("verb", 1), CPU) is None
    first.write(first.key("verb", 1), value)
    assert same(second.read(second.key("verb", 1), CPU), value)
    assert not second.empty


def test_restored_tensors_lie_in_memory_of_their_own() -> None:
    found = decoded(encoded("key", [torch.randn(n, 5) for n in (1, 2, 3)]), "key", CPU)
    assert all(tensor.data_ptr() % 64 == 0 and tensor.is_contiguous() for tensor in found)


def test_what_no_entry_holds_is_refused() -> None:
    with pytest.raises(TypeError, match="set is none of Answer, Layout, Trace"):
        digest({1})


def test_every_difference_in_what_is_asked_makes_another_key(tmp_path: Path) -> None:
    image = tiny.image(2, 2)
    changed = image.copy()
    changed.putpixel((3, 1), tuple(v ^ 1 for v in image.getpixel((3, 1))))  # type: ignore[arg-type, union-attr]
    query = Query(image, "What?", 1.0, {}, LAYOUT)
    asked: list[tuple[Any, ...]] = [
        ("ask", [image], ["What?"], 1.0),
        ("ask", [image], ["What?"], 0.5),
        ("ask", [image], ["What"], 1.0),
        ("ask", [changed], ["What?"], 1.0),
        ("ask", [image, changed], ["What?", "What?"], 1.0),
        ("ask", [changed, image], ["What?", "What?"], 1.0),
        ("ask", [image.resize((image.width * 2, image.height // 2))], ["What?"], 1.0),
        ("look", [image], ["What?"], 1.0),
        ("answer", [query]),
        ("trace", [query], [ANSWER]),
        ("trace", [query], None),
        ("top", torch.zeros(2, 3), 50),
        ("top", torch.zeros(3, 2), 50),
        ("top", torch.zeros(2, 3, dtype=torch.int32), 50),
        ("top", torch.zeros(2, 3), 51),
    ]
    one, other = store(tmp_path, model="a"), store(tmp_path, model="b")
    assert len({each.key(*question) for each in (one, other) for question in asked}) == 2 * len(asked)
    assert one.key(*asked[0]) == store(tmp_path, model="a").key("ask", [image.copy()], ["What?"], 1.0)
    assert one.key(image) == one.key(image.convert("RGBA")), "the model sees RGB"


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


@pytest.mark.parametrize("foreign", [b"", b"{}", b"\x80\x04N.", os.urandom(4096), encoded("another", [1])])
def test_what_is_foreign_is_told_and_overwritten(tmp_path: Path, foreign: bytes) -> None:
    one = store(tmp_path)
    key = one.key("verb")
    one.path(key).write_bytes(foreign)
    with pytest.warns(UserWarning, match=f"cache: .*{key}.* is damaged or foreign, and computed anew"):
        assert one.read(key, CPU) is None
    one.write(key, [2])
    assert one.read(key, CPU) == [2]


def test_writers_share_what_room_there_is_and_stop_with_one_warning(tmp_path: Path) -> None:
    (tmp_path / "older").write_bytes(bytes(100_000))
    ranks = [store(tmp_path, limit=200_000, writers=2) for _ in range(2)]
    for which, rank in enumerate(ranks):
        rank.write(rank.key(which, 0), torch.zeros(1000))
        with pytest.warns(UserWarning, match=r"full \(--cache_size\)") as told:
            list(map(rank.write, map(str, range(100 * which, 100 * which + 100)), [torch.zeros(1000)] * 100))
        assert len(told) == 1
    assert 180_000 < held(tmp_path) <= 200_000
    assert ranks[0].read(ranks[0].key(1, 0), CPU) is not None


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


def test_many_may_write_and_read_one_entry_at_once(tmp_path: Path) -> None:
    value = torch.arange(50_000)

    def work(_: int) -> bool:
        one = store(tmp_path)
        key = one.key("verb")
        one.write(key, value)
        return torch.equal(one.read(key, CPU), value)

    with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("error")
        assert all(pool.map(work, range(64)))
    assert [path.suffix for path in store(tmp_path).folder.iterdir() if path.name != "about.json"] == [".safetensors"]


def test_what_killed_processes_left_goes_after_a_day(tmp_path: Path) -> None:
    folder = store(tmp_path).folder
    old, new = (folder / f".{name}.safetensors.0.part" for name in ("old", "new"))
    for part, age in ((old, 2), (new, 0)):
        part.write_bytes(b"half")
        os.utime(part, (time.time() - age * stores.DAY,) * 2)
    store(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


def test_an_image_in_a_palette_counts_as_its_colours(tmp_path: Path) -> None:
    one = Image.new("P", (2, 2))
    one.putpalette([255, 0, 0])
    other = Image.new("P", (2, 2))
    other.putpalette([0, 255, 0])
    assert digest(one) != digest(other)
