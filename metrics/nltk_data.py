"""NLTK's data as a run reads them: which packages they are, and what they hash to."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

PLACES = {
    "averaged_perceptron_tagger_eng": "taggers/averaged_perceptron_tagger_eng/",
    "wordnet": "corpora/wordnet/",
}
"""Package -> where NLTK looks for it, in a folder of that name or in the archive beside it."""


def digests(packages: Iterable[str]) -> dict[str, str]:
    """Return package -> sha256 over the names and contents of its files; equal for a folder and an archive of it.

    packages: keys of `PLACES`. Raises LookupError where one is not installed.
    """
    return {name: digest(name) for name in sorted(packages)}


def digest(package: str) -> str:
    """Return the sha256 over the names and contents of the files of a package. Raises LookupError as `digests`."""
    total = sha256()
    for name, content in sorted(_files(package)):
        total.update(f"{name} {sha256(content).hexdigest()}\n".encode())
    return total.hexdigest()


def _files(package: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every file of a package, as NLTK finds it."""
    from nltk.data import ZipFilePathPointer, find

    place = find(PLACES[package])
    if isinstance(place, ZipFilePathPointer):
        with ZipFile(place.zipfile.filename) as archive:
            for name in archive.namelist():
                if name.startswith(place.entry) and not name.endswith("/"):
                    yield name.removeprefix(place.entry), archive.read(name)
        return
    folder = Path(str(place))
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()
