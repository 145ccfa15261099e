"""One yaml serves both: W&B's own rendering of a trial parses to the very run that is carried out here."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb.apis.public.sweeps import _validate_config_and_fill_distribution
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config

from pipeline import cli
from pipeline.sweep import runner, search
from pipeline.sweep.command import count
from pipeline.sweep.record import Record, Trial

SWEEPS = sorted((Path(__file__).resolve().parents[2] / "configs" / "sweep").glob("*.yaml"))
GIVEN = ("run_dir", "wandb", "cache", "figures", "panels")
"""What the sweep here gives beside the parameters."""


def proposed(sweep: search.Sweep) -> list[dict[str, Any]]:
    """Every trial of a grid, the first ones of another method."""
    results: list[search.Result] = []
    for _ in range(count(sweep, 4 if search.size(sweep) is None else None)):
        values = search.propose(sweep, 0, results)
        assert values is not None
        results.append((values, 0.5))
    return [dict(values) for values, _ in results]


def covering(trials: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """As many of the trials as it takes to see every value of every parameter."""
    seen: set[str] = set()
    for number, values in enumerate(trials):
        words = {f"{name}={value}" for name, value in values.items()}
        if words - seen:
            yield number, values
        seen |= words


def agent(sweep: search.Sweep, values: dict[str, Any]) -> list[str]:
    """The words with which W&B's agent starts a trial, put together as it does."""
    made = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})
    filled = {"interpreter": ["python"], "program": [sweep.program], "env": ["/usr/bin/env"], **made}
    words: list[str] = []
    for word in create_sweep_command(list(sweep.command)):
        words += filled[word[2:-1]] if word.startswith("${") else [word]
    return words


def resolved(args: list[str]) -> dict[str, Any]:
    config = cli.parse(args).config.as_dict()
    return {name: value for name, value in config.items() if name not in GIVEN}


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_both_renderings_are_the_same_run_with_the_values_of_the_yaml(path: Path, tmp_path: Path) -> None:
    sweep = search.load(path)
    record = Record(tmp_path, {})
    for number, values in covering(proposed(sweep)):
        words = agent(sweep, values)
        theirs = words[words.index(sweep.program) + 1 :]
        ours = runner.arguments_of(Trial(number, values), (), record)
        assert resolved(theirs) == resolved(ours)
        job = cli.parse(ours)
        for name, value in values.items():
            if name.startswith("explainer."):
                found = job.config[name]
                assert (list(found) if isinstance(value, list) else found) == value
                assert type(found) is type(value) or isinstance(value, list)
        assert job.config.run_dir == str(tmp_path / "trials" / str(number))
        assert (job.config.wandb.mode, job.config.cache) == ("disabled", str(tmp_path / "cache"))


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_command_is_spelt_as_the_agent_spells_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "python")
    sweep = search.load(path)
    values = proposed(sweep)[0]
    made = create_sweep_command_args({"args": {name: {"value": value} for name, value in values.items()}})["args"]
    assert runner.spelt(sweep, made) == agent(sweep, values)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_wandb_finds_nothing_wrong(path: Path) -> None:
    content = load_sweep_config(str(path))
    assert content is not None
    assert _validate_config_and_fill_distribution(content)["parameters"].keys() == content["parameters"].keys()


def test_variables_of_the_environment_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUS", "4")
    command = ["run-${envvar:GPUS}", "${envvar:NOWHERE}", "${args}"]
    sweep = search.read({"method": "grid", "parameters": {"x": {"value": 1}}, "command": command})
    assert runner.spelt(sweep, ["--a=1"]) == ["run-4", "NOWHERE", "--a=1"]
    assert create_sweep_command(list(command))[:2] == ["run-4", "NOWHERE"]


def test_the_grid_of_the_guide_has_24_combinations_of_four_parameters() -> None:
    sweep = search.load(next(path for path in SWEEPS if path.stem == "msea_arc"))
    free = {name.rpartition(".")[2] for name in search.searched(sweep)}
    assert (free, search.size(sweep)) == ({"k", "p", "relu", "interference"}, 24)
