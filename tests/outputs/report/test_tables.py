"""What tables say in words and signs."""

from pathlib import Path

import pytest

from pipeline.outputs.report.read import read_runs
from pipeline.outputs.report.tables import clear, facts, reasons, signed
from tests.outputs.report.built import SCENES, Scene, run_folder


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0123, "+1.2"),
        (-0.0123, "−1.2"),
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (-0.0004, "0.0"),
        (0.0004, "0.0"),
        (-0.0006, "−0.1"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_a_difference_has_its_sign_unless_it_rounds_to_zero(value: float | None, told: str) -> None:
    assert signed(value) == told


@pytest.mark.parametrize(
    ("low", "high", "is_clear"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0.0, 0.1, False)]
)
def test_an_interval_is_clear_where_it_leaves_out_zero(low: float, high: float, is_clear: bool) -> None:
    assert clear({"value": 0.1, "low": low, "high": high}) is is_clear
    assert not clear({"value": None, "low": None, "high": None})


def test_facts_count_what_was_scored_and_say_nothing_of_what_was_not(tmp_path: Path) -> None:
    bad = Scene("bad", "", error="OSError: gone")
    known = dict(facts(read_runs([run_folder(tmp_path / "known", [*SCENES[:2], bad])])[0]))
    blind = dict(facts(read_runs([run_folder(tmp_path / "blind", [Scene("x", "A dog.", None)])])[0]))
    lost = dict(facts(read_runs([run_folder(tmp_path / "lost", [bad])])[0]))
    assert known["samples"] == "3 expected, 2 scored, 1 quarantined"
    assert known["ground truth"] == "of 2 of 2 samples"
    assert known["batches"] == "8 samples, 1 thread a process, answers generated"
    assert blind["samples"] == "1 expected, 1 explained, 0 quarantined"
    assert blind["ground truth"] == "none"
    assert "objects named" not in blind
    assert not {"captions", "words", "ground truth", "objects named", "time"} & lost.keys()
    assert known["time"] == "0.625 s a sample, 1.25 s over all processes"


def test_reasons_are_counted_over_all_runs(tmp_path: Path) -> None:
    errors = {"one": ["OSError: a", "OSError: b"], "two": ["ValueError: c", "OSError: d"]}
    folders = [
        run_folder(tmp_path / name, [Scene(error, "", error=error) for error in of]) for name, of in errors.items()
    ]
    assert reasons(read_runs(folders)) == "3 OSError, 1 ValueError"
