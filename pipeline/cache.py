"""What `--cache` asks for: where results of the model are kept, what decides them, and what a run will add."""

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from inspect import getfile
from pathlib import Path
from typing import Any

import torch

import pipeline
from datamodules.base import SampleDataModule
from pipeline.arguments import UsageError
from pipeline.models.base import VLM
from pipeline.notation import number
from pipeline.numerics import environment, settings
from pipeline.store import held
from pipeline.types import Layout

LISTS = 64
"""Entries that a list of best tokens is kept with at least, so that shorter ones are known too."""
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "pillow")
"""Those whose version may change what a model is fed or what it answers."""
COUNTED = {*PACKAGES, *sys.stdlib_module_names}
HERE = Path(pipeline.__file__).parent
UNITS = ("B", "kB", "MB", "GB", "TB")
INT64 = 8


@dataclass(frozen=True)
class Cache:
    """Where results are kept. limit: bytes that `folder` may hold. model: its identity, on rank 0."""

    folder: Path
    limit: int
    model: Mapping[str, Any]

    @classmethod
    def of(cls, folder: str | None, limit: str, model: Mapping[str, Any]) -> "Cache | None":
        """What the options say; None without a folder. UsageError where that cannot be one."""
        if folder is None:
            return None
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--cache: {folder} cannot be a folder: {error.strerror}") from error
        return cls(Path(folder), in_bytes(limit), model)

    def forecast(self, vlm: VLM, data: SampleDataModule, scales: Iterable[float]) -> str:
        """What the run may add, by its first image, and what is there: one line."""
        there = f"{self.folder} holds {readable(held(self.folder))} of {readable(self.limit)}"
        images = len(data.expected)
        for sample in data.reader(range(min(images, data.batch_size))):
            with suppress(ValueError):  # the run will say what is wrong with it
                if sample.image is not None:
                    each = footprint(vlm, vlm.preview(sample.image, sample.prompt), scales)
                    added = f"{readable(each)} an image like the first, {readable(each * images)} for all {images}"
                    return f"cache: at most {added}; {there}"
        return f"cache: {there}"


def mark(vlm: VLM, identity: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """What decides a result besides the question: the model, the code and the machine that runs it."""
    kinds = {"cpu": torch.backends.cpu.get_cpu_capability, "cuda": lambda: torch.cuda.get_device_name(device)}
    code = b"".join(sha256(path.read_bytes()).digest() for path in sources(type(vlm)))
    return {
        "model": dict(identity),
        "device": f"{device.type} {kinds.get(device.type, str)()}",
        "threads": torch.get_num_threads(),
        "code": sha256(code).hexdigest(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def sources(cls: type[VLM]) -> list[Path]:
    """Files whose change may change a result: all in `pipeline` itself and in its `models`, and those in which `cls`
    and its bases stand, wherever that is; not those of Python and of `PACKAGES`, whose versions count."""
    bases = (base for base in cls.__mro__ if base.__module__.partition(".")[0] not in COUNTED)
    return [*sorted(HERE.glob("*.py")), *sorted(HERE.glob("models/**/*.py")), *map(Path, map(getfile, bases))]


def numerics(device: torch.device) -> tuple[str, ...]:
    """What a program, or Lightning by an option of the trainer, sets of torch that changes how it computes: types,
    precision of products and convolutions, the choice of algorithms, which kernels attention may take."""
    casts = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None
    return (str(casts), *settings().values(), *(f"{name}={value}" for name, value in environment().items()))


def footprint(vlm: VLM, layout: Layout, scales: Iterable[float]) -> int:
    """Bytes of an image: states of its cells at every scale, of prompt and answer, lists of best tokens, ids."""
    text = len(layout.prompt) + vlm.max_new_tokens
    cells = len(layout.vision) * sum(scale**2 for scale in {1.0, *scales})
    width = vlm.config.get_text_config().hidden_size * vlm.dtype.itemsize
    return round((cells + text) * width + (text * LISTS + len(layout.vision) + layout.length) * INT64)


def readable(count: int) -> str:
    """A number of bytes, such as 1.2 GB."""
    amount, unit = float(count), 0
    while amount >= 999.5 and unit + 1 < len(UNITS):
        amount, unit = amount / 1000, unit + 1
    return f"{number(amount)} {UNITS[unit]}"


def in_bytes(text: str) -> int:
    """What a text such as 1.2GB says."""
    number = text.rstrip("kMGTB ")
    return round(float(number) * 1000 ** UNITS.index(text.removeprefix(number).strip()))
