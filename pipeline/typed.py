"""Commands of the project as they are printed for a person to type."""

import shlex
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def shown(name: str, *args: object) -> str:
    """Return a command as it may be typed here, quoted for the shell; its modules come from no working directory."""
    return shlex.join([*program(), name, *map(str, args)])


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
