"""Lists of strangers: the work grows with their length, and what is compared with every answer is bounded."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.manifest import MAX_NAME, MAX_NAMES, MAX_SAID, ManifestError
from datamodules.names import inside, keys, normalise
from datamodules.record import MAX_MASKS, decode_facts
from datamodules.rle import encode_labels, from_segmentation
from datamodules.shards import write_shards
from datamodules.sources.base import Masks, once
from datamodules.sources.coco import by_image, category_names, unrepeated
from tests.datamodules.builder import records

pytestmark = pytest.mark.timeout(20)
MANY = 20_000


def lines(work: Callable[[], object]) -> int:
    """How many lines of this project's code run."""
    count = 0

    def trace(frame: Any, event: str, arg: object) -> Any:
        nonlocal count
        if "datamodules" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def square(at: int) -> list[list[int]]:
    return [[at % 40, at // 40, at % 40 + 1, at // 40, at % 40 + 1, at // 40 + 1]]


def gathered(n: int) -> None:
    masks = Masks(64, 64)
    for at in range(n):
        masks.add(f"the {at % 7} dogs", [square(at)])
    masks.joined()


def facts(n: int) -> None:
    names = [f"name {at}" for at in range(n)]
    masks = {name: {"size": [1, 1], "counts": "01"} for name in names}
    decode_facts(json.dumps({"height": 1, "width": 1, "masks": masks, "categories": names}).encode(), ())


LISTS: dict[str, Callable[[int], object]] = {
    "suffixes of a name": lambda n: normalise("wall" + "-merged-other" * n),
    "suffixes that end in none": lambda n: normalise("-stuff" * n + "x"),
    "words before a name": lambda n: normalise("the 7 " * n + "dogs"),
    "marks around a name": lambda n: normalise("(" * n + "dog" + ")" * n),
    "names of files": lambda n: keys([f"{at % 3}/x{at}.png" for at in range(n)]),
    "endings of a file": lambda n: keys(["a" + ".b" * n]),
    "phrases": gathered,
    "masks and categories": facts,
    "polygons": lambda n: from_segmentation([square(at)[0] for at in range(n)], 64, 64),
    "copies of an annotation": lambda n: unrepeated([("", {"id": at // 2}) for at in range(n)], Masks(1, 1)),
    "annotations": lambda n: by_image({"annotations": [{"image_id": at % 5} for at in range(n)]}, ""),
    "categories": lambda n: category_names([{"id": at, "name": f"a{at}"} for at in range(n)], ""),
    "entries": lambda n: once([at // 2 for at in range(n)], [{"a": at // 2} for at in range(n)]),
    "numbers of a label image": lambda n: encode_labels(np.arange(64 * 64).reshape(64, 64) % 997, range(n)),
}


@pytest.mark.parametrize("name", LISTS)
def test_twice_the_list_is_twice_the_work(name: str) -> None:
    one, two = (lines(lambda n=n: LISTS[name](n)) for n in (200, 400))
    assert two <= 2.2 * one + 50


@pytest.mark.parametrize("name", [name for name in LISTS if name != "masks and categories"])
def test_a_list_of_many_ends(name: str) -> None:
    """What a line of code does within itself, such as a search of a list, is in this time. Three are shorter, for each
    of their entries is checked by type as well where tests run."""
    LISTS[name](MANY // 10 if name in ("phrases", "polygons", "categories") else MANY)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"masks": {f"{at}": {"size": [1, 1], "counts": "01"} for at in range(MANY)}}, f"more than {MAX_MASKS}"),
        ({"categories": [f"{at}" for at in range(MAX_NAMES + 1)]}, f"more than {MAX_NAMES}"),
        ({"categories": ["x" * (MAX_NAME + 1)]}, f"categories: a name of {MAX_NAME + 1} characters"),
        (
            {"masks": {"wall" + "-merged" * MANY: {"size": [1, 1], "counts": "01"}}},
            "masks: a name of 140004 characters",
        ),
        ({"captions": ["a dog "] * MANY}, f"captions: 120000 characters, more than {MAX_SAID}"),
        ({"prompt": "x" * (MAX_SAID + 1)}, "prompt: 65537 characters"),
    ],
    ids=["masks", "categories", "a category", "a mask", "captions", "prompt"],
)
def test_what_answers_are_compared_with_is_bounded(content: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_facts(json.dumps({"height": 1, "width": 1, **content}).encode(), ())


def test_as_many_as_are_allowed_are_read() -> None:
    facts(MAX_MASKS)


def test_the_vocabulary_of_a_manifest_is_bounded(tmp_path: Path) -> None:
    names = [f"{at}" for at in range(MAX_NAMES + 1)]
    path = tmp_path / "manifest.json"
    manifest = write_shards(tmp_path, "toy", records(1), prompt="?", categories=["cat", "dog"])
    for change, reason in (({"categories": names}, "names, more than"), ({"prompt": "x" * 10**6}, "prompt: 1000000")):
        path.write_text(json.dumps(json.loads(manifest.canonical) | change))
        with pytest.raises(ManifestError, match=rf"manifest.json: .*{reason}"):
            manifest.load(path)


def test_a_file_is_looked_for_once_in_each_folder(tmp_path: Path) -> None:
    folders = [tmp_path / str(at) for at in range(50)]
    with pytest.raises(FileNotFoundError):
        inside(folders, "/".join("a" * 50))
