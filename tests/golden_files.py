"""Where the golden arrays lie: the folder named by SEEWHY_GOLDEN, else the project's copy. Cases are globbed."""

import os
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(os.environ.get("SEEWHY_GOLDEN") or Path(__file__).parent / "golden")


def cases(pattern: str) -> list:
    """One pytest parameter per file that matches `pattern`, its id starting with `golden`."""
    files = sorted(FOLDER.glob(pattern))
    assert files, f"no golden file {pattern} under {FOLDER}"
    return [pytest.param(path, id=f"golden-{path.parent.name}-{path.stem}") for path in files]


def model_cases() -> list:
    """The cases that come with a model: `methods/<family>_case*.npz` beside `methods/model_<family>`."""
    families = sorted(path.name.removeprefix("model_") for path in (FOLDER / "methods").glob("model_*"))
    return [case for family in families for case in cases(f"methods/{family}_case*.npz")]


def load(path: Path) -> dict[str, np.ndarray]:
    """All arrays of one file; pickled objects are refused."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
