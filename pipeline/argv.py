"""The words of a command line as options, each with its value."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import UsageError
from pipeline.refused import PATTERN

NUMBER = re.compile(r"-(\d+(_\d+)*(\.\d+(_\d+)*)?|\.\d+(_\d+)*)")
SHORT = {f"--{kind}.class_path": f"--{kind}" for kind in ("vlm", "data")}


@dataclass(frozen=True)
class Option:
    """One option as it was typed. flag: with its dashes. value: None where there is none."""

    flag: str
    value: str | None

    @property
    def name(self) -> str:
        """The flag without dashes, and without the sign that adds to a list; `init_args` may be left out anyway."""
        return re.sub(r"^(vlm|data)\.init_args\.", r"\1.", self.flag.lstrip("-").removesuffix("+"))

    @property
    def word(self) -> str:
        """Both in one word."""
        return self.flag if self.value is None else f"{self.flag}={self.value}"


def options(args: Sequence[str]) -> list[Option]:
    """Return the options that `args` give, in order. Raises UsageError where a word belongs to none.

    `--name=None` means null: W&B's agent writes it so.
    """
    found: list[Option] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            raise UsageError("--: leave it out; nothing but options is given to a run")
        if not looks_like_option(word):
            raise UsageError(no_option([word, *rest], found))
        flag, equals, value = word.partition("=")
        flag = SHORT.get(flag, flag)
        if equals:
            found.append(Option(flag, "null" if value == "None" else value))
        elif rest and not looks_like_option(rest[0]) and flag not in ("-h", "--help"):
            found.append(Option(flag, rest.pop(0)))
        else:
            found.append(Option(flag, None))
    return found


def looks_like_option(word: str) -> bool:
    """Return whether a word begins an option, by the rules of argparse: a number below 0 and a sentence do not."""
    return word[:1] == "-" and word != "-" and not NUMBER.fullmatch(word) and " " not in word.partition("=")[0]


def no_option(words: Sequence[str], before: Sequence[Option]) -> str:
    """Return what is said of words that belong to no option. before: the options that stand before them."""
    loose = words[: next((n for n, word in enumerate(words) if looks_like_option(word)), len(words))]
    last = before[-1] if before else None
    if last is None or last.value is None:
        hint = "options begin with --"
    elif last.name == "explainers":
        hint = f"commas join several explainers: --explainers {','.join([last.value, *loose])}"
    elif last.name == "data.paths":
        hint = PATTERN
    else:
        hint = f"an option takes one value, and {last.flag} has {last.value!r}"
    return f"unrecognized arguments: {' '.join(loose)}; {hint}"


def last(given: Sequence[Option], name: str) -> str | None:
    """Return the last value of an option; None where it has none."""
    return next((one.value for one in reversed(given) if one.name == name and one.flag[-1] != "+"), None)
