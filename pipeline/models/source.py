"""Where the files of a checkpoint come from, and what is done with them before anything else is: a trial in a child
process with limits. They are a stranger's."""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from datamodules.printable import printable
from pipeline.models import files, hub, inspection
from pipeline.models.refusal import CheckpointError, blaming
from pipeline.models.trial import Refused, tried

_FOUND: dict[tuple, Any] = {}
"""What a trial of the same files, unchanged since, found before in this process."""


class Source:
    """The files of one checkpoint, called `checkpoint`. location: a folder, or a hub id with `revision`."""

    def __init__(self, checkpoint: str, location: str, revision: str | None = None) -> None:
        self.checkpoint, self.location, self.revision = checkpoint, location, revision

    @cached_property
    def commit(self) -> str:
        """The commit that `revision` means, looked up once; a folder has none, and nothing looks at its `main`."""
        if Path(self.location).is_dir():
            return "main"
        return hub.commit(self.location, self.revision or "main")

    def unusable(self, reason: object) -> CheckpointError:
        """The error that says why this checkpoint cannot be used."""
        return CheckpointError(f"checkpoint {self.checkpoint!r}: {printable(str(reason))}")

    @contextmanager
    def reading(self, part: str) -> Iterator[None]:
        """Turn whatever the checkpoint's files cause inside into CheckpointError; errors of the machine pass."""
        try:
            with blaming(part):
                yield
        except CheckpointError:
            raise
        except ValueError as error:
            raise self.unusable(error) from error

    @cached_property
    def folder(self) -> Path:
        """The folder that is read; of a hub checkpoint, the one in the hub's cache, with all files but the weights."""
        folder = Path(self.location) if Path(self.location).is_dir() else hub.fetched(self.location, self.commit)
        if not os.path.lexists(folder / "config.json"):  # transformers would make up a model of billions
            raise self.unusable("the folder holds no config.json")
        return folder.resolve()

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Names of the files that are read besides the weights. Raises CheckpointError for those that may not be."""
        try:
            return files.admitted(self.folder)
        except ValueError as error:
            raise self.unusable(error) from error

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What `inspection.inspected` says of the files, which are used nowhere before that. Raises CheckpointError."""
        return self._tried(inspection.inspected, self.texts)

    @cached_property
    def weights(self) -> tuple[str, ...]:
        """Names of the files of weights, there by then. Raises CheckpointError where there are none that are read."""
        names: set[str] = set()
        try:
            if not Path(self.location).is_dir():
                names = set(files.first(self.folder))
                hub.fetched(self.location, self.commit, names)
                names |= set(files.weights(self.folder, there=False))
                hub.fetched(self.location, self.commit, names)
            return files.weights(self.folder)
        except CheckpointError:
            raise
        except ValueError as error:
            raise self.unusable(error) from error

    def weigh(self) -> None:
        """Compare the sizes of the weights with the configuration. Raises CheckpointError where they do not fit."""
        _ = self.facts
        self._tried(inspection.weighed, self.weights)

    def content(self) -> dict[str, str]:
        """Hash of exactly those files of a folder that are loaded, wherever it lies; hub id and commit of a hub
        checkpoint, which fix them. CheckpointError where a folder has no weights that are read."""
        if not Path(self.location).is_dir():
            return {"checkpoint": self.location, "checkpoint_commit": self.commit}
        self.weigh()
        return {"checkpoint_sha256": files.digest(self.folder, (*self.texts, *self.weights))}

    def _tried(self, work: Callable[..., Any], names: tuple[str, ...]) -> Any:
        """What `work` finds in a child process with the files `names`; CheckpointError where it refuses them."""
        try:
            paths = {name: files.regular(self.folder, name) for name in {*self.texts, *names}}
            states = (path.stat() for path in paths.values())
            marks = sorted((s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in states)
            key = (work.__name__, type(self), self.location, tuple(sorted(paths)), tuple(marks))
            if key not in _FOUND:
                _FOUND[key] = tried(partial(self._work, work, sorted(names)), paths.values())
            return copy.copy(_FOUND[key])
        except Refused as error:
            raise (CheckpointError(error) if error.kind == "CheckpointError" else self.unusable(error)) from error
        except ValueError as error:
            raise self.unusable(error) from error

    def _work(self, work: Callable[..., Any], names: list[str]) -> Any:
        """Do `work` in the child, where the files are used without being tried first."""
        self.__dict__.setdefault("facts", {})
        return work(self, self.folder, names)
