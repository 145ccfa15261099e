"""Mistakes told at once, without importing what a run needs: torch and Lightning alone take ten seconds of a processor.

Options are known from `pipeline.options` and from the source of the classes that a command names. What cannot be
known so is left to the full parser of `pipeline.cli`, which judges every command.
"""

import re
from argparse import SUPPRESS
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser, Namespace

from datamodules import program
from pipeline import arguments, argv, guards, options, signatures, trainer_values
from pipeline.arguments import Choice
from pipeline.argv import Option
from pipeline.errors import UsageError, fail
from pipeline.refused import expected, near, no_subclass, told, unknown, value_missing

BASES = {
    "vlm": "pipeline.models.base.VLM",
    "data": "datamodules.base.SampleDataModule",
    "explainer": "pipeline.explainers.base.Explainer",
}
TRAINER = "lightning.pytorch.trainer.trainer.Trainer"
PRINTED = ("skip_default", "skip_null", "skip_unset")
"""What --print_config may leave out."""


class Plain(ArgumentParser):
    """A parser of options with plain types, whose errors are UsageError in the words of the full one."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(told(message, self._actions)) from ex


class Known:
    """Every option that a command may give, for classes in the groups `vlm`, `data`, `trainer`, `explainer.NAME`.

    hints: the type of each, None where it is not plain. opened: names below which the full parser decides.
    needed: what has no default.
    """

    def __init__(self, classes: Mapping[str, str | None]) -> None:
        self.parser = Plain(prog=program.name(), allow_abbrev=False)
        options.add(self.parser, default=SUPPRESS)
        self.hints: dict[str, Any] = {a.dest: getattr(a, "_typehint", None) for a in self.parser._actions}
        self.hints |= dict.fromkeys(("config", "print_config", "help", "vlm", "data", "trainer"))
        self.groups, self.needed, self.opened = list(classes), list[str](), list[str]()
        for group, path in classes.items():
            self.add(group, signatures.parameters(path) if path else None)

    def add(self, group: str, found: Mapping[str, signatures.Parameter] | None) -> None:
        """Add the parameters of a class as options of `group`."""
        if found is None:
            self.opened.append(group)
        for parameter in (found or {}).values():
            name = f"{group}.{parameter.name}"
            self.hints[name] = parameter.hint
            if parameter.hint is None:
                self.opened.append(name)
            else:
                self.parser.add_argument(f"--{name}", type=parameter.hint, default=SUPPRESS)
            if parameter.needed:
                self.needed.append(name)

    def has(self, name: str) -> bool:
        """Return whether an option exists, or may."""
        return name in self.hints or name in self.groups or any(name.startswith(f"{one}.") for one in self.opened)

    def has_help(self, name: str) -> bool:
        """Return whether an option shows the help of a class that may be chosen."""
        group, _, own = name.rpartition(".")
        return own == "help" and (group in ("", "vlm", "data") or group in self.opened)

    def refuse(self, name: str, source: str = "", typed: str | None = None) -> NoReturn:
        """Raise UsageError for an option that does not exist; source: the file that has it. typed: as it was typed."""
        kind, _, rest = name.partition(".")
        stem = rest.partition(".")[0]
        file = arguments.ROOT / "configs" / "explainer" / f"{stem}.yaml"
        start, flag = (f"{source}: ", "") if source else ("", "--")
        if kind == "explainer" and f"{kind}.{stem}" not in self.groups and file.is_file():
            raise UsageError(f"{start}{typed or flag + name}: {stem} is not among the {flag}explainers")
        if kind in ("vlm", "data") and (other := self.elsewhere(kind, rest)):
            raise UsageError(f"{start}{typed or flag + name}: no such option here; {other}")
        raise UsageError(start + unknown(name, list(self.hints), flag, self.groups, typed))

    def elsewhere(self, kind: str, own: str) -> str:
        """Return which other model or data has an option like that; nothing where the one at hand has one too."""
        if near(own, [name.partition(".")[2] for name in self.hints if name.startswith(f"{kind}.")]):
            return ""
        for path in sorted((arguments.ROOT / "configs" / kind).glob("*.yaml")):
            names = signatures.parameters(arguments.read_yaml(path).get("class_path", "")) or {}
            if meant := get_close_matches(own, [name for name in names if f"{kind}.{name}" not in self.hints], n=1):
                return f"--{kind} {path.stem} has --{kind}.{meant[0]}"
        return ""

    def judges(self, name: str, value: Any) -> bool:
        """Return whether a value can be judged here; a yaml file in its place is read by the full parser."""
        is_file = isinstance(value, str) and value.endswith((".yaml", ".yml", ".json")) and Path(value).is_file()
        return not is_file and (self.hints.get(name) is str or bool(expected(self.hints.get(name))))


@dataclass(frozen=True)
class Command:
    """A command as it was typed: options in order; classes in the groups `vlm`, `data` and `explainer.NAME`."""

    given: list[Option]
    choices: dict[str, Choice]

    @property
    def explainers(self) -> dict[str, Choice]:
        """The explainers by name."""
        return {group.partition(".")[2]: one for group, one in self.choices.items() if group.startswith("explainer.")}


def read(args: Sequence[str]) -> Command:
    """Return the command that `args` give, as far as it can be judged here. Raises UsageError."""
    arguments.require_checkout()
    given = argv.options(args)
    choices = {f"explainer.{name}": choice for name, choice in arguments.explainers(given).items()}
    choices |= {kind: arguments.called(given, kind) for kind in ("vlm", "data")}
    arguments.refuse_shared(given, choices["data"])
    check(given, choices)
    return Command(given, choices)


def refuse(args: Sequence[str]) -> Command:
    """Return the command. End the program, with one line and status 2, where it cannot be right."""
    try:
        return read(args)
    except UsageError as error:
        fail(error)


def started(command: Command) -> str:
    """Return what a command starts, in words."""
    vlm, data = command.choices["vlm"].name, command.choices["data"].name
    return f"model {vlm}, data {data}, explainers {', '.join(command.explainers)}; --help lists options and commands"


def check(given: Sequence[Option], choices: Mapping[str, Choice]) -> None:
    """Refuse the options of a command that cannot be right; choices: its classes by group. Raises UsageError."""
    if any(one.flag in ("-h", "--help") for one in given):
        return
    for group, choice in choices.items():
        check_class(group.partition(".")[0], choice)
    known = Known({**{group: choice.class_path for group, choice in choices.items()}, "trainer": TRAINER})
    if any(known.has_help(one.name) for one in given):
        return
    check_names(known, given)
    for path in arguments.configs_of(given):
        for name in flat(arguments.read_yaml(path), known):
            if name not in choices and name.partition(".")[0] not in choices and not known.has(name):
                known.refuse(name, str(path))
    settings = list(settings_of(known, choices))
    words = [f"--{one.name}={one.value}" for one in given if known.judges(one.name, one.value)]
    check_values(known, given, choices, known.parser.parse_args([*settings, *words]))
    set_names = {one.name for one in given} | {f"{g}.{key}" for g, one in choices.items() for key in one.init_args}
    for name in known.needed:
        if choices[name.rpartition(".")[0]].value is not None and name not in set_names:
            raise UsageError(f"--{name}: it must be given")


def check_values(known: Known, given: Sequence[Option], choices: Mapping[str, Choice], parsed: Namespace) -> None:
    """Refuse values that a class, or a run of the trainer, does not take.

    parsed: the values that could be judged by their types.
    """
    for group, choice in choices.items():
        values = parsed.get(group)
        if choice.class_path and values is not None and (said := guards.refused(choice.class_path, vars(values))):
            raise UsageError(f"--{group}.{said}")
    for name in (*trainer_values.PLAIN, *trainer_values.NAMED):
        value = parsed.get(f"trainer.{name}", argv.last(given, f"trainer.{name}"))
        plain = not isinstance(value, str) or re.fullmatch(r"(?!null$)[\w-]+", value)
        typed = any(one.name == f"trainer.{name}" for one in given)
        if typed and plain and (said := trainer_values.refused(name, value)):
            raise UsageError(said)


def check_class(kind: str, choice: Choice) -> None:
    """Refuse a class that is none, or of another kind than `kind`."""
    path, base = choice.class_path, BASES[kind]
    if not path or "." not in path:
        return
    why = signatures.missing(path) if signatures.importable(path) else f"there is no {path.partition('.')[0]!r}"
    if why:
        raise UsageError(f"{choice.source}: class_path {path!r} cannot be imported: {why}")
    if signatures.derives(path, base) is False:
        raise UsageError(f"{choice.source}: {no_subclass(path, base.rpartition('.')[2])}")


def check_names(known: Known, given: Sequence[Option]) -> None:
    """Refuse an option that does not exist, or that lacks its value."""
    for one in given:
        if not one.flag.startswith("--") or not known.has(one.name):
            known.refuse(one.name, typed=one.flag)
        if one.name == "print_config":
            for word in (one.value or "").split(","):
                if word and word not in PRINTED:
                    raise UsageError(
                        f"--print_config: expected one of {', '.join(PRINTED)}; got {word!r}{near(word, PRINTED)}"
                    )
        elif one.value is None:
            raise UsageError(value_missing(one.name, known.hints.get(one.name)))


def flat(content: Mapping[Any, Any], known: Known, above: str = "") -> Iterator[str]:
    """Yield the names of the options that a config sets, with dots."""
    for key, value in content.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and any(one.startswith(f"{name}.") for one in [*known.hints, *known.groups]):
            yield from flat(value, known, f"{name}.")
        elif value or name not in known.groups:
            yield name


def settings_of(known: Known, choices: Mapping[str, Choice]) -> Iterator[str]:
    """Yield what the yaml files of classes set, as options. Raises UsageError for a parameter that does not exist."""
    for group, choice in choices.items():
        for key, value in choice.init_args.items():
            name = f"{group}.{key}"
            if not known.has(name):
                known.refuse(name, choice.source)
            if known.judges(name, value):
                yield f"--{name}={arguments.plain(value)}"
