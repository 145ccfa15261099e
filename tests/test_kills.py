"""Any number of ranks, killed at any moment and resumed by any other number: the bytes of one undisturbed rank."""

from dataclasses import replace

import pytest

from tests.kills import BATCH, SAMPLES, Attempt, Trials, flat
from tests.ranks import Blow


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return Trials(tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize("ranks", [2, 3, 7])
def test_the_number_of_ranks_does_not_show(ranks: int, trials: Trials) -> None:
    whole = trials.whole(ranks)
    assert whole.statuses == [0] * ranks
    assert trials.summary(ranks) == trials.summary(1)
    assert sum(not begun for begun in whole.batches) == (2 if ranks == 7 else 0), "with seven, two are idle"
    keys = list(flat(flat(whole.batches)))
    assert len(set(keys)) == len(keys) == len(whole.lines) == SAMPLES


def test_two_ranks_are_killed_in_the_middle_of_a_row_and_three_resume(trials: Trials) -> None:
    folder = trials.folder / "resumed"
    killed = trials.attempt(folder, 2, Blow([0, 1]), dies=1, at=6, part=0.5)  # the second row of its second batch
    assert (killed.phase, killed.unmoved) == ("in a row", 0)
    assert 0 < len(killed.lines) < SAMPLES
    trial = trials.judged(folder / "run", [killed, trials.attempt(folder, 3)])
    assert not trial.faults
    assert 0 < trial.redone <= BATCH


@pytest.mark.parametrize("number", range(3))
def test_a_random_kill_loses_nothing_and_costs_a_batch(number: int, trials: Trials) -> None:
    """Three of what `python -m tests.kill_ranks` does fifty times."""
    trial = trials.trial(number)
    assert trial.phases
    assert not trial.faults


def test_the_judge_sees_each_fault(trials: Trials) -> None:
    whole = trials.whole(1)
    run = trials.folder / "whole-1" / "run"

    def faults(killed: Attempt, last: Attempt = whole) -> str:
        return "; ".join(trials.judged(run, [killed, last]).faults)

    keys = [*flat(flat(whole.batches))]
    nothing = replace(whole, lines=[], batches=[[]])
    assert faults(nothing) == ""
    assert faults(replace(nothing, batches=[[keys[:BATCH]], [keys[BATCH : 2 * BATCH]]])) == "", "a batch a rank"
    assert f"{BATCH + 1} samples of a rank redone" in faults(replace(nothing, batches=[[keys[:BATCH], keys[-1:]]]))
    assert "1 rows lost" in faults(replace(nothing, lines=[whole.lines[0].replace(b"scene", b"other")]))
    assert f"{SAMPLES + 1} rows of {SAMPLES} samples" in faults(
        nothing, replace(whole, lines=[*whole.lines, whole.lines[0]])
    )
    assert "ended with [3]" in faults(nothing, replace(whole, statuses=[3]))
    other = trials.folder / "other" / "run"
    other.mkdir(parents=True)
    (other / "summary.json").write_bytes(trials.summary(1) + b" ")
    (other / ".summary.json.7.part").touch()
    assert trials.judged(other, [nothing, whole]).faults == [
        "summary.json differs",
        "left behind: .summary.json.7.part",
    ]
