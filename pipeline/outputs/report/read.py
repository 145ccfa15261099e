"""What a page knows of run folders: read once, told apart by name, put into groups that can be ranked."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from pipeline.outputs import documents, inside, published
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs.inside import Damaged
from pipeline.outputs.records import Rows, read_rows
from pipeline.outputs.schema.files import ConfigFields, MarkFields, StartFields
from pipeline.outputs.schema.summary import SummaryFields
from pipeline.outputs.schema.values import check
from pipeline.outputs.summary import METRICS, PROFILES

Parameters = Mapping[str, str]
"""Dotted name -> JSON text."""
FORM = " · "
"""Stands in a label between the explainer and what tells its forms apart, where there are other explainers too."""


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run. name: unlike that of any other on the page. model, data: stems of their configurations.

    fingerprint, sha256, starts: what `env.json` holds. keys: of its samples, in the order of the manifest.
    """

    folder: Path
    name: str
    model: str
    data: str
    config: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    sha256: str
    starts: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    timing: Mapping[str, Any]
    rows: Rows
    keys: Sequence[str]


@dataclass(frozen=True, eq=False)
class Entrant:
    """One explainer of one run. label: unlike any other in its group. figures: profile -> metric -> interval.

    parameters: its constructor's, beside `class`. paper: published figures by metric, in percent; possibly none. whose:
    they are, where not of this model on this data.
    """

    label: str
    explainer: str
    run: Run
    figures: Mapping[str, Mapping[str, Mapping[str, Any]]]
    parameters: Parameters
    paper: Mapping[str, float]
    whose: str


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one model on one data set, whose explainers can be ranked."""

    model: str
    data: str
    runs: Sequence[Run]
    entrants: Sequence[Entrant]


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Every run, in the order given. Raises ValueError, or OSError, that names the folder which is not a whole run."""
    return [_read(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]


def _read(folder: Path, name: str) -> Run:
    record = fingerprints.record(folder)
    if not inside.has(folder, "summary.json"):
        raise ValueError(f"{folder} has no summary.json: its run has not ended; the same command resumes it")
    config, summary, timing = (
        documents.config(folder),
        documents.summary(folder, SummaryFields),
        documents.timing(folder),
    )
    mark, starts = record["fingerprint"], record["starts"]
    for kind, value, file in ((ConfigFields, config, "config.yaml"), (MarkFields, mark, "env.json: fingerprint")):
        check(kind, value, folder / file, documents.REMEDY)
    check(StartFields, starts[-1] if starts else None, folder / "env.json: starts", documents.REMEDY)
    if missing := lacking(config, mark, summary):
        raise Damaged(f"{folder / 'summary.json'}: {missing}; {documents.REMEDY}")
    rows = read_rows(folder)
    keys = sorted(rows, key=lambda key: rows.heads[key].index)
    for key, other in pairwise(keys):
        if rows.heads[key].index == rows.heads[other].index:
            raise Damaged(f"{folder}: the rows of {key[:99]!r} and {other[:99]!r} have one index; delete one of them")
    model, data = config["names"]["vlm"], config["names"]["data"]
    digest = fingerprints.digest(mark)
    return Run(folder, name, model, data, config, mark, digest, starts, summary, timing, rows, keys)


def lacking(config: Mapping[str, Any], mark: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Return which figure a summary lacks of an explainer that it or the options name; empty where it has all."""
    explainers = set(summary["explainers"])
    named = {called(given) for given in config["explainers"]}
    if explainers != named or not explainers <= set(mark["explainers"]):
        return "its explainers are not those of config.yaml and env.json"
    pairs = {frozenset(pair.split("-")) for pair in summary["differences"]}
    if not all(pair <= explainers for pair in pairs):
        return "differences: of an explainer that the run does not have"
    for profile in PROFILES:
        for name, profiles in (summary["explainers"] | summary["differences"]).items():
            for metric in METRICS:
                if metric not in profiles.get(profile, ()):
                    return f"{name}.{profile}.{metric}: missing"
        for name in explainers:
            if profile not in summary["breakdowns"].get(name, ()):
                return f"breakdowns.{name}.{profile}: missing"
        if profile not in summary["objects"]:
            return f"objects.{profile}: missing"
    return ""


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as many of the folders above as tell all of them apart."""
    resolved = [folder.resolve() for folder in folders]
    if twice := [str(path) for path, count in Counter(resolved).items() if count > 1]:
        raise ValueError(f"{twice[0]} is given twice")
    depth = 1
    while len({path.parts[-depth:] for path in resolved}) < len(resolved):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in resolved]


def grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs of the same model on the same data set, in order of appearance."""
    found: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((run.model, run.data, str(run.fingerprint["manifest"])), []).append(run)
    alone = len({name for run in runs for name in ordered(run)}) == 1
    return [_group(model, data, members, alone) for (model, data, _), members in found.items()]


def _group(model: str, data: str, runs: Sequence[Run], alone: bool) -> Group:
    of = [(run, name, parameters(run, name)) for run in runs for name in ordered(run)]
    papers = {run: _published(run) for run in runs}
    entrants = []
    for run, name, values in of:
        rivals = [(their, theirs) for their, called, theirs in of if called == name and their is not run]
        form = [_apart(run, values, rivals)] if rivals else []
        label = FORM.join(form if form and alone else [name, *form])
        paper, whose = papers[run]
        entrants.append(Entrant(label, name, run, run.summary["explainers"][name], values, paper.get(name, {}), whose))
    return Group(model, data, runs, entrants)


def forms(entrants: Sequence[Entrant]) -> str:
    """The explainer whose forms these are, if their labels leave it out; else nothing."""
    kinds = {entrant.explainer if not entrant.label.startswith(entrant.explainer) else "" for entrant in entrants}
    return kinds.pop() if len(kinds) == 1 else ""


def _published(run: Run) -> tuple[published.Figures, str]:
    """Figures of the run's explainers, and whose they are; each run asks for its own."""
    model, _, data = (run.config.get("beside") or "").partition("/")
    return published.alongside(run.summary["explainers"], run.model, run.data, (model, data) if model else None)


def _apart(run: Run, own: Parameters, rivals: Sequence[tuple[Run, Parameters]]) -> str:
    """What tells an explainer from those of the same name: its parameters, else the name of its run."""
    names = [name for name in own if any(theirs.get(name) != own[name] for _, theirs in rivals)]
    told = all(any(theirs.get(name) != own[name] for name in names) for _, theirs in rivals)
    if not told:
        return run.name
    values = {name: [of.get(name, "") for of in (own, *(theirs for _, theirs in rivals))] for name in names}
    return ", ".join(f"{name} {brief(own[name], values[name])}" for name in names)


def brief(value: str, among: Sequence[str]) -> str:
    """A parameter's value, as JSON, for a label: a long fraction in as few digits, three or more, as tell it from all
    other values `among` which it stands."""
    for digits in range(3, 17):
        told = {one: _rounded(one, digits) for one in among}
        if len(set(told.values())) == len(told):
            return plain(told[value])
    return plain(value)


def _rounded(text: str, digits: int) -> str:
    """A fraction in so many digits if that is shorter and without an exponent; any other JSON text as it is."""
    if not re.fullmatch(r"-?\d+\.\d+(e-?\d+)?", text):
        return text
    rounded = f"{float(text):.{digits}g}"
    return text if "e+" in rounded else min(text, rounded, key=len)


def ordered(run: Run) -> list[str]:
    """The names of a run's explainers in the order of its command; a summary sorts them."""
    return [name for name in map(called, run.config["explainers"]) if name in run.summary["explainers"]]


def called(given: str) -> str:
    """Return the name of an explainer that a command gives as a yaml file, by name, as a class or as a mapping."""
    path = Path(given)
    if path.suffix in (".yaml", ".yml"):
        return path.stem
    if given.startswith("{"):
        try:
            given = str(yaml.safe_load(given)["class_path"])
        except (yaml.YAMLError, LookupError, TypeError):
            return given
    return given.rpartition(".")[2]


def parameters(run: Run, explainer: str) -> Parameters:
    """The class of an explainer and every parameter of its constructor."""
    return dict(fingerprints.flat(run.fingerprint["explainers"].get(explainer, {})))


def plain(text: str) -> str:
    """JSON text without the quotes of a string."""
    return text[1:-1] if text.startswith('"') else text


def differing(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Name in the fingerprint -> its value in each run, where not all are the same; "" where a run has none.

    Explainers that only some runs have are one line, `explainers`.
    """
    flat = [dict(fingerprints.flat(run.fingerprint)) for run in runs]
    shared = set.intersection(*(set(run.fingerprint["explainers"]) for run in runs))
    listed = [", ".join(run.fingerprint["explainers"]) for run in runs]
    lines = {"explainers": listed} if len(set(listed)) > 1 else {}
    for name in sorted(set().union(*flat)):
        top, _, rest = name.partition(".")
        values = [plain(of.get(name, '""')) for of in flat]
        if len(set(values)) > 1 and (top != "explainers" or rest.partition(".")[0] in shared):
            lines[name] = values
    return lines
