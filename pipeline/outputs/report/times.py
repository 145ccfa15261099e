"""What a page says of the time that a run took."""

from pipeline.clock import PASSES
from pipeline.notation import ABSENT, number
from pipeline.outputs.report.read import Group, Run


def shared(group: Group) -> list[tuple[str, float]]:
    """Return a title and the seconds a sample that explainers share, for each run whose times tell what work costs."""
    several = len(group.runs) > 1
    found = []
    for run in (run for run in group.runs if not cached(run)):
        seconds = sum(value for stage, value in run.timing["seconds"].items() if stage.startswith(PASSES))
        if seconds:
            found.append((f"shared passes{f' in {run.name}' if several else ''}", seconds))
    return found


def milliseconds(seconds: float | None) -> str:
    """Return a time of less than a thousandth of a millisecond as 0."""
    return ABSENT if seconds is None else number(round(1000 * seconds, 3))


def took(run: Run) -> list[tuple[str, str]]:
    """Return a line on the time of a run."""
    total, by = run.timing["total"], ", with what the cache knew" if cached(run) else ""
    whole = f"{total:,.0f}" if total >= 10 else number(total)
    return [("time", f"{number(run.timing['mean'])} s a sample, {whole} s over all processes{by}")]


def cached(run: Run) -> bool:
    """Return whether the times of a run say what a cache knew."""
    return run.config.get("cache") is not None
