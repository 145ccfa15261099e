"""A sweep in the format of W&B, and which values its next trial takes.

Grid takes the combinations in order, the last parameter fastest. Random draws trial n from the seed and n. Bayes asks
optuna's tree-structured Parzen estimator: from the seed, n and the results so far. Nothing else is remembered, so a
sweep that was killed goes on as if it had not been.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.arguments import UsageError, mapping, read_yaml
from pipeline.outputs import logged
from pipeline.outputs.fingerprint import canonical
from pipeline.sweep.parameters import Parameter, parameter

READ = ("program", "method", "metric", "parameters", "command", "run_cap")
IDENTITY = ("program", "method", "metric", "parameters", "command")
IGNORED = ("name", "description", "project", "entity", "apiVersion", "kind", "controller")
"""What W&B alone has a use for."""
COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
"""W&B's default."""
VARIABLE = re.compile(r"\$\{envvar:([A-Z0-9_]+)\}")
"""A variable of the environment, as W&B's agent fills it in."""
METHODS = ("grid", "random", "bayes")
DRAWS = 100
"""So often a method is asked for values that no trial had; then it has nothing new."""

Result = tuple[Mapping[str, Any], float | int | None]
"""The values of a trial, and its figure; None where it failed."""


@dataclass(frozen=True)
class Sweep:
    """A checked sweep. written: what identifies it, as in the file. target: a figure that ends it. cap: at most so many
    trials. command: with its `${...}`."""

    written: Mapping[str, Any]
    method: str
    parameters: dict[str, Parameter]
    metric: str = "f1_iou"
    maximize: bool = True
    target: float | int | None = None
    cap: int | None = None
    program: str = "run_eval.py"
    command: tuple[str, ...] = COMMAND


def load(path: Path) -> Sweep:
    """The sweep of a yaml file. Raises UsageError, naming the file and the key."""
    content = read_yaml(path)
    try:
        return read(content)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def read(content: Mapping[str, Any]) -> Sweep:
    """A sweep from W&B's keys. Raises ValueError, beginning with the key, for what is wrong or not carried out here."""
    for key in content:
        if key not in (*READ, *IGNORED):
            raise ValueError(f"{key}: not carried out here; known are {', '.join(READ)}")
    method, cap, command = (content.get(key) for key in ("method", "run_cap", "command"))
    program = content.get("program", Sweep.program)
    if method not in METHODS:
        raise ValueError(f"method: one of {', '.join(METHODS)}, not {method!r}")
    if not mapping(content, "parameters"):
        raise ValueError("parameters: a mapping that names at least one, such as explainers: {value: msea_arc}")
    if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
        raise ValueError(f"run_cap: a positive number of trials, not {cap!r}")
    if not isinstance(program, str):
        raise ValueError(f"program: the name of a file, not {program!r}")
    parameters = {name: parameter(str(name), one) for name, one in content["parameters"].items()}
    endless = [name for name, one in parameters.items() if one.values is None]
    if method == "grid" and endless:
        raise ValueError(f"parameters.{endless[0]}: a grid wants values, value, int_uniform or q_uniform")
    written = {key: content[key] for key in IDENTITY if key in content}
    try:
        canonical(written)
    except (TypeError, ValueError) as error:
        raise ValueError(f"parameters: plain finite values only ({error})") from error
    return Sweep(
        written,
        method,
        parameters,
        **_metric(content.get("metric")),
        cap=cap,
        program=program,
        command=COMMAND if command is None else _command(command),
    )


def _command(words: Any) -> tuple[str, ...]:
    """The words of a command. Those of W&B's macros that `run_eval.py` cannot read are refused."""
    if not isinstance(words, list) or not words:
        raise ValueError(f"command: a list of words, not {words!r}")
    known = "${env}, ${interpreter}, ${program}, ${args} and ${envvar:NAME}"
    for macro in re.findall(r"\$\{.*?\}", " ".join(map(str, words))):
        if macro not in COMMAND and not VARIABLE.fullmatch(macro):
            raise ValueError(f"command: {macro} is not carried out here; known are {known}")
    if "${args}" not in words:
        raise ValueError("command: without ${args} all trials are the same; name it")
    return tuple(map(str, words))


