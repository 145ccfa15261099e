"""The commands of the project: `seewhy`, which is `run_eval.py`, and `seewhy COMMAND`.

What is wrong with the options of a command is told before its module is imported. Besides the standard library only
`datamodules.program`, `datamodules.streams` and `pipeline.stop` are imported here, so that signals are heard from the
first moment on.
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from datamodules import program
from datamodules.streams import protect
from pipeline import stop

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    "report": "pipeline.outputs.report.command",
    "sweep": "pipeline.sweep.command",
    "publish": "pipeline.outputs.tracker",
    "dashboard": "pipeline.outputs.dashboard",
    "convert": "datamodules.convert",
    "verify": "datamodules.verify",
    "convert_internvl": "pipeline.models.convert_internvl",
}
"""The module whose `main` carries out a command; `pipeline.options.COMMANDS` says what each does."""


def main(args: Sequence[str] | None = None) -> int:
    """Carry out the command that `args` (default: the command line) name. Return the exit status."""
    words = list(sys.argv[1:] if args is None else args)
    started = "run_eval.py" if Path(sys.argv[0]).name == "run_eval.py" else "seewhy"
    if words and words[0] not in MODULES and words[0][:1].isalpha():
        return no_command(words[0], started)
    if not words or words[0] not in MODULES:
        return evaluate(words, started)
    with program.named(f"seewhy {words[0]}"):
        protect(program.name())
        if words[0] == "sweep":
            stop.at_once()
        from pipeline import command_checks

        command_checks.check(words[0], words[1:])
        return int(importlib.import_module(MODULES[words[0]]).main(words[1:]) or 0)


def no_command(word: str, started: str) -> int:
    """Say that there is no such command. Return the exit status."""
    from difflib import get_close_matches

    from pipeline.status import WRONG

    meant = "".join(f"did you mean {name}? " for name in get_close_matches(word, MODULES, n=1))
    listed = f"{meant}Commands are {', '.join(MODULES)}; without one, a run is started, whose options begin with --"
    with program.named(started):
        program.tell(f"error: {word}: no such command; {listed}")
    return WRONG


def evaluate(words: Sequence[str], started: str) -> int:
    """Carry out a run, as `run_eval.py` does; classes of the checkout that its configs name are found. started: the
    command as it was typed."""
    with program.named(started):
        protect(started)
        stop.at_once()
        if str(ROOT) not in sys.path:
            sys.path.append(str(ROOT))
        import run_eval

        return run_eval.main(list(words), started)
