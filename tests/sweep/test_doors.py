"""The folder of a stranger's sweep: what its record says is no path and no option, and no link leads out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.arguments import UsageError
from pipeline.sweep import command
from pipeline.sweep.parameters import parameter
from pipeline.sweep.record import Record
from pipeline.sweep.search import read

IDENTITY = {"method": "grid"}
TRIAL = {"number": 0, "values": {"explainers": "cam"}, "status": "complete", "figure": 0.5, "error": None}


def recorded(folder: Path, *trials: dict[str, Any]) -> Record:
    """The record of a sweep as a file has it."""
    (folder / "sweep.json").write_text(json.dumps({"sweep": IDENTITY, "trials": trials}))
    return Record.open(folder, IDENTITY)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": "../../x"}, r"trials\.0\.number: .*integer"),
        ({"number": 3}, r"trials\.0\.number: 3, not 0"),
        ({"number": -1}, r"trials\.0\.number: "),
        ({"values": ["--run_dir=/etc"]}, r"trials\.0\.values: "),
        ({"status": "done"}, r"trials\.0\.status: "),
        ({"figure": "high"}, r"trials\.0\.figure"),
        ({"error": 5}, r"trials\.0\.error: "),
        ({"more": 5}, r"trials\.0\.more: "),
    ],
)
def test_a_trial_that_no_sweep_writes_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    assert recorded(tmp_path, TRIAL).trials[0].figure == 0.5
    with pytest.raises(UsageError, match=rf"sweep\.json: {said}.*choose another --out"):
        recorded(tmp_path, TRIAL | change)


@pytest.mark.parametrize("text", ["[" * 9000, "[]", '{"sweep": {}}', '{"sweep": {}, "trials": {"a": 1}}', "\x00"])
def test_a_record_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(UsageError, match="choose another --out") as caught:
        Record.open(tmp_path, IDENTITY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values", [{"explainers": "cam", "config": "evil.yaml"}, {}, {"explainers": "tam"}, {"explainers": ["cam"]}]
)
def test_values_on_record_become_options_only_where_the_yaml_gives_them(tmp_path: Path, values: Any) -> None:
    sweep = read({"method": "grid", "parameters": {"explainers": {"values": ["cam", "msea_arc"]}}})
    command.check_trials(sweep, recorded(tmp_path, TRIAL))
    with pytest.raises(UsageError, match=r"sweep\.json: trials\.0\.values\.(explainers|config): "):
        command.check_trials(sweep, recorded(tmp_path, TRIAL | {"values": values}))


@pytest.mark.parametrize(
    ("content", "given", "other"),
    [
        ({"min": 0.5, "max": 1.0}, [0.5, 0.75], [0.4, 1.1, "0.75", True, None, float("nan")]),
        ({"min": 1, "max": 9}, [1, 9], [0, 10, 2.5, "2"]),
        ({"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.25}, [0.0, 0.25, 1.0], [2.0, "x"]),
        ({"values": [1, "a", None]}, [1, "a", None], [1.0, True, "b", 2]),
        ({"value": 5}, [5], [6, "5"]),
    ],
)
def test_a_parameter_admits_what_it_can_give(content: dict[str, Any], given: list[Any], other: list[Any]) -> None:
    one = parameter("x", content)
    assert [one.admits(value) for value in given] == [True] * len(given)
    assert [one.admits(value) for value in other] == [False] * len(other)


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("trials/0", lambda record: record.run_dir(0)),
        ("trials", lambda record: record.run_dir(0)),
        ("trials/0", lambda record: record.summary(0)),
        ("logs/0.txt", lambda record: record.log(0)),
        ("logs", lambda record: record.log(0)),
    ],
)
def test_no_link_leads_out_of_the_folder_of_a_sweep(tmp_path: Path, name: str, ask: Callable[[Record], object]) -> None:
    folder = tmp_path / "sweep"
    (folder / name).parent.mkdir(parents=True)
    record = recorded(folder, TRIAL)
    ask(record)
    (folder / name).symlink_to(tmp_path)
    with pytest.raises(UsageError, match=f"{name}.*leads out"):
        ask(record)
