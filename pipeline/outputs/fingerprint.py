"""What makes two runs the same run, and the guard of a run folder: one folder, one fingerprint."""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from datamodules.printable import escaped
from pipeline import nearby
from pipeline.outputs import inside
from pipeline.outputs.inside import Damaged
from pipeline.outputs.schema.files import EnvFields
from pipeline.outputs.schema.values import check, json_document

MOST = 1 << 24
"""Bytes that `env.json` may have."""
LEFT = tuple(f".{name}.*.part" for name in ("config.yaml", "summary.json", "timing.json", "wandb.json", "env.json"))
"""What `write_atomic` leaves of files of a run when its process is killed meanwhile."""
WRITTEN = (
    *LEFT,
    "figures/*/.*.part",
    "maps/.*.npz.part",
    "config.yaml",
    "rows.*.jsonl",
    "summary.json",
    "timing.json",
    "wandb.json",
    "figures/*/image.jpg",
    "figures/*/maps.npz",
    "figures/*/sample.json",
    "figures/*/masks.png",
    "figures/*/panel.png",
    "page/index.html",
    "page/static/page.*",
    "page/plots/*.svg",
    "page/runs/*/*.js",
    "page/runs/*/*.jpg",
    "maps/*.npz",
    "wandb/run-*/**/*",
    "wandb/offline-run-*/**/*",
    "wandb/data/**/*",
    "wandb/latest-run",
    "wandb/debug*.log",
    "env.json",
)
"""Every file that a run writes and leaves, as patterns below its folder; `env.json`, which says what run it is, goes
last. `owner.json` is not among them: it is that of the command at work, which alone may call `clear`."""


CODE = "code"
"""The entry of a fingerprint that holds digests of sources by area or module."""


def canonical(value: Mapping[str, Any]) -> str:
    """One text per value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(fingerprint: Mapping[str, Any]) -> str:
    """The sha256 of the canonical text; its first 8 digits name a run folder."""
    return hashlib.sha256(canonical(fingerprint).encode(errors="surrogatepass")).hexdigest()


def differences(old: Any, new: Any, prefix: str = "") -> list[str]:
    """One line per dotted name whose values differ, both values shown; where named things such as explainers come or
    go, one line with the names of all. Of code it is said that it changed; its digests say nothing to a reader."""
    if prefix == CODE and isinstance(old, Mapping) and isinstance(new, Mapping):
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        ways = {(True, True): "changed", (False, True): "added", (True, False): "gone"}
        return [f"{CODE} of {name}: {ways[name in old, name in new]}" for name in changed]
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return [f"{prefix}: {_told(old)} -> {_told(new)}".removeprefix(": ")] if _told(old) != _told(new) else []
    named = all(isinstance(value, Mapping) for value in (*old.values(), *new.values()))
    lines = []
    if named and old.keys() != new.keys():
        lines.append(f"{prefix}: {', '.join(old) or 'none'} -> {', '.join(new) or 'none'}".removeprefix(": "))
    for name in sorted(old.keys() | new.keys()):
        inner = f"{prefix}.{name}" if prefix else str(name)
        if name in old and name in new:
            lines += differences(old[name], new[name], inner)
        elif not named:
            was, now = (_told(of[name]) if name in of else "absent" for of in (old, new))
            lines.append(f"{inner}: {was} -> {now}")
    return lines


def _told(value: Any) -> str:
    """A value as JSON; of a mapping only the names in it."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(value)}}}"
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def flat(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """(dotted name, JSON text) of every leaf."""
    if isinstance(value, Mapping) and value:
        return [leaf for name in value for leaf in flat(value[name], f"{prefix}.{name}" if prefix else str(name))]
    return [(prefix, json.dumps(value, sort_keys=True, ensure_ascii=False))]


def read(folder: Path) -> dict[str, Any]:
    """The fingerprint of the run in `folder`."""
    return dict(record(folder)["fingerprint"])


def record(folder: Path) -> dict[str, Any]:
    """Fingerprint, its sha256 and every start of the run in `folder`."""
    found = _record(folder)
    if found is None:
        raise ValueError(f"{folder} is not the folder of a run: {nearby.runs(folder)}")
    return found


def write_atomic(path: Path, data: str | bytes, verify: Callable[[], object] | None = None) -> None:
    """The file is the old one or the whole new one, never a part. OSError names the file.

    verify: called last, before the file takes its place; what it raises leaves the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex}.part")  # process ids repeat from host to host
    try:
        part.write_bytes(data.encode() if isinstance(data, str) else data)
        if verify is not None:
            verify()
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # not there, or the disk is read-only: what was said first counts
            part.unlink()


def write_json(path: Path, value: Mapping[str, Any], verify: Callable[[], object] | None = None) -> None:
    """Sorted, indented, whole or not at all; NaN is an error. verify: as `write_atomic` calls it."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, escaped(text) + "\n", verify)


def open_run(
    folder: Path,
    fingerprint: Mapping[str, Any],
    *,
    fresh: bool = False,
    environment: Mapping[str, Any] | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> None:
    """Make `folder` the folder of this run, or go on in it. Call it in one process, before any row is written.

    environment: where it runs (hosts, devices, versions), for the reader only; kept in `env.json`, one per start.
    say: is told how many rows `fresh` deletes, before it does.
    Raises ValueError when the folder holds another run, naming what differs, or results of unknown origin.
    """
    known = _record(folder)
    if known is None and inside.names(folder, "rows.*.jsonl"):
        raise ValueError(f"{folder} holds rows but no env.json that says how they came about; choose another folder")
    if known is not None and fresh:
        if rows := written(folder):
            say(f"--fresh true: deletes {rows:,} row{'s' if rows != 1 else ''} of the earlier run in {folder}")
        clear(folder)
        known = None
    wanted = json.loads(canonical(fingerprint))
    if known is not None and known["fingerprint"] != wanted:
        changed = "; ".join(differences(known["fingerprint"], wanted))
        raise ValueError(
            f"{folder} holds another run ({changed}); choose another folder or start over with --fresh true"
        )
    for part in [path for pattern in LEFT for path in inside.matches(folder, pattern)]:
        part.unlink()
    starts = [*(known["starts"] if known else ()), dict(environment or {})]
    write_json(folder / "env.json", {"fingerprint": wanted, "sha256": digest(wanted), "starts": starts})


def written(folder: Path) -> int:
    """Return how many rows, whole or not, the files of a run hold."""
    rows = 0
    for name in inside.names(folder, "rows.*.jsonl"):
        with inside.opened(folder, name) as lines:
            while part := lines.read(1 << 20):
                rows += part.count(b"\n")
    return rows


def clear(folder: Path) -> None:
    """Remove the files that a run wrote into its folder, and the directories that are empty then. No others: a link is
    removed as a link, and no link is followed."""
    for pattern in WRITTEN:
        for path in list(inside.matches(folder, pattern)):
            if path.is_symlink() or not path.is_dir():
                path.unlink()
    for top in ("figures", "maps", "wandb", "page"):
        inside.prune(folder, top)


def _record(folder: Path) -> dict[str, Any] | None:
    """What `env.json` says; None without one."""
    path, remedy = folder / "env.json", "choose another folder"
    try:
        data = inside.read(folder, "env.json", limit=MOST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    found = json_document(data, path, remedy)
    check(EnvFields, found, path, remedy)
    if found.get("sha256", made := digest(found["fingerprint"])) != made:
        raise Damaged(f"{path}: sha256 is not that of the fingerprint, which was changed; {remedy}")
    return dict(found)
