"""The command line of `run_eval.py`: which model, which data, which explainers, every parameter checked.

Nothing heavy happens here; a mistake ends with one line that names the key, and exit status 2, before a model loads.
"""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml
from jsonargparse import Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt
from lightning import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from datamodules.base import SampleDataModule
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / "configs" / "eval.yaml"


class UsageError(Exception):
    """The command cannot be carried out as written; the message names the option and the mend."""


def fail(message: object, status: int = 2) -> NoReturn:
    """Print one line to stderr and leave."""
    text = " ".join(str(message).split())
    sys.stderr.write(f"run_eval.py: error: {text}\n")
    raise SystemExit(status)


def locate(name: str, kind: str) -> Path:
    """The yaml file meant by `name`: a path, or a stem in `configs/<kind>/`."""
    folder = ROOT / "configs" / kind
    for path in (Path(name), ROOT / name, folder / f"{name}.yaml"):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
    raise UsageError(f"--{kind}: {name!r} is neither a yaml file nor one of: {known}")


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping read without constructing anything but plain values."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a mapping of options")
    return content


def explainer_class(path: Path) -> tuple[type[Explainer], dict[str, Any]]:
    """The class and the parameters that an explainer's yaml names."""
    content = read_yaml(path)
    module, _, name = str(content.get("class_path", "")).rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{path}: class_path {content.get('class_path')!r} cannot be imported: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, Explainer)):
        raise UsageError(f"{path}: {module}.{name} is no Explainer")
    return cls, content.get("init_args") or {}


