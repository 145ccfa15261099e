"""Where modules come from: not from the folder in which a command happens to be started.

`python -m` looks there first, so that in a stranger's run folder its `wandb/` or `yaml.py` would be taken for the real
ones. Only `os` and `sys` are imported here: they are loaded before that folder counts.
"""

import os
import sys


def leave_working_directory() -> None:
    """Take the working directory off the head of the module path, unless it is the checkout that holds this package.

    To be called by a module that is started with `python -m`, before anything else is imported.
    """
    if sys.flags.safe_path or not sys.path:  # python -P: what is first was asked for
        return
    try:
        here = os.path.realpath(os.curdir)
    except OSError:  # the folder was deleted
        return
    root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if os.path.realpath(sys.path[0] or os.curdir) == here != root:
        del sys.path[0]
