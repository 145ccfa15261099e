"""The paper's tables are commands that parse, with every explainer, on every model they name."""

import csv
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.outputs.published import PAPER, REPORTED

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
EXPERIMENTS = sorted((CONFIGS / "experiment").glob("*.yaml"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_it_parses_on_the_embedded_model_and_makes_its_explainers(path: Path):
    made = cli.parse(["--config", str(path)]).build()[-1]
    assert len(made) >= 3


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_its_rows_and_models_are_those_of_the_published_table(number: str):
    rows = [row for row in csv.DictReader(REPORTED.open(encoding="utf-8")) if row["table"] == number]
    job = cli.parse(["--config", str(CONFIGS / "experiment" / f"table{number}.yaml")])
    assert {PAPER.get(name, name) for name in job.classes} == {row["method"] for row in rows}
    assert {row["model"] for row in rows} <= {path.stem for path in (CONFIGS / "vlm").glob("*.yaml")}
    assert {row["dataset"] for row in rows} <= {path.stem for path in (CONFIGS / "data").glob("*.yaml")}


@pytest.mark.parametrize("number", ["1", "2", "3"])
def test_its_header_prints_the_published_figures(number: str):
    text = (CONFIGS / "experiment" / f"table{number}.yaml").read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if line.startswith("#   ")]
    printed = [word for line in lines for word in line if word.replace(".", "").isdigit() and "." in word]
    rows = [row for row in csv.DictReader(REPORTED.open(encoding="utf-8")) if row["table"] == number]
    expected = [f"{float(row[name]):.2f}" for row in rows for name in ("obj_iou", "func_iou", "f1_iou")]
    assert sorted(printed) == sorted(expected)
