"""The files of a checkpoint's folder: which ones are read, whether they may be, and their hash."""

import hashlib
import json
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

from datamodules.files import open_file
from pipeline.notice import Notice

MEBIBYTE = 2**20
CONFIGS = frozenset(
    {
        "config.json",
        "generation_config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "chat_template.jinja",
        "chat_template.json",
    }
)
"""Small files that transformers reads by name."""
VOCABULARIES = frozenset(
    {
        *("tokenizer.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt", "bpe.codes", "dict.txt"),
        *("tokenizer.model", "sentencepiece.bpe.model", "sentencepiece.model", "spiece.model", "spm.model"),
        *("tiktoken.model", "tekken.json", "normalizer.json", "byte_maps.json", "emoji.json", "entity_vocab.json"),
        *("spm_char.model", "vocab-src.json", "vocab-tgt.json", "target_vocab.json", "prophetnet.tokenizer"),
    }
)
"""Files that tokenizers of transformers read by name."""
TEMPLATES = "additional_chat_templates"
"""Folder of further chat templates."""
MOST_TEMPLATES = 100
LIMITS = {"config": 16 * MEBIBYTE, "vocabulary": 256 * MEBIBYTE, "index": 64 * MEBIBYTE}
"""Bytes that a file of each kind may have."""
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FOREIGN = {
    "adapter_config.json": "it is an adapter for another model; merge it into that model and save the whole",
    "audio_tokenizer_config.json": "it has a processor for sound, which would load another model",
}
"""Files that would make transformers load something else."""
NO_PICKLES = (
    "holds no .safetensors, and pickled weights (.bin) are not read; "
    "download those, or have a machine you trust save the model again with safe_serialization=True"
)
SPARSE = 1000
"""A file of weights is refused as sparse where so many times its bytes on the disk are fewer than its size."""
LARGE = 2**30
"""Bytes from which on hashing takes long enough to be announced."""


def roots(folder: Path) -> tuple[Path, ...]:
    """Return the folders that files of `folder` may lie in: itself, and the blobs beside it in a hub cache."""
    cache = folder.parent.parent
    if folder.parent.name == "snapshots" and cache.name.startswith("models--"):
        return folder, cache / "blobs"
    return (folder,)


def regular(folder: Path, name: str, limit: int | None = None) -> Path:
    """Return the path of the file `name` of `folder` (resolved), which is not opened; `opened` does that.

    Raises ValueError, beginning with the name, where it leads out of the folder, is missing, is no regular file (a FIFO
    or a device would be read for ever) or has more than `limit` bytes.
    """
    if not name or "\0" in name or "\\" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name!r} leads out of the folder, whose own files alone are read")
    try:
        path = (folder / name).resolve(strict=True)
        status = path.stat()
    except FileNotFoundError as error:
        raise ValueError(f"{name} is missing; download it") from error
    except (RuntimeError, NotADirectoryError) as error:  # links in a circle; a file where a folder is named
        raise ValueError(f"{name} is no file: {error}") from error
    if not any(path.is_relative_to(root) for root in roots(folder)):
        raise ValueError(f"{name} is a link that leads out of the folder; put the file itself there")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{name} is no regular file")
    if limit is not None and status.st_size > limit:
        raise ValueError(f"{name} has {status.st_size:,} bytes, at most {limit:,} are read")
    return path


def opened(folder: Path, name: str, limit: int | None = None) -> BufferedReader:
    """Open the file `name` of `folder` (resolved) for reading. Raises ValueError as `regular` does, also where the file
    came to be a link, a FIFO or a device after it was looked at."""
    path = regular(folder, name, limit)
    try:
        return cast(BufferedReader, open_file(path, limit, links=False))
    except (ValueError, IsADirectoryError) as error:
        raise ValueError(f"{name} is no regular file") from error
    except FileNotFoundError as error:
        raise ValueError(f"{name} is missing; download it") from error


def admitted(folder: Path) -> tuple[str, ...]:
    """Return the names of all files besides weights that transformers may read in `folder` (resolved), sorted.

    Raises ValueError, beginning with a file's name, where one may not be read (see `regular`) or would make
    transformers load something else.
    """
    for name, reason in FOREIGN.items():
        if os.path.lexists(folder / name):
            raise ValueError(f"{name}: {reason}")
    return tuple(sorted(name for name, limit in candidates(folder) if regular(folder, name, limit)))


