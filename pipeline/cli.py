"""The command line of `run_eval.py`: which model, which data, which explainers, every parameter checked.

A mistake ends with one line that names the key, and exit status 2, before a model loads: most are found by
`pipeline.early`, before torch and Lightning are imported.
"""

import importlib
from argparse import RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from jsonargparse import ArgumentError, DefaultHelpFormatter, Namespace
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from datamodules import program
from datamodules.base import SampleDataModule
from datamodules.faults import MachineError
from pipeline import arguments, early, launch, options
from pipeline.arguments import Choice
from pipeline.early import Command
from pipeline.errors import UsageError, fail
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.refused import told


def explainer_class(choice: Choice) -> type[Explainer]:
    """Return the class that a yaml or the command names. Raises UsageError where it is no explainer."""
    module, _, name = str(choice.class_path).rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        said = f"{choice.source}: class_path {choice.class_path!r} cannot be imported: {error}"
        raise UsageError(said) from error
    if not (isinstance(cls, type) and issubclass(cls, Explainer)):
        raise UsageError(f"{choice.source}: {module}.{name} is no Explainer")
    return cls


def construct(cls: type[Explainer], values: Mapping[str, Any]) -> Explainer:
    """An explainer from checked parameters, and those of them that are explainers themselves.

    Raises ValueError, beginning with the parameter, where a value is refused.
    """
    made = dict(values)
    for name, value in values.items():
        if isinstance(value, Mapping) and "class_path" in value:
            module, _, inner = value["class_path"].rpartition(".")
            try:
                made[name] = construct(getattr(importlib.import_module(module), inner), value.get("init_args") or {})
            except ValueError as error:
                raise ValueError(f"{name}.{error}") from error
    return cls(**made)


class Form(DefaultHelpFormatter, RawDescriptionHelpFormatter):
    """Help that keeps the lines of description and epilog."""


