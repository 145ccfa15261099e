"""Make a W&B workspace and a report that compare explainers, anew each time.

    seewhy dashboard --project P [--entity E] [--out FILE]

Wants the extra `dashboard`. Without a login, or offline, what would be made is written to FILE instead.
Exit status 0: made, or written; 1: W&B refused, in one line; 2: the command is wrong.
"""

if __name__ == "__main__":  # before anything else is imported
    from datamodules.safe_path import leave_working_directory

    leave_working_directory()
    import sys

    from pipeline.commands import main as command

    sys.exit(command(["dashboard", *sys.argv[1:]]))

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datamodules import program
from datamodules.options import Options
from pipeline.outputs.fingerprint import write_json
from pipeline.outputs.service import reason

MISSING = "wandb-workspaces is missing; it comes with the extra `dashboard`: pip install -e '.[dashboard]'"


def obstacle() -> str | None:
    """Why nothing can be made at W&B now, and what it would take; None where there is a login that it accepts.

    Nobody is asked for a login. Raises what W&B says of one that it refuses.
    """
    import wandb

    mode = wandb.setup(settings=wandb.Settings(silent=True)).settings.mode
    if mode in ("offline", "dryrun", "disabled"):
        return f"W&B's mode is {mode} (by WANDB_MODE or its settings); online"
    return None if wandb.login(prompt=False, verify=True) else "not logged in to W&B; with a login"


def make(project: str, entity: str | None) -> None:
    """Make both at W&B, and say where. Raises what W&B says."""
    import wandb

    from pipeline.outputs import workspace

    owner = entity or wandb.Api().default_entity
    if not owner:
        raise ValueError("the login has no entity of its own; give --entity")
    for made in (workspace.report(project, owner, online=True), workspace.workspace(project, owner)):
        made.save()
        print(f"{type(made).__name__.lower()}: {made.url}")


def specification(project: str, entity: str) -> dict[str, Any]:
    """Workspace and report as W&B would be sent them, checked by its own types; only ids differ from time to time."""
    from pipeline.outputs import workspace

    models = {
        "workspace": workspace.workspace(project, entity)._to_model(),
        "report": workspace.report(project, entity, online=False)._to_model(),
    }
    return {name: model.model_dump(mode="json", by_alias=True, exclude_none=True) for name, model in models.items()}


def describe(made: dict[str, Any]) -> str:
    """What a specification would make, in a few lines."""
    view, page = made["workspace"], made["report"]
    sections = view["spec"]["section"]["panelBankConfig"]["sections"]
    grids = [block["metadata"] for block in page["spec"]["blocks"] if block["type"] == "panel-grid"]
    panels = sum(len(grid["panelBankSectionConfig"]["panels"]) for grid in grids)
    named = ", ".join(f"{section['name']} ({len(section['panels'])})" for section in sections)
    lines = (f"workspace {view['displayName']!r}: {named}", f"report {page['displayName']!r}: {panels} panels")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the workspace and the report. Return the exit status."""
    about = "Make a workspace and a report at W&B that compare the runs of a project."
    parser = Options(prog="seewhy dashboard", description=about)
    parser.add_argument("--project", required=True, help="the W&B project that runs are sent to")
    parser.add_argument("--entity", help="user or team; default: that of the login")
    parser.add_argument("--out", type=Path, help="file for it without a login; default: runs/dashboard-PROJECT.json")
    given = parser.parse_args(arguments)
    if not re.fullmatch(r"[^/\\#?%:]{1,128}", given.project):
        return said(f"--project: {given.project!r} is no name that W&B takes", 2)
    try:
        import wandb_workspaces  # noqa: F401
    except ImportError:
        return said(MISSING, 2)
    try:
        missing = obstacle()
        if missing is None:
            make(given.project, given.entity)
            return 0
        made, path = specification(given.project, given.entity or ""), given.out
        path = path or Path("runs") / f"dashboard-{given.project}.json"
        write_json(path, made)
    except Exception as error:  # whatever W&B, the network or the disk has to say
        return said(reason(error), 1)
    print(f"{missing} this would be made in {given.entity or 'the entity of the login'}/{given.project}:")
    print(describe(made))
    print(f"specification: {path}")
    return 0


def said(message: str, status: int) -> int:
    """One line to stderr, and the exit status."""
    with program.named("seewhy dashboard"):
        program.tell(message)
    return status
