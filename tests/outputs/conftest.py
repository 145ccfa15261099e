"""A finished run that no model made."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from datamodules.sample import Sample
from pipeline.outputs import draw, kept
from pipeline.outputs.fingerprint import open_run
from pipeline.outputs.records import RowWriter
from pipeline.outputs.summary import summarise, write_json
from pipeline.types import WHOLE
from tests.outputs.made import CANARY, EXPLAINERS, PIECES, rows

KNOWN = {"explainers": {name: {"k": 50} for name in EXPLAINERS}}


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run with pictures of two samples; a key in the environment; a home of its own."""
    monkeypatch.setenv("WANDB_API_KEY", CANARY)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "demo-run"
    made = rows(12)
    open_run(folder, KNOWN)
    (folder / "config.yaml").write_text(yaml.safe_dump({"batch_size": 8}))
    maps = {name: np.zeros((len(PIECES), 6, 8), np.uint8) for name in EXPLAINERS}
    with RowWriter(folder / "rows.0.jsonl") as writer:
        for row in made.values():
            if row.index in (1, 2):
                drawn = Sample(row.key, row.index, Image.new("RGB", (80, 60)), "?")
                kept.keep(folder / "figures" / str(row.index), drawn, maps, WHOLE)
                draw.sample(folder / "figures" / str(row.index), drawn, row, maps)
            writer.write(row)
    write_json(folder / "summary.json", summarise(made, list(made), EXPLAINERS, "hanta"))
    return folder