class Parser(LightningArgumentParser):
    """jsonargparse with Lightning's groups, and errors of one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:  # that of a class, whose options stand below another: that one's parser goes on
            raise ArgumentError(None, told(message, self._actions, flag="")) from ex
        raise UsageError(told(message, self._actions)) from ex


def build(explainers: Mapping[str, Choice]) -> tuple[Parser, dict[str, type[Explainer]]]:
    """Return the parser for a run of `explainers`, and their classes."""
    parser = Parser(
        prog=program.name(),
        usage="seewhy [--option VALUE]... | seewhy COMMAND ...",
        description=options.ABOUT,
        epilog=options.commands(),
        default_config_files=[str(arguments.DEFAULT)],
        formatter_class=Form,
        allow_abbrev=False,
    )
    parser.add_argument("--config", action="config", help="a yaml file with any of these options; later ones win")
    file = "a name or yaml file of configs/{0}, or a class; --{0}.help CLASS lists its options"
    parser.add_subclass_arguments(VLM, "vlm", required=True, help=f"the model: {file.format('vlm')}")
    parser.add_subclass_arguments(SampleDataModule, "data", required=True, help=f"the data: {file.format('data')}")
    options.add(parser)
    for name in arguments.SHARED:
        parser.link_arguments(name, f"data.init_args.{name}")
    parser.add_lightning_class_args(Trainer, "trainer")
    classes = {name: explainer_class(choice) for name, choice in explainers.items()}
    for name, cls in classes.items():
        parser.add_class_arguments(cls, f"explainer.{name}", instantiate=False)
    return parser, classes


def parse(args: Sequence[str]) -> "Job":
    """Return the command as a checked job; a mistake ends the program with status 2."""
    try:
        return checked(args)
    except UsageError as error:
        fail(error)


def checked(args: Sequence[str]) -> "Job":
    """Return the command as a checked job. Raises UsageError."""
    command = early.read(args)
    parser, classes = build(command.explainers)
    config = parser.parse_args(words(command))
    return Job(parser, config, classes, {kind: command.choices[kind].name for kind in ("vlm", "data")})


def words(command: Command) -> list[str]:
    """Return a command as the parser is given it; later words win. First what the yaml files of explainers set, then
    configs, then model and data, whose parameters begin from nothing, then all else."""
    listed = ",".join(str(choice.value) for choice in command.explainers.values())
    settings = [
        f"--explainer.{name}.{key}={arguments.plain(value)}"
        for name, choice in command.explainers.items()
        for key, value in choice.init_args.items()
    ]
    configs = [one.word for one in command.given if one.name == "config"]
    cleared, chosen = [], []
    for kind in ("vlm", "data"):
        choice = command.choices[kind]
        if choice.class_path:  # else a config alters that of an earlier one
            cleared.append(f"--{kind}=null")
        if choice.value is not None:
            chosen += [f"--{kind}=null", f"--{kind}={choice.value}"]
        chosen.append(f"--names.{kind}={choice.name}")
    rest = [one.word for one in command.given if one.name not in ("config", "explainers", "vlm", "data")]
    return [*settings, *cleared, *configs, *chosen, f"--explainers=[{listed}]", *rest]


@dataclass(frozen=True)
class Job:
    """A checked command: its options, the explainers' classes by name, the stems of model and data."""

    parser: Parser
    config: Namespace
    classes: dict[str, type[Explainer]]
    stems: dict[str, str]

    def build(self) -> tuple[Trainer, VLM, SampleDataModule, dict[str, Explainer]]:
        """Trainer, model (not loaded), data and explainers. Raises UsageError where a value is refused, MachineError
        where data cannot be read."""
        explainers = self.explainers()
        config = self.config.clone()
        config.pop("explainer", None)
        try:
            made = self.parser.instantiate(config)
        except ValueError as error:  # of all types that were tried; its cause is what the constructor said
            if isinstance(error.__cause__, MachineError):
                raise error.__cause__ from error
            raise UsageError(self.optioned(str(error.__cause__ or error))) from error
        try:
            trainer = launch.trainer(vars(made.trainer))
        except RuntimeError as error:  # what Lightning says of a launcher that it cannot work with
            raise UsageError(f"--trainer: {error}") from error
        return trainer, made.vlm, made.data, explainers

    def optioned(self, said: str) -> str:
        """Return what model or data say of one of their parameters as said of the option to be typed."""
        name = said.partition(":")[0]
        if name in arguments.SHARED:
            return f"--{said}"
        groups = [group for group in ("data", "vlm") if name in (self.config[group].get("init_args") or {})]
        return f"--{groups[0]}.{said}" if groups else said

    def explainers(self) -> dict[str, Explainer]:
        """The explainers by name. Raises UsageError where a value is refused."""
        made = {}
        for name, cls in self.classes.items():
            try:
                made[name] = construct(cls, self.parameters(name))
            except ValueError as error:
                raise UsageError(f"--explainer.{name}.{error}") from error
        return made

    def parameters(self, name: str) -> dict[str, Any]:
        """Every parameter of one explainer, as it was resolved; a class without any has no entry in the options."""
        values = self.config.get(f"explainer.{name}")
        return values.as_dict() if values else {}

    def several(self) -> str:
        """What is said where a sweep has more than one explainer."""
        mend = "name it with --explainers NAME, in the yaml of the sweep or among the options of its runs"
        return f"--explainers: a sweep takes one explainer, not {', '.join(self.classes)}; {mend}"

    def data_options(self) -> dict[str, Any]:
        """Return the data's options that may change a row.

        The others are paths (what lies there counts by its content), the loader and the cut.
        """
        others = ("manifest", "paths", "synonyms", "num_workers", "batch_size", "limit")
        return {name: value for name, value in self.config.data.init_args.as_dict().items() if name not in others}

    def explainer_parameters(self) -> dict[str, Any]:
        """Class and every parameter of each explainer, as they were resolved."""
        return {
            name: {"class": f"{cls.__module__}.{cls.__qualname__}", **self.parameters(name)}
            for name, cls in self.classes.items()
        }

    def dump(self) -> str:
        """The resolved configuration as yaml: given with --config it describes this run, which it would resume."""
        config = self.config.clone()
        config.fresh = config.retry_quarantined = False
        return str(self.parser.dump(config, skip_validation=True, skip_unset=False))
