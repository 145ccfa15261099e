"""Results on disk: one file each, found by a digest of what was asked, checked when it is read."""

import errno
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL.Image import Image
from torch import Tensor

from datamodules.files import open_file
from pipeline.notice import Notice
from pipeline.outputs.fingerprint import write_atomic, write_json
from pipeline.types import Answer, Layout, Query, Trace

DAY = 24 * 60 * 60
LOOKS = 100
"""How often the folder is measured while a run fills it."""
NOUNS = {noun.__name__: noun for noun in (Answer, Layout, Trace)}
"""What an entry may hold besides tensors, plain values and sequences of all these."""


class Store:
    """Entries that share a `mark`, in a folder below `root`. All there may be deleted, whole or in part, at any time.

    mark: what decides a result besides the question. limit: bytes that `root` may hold, whoever wrote them; what comes
    after is not kept. `root` is measured again when the `writers` of a run have added a hundredth of that, so each run
    that fills it at the same time may pass the limit by as much (or by an entry, if that is more). Nothing is evicted:
    runs go through their data in the same order, so what was written first is asked for next.

    An entry is written whole or not at all, so any number of runs may use one folder, which is never left by a link. An
    entry that is damaged or foreign counts as absent, and no fault of the disk fails a run: warnings say so.
    """

    def __init__(self, root: Path, mark: Mapping[str, Any], *, limit: int, writers: int = 1) -> None:
        self.root, self.mark = root, digest(json.dumps(mark, sort_keys=True))
        self.folder = root / self.mark[:16]
        self._limit, self._step = limit, limit // LOOKS // writers
        self._held, self._added = 0, limit  # so that the first to be added is measured
        self._readable = self._writable = True
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.folder.is_symlink():
                raise OSError(errno.ELOOP, "it is a link", str(self.folder))
            forget(self.folder)
        except OSError as error:
            self._readable = False
            self._close(error)
        else:
            self._write(self.folder / "about.json", lambda path: write_json(path, mark))

    def key(self, *asked: Any) -> str:
        """The digest of what is asked: anything that `pack` takes."""
        return digest((self.mark, *asked))

    def read(self, key: str, device: torch.device) -> Any:
        """What was written under `key`; tensors that were on an accelerator are put on `device`. None: nothing."""
        path = self.path(key)
        try:
            return decoded(content(path), key, device) if self._readable else None
        except FileNotFoundError:
            return None
        except OSError as error:
            warnings.warn(f"cache: {path} cannot be read, and is computed anew: {error.strerror}", Notice, stacklevel=4)
        except Exception as error:  # a stranger's bytes can raise anything
            warnings.warn(f"cache: {path} is damaged or foreign, and computed anew: {error}", Notice, stacklevel=4)
        return None

    def write(self, key: str, value: Any) -> None:
        """Keep `value`, if there is room."""
        if self._writable:
            data = encoded(key, value)
            if self._fits(len(data)):
                self._write(self.path(key), lambda path: write_atomic(path, data))
            else:
                self._close(f"{self.root} is full (--cache_size): delete what is not needed there, or allow more")

    def path(self, key: str) -> Path:
        """Where the entry of `key` lies."""
        return self.folder / f"{key}.safetensors"

    @property
    def empty(self) -> bool:
        """Whether nothing was ever kept for this model."""
        return not self._readable or next(self.folder.glob("*.safetensors"), None) is None

    def _fits(self, size: int) -> bool:
        """Whether so many bytes more stay within the limit; if so, they count as added."""
        if self._added + size > self._step:
            self._held, self._added = held(self.root), 0
        self._added += size
        return self._held + self._added <= self._limit

    def _write(self, path: Path, write: Callable[[Path], None]) -> None:
        try:
            write(path)
        except IsADirectoryError:
            pass  # in the way of this entry alone, and told when it was read
        except OSError as error:
            self._close(error)

    def _close(self, reason: OSError | str) -> None:
        self._writable = False
        if isinstance(reason, OSError):
            reason = f"{reason.filename or self.root}: {reason.strerror}"
        warnings.warn(f"cache: nothing more is kept: {reason}", Notice, stacklevel=5)