class Parser(LightningArgumentParser):
    """jsonargparse with Lightning's groups, and errors of one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        fail(message)


def build(names: Sequence[str], parser_class: type[Parser] = Parser) -> tuple[Parser, dict[str, Any]]:
    """The parser for a run of the explainers `names`, with one group of options for each."""
    parser = parser_class(prog="run_eval.py", description=__doc__, default_config_files=[str(DEFAULT)])
    parser.add_argument("--config", action="config", help="a yaml file with any of these options; later ones win")
    parser.add_subclass_arguments(VLM, "vlm", required=True, help="the model: a yaml file of configs/vlm")
    parser.add_subclass_arguments(SampleDataModule, "data", required=True, help="the data: a yaml of configs/data")
    parser.add_argument("--explainers", type=list[str] | str, help="stems in configs/explainer, or yaml files")
    parser.add_argument("--run_dir", type=str | None, default=None, help="where the run is kept")
    parser.add_argument("--fresh", type=bool, default=False, help="discard what an earlier run left in run_dir")
    parser.add_argument("--limit", type=PositiveInt | None, default=None, help="only the first samples of the manifest")
    parser.add_argument("--batch_size", type=PositiveInt, default=8, help="samples in one batch")
    parser.add_argument("--threads", type=PositiveInt, default=1, help="CPU threads in one process")
    parser.add_argument("--answers", type=str | None, default=None, help="a run folder, or `captions`")
    parser.add_argument("--words", type=Literal["hanta", "nltk"], default="hanta", help="word backend")
    parser.add_argument("--figures", type=NonNegativeInt, default=8, help="how many samples get pictures")
    parser.add_argument("--save_maps", type=Literal["none", "uint8", "raw"], default="none", help="keep the maps")
    parser.add_argument(
        "--max_bad", type=NonNegativeInt, default=0, help="quarantined samples that a good run may have"
    )
    parser.add_argument(
        "--wandb.mode",
        type=Literal["offline", "online", "disabled"] | None,
        default=None,
        help="default: offline; in a sweep online",
    )
    parser.add_argument("--wandb.project", type=str, default="seewhy")
    parser.add_argument("--wandb.entity", type=str | None, default=None)
    parser.add_lightning_class_args(Trainer, "trainer")
    classes: dict[str, Any] = {}
    for name in names:
        path = locate(name, "explainer")
        if path.stem in classes:
            raise UsageError(f"--explainers: {path.stem!r} stands twice; give one of the yaml files another name")
        cls, values = explainer_class(path)
        parser.add_class_arguments(cls, f"explainer.{path.stem}")
        parser.set_defaults({f"explainer.{path.stem}.{key}": value for key, value in values.items()})
        classes[path.stem] = cls
    return parser, classes


def spread(names: Any) -> list[str]:
    """`a,b` or `[a, b]` as a list of names."""
    listed = names.strip("[]").split(",") if isinstance(names, str) else list(names or [])
    return [str(name).strip(" '\"") for name in listed if str(name).strip(" '\"")]


def option(args: Sequence[str], name: str) -> str | None:
    """The last value of `--name value` or `--name=value` among `args`."""
    value = None
    for index, arg in enumerate(args):
        if arg == f"--{name}" and index + 1 < len(args):
            value = args[index + 1]
        elif arg.startswith(f"--{name}="):
            value = arg.split("=", 1)[1]
    return value


def preview(args: Sequence[str], name: str) -> Any:
    """The value of `name`, before the whole command is parsed: as given, else from its configs, else the default."""
    value = option(args, name)
    if value is not None:
        return value
    configs = [arg.split("=", 1)[1] for arg in args if arg.startswith("--config=")]
    configs += [args[i + 1] for i, arg in enumerate(args[:-1]) if arg == "--config"]
    for path in [*map(Path, reversed(configs)), DEFAULT]:
        found = read_yaml(path).get(name)
        if found is not None:
            beside = path.parent / found if isinstance(found, str) else None
            return str(beside) if beside and beside.is_file() else found
    return None


def parse(args: Sequence[str]) -> "Job":
    """The command as a checked job; a mistake ends the program with status 2."""
    try:
        names = spread(preview(args, "explainers"))
        if not names:
            raise UsageError("--explainers: name at least one of configs/explainer")
        parser, classes = build(names)
        stems, rewritten = {}, list(args)
        for kind in ("vlm", "data"):
            chosen = preview(args, kind)
            stems[kind] = locate(chosen, kind).stem if isinstance(chosen, str) else "custom"
            if isinstance(chosen, str):
                rewritten = [f"--{kind}={locate(chosen, kind)}", *drop(rewritten, kind)]
        rewritten = [*drop(rewritten, "explainers"), f"--explainers=[{','.join(names)}]"]
        return Job(parser, parser.parse_args(rewritten), classes, stems)
    except UsageError as error:
        fail(error)


@dataclass(frozen=True)
class Job:
    """A checked command: its options, the explainers' classes by name, the stems of model and data."""

    parser: Parser
    config: Namespace
    classes: dict[str, type[Explainer]]
    stems: dict[str, str]

    def build(self) -> tuple[Trainer, VLM, SampleDataModule, dict[str, Explainer]]:
        """Trainer, model (not loaded), data and explainers; ValueError where a value is refused."""
        config = self.config.clone()
        config.data.init_args.batch_size = config.batch_size
        config.data.init_args.limit = config.limit
        made = self.parser.instantiate_classes(config)
        # a class without parameters leaves no entry in the configuration
        explainers = {name: made.get(f"explainer.{name}") or cls() for name, cls in self.classes.items()}
        return Trainer(**made.trainer), made.vlm, made.data, explainers

    def explainer_parameters(self) -> dict[str, Any]:
        """Class and every parameter of each explainer, as they were resolved."""
        found = {}
        for name, cls in self.classes.items():
            values = self.config.get(f"explainer.{name}")
            found[name] = {"class": f"{cls.__module__}.{cls.__qualname__}", **(values.as_dict() if values else {})}
        return found

    def dump(self) -> str:
        """The resolved configuration as yaml."""
        return str(self.parser.dump(self.config, skip_validation=True))


def drop(args: Sequence[str], name: str) -> list[str]:
    """`args` without `--name` and its value."""
    kept, skip = [], False
    for arg in args:
        if skip:
            skip = False
        elif arg == f"--{name}":
            skip = True
        elif not arg.startswith(f"--{name}="):
            kept.append(arg)
    return kept
