"""Maps on disk: one `.npz` a sample, an array per explainer, nothing that needs unpickling."""

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from jaxtyping import UInt8

Maps = Mapping[str, UInt8[np.ndarray, "_ _ _"]]
"""Explainer -> uint8 maps, one per answer token, at the token grid."""
LARGEST = 1 << 26
"""Bytes that an `.npz` may have."""
CELLS = 1 << 28
"""Cells that all maps of a sample may have, each a byte."""
SIDE = 1 << 12
"""Rows or columns that a token grid may have."""
HEAD = 1 << 12
"""Bytes before the cells of an array, of which numpy takes 128."""
LISTING = 1 << 18
"""Bytes that the listing of an `.npz` may have."""


def save(path: Path, maps: Mapping[str, Any]) -> None:
    """Write arrays or tensors, whole or not at all. Any name will do, also one that `numpy.savez` takes for its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with part.open("xb") as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:  # x: not through a link
        for name, values in maps.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(values), allow_pickle=False)
    part.replace(path)


def load(data: bytes, tokens: int | None = None) -> Maps:
    """Return the maps of an `.npz` by explainer. tokens: how many of the answer each must have.

    What an archive says of its sizes is checked against `CELLS` before it is unpacked, and not more is unpacked than it
    says. Raises ValueError for anything that is not three axes of uint8.
    """
    check_listing(data)
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > CELLS:
                raise ValueError(f"the maps have more than {CELLS:,} cells")
            found = {member.filename.removesuffix(".npy"): _array(archive, member, tokens) for member in members}
    except (BadZipFile, EOFError, zlib.error, RuntimeError, LookupError, RecursionError, OverflowError) as error:
        raise ValueError(f"no readable archive of maps: {error}") from error
    if len(found) < len(members):
        raise ValueError("two maps have one name")
    return found


def check_listing(data: bytes) -> None:
    """Raise ValueError where an archive is none, or lists more than a run's maps could need.

    `ZipFile` makes an object of each entry, before anything can be asked. An archive of `save` ends in its end record,
    without a comment and without the longer record of archives beyond 65,535 entries or 4 GB.
    """
    end = data[-22:]
    if len(end) < 22 or end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0" or data[-42:-38] == b"PK\x06\x07":
        raise ValueError("no readable archive of maps: it does not end as one")
    if int.from_bytes(end[12:16], "little") > LISTING:
        raise ValueError("the archive of maps lists too many")


def _array(archive: ZipFile, member: ZipInfo, tokens: int | None) -> UInt8[np.ndarray, "_ _ _"]:
    """One array, of a member that says how large it is."""
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or not member.filename.endswith(".npy"):
        raise ValueError(f"{member.filename!r} is no map")
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{member.filename!r} is no map")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=HEAD)
        if dtype != np.uint8 or len(shape) != 3 or min(shape) < 0 or not all(0 < side <= SIDE for side in shape[1:]):
            raise ValueError(f"{member.filename!r} holds {dtype} of shape {shape}, not maps of uint8")
        if tokens is not None and shape[0] != tokens:
            raise ValueError(f"{member.filename!r} has maps of {shape[0]} tokens, the answer has {tokens}")
        size = shape[0] * shape[1] * shape[2]
        cells = file.read(size + 1) if size <= member.file_size else b""
    if len(cells) != size:
        raise ValueError(f"{member.filename!r} has not the {size:,} cells that it says")
    return np.frombuffer(cells, np.uint8).reshape(shape, order="F" if fortran else "C")
