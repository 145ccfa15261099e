"""What a command says before it is parsed: which files it names, and what they say. Plain values only."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.refused import near

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / "configs" / "eval.yaml"
SHARED = ("batch_size", "limit")
"""Options of a run that its data takes over."""


class UsageError(Exception):
    """The command cannot be carried out as written; the message names the option and the mend."""


def require_checkout() -> None:
    """UsageError where `configs` is not beside the code, as in a wheel, which is for reading run folders."""
    if not DEFAULT.is_file():
        mend = "runs are started in a checkout of the repository (pip install -e .)"
        raise UsageError(f"{DEFAULT} is missing: {mend}")


def locate(name: str, kind: str) -> Path:
    """The yaml file meant by `name`: a path, or a stem in `configs/<kind>/`."""
    folder = ROOT / "configs" / kind
    for path in (Path(name), ROOT / name, folder / f"{name}.yaml"):
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return path
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    option = "explainers" if kind == "explainer" else kind
    raise UsageError(f"--{option}: {name!r} is neither a yaml file nor one of: {', '.join(known)}{near(name, known)}")


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping read without constructing anything but plain values."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a mapping of options")
    return content


def spread(names: Any) -> list[str]:
    """`a,b` or `[a, b]` as a list of names."""
    listed = names.strip("[]").split(",") if isinstance(names, str) else list(names or [])
    return [str(name).strip(" '\"") for name in listed if str(name).strip(" '\"")]


def nulls(args: Sequence[str]) -> list[str]:
    """`args` with `null` for a value, where W&B's agent writes `--name=None`."""
    return [re.sub(r"^(--[\w.]+=)None$", r"\1null", arg) for arg in args]


def option(args: Sequence[str], name: str) -> str | None:
    """The last value of `--name value` or `--name=value` among `args`."""
    value = None
    for index, arg in enumerate(args):
        if arg == f"--{name}" and index + 1 < len(args):
            value = args[index + 1]
        elif arg.startswith(f"--{name}="):
            value = arg.split("=", 1)[1]
    return value


def configs_of(args: Sequence[str]) -> list[str]:
    """The paths given with --config, in order."""
    after = zip(args, [*args[1:], ""], strict=True)
    return [arg.partition("=")[2] or following for arg, following in after if re.match(r"--config(=|$)", arg)]


def preview(args: Sequence[str], name: str) -> tuple[Any, dict[str, Any]]:
    """The value of `name`, before the whole command is parsed: as given, else from its configs, else the default; and
    all that the file says in which it stands."""
    value = option(args, name)
    if value is not None:
        return value, {}
    for path in [*map(Path, reversed(configs_of(args))), DEFAULT]:
        content = read_yaml(path)
        found = content.get(name)
        if found is not None:
            beside = path.parent / found if isinstance(found, str) else None
            return (str(beside) if beside and beside.is_file() else found), content
    return None, {}


def called(args: Sequence[str], kind: str) -> tuple[str, Path | None]:
    """The name of the model or the data, and its yaml file unless a config spells it out."""
    value, beside = preview(args, kind)
    path = locate(value, kind) if isinstance(value, str) else None
    name = option(args, f"names.{kind}") or mapping(beside, "names").get(kind) or (path.stem if path else "custom")
    if Path(name).name != name or not name.isprintable():
        raise UsageError(f"--names.{kind}: {name!r} is to be part of a folder's name")
    return name, path


def refuse_shared(args: Sequence[str]) -> None:
    """What the run hands to its data is given to the run; the data's own value would be overruled."""
    value, beside = preview(args, "data")
    content = read_yaml(locate(value, "data")) if isinstance(value, str) else mapping(beside, "data")
    for name in SHARED:
        spellings = (f"data.{name}", f"data.init_args.{name}")
        if name in mapping(content, "init_args") or any(option(args, spelling) is not None for spelling in spellings):
            raise UsageError(f"--data.{name}: give it to the run, as --{name}")


def mapping(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The mapping called `name`; an empty one where there is none."""
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def drop(args: Sequence[str], name: str) -> list[str]:
    """`args` without `--name` and its value."""
    kept, skip = [], False
    for place, arg in enumerate(args):
        if skip:
            skip = False
        elif arg == f"--{name}" and place + 1 < len(args):
            skip = True
        elif not arg.startswith(f"--{name}="):
            kept.append(arg)
    return kept