def candidates(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the names that `folder` and its folders of further tokenizers hold, and the bytes that each may have."""
    places = [Path(), *(Path(path.name) for path in sorted(folder.glob("*tokenizer*")) if path.is_dir())]
    for place in places:
        for names, kind in ((CONFIGS, "config"), (VOCABULARIES, "vocabulary")):
            for name in sorted(names):
                if os.path.lexists(folder / place / name):
                    yield (place / name).as_posix(), LIMITS[kind]
        yield from (((place / name).as_posix(), LIMITS["vocabulary"]) for name in versions(folder / place))
    if (folder / TEMPLATES).is_dir():
        found = sorted(path.name for path in (folder / TEMPLATES).glob("*.jinja"))
        if len(found) > MOST_TEMPLATES:
            raise ValueError(f"{TEMPLATES} holds {len(found)} templates, at most {MOST_TEMPLATES} are read")
        yield from ((f"{TEMPLATES}/{name}", LIMITS["config"]) for name in found)


def versions(folder: Path) -> list[str]:
    """Return the names of tokenizers for single versions of transformers, tokenizer.VERSION.json, in `folder`."""
    return sorted(path.name for path in folder.glob("tokenizer.*.json"))


def first(folder: Path) -> tuple[str, ...]:
    """Return the names of files of weights that transformers looks for in `folder` (resolved), the first one there.

    Raises ValueError where config.json names what is none.
    """
    named = record(folder, "config.json", LIMITS["config"]).get("transformers_weights")
    if named is None:
        return SINGLE, INDEX
    if not isinstance(named, str) or not named.endswith((".safetensors", ".safetensors.index.json")):
        raise ValueError(f"config.json: transformers_weights is {named!r}, no .safetensors")
    return (named,)


def weights(folder: Path, there: bool = True) -> tuple[str, ...]:
    """Return the names of the weights that transformers reads in `folder` (resolved), after their index if they have
    one.

    As transformers chooses: what `transformers_weights` of config.json names, else model.safetensors, else what
    model.safetensors.index.json names. there: whether all must be. Raises ValueError where there are none, and for what
    may not be read.
    """
    wanted = first(folder)
    named = wanted[0] if len(wanted) == 1 else None
    found = named or next((name for name in wanted if os.path.lexists(folder / name)), None)
    if found is None and any(folder.glob("*.safetensors")):
        raise ValueError(f"{' and '.join(wanted)} are missing; download it again")
    if found is None:
        raise ValueError(f"it {NO_PICKLES}")
    if found.endswith(".safetensors"):
        return (whole(folder, found),)
    content = record(folder, found, LIMITS["index"])
    places = content.get("weight_map")
    if not isinstance(places, dict) or not places or not isinstance(content.get("metadata"), dict):
        raise ValueError(f"{found} names no weights, or has no metadata; download it again")
    if other := [name for name in places.values() if not isinstance(name, str)]:
        raise ValueError(f"{found}: {other[0]!r} is no name of a file")
    shards = sorted(set(places.values()))
    return (found, *(whole(folder, name) if there else name for name in shards))


def whole(folder: Path, name: str) -> str:
    """Return the `name` of a file of weights. Raises ValueError where it is none, or mostly a hole."""
    if not name.endswith(".safetensors"):
        raise ValueError(f"{name!r} is no .safetensors, and pickled weights are not read")
    status = regular(folder, name).stat()
    if 0 < status.st_blocks * 512 * SPARSE < status.st_size:
        raise ValueError(
            f"{name} is sparse: {status.st_size:,} bytes of which nearly none are stored; download it again"
        )
    return name


def optional(folder: Path, name: str) -> dict[str, Any]:
    """Return a JSON object of `folder`; an empty one where there is no such file. Raises ValueError as `record`."""
    return record(folder, name, LIMITS["config"]) if os.path.lexists(folder / name) else {}


def record(folder: Path, name: str, limit: int) -> dict[str, Any]:
    """Return a JSON object of `folder`. Raises ValueError, beginning with its name, where it is none."""
    try:
        with opened(folder, name, limit) as file:
            data = file.read(limit + 1)
        if len(data) > limit:  # it grew, or did not tell its size
            raise ValueError(f"{name} has more than {limit:,} bytes, which are not read")
        found = json.loads(data, parse_constant=_constant)
    except (RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name} is not a valid JSON file; download it again: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{name} is not a JSON object; download it again")
    return found


def _constant(name: str) -> float:
    """Return an infinity. Raises JSONDecodeError for what is no number."""
    if name == "NaN":
        raise json.JSONDecodeError("NaN is no number", name, 0)
    return float(name)


def elements(folder: Path, names: Iterable[str]) -> int:
    """Return how many numbers the files of weights `names` hold, by their headers.

    Raises ValueError, beginning with a file's name, where a header does not describe the file to its last byte.
    """
    return sum(_elements(folder, name) for name in names if name.endswith(".safetensors"))


def _elements(folder: Path, name: str) -> int:
    with opened(folder, name) as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LIMITS["index"]):
            raise ValueError(f"{name} is not whole: it has {size:,} bytes, and no header; download it again")
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
            count = sum(_product(entry["shape"]) for entry in header.values())
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError(f"{name} is damaged in its header; download it again") from error
    if end != size - 8 - length:
        raise ValueError(
            f"{name} is not whole: it has {size:,} bytes, its header tells of {end + 8 + length:,}; download it again"
        )
    return count


def _product(shape: Iterable[int]) -> int:
    """Return the entries of a tensor. Raises ValueError for sides that are no whole numbers from 0."""
    count = 1
    for side in shape:
        if type(side) is not int or side < 0:
            raise ValueError(side)
        count *= side
    return count


def digest(folder: Path, names: Iterable[str]) -> str:
    """Return the sha256 of names and contents of the files `names` of `folder` (resolved), in the order of the names.

    Announced with a `Notice` where it takes long.
    """
    paths = {name: regular(folder, name) for name in sorted(names)}
    if (size := sum(path.stat().st_size for path in paths.values())) > LARGE:
        warnings.warn(f"hashing {size / 1e9:.1f} GB of {folder}", Notice, stacklevel=2)
    total = hashlib.sha256()
    for name in paths:
        with opened(folder, name) as file:
            total.update(f"{name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
