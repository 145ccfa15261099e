"""Options of commands: a mistake is told in one line, with the name that was meant; help shows defaults."""

import argparse
import re
import sys
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any, NoReturn

from datamodules.printable import printable

LEAST = 0.6
"""Least likeness, from 0 to 1, of a name that is suggested in the place of a mistyped one."""


class Form(argparse.RawDescriptionHelpFormatter):
    """Help that keeps the lines of a description, and says what an option is where it is not given."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        plain = isinstance(action.default, int | str) and action.default not in ("", argparse.SUPPRESS)
        plain = plain and action.default is not False
        shown = action.option_strings and plain and "default" not in (action.help or "")
        return f"{action.help} (default: %(default)s)" if shown else action.help


class Options(argparse.ArgumentParser):
    """A parser of options that ends the program with one line and status 2, where it cannot take them."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **{"formatter_class": Form, "allow_abbrev": False, **more})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does; an option that does not exist is told before one that is missing."""
        words = list(sys.argv[1:] if args is None else args)
        known = self._option_string_actions
        own = words[: words.index("--")] if "--" in words else words
        for word in own if self._subparsers is None else ():
            name = word.partition("=")[0]
            if name.startswith("--") and name not in known:
                self.error(f"{name}: no such option{near(name, known)}")
        return super().parse_known_args(words, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            what = action.option_strings[0] if action.option_strings else action.metavar or action.dest
            names = [str(one) for one in action.choices]
            listed = f"expected one of {', '.join(names)}; got {str(value)!r}"
            self.error(f"{what}: {listed}{near(str(value), names)}")

    def error(self, message: str) -> NoReturn:
        """End the program with one line."""
        message = re.sub(r"^argument (.*?): invalid \w+ value: (.*)$", r"\1: expected a whole number; got \2", message)
        message = re.sub(r"^argument (.*?): expected", r"\1: expected", message)
        sys.stderr.write(f"{self.prog}: error: {printable(message)} (--help lists the options)\n")
        raise SystemExit(2)


def near(word: str, names: Iterable[str]) -> str:
    """Return a question after the name that was meant, if there is one like it."""
    alike, meant = max(((like(word, name), name) for name in names), key=lambda pair: pair[0], default=(0.0, ""))
    return f"; did you mean {meant}?" if alike >= LEAST else ""


def like(typed: str, name: str) -> float:
    """Return how much a name, or its beginning, is like what was typed: 1 where they are the same."""
    return max(SequenceMatcher(None, typed, part).ratio() for part in (name, name[: len(typed)]))
