"""Pictures of one's own, without ground truth: captions and maps, but no scores."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from glob import glob
from hashlib import file_digest, sha256
from os.path import commonpath, normpath
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn
from PIL.Image import Image

from datamodules.base import Reader, SampleDataModule
from datamodules.faults import Overlooked, excuse
from datamodules.manifest import IMAGE_FORMATS, MAX_MEMBER
from datamodules.names import keys
from datamodules.pictures import MAX_PIXELS, decode_image, inspect, turned
from datamodules.printable import describe, printable
from datamodules.sample import Sample

PROMPT = "Write a one-sentence caption for this image:"


@dataclass(frozen=True)
class File:
    """A picture's file. name: its path below the folder that all have in common. digest: sha256; "" if it is gone."""

    key: str
    name: str
    path: Path
    digest: str


class ImagesDataModule(SampleDataModule):
    """Any pictures: a folder, a file, a pattern such as `photos/**/*.jpg`, or a list of these.

    Of a folder the files ending in jpg, jpeg, png or webp are taken, and a warning counts what else lies there; of a
    pattern all files. One that is no picture, or a link to nothing, is quarantined. Keys are made of the files' names.
    A picture is turned as its EXIF orientation asks, since there are no masks that must fit.

    Args:
        paths: where the pictures are.
        batch_size: samples in one batch.
        limit: only the first pictures, in the order of their names; all by default.
        num_workers: loader processes of each rank; 0 loads in the process itself.
        prompt: the question.
        max_pixels: a picture with more pixels is refused.
    """

    def __init__(
        self,
        paths: list[str] | str,
        *,
        batch_size: int = 8,
        limit: int | None = None,
        num_workers: int = 0,
        prompt: str = PROMPT,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        super().__init__(
            batch_size=batch_size, limit=limit, num_workers=num_workers, prompt=prompt, max_pixels=max_pixels
        )
        self.save_hyperparameters(logger=False)
        self.files = find([paths] if isinstance(paths, str) else paths)

    @property
    def digest(self) -> str:
        """sha256 over names and contents, wherever the folder lies."""
        return sha256("".join(f"{file.name!r} {file.digest}\n" for file in self.files).encode()).hexdigest()

    @property
    def keys(self) -> Sequence[str]:
        """Made of the files' names."""
        return [file.key for file in self.files]

    @property
    def reader(self) -> Reader:
        """Files, checked against what they were when the run began."""
        return partial(read, self.files, prompt=self.prompt or PROMPT, max_pixels=self.max_pixels)


def find(paths: Sequence[str]) -> list[File]:
    """The files that the paths mean, each once, in the order of their names. Raises ValueError where a path means none,
    MachineError where a file cannot be read."""
    found: set[Path] = set()
    for text in paths:
        path = Path(text).expanduser()
        if path.is_dir():
            new = pictures(path)
        else:
            new = [path] if path.is_file() else [Path(name) for name in glob(str(path), recursive=True)]
        new = [file for file in new if file.is_file() or not file.exists()]  # a link to nothing is quarantined
        if not new:
            raise ValueError(f"paths: there is no picture in {text!r}{deeper(path)}")
        found.update(_straight(file) for file in new)
    root = commonpath([file.parent for file in found]) if found else ""
    names = {file.relative_to(root).as_posix(): file for file in found}
    if not names:
        raise ValueError("paths: name a folder, a file or a pattern")
    ordered = sorted(names)
    made = zip(keys(ordered, ascii=False), ordered, strict=True)
    return [File(key, name, names[name], _digest(names[name])) for key, name in made]


def pictures(folder: Path) -> list[Path]:
    """What ends like a picture there; a warning counts the rest, but for hidden files."""
    rest: Counter[str] = Counter()
    found = []
    for path in folder.iterdir():
        if path.is_dir():
            rest["folders"] += 1
        elif path.suffix[1:].lower() in IMAGE_FORMATS:
            found.append(path)
        elif path.name[0] != ".":
            rest[f"*{path.suffix}"] += 1
    if found and rest:
        listed = printable(", ".join(f"{kind} ({count})" for kind, count in sorted(rest.items())))
        rank_zero_warn(
            f"paths: not taken of {str(folder)!r}: {listed}; '{folder}/**/*' takes all files", category=Overlooked
        )
    return found


def deeper(folder: Path) -> str:
    """What to say of a folder that has folders, or is none."""
    if not folder.is_dir():
        return "; it is neither a file nor a folder, and as a pattern it matches none"
    below = any(path.is_dir() for path in folder.iterdir())
    return f" itself; its folders are looked into by the pattern '{folder}/**/*'" if below else ""


def _straight(path: Path) -> Path:
    """The absolute path without `..`, so that a file has one name; as it is where a link makes `..` lead elsewhere."""
    straight = Path(normpath(path.absolute()))
    return straight if straight.exists() and straight.samefile(path) else path.absolute()


def _digest(path: Path) -> str:
    """sha256 of a file; "" where there is none any more. Raises MachineError where it is there but cannot be read."""
    try:
        with open(path, "rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        excuse(error, path)
        return ""


def read(files: Sequence[File], indices: Sequence[int], *, prompt: str, max_pixels: int) -> Iterator[Sample]:
    """The pictures at these positions, in order; one that cannot be read comes without image, and its `error` says
    why. Raises MachineError where it is not the picture that is at fault."""
    for index in indices:
        file = files[index]
        try:
            image, facts = picture(file, max_pixels)
        except Exception as error:  # a stranger's bytes can raise anything; it becomes the sample's error
            excuse(error, file.path)
            yield Sample(file.key, index, None, prompt, error=f"{printable(file.name)}: {describe(error)}")
        else:
            yield Sample(file.key, index, image, prompt, provenance={"file_name": file.name, **facts})


def picture(file: File, max_pixels: int) -> tuple[Image, dict[str, Any]]:
    """A file's picture, turned as it asks, and what its header says."""
    if not file.path.exists():
        raise ValueError("the file is gone, or a link to nothing")
    with open(file.path, "rb") as opened:
        data = opened.read(MAX_MEMBER + 1)
    if len(data) > MAX_MEMBER:
        raise ValueError(f"more than {MAX_MEMBER} bytes")
    if sha256(data).hexdigest() != file.digest:
        raise ValueError("the file has changed since the run began")
    _, _, facts = inspect(data, max_pixels=max_pixels)
    return turned(decode_image(data, max_pixels=max_pixels), facts.get("exif_orientation", 1)), facts
