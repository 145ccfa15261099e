"""Which values come next: the same for the same past, never the same twice, better than chance for bayes."""

import re
from pathlib import Path

import pytest

from metrics import text
from pipeline.arguments import UsageError
from pipeline.outputs import logged
from pipeline.outputs.summary import summarise
from pipeline.sweep.search import DRAWS, load, propose, read, size
from tests.outputs.made import EXPLAINERS, rows

METRIC = {"name": "f1_iou", "goal": "maximize"}
PARAMETERS = {"c": {"value": "x"}, "x": {"min": 0.0, "max": 1.0}, "y": {"values": ["a", "b", "c"]}}


def trials(method: str, count: int, seed: int = 0, past: list | None = None) -> list:
    """Values and figures of so many trials; the best is x = 0.3, y = b."""
    sweep = read({"method": method, "metric": METRIC, "parameters": PARAMETERS})
    results = list(past or ())
    while len(results) < count:
        values = propose(sweep, seed, results)
        assert values is not None
        results.append((values, (values["y"] == "b") - abs(values["x"] - 0.3)))
    return results


def test_a_grid_goes_through_every_combination_once_the_last_parameter_fastest() -> None:
    sweep = read({"method": "grid", "parameters": {"a": {"values": [1, 2]}, "b": {"min": 3, "max": 5}}})
    found: list = []
    while (values := propose(sweep, 0, found)) is not None:
        found.append((values, None))
    assert [tuple(values.values()) for values, _ in found] == [(1, 3), (1, 4), (1, 5), (2, 3), (2, 4), (2, 5)]
    assert size(sweep) == 6


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_values_follow_from_the_seed_and_the_past_alone(method: str) -> None:
    whole = trials(method, 20)
    assert trials(method, 20, past=whole[:13]) == whole
    assert trials(method, 20, seed=1) != whole
    assert {values["c"] for values, _ in whole} == {"x"}
    assert len({str(values) for values, _ in whole}) == 20


def test_bayes_learns_from_the_past_and_forgets_failures() -> None:
    found = trials("bayes", 40)
    late = [figure for _, figure in found[30:]]
    chance = [figure for _, figure in trials("random", 40)]
    assert sum(late) / len(late) > sum(chance) / len(chance) + 0.3
    sweep = read({"method": "bayes", "metric": METRIC, "parameters": PARAMETERS})
    failed = [(values, None) for values, _ in found]
    assert propose(sweep, 0, failed) is not None


def test_bayes_minimises_where_the_metric_says_so() -> None:
    sweep = read({"method": "bayes", "metric": {"name": "f1_iou"}, "parameters": {"x": PARAMETERS["x"]}})
    results: list = []
    for _ in range(30):
        values = propose(sweep, 0, results)
        assert values is not None
        results.append((values, values["x"]))
    assert sum(figure for _, figure in results[20:]) / 10 < 0.2


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_nothing_is_tried_twice(method: str) -> None:
    sweep = read({"method": method, "metric": METRIC, "parameters": {"y": {"values": [1, 2, 3]}}})
    results: list = []
    while (values := propose(sweep, 0, results)) is not None:
        results.append((values, float(values["y"])))
    assert sorted(values["y"] for values, _ in results) == [1, 2, 3]
    assert DRAWS >= 100


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "custom"}, "method: one of grid, random, bayes"),
        ({"early_terminate": {"type": "hyperband"}}, "early_terminate: not carried out here"),
        ({"parameters": {}}, "parameters: a mapping that names at least one"),
        ({"parameters": ["x"]}, "parameters: a mapping that names at least one"),
        (
            {"parameters": {"x": {"parameters": {"y": {"value": 1}}}}},
            "parameters.x: nested parameters are written flat",
        ),
        ({"parameters": {"x": {"values": [float("inf")]}}}, "parameters: plain finite values"),
        ({"method": "grid"}, "parameters.x: a grid wants values"),
        ({"run_cap": 0}, "run_cap: a positive number"),
        ({"run_cap": True}, "run_cap: a positive number"),
        ({"program": ["run_eval.py"]}, "program: the name of a file"),
        ({"metric": "f1_iou"}, "metric: a mapping such as"),
        ({"metric": {"goal": "maximize"}}, "metric.name: None is no figure"),
        ({"metric": {"name": "loss"}}, "metric.name: 'loss' is no figure of a run"),
        ({"metric": {**METRIC, "goal": "max"}}, "metric.goal: maximize or minimize"),
        ({"metric": {**METRIC, "target": "high"}}, "metric.target: a number"),
        ({"metric": {**METRIC, "impute": "worst"}}, "metric.impute: not carried out"),
        ({"command": "python run_eval.py"}, "command: a list of words"),
        ({"command": ["${program}"]}, "command: without ${args} all trials are the same"),
        ({"command": ["${program}", "${args}", "${args_json}"]}, "command: ${args_json} is not carried out"),
        ({"command": ["${program}", "${args_no_boolean_flags}"]}, "command: ${args_no_boolean_flags} is not carried"),
        ({"command": ["${program}", "${args}", "${envvar:lower}"]}, "command: ${envvar:lower} is not carried out"),
    ],
)
def test_what_is_not_carried_out_is_refused_with_the_key(changes: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^\w+") as error:
        read({"method": "random", "parameters": PARAMETERS, "metric": METRIC, **changes})
    assert str(error.value).startswith(said)


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("method: walk\n")
    with pytest.raises(UsageError, match=f"^{re.escape(str(path))}: method: "):
        load(path)


def test_the_names_of_figures_are_all_that_a_run_logs() -> None:
    made = rows()
    summary = summarise(made, list(made), EXPLAINERS, "hanta")
    absent = set(text.METRICS) - set(summary["captions"])
    unseen = {name for name in logged.names() if name.startswith("captions/") and name.split("/")[-1] in absent}
    assert unseen
    for explainer in EXPLAINERS:
        figures = logged.figures(summary, explainer)
        assert set(figures) == logged.names() - unseen
        assert all(0 <= value <= 1 if logged.share(name) else isinstance(value, int) for name, value in figures.items())
