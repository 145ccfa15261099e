"""Maps on disk: what was given comes back, under any name, and never by unpickling."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.outputs.maps import save

NAMES = ["cam", "file", "allow_pickle", "self", "arr_0", "kwds"]


def test_every_name_comes_back_with_its_array(tmp_path: Path) -> None:
    given = {name: torch.rand(3, 2, 4) + at for at, name in enumerate(NAMES)}
    save(tmp_path / "a" / "0.npz", given)
    with np.load(tmp_path / "a" / "0.npz", allow_pickle=False) as kept:
        assert kept.files == NAMES
        assert all(np.array_equal(kept[name], given[name].numpy()) for name in NAMES)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["0.npz"]


def test_the_same_maps_are_the_same_bytes_and_small(tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(tmp_path / name, {"cam": np.zeros((50, 40, 40), np.uint8)})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert (tmp_path / "one").stat().st_size < 2000


def test_objects_are_refused_and_no_file_is_left_behind_by_that_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays"):
        save(tmp_path / "0.npz", {"cam": np.array([object()])})
    assert not (tmp_path / "0.npz").exists()
