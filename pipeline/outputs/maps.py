"""Maps on disk: one `.npz` a sample, an array per explainer, nothing that needs unpickling."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def save(path: Path, maps: Mapping[str, Any]) -> None:
    """Write arrays or tensors, whole or not at all."""
    arrays = {name: np.asarray(values) for name, values in maps.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    part.replace(path)
