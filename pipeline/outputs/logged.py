"""What W&B is told of one explainer of a run: figures by plain names, and the resolved configuration."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metrics import text
from pipeline.outputs import documents, inside
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs.summary import METRICS, PROFILES

PLAIN = "corrected"
CAPTIONS = "captions/"
"""Before the names of figures of what the model said, which no explainer changes."""
PARTS = ("low", "high", "count")
TABLE = "samples_table"
"""Where the samples that have pictures are shown."""
RUNNING = "running"
"""Before the names of figures while a run works."""


def figures(summary: Mapping[str, Any], explainer: str) -> dict[str, float | int]:
    """The figures of one explainer by W&B's names; absent ones are left out."""
    groups = {_prefix(profile): metrics for profile, metrics in summary["explainers"][explainer].items()}
    flat: dict[str, float | int] = {}
    for prefix, metrics in {**groups, CAPTIONS: summary.get("captions", {})}.items():
        for metric, figure in metrics.items():
            flat[f"{prefix}{metric}"] = figure["value"]
            flat |= {f"{prefix}{part}/{metric}": figure[part] for part in PARTS}
    flat |= {f"samples/{name}": count for name, count in summary["samples"].items() if isinstance(count, int)}
    flat["samples/failed"] = sum(summary.get("failed", {}).get(explainer, {}).values())
    return {name: value for name, value in flat.items() if value is not None}


def share(name: str) -> bool:
    """Whether the figure of that name is a share, in [0, 1]; any other is a count."""
    return not {"count", "samples"} & set(name.split("/")[:-1])


def names() -> set[str]:
    """Every name that `figures` may use."""
    groups = {**dict.fromkeys(map(_prefix, PROFILES), METRICS), CAPTIONS: text.METRICS}
    parts = ("", *(f"{part}/" for part in PARTS))
    found = {f"{prefix}{part}{metric}" for prefix, metrics in groups.items() for part in parts for metric in metrics}
    return found | {f"samples/{name}" for name in ("expected", "scored", "quarantined", "failed")}


def _prefix(profile: str) -> str:
    """What stands before the names of a profile's figures."""
    return "" if profile == PLAIN else f"{profile}/"


def config(run_dir: Path, explainer: str) -> dict[str, Any]:
    """The resolved configuration of the run, and this explainer's own parameters."""
    resolved = documents.config(run_dir) if inside.has(run_dir, "config.yaml") else {}
    record = fingerprints.record(run_dir) if inside.has(run_dir, "env.json") else {}
    parameters = record.get("fingerprint", {}).get("explainers", {})
    own = parameters.get(explainer) if isinstance(parameters, dict) else None
    return {"explainer": explainer, "parameters": own, "fingerprint": record.get("sha256"), "config": resolved}
