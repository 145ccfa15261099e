"""The command line of `run_eval.py`: which model, which data, which explainers, every parameter checked.

Nothing heavy happens here; a mistake ends with one line that names the key, and exit status 2, before a model loads.
"""

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from jsonargparse import ArgumentError, Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from datamodules.base import SampleDataModule
from datamodules.faults import MachineError
from datamodules.printable import printable
from pipeline import arguments, launch
from pipeline.arguments import UsageError
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.refused import Bytes, Percent, told
from pipeline.status import WRONG


def fail(message: object, status: int = WRONG) -> NoReturn:
    """Print one line to stderr and leave."""
    sys.stderr.write(f"run_eval.py: error: {printable(str(message).strip())}\n")
    raise SystemExit(status)


def explainer_class(path: Path) -> tuple[type[Explainer], dict[str, Any]]:
    """The class and the parameters that an explainer's yaml names."""
    content = arguments.read_yaml(path)
    module, _, name = str(content.get("class_path", "")).rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: class_path {content.get('class_path')!r} cannot be imported: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, Explainer)):
        raise UsageError(f"{path}: {module}.{name} is no Explainer")
    values = content.get("init_args") or {}
    if not isinstance(values, dict):
        raise UsageError(f"{path}: init_args must be a mapping of parameters, not {values!r}")
    return cls, values


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


class Parser(LightningArgumentParser):
    """jsonargparse with Lightning's groups, and errors of one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:  # that of a class, whose options stand below another: that one's parser goes on
            raise ArgumentError(None, told(message, self._actions, flag="")) from ex
        raise UsageError(told(message, self._actions)) from ex


CACHE = "a folder that keeps what the model gave, for other runs that ask the same; one for all runs"
CACHE_SIZE = "what that folder may hold, such as 500MB; what comes after is not kept"
MAX_BAD = "quarantined samples that a good run may have: a number, or a percentage of all such as 0.5%"
BESIDE = "MODEL/DATASET whose published figures are shown where the paper has none for this run's own model and data"


def build(names: Sequence[str]) -> tuple[Parser, dict[str, type[Explainer]], list[str]]:
    """The parser for a run of the explainers `names`, their classes, and what their yaml files set, as arguments."""
    parser = Parser(prog="run_eval.py", description=__doc__, default_config_files=[str(arguments.DEFAULT)])
    parser.add_argument("--config", action="config", help="a yaml file with any of these options; later ones win")
    parser.add_subclass_arguments(VLM, "vlm", required=True, help="the model: a yaml file of configs/vlm")
    parser.add_subclass_arguments(SampleDataModule, "data", required=True, help="the data: a yaml of configs/data")
    parser.add_argument("--names.vlm", type=str | None, default=None, help="its name; default: the stem of its file")
    parser.add_argument("--names.data", type=str | None, default=None, help="its name; default: the stem of its file")
    parser.add_argument("--explainers", type=list[str] | str, help="stems in configs/explainer, or yaml files")
    parser.add_argument("--run_dir", type=str | None, default=None, help="where the run is kept")
    parser.add_argument("--fresh", type=bool, default=False, help="discard what an earlier run left in run_dir")
    parser.add_argument("--limit", type=PositiveInt | None, default=None, help="only the first samples of the manifest")
    parser.add_argument("--batch_size", type=PositiveInt, default=8, help="samples in one batch")
    parser.add_argument("--threads", type=PositiveInt, default=1, help="CPU threads in one process")
    parser.add_argument("--answers", type=str | None, default=None, help="a run folder, or `captions`")
    parser.add_argument("--words", type=Literal["hanta", "nltk"], default="hanta", help="word backend")
    parser.add_argument("--figures", type=NonNegativeInt, default=256, help="how many samples the page can show")
    parser.add_argument("--panels", type=NonNegativeInt, default=8, help="how many of these are drawn as one picture")
    parser.add_argument("--save_maps", type=Literal["none", "uint8", "raw"], default="none", help="keep the maps")
    parser.add_argument("--max_bad", type=NonNegativeInt | Percent, default=0, help=MAX_BAD)
    parser.add_argument("--retry_quarantined", type=bool, default=False, help="do quarantined samples again")
    parser.add_argument("--cache", type=str | None, default=None, help=CACHE)
    parser.add_argument("--cache_size", type=Bytes, default="50GB", help=CACHE_SIZE)
    parser.add_argument("--beside", type=str | None, default=None, help=BESIDE)
    parser.add_argument(
        "--wandb.mode",
        type=Literal["offline", "online", "disabled"] | None,
        default=None,
        help="default: offline; in a sweep online",
    )
    parser.add_argument("--wandb.project", type=str, default="seewhy")
    parser.add_argument("--wandb.entity", type=str | None, default=None)
    for name in arguments.SHARED:
        parser.link_arguments(name, f"data.init_args.{name}")
    parser.add_lightning_class_args(Trainer, "trainer")
    classes: dict[str, type[Explainer]] = {}
    given: list[str] = []
    for name in names:
        path = arguments.locate(name, "explainer")
        if path.stem in classes:
            raise UsageError(f"--explainers: {path.stem!r} stands twice; give one of the yaml files another name")
        cls, values = explainer_class(path)
        if not path.stem.isidentifier():
            raise UsageError(f"--explainers: {path.name!r}: letters, digits and _ make a name, {path.stem!r} is none")
        parser.add_class_arguments(cls, f"explainer.{path.stem}", instantiate=False)
        given += [f"--explainer.{path.stem}.{key}={plain(value)}" for key, value in values.items()]
        classes[path.stem] = cls
    return parser, classes, given


def plain(value: Any) -> str:
    """A value of a yaml file as it would stand on the command line."""
    return value if isinstance(value, str) else json.dumps(value)


def parse(args: Sequence[str]) -> "Job":
    """The command as a checked job; a mistake ends the program with status 2."""
    try:
        return checked(args)
    except UsageError as error:
        fail(error)


def checked(args: Sequence[str]) -> "Job":
    """The command as a checked job. Raises UsageError."""
    args = arguments.nulls(args)
    arguments.require_checkout()
    names = arguments.spread(arguments.preview(args, "explainers")[0])
    if not names:
        raise UsageError("--explainers: name at least one of configs/explainer")
    arguments.refuse_shared(args)
    parser, classes, settings = build(names)
    configs = [f"--config={path}" for path in arguments.configs_of(args)]
    stems, chosen, rest = {}, [], arguments.drop(arguments.drop(args, "config"), "explainers")
    for kind in ("vlm", "data"):
        stems[kind], path = arguments.called(args, kind)
        if path:
            chosen.append(f"--{kind}={path}")
            rest = arguments.drop(rest, kind)
        chosen.append(f"--names.{kind}={stems[kind]}")
    # the yaml files of explainers first, then configs, then the command's own words
    rewritten = [*settings, *configs, *chosen, f"--explainers=[{','.join(names)}]", *rest]
    return Job(parser, parser.parse_args(rewritten), classes, stems)


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
            raise UsageError(error.__cause__ or error) from error
        try:
            trainer = launch.trainer(vars(made.trainer))
        except RuntimeError as error:  # what Lightning says of a launcher that it cannot work with
            raise UsageError(f"--trainer: {error}") from error
        return trainer, made.vlm, made.data, explainers

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
        """The data's options that may change a row; the others are the manifest's path, the loader and the cut."""
        options = self.config.data.init_args.as_dict()
        return {
            n: v for n, v in options.items() if n not in ("manifest", "paths", "num_workers", "batch_size", "limit")
        }

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
        return str(self.parser.dump(config, skip_validation=True, skip_none=False))
