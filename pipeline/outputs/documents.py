"""The JSON and yaml files of a run folder, read and checked; `env.json` is read by `fingerprint.py`.

Each function raises Damaged, with one line that names file, field and remedy, for what no run writes, and
FileNotFoundError where there is no such file.
"""

from pathlib import Path
from typing import Any

from pipeline.outputs import inside
from pipeline.outputs.inside import Damaged
from pipeline.outputs.schema.files import BoardFields
from pipeline.outputs.schema.summary import FiguresFields, TimingFields
from pipeline.outputs.schema.values import check, json_document, yaml_document

SHORT, LONG = 1 << 17, 1 << 26
"""Bytes that `config.yaml` and the JSON files may have."""
REMEDY = "the run's own command writes it anew"


def config(folder: Path) -> dict[str, Any]:
    """Return what `config.yaml` says: a mapping of options."""
    where = folder / "config.yaml"
    found = yaml_document(inside.read(folder, "config.yaml", limit=SHORT), where, REMEDY)
    if not isinstance(found, dict):
        raise Damaged(f"{where} cannot be read (it is no mapping of options); {REMEDY}")
    return found


def summary(folder: Path, kind: Any = FiguresFields) -> dict[str, Any]:
    """Return what `summary.json` says. kind: the class whose fields are checked, as far as they are needed."""
    return _json(folder, "summary.json", kind, REMEDY)


def timing(folder: Path) -> dict[str, Any]:
    """Return what `timing.json` says."""
    return _json(folder, "timing.json", TimingFields, REMEDY)


def board(folder: Path) -> dict[str, Any]:
    """Return what `wandb.json` says; nothing where there is none."""
    if not inside.has(folder, "wandb.json"):
        return {}
    return _json(folder, "wandb.json", BoardFields, "delete it: new W&B runs are then begun")


def _json(folder: Path, name: str, kind: Any, remedy: str) -> dict[str, Any]:
    where = folder / name
    found = json_document(inside.read(folder, name, limit=LONG), where, remedy)
    check(kind, found, where, remedy)
    return dict(found)
