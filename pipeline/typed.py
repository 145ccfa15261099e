"""Commands of the project as they are printed for a person to type."""

import shlex
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def command(*words: str | Path) -> str:
    r"""Return a command that a shell takes as exactly these words, on one line of printable text.

    A path that begins with `-` is written such that no program takes it for an option. What is not printable has the
    escapes of `$'...'`, which bash, zsh and the POSIX standard of 2024 know.

    >>> command("wandb", "sync", Path("my runs"))
    "wandb sync 'my runs'"
    >>> print(command("ls", Path("-a\nb")))
    ls $'./-a\x0ab'
    """
    return " ".join(_quoted(f"./{word}" if isinstance(word, Path) and str(word)[:1] == "-" else word) for word in words)


def _quoted(word: str | Path) -> str:
    text = str(word)
    return shlex.quote(text) if text.isprintable() else f"$'{''.join(map(_escape, text))}'"


def _escape(one: str) -> str:
    """One character inside of `$'...'`."""
    if one.isprintable():
        return f"\\{one}" if one in "\\'" else one
    way = "surrogateescape" if "\udc80" <= one <= "\udcff" else "surrogatepass"  # the first: a byte of a file's name
    return "".join(f"\\x{byte:02x}" for byte in one.encode("utf-8", way))


def shown(name: str, *args: str | Path) -> str:
    """Return a command of the project as `command` does; its modules come from no working directory."""
    return command(*program(), name, *args)


def program() -> list[str]:
    """Return the words that start `seewhy`: the script that is installed with this interpreter, else `run_eval.py`."""
    script = Path(sys.executable).with_name("seewhy")
    if not script.is_file():
        return [near_by(Path(sys.executable)), near_by(ROOT / "run_eval.py")]
    found = shutil.which("seewhy")
    return ["seewhy"] if found and Path(found).samefile(script) else [near_by(script)]


def near_by(path: Path) -> str:
    """Return a path as it is seen from the working directory, if it lies below that."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
