"""Pictures of one's own, without ground truth: captions and maps, but no scores."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from PIL.Image import Image

from datamodules.base import Reader, SampleDataModule
from datamodules.faults import excuse
from datamodules.files import digest_of, read_bytes
from datamodules.find import find
from datamodules.manifest import MAX_MEMBER
from datamodules.names import keys
from datamodules.pictures import MAX_PIXELS, decode_image, inspect, turned
from datamodules.printable import describe, printable
from datamodules.sample import Sample

PROMPT = "Write a one-sentence caption for this image:"


@dataclass(frozen=True)
class File:
    """A picture's file. name: its path below the folder that all have in common. digest: sha256; "" if it cannot be
    read, and error says why."""

    key: str
    name: str
    path: Path
    digest: str
    error: str = ""


class ImagesDataModule(SampleDataModule):
    """Any pictures: a folder, a file, a pattern such as `photos/**/*.jpg`, or a list of these.

    Of a folder the files ending in jpg, jpeg, png or webp are taken, and a warning counts what else lies there; of a
    pattern all files. One that is no picture, or a link to nothing, is quarantined; a link that leads out of the folder
    is refused. Keys are made of the files' names.
    A picture is turned as its EXIF orientation asks, since there are no masks that must fit.

    Args:
        paths: where the pictures are.
        batch_size: samples in one batch.
        limit: only the first pictures, in the order of their names; all by default.
        num_workers: loader processes of each rank; 0 loads in the process itself.
        prompt: the question.
        max_pixels: a picture with more pixels is refused.
        follow_links: take files of a folder or pattern that are links which lead out of it, too.
    """

    captioned = False

    def __init__(
        self,
        paths: list[str] | str,
        *,
        batch_size: int = 8,
        limit: int | None = None,
        num_workers: int = 0,
        prompt: str = PROMPT,
        max_pixels: int = MAX_PIXELS,
        follow_links: bool = False,
    ) -> None:
        super().__init__(
            batch_size=batch_size, limit=limit, num_workers=num_workers, prompt=prompt, max_pixels=max_pixels
        )
        self.save_hyperparameters(logger=False)
        self.files = digested(find([paths] if isinstance(paths, str) else paths, follow_links=follow_links))

    @property
    def digest(self) -> str:
        """sha256 over names and contents, wherever the folder lies."""
        return sha256(
            "".join(f"{file.name!r} {file.digest or file.error}\n" for file in self.files).encode()
        ).hexdigest()

    @property
    def keys(self) -> Sequence[str]:
        """Made of the files' names."""
        return [file.key for file in self.files]

    @property
    def reader(self) -> Reader:
        """Files, checked against what they were when the run began."""
        return partial(read, self.files, prompt=self.prompt or PROMPT, max_pixels=self.max_pixels)


def digested(names: Mapping[str, Path]) -> list[File]:
    """Return the files of these names, in their order, as they are now.

    Raises MachineError where one is there but this machine cannot read it.
    """
    ordered = sorted(names)
    made = zip(keys(ordered, ascii=False), ordered, strict=True)
    return [File(key, name, names[name], *_digest(names[name])) for key, name in made]


def _digest(path: Path) -> tuple[str, str]:
    """Return the sha256 of a file and why it cannot be read, one of them empty.

    Raises MachineError where it is not the file that is at fault.
    """
    try:
        return digest_of(path, MAX_MEMBER), ""
    except FileNotFoundError:
        return "", "the file is gone, or a link to nothing"
    except (OSError, ValueError) as error:
        excuse(error, path)
        return "", getattr(error, "strerror", None) or str(error)


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
    if file.error:
        raise ValueError(file.error)
    try:
        data = read_bytes(file.path, MAX_MEMBER)
    except FileNotFoundError as error:
        raise ValueError("the file is gone, or a link to nothing") from error
    if sha256(data).hexdigest() != file.digest:
        raise ValueError("the file has changed since the run began")
    _, _, facts = inspect(data, max_pixels=max_pixels)
    return turned(decode_image(data, max_pixels=max_pixels), facts.get("exif_orientation", 1)), facts
