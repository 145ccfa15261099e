"""Results on disk: found by what was asked, bounded, shared; `test_store_faults` has what may be wrong with them."""

import os
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from itertools import starmap
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


@pytest.mark.parametrize(("runs", "writers"), [(1, 1), (4, 1), (1, 4), (3, 2)])
def test_whoever_fills_a_folder_at_once_keeps_it_within_its_limit(tmp_path: Path, runs: int, writers: int) -> None:
    limit = 1_000_000
    (tmp_path / "older").write_bytes(bytes(limit // 2))
    all_of_them = [store(tmp_path, limit=limit, writers=writers) for _ in range(runs * writers)]
    turns = [(one, one.key(which, number)) for number in range(200) for which, one in enumerate(all_of_them)]
    with pytest.warns(UserWarning, match=r"nothing more is kept: .* is full \(--cache_size\): delete what") as told:
        list(starmap(lambda one, key: one.write(key, torch.zeros(1000)), turns))
    assert len(told) == len(all_of_them), "each says so once"
    assert 0.98 * limit < held(tmp_path) <= limit * (1 + (runs - 1) / stores.LOOKS)
    assert all_of_them[0].read(all_of_them[0].key(0, 0), CPU) is not None


def test_a_folder_is_measured_rarely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    monkeypatch.setattr(stores, "held", lambda folder: looked.append(folder) or held(folder))  # type: ignore[func-returns-value]
    one = store(tmp_path, limit=2_000_000)
    assert one.read(one.key(0), CPU) is None
    assert looked == [], "what reads only does not measure"
    for number in range(400):
        one.write(one.key(number), torch.zeros(1000))
    assert 80 < len(looked) <= stores.LOOKS


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
