"""Maps on disk: one `.npz` a sample, an array per explainer, nothing that needs unpickling."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np


def save(path: Path, maps: Mapping[str, Any]) -> None:
    """Write arrays or tensors, whole or not at all. Any name will do, also one that `numpy.savez` takes for its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with ZipFile(part, "w", ZIP_DEFLATED) as archive:
        for name, values in maps.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(values), allow_pickle=False)
    part.replace(path)
