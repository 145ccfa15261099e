"""A checkpoint of the hub as a folder of its cache, downloaded where that is needed and possible."""

import glob
import warnings
from collections.abc import Iterable
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import huggingface_hub.constants
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, RevisionResolutionError

from pipeline.models import files
from pipeline.models.refusal import CheckpointError
from pipeline.notice import Notice

QUICK = 5.0
"""Seconds in which the hub must answer before its cache is used instead; its own client would try for minutes."""
TEXTS = (
    *sorted(files.CONFIGS | files.VOCABULARIES | files.FOREIGN.keys()),
    *(
        "tokenizer.*.json",
        f"{files.TEMPLATES}/*.jinja",
        "*tokenizer*/*.json",
        "*tokenizer*/*.txt",
        "*tokenizer*/*.model",
    ),
)
"""Patterns of all files but weights that transformers reads."""


def commit(repository: str, revision: str) -> str:
    """Return the commit of a hub checkpoint that `revision` means now; without the hub, what it means by its cache.

    Raises CheckpointError where neither knows, within seconds.
    """
    if pinned(revision):
        return revision
    what, reason = f"checkpoint {repository!r}, revision {revision!r}", "HF_HUB_OFFLINE is set"
    if not huggingface_hub.constants.HF_HUB_OFFLINE:
        try:
            return asked(repository, revision)
        except HfHubHTTPError as error:
            if error.response.status_code < 500:
                raise CheckpointError(f"{what}: the hub refuses it: {first_line(error)}") from error
            reason = f"the hub answers with status {error.response.status_code}"
        except HFValidationError as error:
            raise CheckpointError(f"{what}: {error}") from error
        except Exception as error:  # of the client's own kinds: no network, no name, no proxy, no answer in time
            reason = f"{huggingface_hub.constants.ENDPOINT} cannot be reached ({type(error).__name__})"
    try:
        known = HfApi().resolve_revision(repository, revision=revision, local_files_only=True).resolved
    except (RevisionResolutionError, HFValidationError) as error:
        raise CheckpointError(f"{what}: {reason}, and its cache has no such checkpoint; {mend(repository)}") from error
    if not huggingface_hub.constants.HF_HUB_OFFLINE:
        warnings.warn(f"{what}: {reason}; the cache's commit {known[:8]} is used", Notice, stacklevel=2)
    return known


def asked(repository: str, revision: str) -> str:
    """Return the commit that the hub says `revision` is.

    It is asked in a thread, which is left alone after `QUICK` seconds: the client bounds each of its steps, not the
    sum of them, and the search for the hub's address not at all. Raises TimeoutError then, and what the client raises.
    """
    answers: SimpleQueue[str | Exception] = SimpleQueue()

    def ask() -> None:
        try:
            answers.put(str(HfApi().model_info(repository, revision=revision, timeout=QUICK).sha))
        except Exception as error:
            answers.put(error)

    Thread(target=ask, name="hub", daemon=True).start()
    try:
        found = answers.get(timeout=QUICK)
    except Empty as error:
        raise TimeoutError(f"no answer within {QUICK:g} s") from error
    if isinstance(found, Exception):
        raise found
    return found


def pinned(revision: str) -> bool:
    """Return whether `revision` is a commit, which no hub is needed to look up."""
    return len(revision) == 40 and set(revision) <= set("0123456789abcdef")


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def mend(repository: str) -> str:
    """Return what to do without a network."""
    return f"connect, or copy the cache of a machine on which `hf download {repository}` ran, or name a folder"


def fetched(repository: str, commit: str, names: Iterable[str] | None = None) -> Path:
    """Return the folder in the hub's cache that holds files of a checkpoint, downloaded where they are not there.

    names: of the files; without, all but the weights. Raises CheckpointError where they are not there and the hub
    cannot be reached, within seconds, or refuses.
    """
    patterns = list(TEXTS) if names is None else [glob.escape(name) for name in names]
    what, offline = f"checkpoint {repository!r}", huggingface_hub.constants.HF_HUB_OFFLINE
    try:
        folder = Path(snapshot_download(repository, revision=commit, allow_patterns=patterns, local_files_only=True))
        if offline or listed(folder) or not reached(repository, commit):
            return folder.resolve()
    except (LocalEntryNotFoundError, HFValidationError) as error:
        if offline or not reached(repository, commit):
            reason = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
            where = "not all its files are in the cache"
            raise CheckpointError(f"{what}: {reason}, and {where}; {mend(repository)}") from error
    try:
        return Path(snapshot_download(repository, revision=commit, allow_patterns=patterns)).resolve()
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # of this machine: a full disk
            raise
        raise CheckpointError(f"{what}: it cannot be downloaded: {first_line(error)}; {mend(repository)}") from error


def listed(snapshot: Path) -> bool:
    """Return whether the cache knows what files a commit has; then a folder that it returns is whole."""
    return (snapshot.parent.parent / "trees" / f"{snapshot.name}.json").is_file()


def reached(repository: str, commit: str) -> bool:
    """Return whether the hub answers at all, within `QUICK` seconds."""
    try:
        asked(repository, commit)
    except HfHubHTTPError as error:
        return error.response.status_code < 500
    except Exception:  # as in `commit`
        return False
    return True
