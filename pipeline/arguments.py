"""What a command names before it is parsed: files, the classes that they name, and what configs say. Plain values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline import argv, nearby, signatures, typed
from pipeline.argv import Option
from pipeline.errors import UsageError
from pipeline.refused import near

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / "configs" / "eval.yaml"
SHARED = ("batch_size", "limit")
"""Options of a run that its data takes over."""
PACKAGES = {"vlm": "pipeline.models", "data": "datamodules", "explainer": "pipeline.explainers"}
"""Where the classes are that may be named without their module."""
CLASS_KEYS = ("class_path", "init_args")


@dataclass(frozen=True)
class Choice:
    """A class that an option names. name: of folders and options. source: the option or the yaml file that says it.
    value: what the parser is given for it; None where a config spells it out."""

    name: str
    class_path: str | None
    init_args: Mapping[str, Any]
    source: str
    value: str | None


def require_checkout() -> None:
    """Raise UsageError where `configs` is not beside the code, as in a wheel, which is for reading run folders."""
    if not DEFAULT.is_file():
        mend = "runs are started in a checkout of the repository (pip install -e .)"
        raise UsageError(f"{DEFAULT} is missing: {mend}")


def choose(value: str, kind: str) -> Choice:
    """Return the class that `value` names: a yaml file, a stem in `configs/<kind>/`, a class or a mapping as text.

    Raises UsageError where it is none of them.
    """
    option = "--explainers" if kind == "explainer" else f"--{kind}"
    folder = ROOT / "configs" / kind
    for path in (Path(value), ROOT / value, folder / f"{value}.yaml"):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return from_mapping(read_yaml(path), path.stem, str(path), str(path))
    if value.startswith("{"):
        return from_mapping(as_mapping(value, option), None, option, value)
    path_of_class = value if signatures.importable(value) else None
    if path_of_class is None and value.isidentifier():
        path_of_class = signatures.class_named(value, PACKAGES[kind])
    if path_of_class:
        return from_mapping({"class_path": path_of_class}, None, option, path_of_class)
    if Path(value).suffix in (".yaml", ".yml"):
        raise UsageError(f"{option}: {value}: no such file{nearby.near(Path(value), folder)}")
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if meant := instead(Path(value), kind):
        raise UsageError(f"{option}: {value!r} is no name, yaml file or class of it; {meant}")
    listed = f"{', '.join(known)}, nor the path of a class{near(value, known)}"
    raise UsageError(f"{option}: {value!r} is neither a yaml file nor one of: {listed}")


def instead(path: Path, kind: str) -> str:
    """Return what to type where a path is given in place of the data or the model itself; nothing for other words."""
    given, manifest = str(path), path / "manifest.json"
    if kind == "data" and (path.name == "manifest.json" or manifest.is_file()):
        found = manifest if manifest.is_file() else path
        return f"for shards: {typed.command('--data', 'shards', '--data.manifest', found)}"
    if kind == "data" and path.exists():
        return f"for pictures of your own: {typed.command('--data', 'images', '--data.paths', path)}"
    if kind == "vlm" and (path.is_dir() or given.count("/") == 1):
        return f"for a checkpoint: {typed.command('--vlm', 'Auto', '--vlm.checkpoint', path)}"
    return ""


def from_mapping(content: Mapping[str, Any], name: str | None, source: str, value: str | None) -> Choice:
    """Return the class that a mapping names; name: by default that of the class."""
    if extra := sorted(set(content) - {*CLASS_KEYS, "dict_kwargs"}):
        raise UsageError(f"{source}: {extra[0]}: expected class_path and init_args{near(str(extra[0]), CLASS_KEYS)}")
    path, values = content.get("class_path"), content.get("init_args") or {}
    if not isinstance(values, dict):
        raise UsageError(f"{source}: init_args must be a mapping of parameters, not {values!r}")
    if not isinstance(path, str) or not path:
        raise UsageError(f"{source}: class_path: the path of a class must be given, not {path!r}")
    return Choice(name or path.rpartition(".")[2], path, values, source, value)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return a mapping, read without constructing anything but plain values. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"{path}: no such file{nearby.near(path)}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: {error}") from error
    return as_mapping(text, str(path))


def as_mapping(text: str, source: str) -> dict[str, Any]:
    """Return the mapping that a yaml text holds. Raises UsageError, which names the source."""
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UsageError(f"{source}: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{source}: expected a mapping of options")
    return content


def spread(names: Any) -> list[str]:
    """Return `a,b` or `[a, b]` as a list of names."""
    listed = names.strip("[]").split(",") if isinstance(names, str) else list(names or [])
    return [str(name).strip(" '\"") for name in listed if str(name).strip(" '\"")]


def configs_of(given: Sequence[Option]) -> list[Path]:
    """Return the files given with --config, in order. Raises UsageError where one is not named."""
    values = [one.value for one in given if one.name == "config"]
    if not all(values):
        raise UsageError("--config: a value is missing; expected a yaml file")
    return [Path(value) for value in values if value]


def preview(given: Sequence[Option], name: str) -> tuple[Any, Path | None]:
    """Return the value of an option: as given, else from the last config that has it, else the default; and the config
    in which it stands."""
    value = argv.last(given, name)
    if value is not None:
        return value, None
    for path in [*reversed(configs_of(given)), DEFAULT]:
        found = read_yaml(path).get(name)
        if found is not None:
            beside = path.parent / found if isinstance(found, str) else None
            return (str(beside) if beside and beside.is_file() else found), path
    return None, None


def called(given: Sequence[Option], kind: str) -> Choice:
    """Return the model or the data, under the name that the command or a config gives it."""
    value, config = preview(given, kind)
    if isinstance(value, dict):
        choice = Choice("custom", value.get("class_path"), value.get("init_args") or {}, f"{config}", None)
    else:
        choice = choose(str(value), kind)
    beside = mapping(read_yaml(config), "names") if config else {}
    name = argv.last(given, f"names.{kind}") or beside.get(kind) or choice.name
    if Path(name).name != name or not name.isprintable():
        raise UsageError(f"--names.{kind}: {name!r} is to be part of a folder's name")
    return Choice(name, choice.class_path, choice.init_args, choice.source, choice.value)


def explainers(given: Sequence[Option]) -> dict[str, Choice]:
    """Return the explainers by name. Raises UsageError where there is none, or a name is unfit."""
    listed = spread(preview(given, "explainers")[0])
    start = max((n for n, one in enumerate(given) if one.flag == "--explainers"), default=0)
    listed += [name for one in given[start:] if one.flag == "--explainers+" for name in spread(one.value)]
    if not listed:
        raise UsageError("--explainers: name at least one of configs/explainer")
    found: dict[str, Choice] = {}
    for value in listed:
        choice = choose(value, "explainer")
        if choice.name in found:
            raise UsageError(f"--explainers: {choice.name!r} stands twice; give one of the yaml files another name")
        if not choice.name.isidentifier():
            raise UsageError(
                f"--explainers: {Path(value).name!r}: letters, digits and _ make a name, {choice.name!r} is none"
            )
        found[choice.name] = Choice(choice.name, choice.class_path, choice.init_args, choice.source, value)
    return found


def refuse_shared(given: Sequence[Option], data: Choice) -> None:
    """Raise UsageError where the data is given what the run hands to it; the data's own value would be overruled."""
    for name in SHARED:
        if name in data.init_args or any(one.name == f"data.{name}" for one in given):
            raise UsageError(f"--data.{name}: give it to the run, as --{name}")


def mapping(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the mapping called `name`; an empty one where there is none."""
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def plain(value: Any) -> str:
    """Return a value of a yaml file as it would stand on the command line."""
    return value if isinstance(value, str) else json.dumps(value)
