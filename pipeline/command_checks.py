"""Mistakes in the options of commands whose own modules take long to import, told before that."""

from collections.abc import Sequence
from typing import Any

from datamodules import program
from pipeline import arguments, command_parsers, early
from pipeline.errors import UsageError, fail

PARSERS = {"publish": command_parsers.publish, "convert_internvl": command_parsers.convert_internvl}


def check(name: str, args: Sequence[str]) -> None:
    """End the program where the options of the command `name` are wrong. The modules of the others check at once."""
    if name == "sweep":
        with program.named("seewhy sweep"):
            check_sweep(args)
    elif name in PARSERS:
        PARSERS[name]().parse_args(args)


def check_sweep(args: Sequence[str]) -> None:
    """End the program where the sweep, or the first of its runs, cannot be right."""
    own, options = command_parsers.divided(args)
    try:
        content = arguments.read_yaml(command_parsers.sweep().parse_args(own).sweep)
        early.read([*options, *first_values(content.get("parameters"))])
    except UsageError as error:
        fail(error)


def first_values(parameters: Any) -> list[str]:
    """Return the first value that a sweep lists for each of its parameters, as an option of a run."""
    found = []
    for name, one in parameters.items() if isinstance(parameters, dict) else ():
        if not isinstance(one, dict):
            continue
        values = [one["value"]] if "value" in one else one.get("values")
        if isinstance(values, list) and values:
            found.append(f"--{name}={arguments.plain(values[0])}")
    return found
