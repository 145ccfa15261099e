"""Every line that a command says begins with the command as it was typed."""

import sys

import pytest

from datamodules import program
from pipeline import commands
from pipeline.outputs import dashboard, tracker
from pipeline.outputs.report import command as report
from pipeline.sweep import command as sweep


@pytest.mark.parametrize(
    ("started", "words", "begins"),
    [
        ("bin/seewhy", ["--limt", "3"], "seewhy: error: --limt: no such option"),
        ("bin/run_eval.py", ["--limt", "3"], "run_eval.py: error: --limt: no such option"),
        ("bin/seewhy", ["sweep", "none.yaml"], "seewhy sweep: error: none.yaml: "),
        ("pipeline/sweep/__main__.py", ["sweep", "none.yaml"], "seewhy sweep: error: none.yaml: "),
        ("bin/seewhy", ["report", "none"], "seewhy report: error: none"),
        ("bin/seewhy", ["publish", "none"], "seewhy publish: error: none: no finished run lies there"),
        ("bin/seewhy", ["verify", "none"], "seewhy verify: error: "),
        ("bin/seewhy", ["convert_internvl", "none", "new"], "seewhy convert_internvl: error: "),
    ],
)
def test_a_mistake_is_told_by_the_command_as_it_was_typed(
    started: str, words: list[str], begins: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [started, *words])
    monkeypatch.setattr(commands, "protect", lambda name: None)
    monkeypatch.setattr("pipeline.stop.at_once", lambda: None)
    try:
        status = commands.main()
    except SystemExit as left:
        status = int(left.code or 0)
    *_, line = capsys.readouterr().err.splitlines()
    assert (status, line[: len(begins)]) == (2, begins)
    assert program.name() == "run_eval.py", "it is over"


def test_a_module_that_is_called_by_itself_says_which_command_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep.main(["none.yaml"]) == report.main(["none"]) == tracker.main(["none"]) == 2
    dashboard.said("no account", 0)
    names = [line.partition(": ")[0] for line in capsys.readouterr().err.splitlines()]
    assert names == ["seewhy sweep", "seewhy report", "seewhy publish", "seewhy dashboard"]