def _metric(content: Any) -> dict[str, Any]:
    """The metric's name, direction and target; W&B minimises where a metric has no goal."""
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise ValueError(f"metric: a mapping such as {{name: f1_iou, goal: maximize}}, not {content!r}")
    name, goal, target = content.get("name"), content.get("goal", "minimize"), content.get("target")
    if extra := content.keys() - {"name", "goal", "target"}:
        raise ValueError(f"metric.{min(extra)}: not carried out here")
    if name not in logged.names():
        plain = ", ".join(sorted(one for one in logged.names() if "/" not in one))
        raise ValueError(f"metric.name: {name!r} is no figure of a run; such are {plain}, reference/f1_iou")
    if goal not in ("maximize", "minimize"):
        raise ValueError(f"metric.goal: maximize or minimize, not {goal!r}")
    if target is not None and (isinstance(target, bool) or not isinstance(target, int | float)):
        raise ValueError(f"metric.target: a number, not {target!r}")
    return {"metric": name, "maximize": goal == "maximize", "target": target}


def searched(sweep: Sweep) -> dict[str, Parameter]:
    """The parameters that differ from trial to trial."""
    return {name: one for name, one in sweep.parameters.items() if one.values is None or len(one.values) > 1}


def size(sweep: Sweep) -> int | None:
    """How many combinations a grid has; None for methods without end."""
    return math.prod(len(one.values or ()) for one in sweep.parameters.values()) if sweep.method == "grid" else None


def propose(sweep: Sweep, seed: int, results: Sequence[Result]) -> dict[str, Any] | None:
    """The values of the trial after `results`; None where the method has none that was not tried."""
    here = len(results)
    if sweep.method == "grid":
        combinations = itertools.product(*(one.values or () for one in sweep.parameters.values()))
        chosen = next(itertools.islice(combinations, here, None), None)
        return None if chosen is None else dict(zip(sweep.parameters, chosen, strict=True))
    draw = _random if sweep.method == "random" else _bayes
    tried = [dict(values) for values, _ in results]
    for attempt in range(DRAWS):
        drawn = draw(sweep, [seed, here, attempt], results)
        values = {name: drawn[name] if name in drawn else one.at(0) for name, one in sweep.parameters.items()}
        if values not in tried:
            return values
    return None


def _random(sweep: Sweep, seed: Sequence[int], _: Sequence[Result]) -> dict[str, Any]:
    free = searched(sweep)
    shares = np.random.default_rng(seed).random(len(free)).tolist()
    return {name: one.at(share) for (name, one), share in zip(free.items(), shares, strict=True)}


def _bayes(sweep: Sweep, seed: Sequence[int], results: Sequence[Result]) -> dict[str, Any]:
    """Numbers are searched by their shares, in which every distribution is uniform; failed trials teach nothing."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    free = searched(sweep)
    space: dict[str, Any] = {
        name: optuna.distributions.CategoricalDistribution(range(len(one.values or ())))
        if one.categories
        else optuna.distributions.FloatDistribution(0, 1)
        for name, one in free.items()
    }
    sampler = optuna.samplers.TPESampler(seed=int(np.random.SeedSequence(seed).generate_state(1)[0]))
    study = optuna.create_study(direction="maximize" if sweep.maximize else "minimize", sampler=sampler)
    for values, figure in results:
        if figure is not None:
            shares = {name: one.share(values[name]) for name, one in free.items()}
            study.add_trial(optuna.trial.create_trial(params=shares, distributions=space, value=figure))
    drawn = study.ask(space).params
    return {
        name: (one.values or ())[drawn[name]] if one.categories else one.at(drawn[name]) for name, one in free.items()
    }