def forget(folder: Path) -> None:
    """Remove what processes that were killed left half-written; nobody writes at one entry for a day. OSError where the
    folder cannot be read."""
    for part in os.scandir(folder):
        with suppress(OSError):
            if fnmatch(part.name, ".*.part") and time.time() - part.stat(follow_symlinks=False).st_mtime > DAY:
                os.unlink(part)


def held(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # a run beside this one gave it its name, or it cannot be looked at
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def content(path: Path) -> bytes:
    """The bytes of a plain file; a link is not followed, a pipe is not waited for. Raises OSError or ValueError."""
    with open_file(path, links=False) as file:
        return file.read()


def encoded(key: str, value: Any) -> bytes:
    """A safetensors file of the tensors in `value`, how they lie in it, and the digest of both with `key`."""
    tensors: list[Tensor] = []
    text = json.dumps({"key": key, "value": pack(value, tensors)})
    named = {str(number): tensor for number, tensor in enumerate(tensors)}
    return safetensors.torch.save({**named, "text": raw(text), "sha256": raw(checksum(text, tensors))})


def decoded(data: bytes, key: str, device: torch.device) -> Any:
    """The value that `encoded` was given. Raises whatever it likes where `data` is something else."""
    named = safetensors.torch.load(data)
    text, told = (named.pop(name).numpy().tobytes().decode() for name in ("text", "sha256"))
    tensors = [named[str(number)] for number in range(len(named))]
    if checksum(text, tensors) != told:
        raise ValueError("its content has not the sha256 that it says")
    entry = json.loads(text)
    if entry["key"] != key:
        raise ValueError("it belongs elsewhere")
    return unpack(entry["value"], tensors, device)


def digest(value: Any) -> str:
    """sha256 of anything that `pack` takes."""
    tensors: list[Tensor] = []
    return checksum(json.dumps(pack(value, tensors)), tensors)


def checksum(text: str, tensors: Sequence[Tensor]) -> str:
    """sha256 of `text`, and of types, shapes and bytes of `tensors`."""
    total = sha256(text.encode())
    for tensor in tensors:
        total.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def raw(text: str) -> Tensor:
    """The bytes of a text."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)


def pack(value: Any, tensors: list[Tensor]) -> Any:
    """`value` as JSON, its tensors appended to `tensors`. An image counts as its RGB pixels, a query as what is asked.

    Raises TypeError for what is none of the nouns.
    """
    if isinstance(value, Tensor):
        tensors.append(value.detach().cpu().contiguous())
        return {"tensor": len(tensors) - 1, "host": value.device.type == "cpu"}
    if isinstance(value, Image):
        return pack(torch.from_numpy(np.array(value if value.mode == "RGB" else value.convert("RGB"))), tensors)
    if isinstance(value, Query):
        return pack((value.image, value.text, value.scale), tensors)
    if isinstance(value, tuple | list):
        return {type(value).__name__: [pack(part, tensors) for part in value]}
    if is_dataclass(value) and type(value).__name__ in NOUNS:
        return {type(value).__name__: {f.name: pack(getattr(value, f.name), tensors) for f in fields(value)}}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is none of {', '.join(NOUNS)}")


def unpack(packed: Any, tensors: Sequence[Tensor], device: torch.device) -> Any:
    """The value that was packed, in memory of its own (sums may depend on how memory is aligned)."""
    if not isinstance(packed, dict):
        return packed
    if "tensor" in packed:
        tensor = tensors[packed["tensor"]].clone()
        return tensor if packed["host"] else tensor.to(device)
    ((kind, parts),) = packed.items()
    if kind in NOUNS:
        return NOUNS[kind](**{name: unpack(part, tensors, device) for name, part in parts.items()})
    return {"tuple": tuple, "list": list}[kind](unpack(part, tensors, device) for part in parts)
