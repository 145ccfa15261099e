"""Trials are ranked side by side, so they may differ in what the sweep varies and in nothing else.

A run's fingerprint says what it is. An entry that no parameter decides is the same in all trials; one that some decide
is the same in all trials to which the sweep gives the same values of these. A change to a model or to data that no two
trials share is not seen, nor is what no fingerprint holds: the devices.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs.fingerprint import canonical, differences
from pipeline.sweep.record import Record, Trial

GROUPS = {"model": ("vlm",), "manifest": ("data",), "code": ("vlm", "data", "explainers", "explainer", "trainer")}
"""The options that decide an entry of the fingerprint, where they are called otherwise."""


def apart(record: Record, trials: Iterable[Trial]) -> str:
    """What sets one of `trials`, all with a run folder, apart from an earlier one, and the mend; empty if nothing."""
    first: dict[str, tuple[int, Any]] = {}
    for trial in trials:
        folder = record.run_dir(trial.number)
        mend = f"delete {folder}, which then runs again, or choose another --out"
        try:
            fingerprint = fingerprints.read(folder)
        except ValueError as error:
            return f"trial {trial.number}: {error}; {mend}"
        for key, entry in entries(fingerprint, trial.values):
            number, before = first.setdefault(key, (trial.number, entry))
            if changed := differences(before, entry):
                what = f"not only the sweep's parameters differ ({'; '.join(changed)})"
                return f"trial {trial.number} cannot be ranked beside trial {number}: {what}; undo that and {mend}"
    return ""


def entries(fingerprint: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every entry of a trial's fingerprint, with a key: two trials that share it must share the entry.

    An explainer's parameters have the names of their options, so those that the sweep gives are left out one by one.
    """
    given = {name.replace(".init_args", "").removesuffix(".class_path") for name in values}
    for name, content in fingerprint.items():
        deciding = (*GROUPS.get(name, (name,)), "config")
        own = {option: value for option, value in values.items() if option.partition(".")[0] in deciding}
        left = without(content, given, "explainer") if name == "explainers" else content
        yield f"{name} {canonical(own)}", {name: left}


def without(content: Any, given: Collection[str], prefix: str) -> Any:
    """`content` less everything whose dotted name, `init_args` left out, is among `given`."""
    if not isinstance(content, Mapping):
        return content
    paths = {name: prefix if name == "init_args" else f"{prefix}.{name}" for name in content}
    return {name: without(content[name], given, path) for name, path in paths.items() if path not in given}
