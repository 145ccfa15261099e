"""A few of the random checkpoints of `python -m tests.fuzz_checkpoints`."""

from pathlib import Path

import pytest

from tests.fuzz_checkpoints import Outcome, fuzz


@pytest.mark.timeout(300)
def test_a_changed_checkpoint_breaks_no_promise(tmp_path: Path) -> None:
    assert fuzz(5, 60, tmp_path) == []


@pytest.mark.parametrize(
    ("outcome", "broken"),
    [
        (Outcome(2, "run_eval.py: error: checkpoint 'x': no\n", (), 1, 1), []),
        (Outcome(0, "", ("read: /etc/passwd",), 1, 1), ["touched read: /etc/passwd"]),
        (Outcome(1, "Traceback (most recent call last):\n", (), 1, 1), ["status 1", "a traceback"]),
        (Outcome(2, "", (), 1, 1), ["0 lines of error"]),
        (Outcome(2, "run_eval.py: error: \x1b[31m\n", (), 30, 4 * 2**30), ["an escape code", "30 s", "4.3 GB"]),
    ],
)
def test_a_broken_promise_is_seen(outcome: Outcome, broken: list[str]) -> None:
    assert outcome.broken() == broken
