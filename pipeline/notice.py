"""Warnings in the project's own words."""


class Notice(UserWarning):
    """What a run goes on without: a line of `run_eval.py`, and a warning to those who call its modules."""
