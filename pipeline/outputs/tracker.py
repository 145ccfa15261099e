"""Weights & Biases as a view of a run folder: one W&B run per explainer, in one group. Never a source of results.

    seewhy publish RUN_DIR [--project P] [--entity E] [--group G] [--online]

Plain names are the corrected profile, `reference/...` the other; values in [0, 1]. Ids are kept in `wandb.json`, so
publishing again goes on in the same runs. Exit status 0: published, or kept to be sent; 1: W&B, the network or the disk
refused, in one line; 2: the command is wrong, or the folder is not that of a finished run or is damaged.
"""

if __name__ == "__main__":  # before anything else is imported
    from datamodules.safe_path import leave_working_directory

    leave_working_directory()
    import sys

    from pipeline.commands import main as command

    sys.exit(command(["publish", *sys.argv[1:]]))

import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from datamodules import program
from datamodules.pictures import decode_image
from datamodules.printable import printable
from pipeline import command_parsers, nearby, typed
from pipeline.outputs import documents, inside, kept, service
from pipeline.outputs.draw import shown, strip
from pipeline.outputs.fingerprint import write_json
from pipeline.outputs.inside import Damaged
from pipeline.outputs.logged import TABLE, config, figures
from pipeline.outputs.owner import OwnedError, owned
from pipeline.outputs.records import Row, read_rows
from pipeline.status import AT_FAULT

Mode = Literal["offline", "online", "disabled"]


def publish(
    run_dir: Path,
    project: str = "seewhy",
    entity: str | None = None,
    mode: Mode = "offline",
    group: str | None = None,
    tags: Sequence[str] = (),
    verify: Callable[[], object] | None = None,
) -> str | None:
    """Publish every explainer of a finished run; where that fails, what and why comes back, and nothing is raised.

    group: model and dataset; by default what was given the first time, else the folder's name. verify: called before
    each, raises OwnedError where the folder is another command's by now.
    """
    if mode == "disabled":
        return None
    left: list[str] = []
    try:
        _publish(left, run_dir, project, entity, mode, group, tags, verify)
    except OwnedError:
        raise
    except Exception as error:  # a view must never change a run
        return unpublished(left, run_dir, error)
    return None


def _publish(
    left: list[str],
    run_dir: Path,
    project: str,
    entity: str | None,
    mode: Mode,
    group: str | None = None,
    tags: Sequence[str] = (),
    verify: Callable[[], object] | None = None,
) -> None:
    """Publish every explainer. `left` holds those that are not published yet. Raises Damaged, and what W&B raises."""
    try:
        summary = documents.summary(run_dir)
    except (FileNotFoundError, NotADirectoryError) as error:
        why = nearby.runs(run_dir) if not inside.has(run_dir, "env.json") else "it has no summary.json"
        raise Damaged(f"{run_dir}: no finished run lies there: {why}") from error
    left.extend(summary["explainers"])
    _room(run_dir)
    with service.environment(run_dir):
        pictured = list(_pictured(run_dir))
        while left:
            if verify is not None:
                verify()
            _publish_one(run_dir, left[0], summary, pictured, project, entity, mode, group, tags)
            del left[0]


def _room(run_dir: Path) -> None:
    """Raise Damaged where W&B, which follows links, would write out of the run folder, send what lies outside (files of
    an earlier start, which wait to be synced), or be told where to send."""
    inside.resolved(run_dir, "wandb", "data")  # beside it W&B only makes folders that are new
    waiting = [f"{name}/files" for name in inside.names(run_dir / "wandb", "*run-*") if name != "latest-run"]
    for part in ("data", *waiting):
        inside.resolved(run_dir, "wandb", *part.split("/"))
        for place, folders, files in os.walk(run_dir / "wandb" / part):
            for name in (*folders, *files):
                inside.resolved(run_dir, *Path(place).relative_to(run_dir).parts, name)
    if Path.cwd().resolve().is_relative_to(run_dir.resolve()):
        for name in ("wandb", ".wandb"):
            if inside.has(Path.cwd(), name, "settings"):
                raise Damaged(f"{Path.cwd() / name / 'settings'} would tell W&B where to send; call it from elsewhere")


def identity(run_dir: Path, explainer: str, group: str | None = None, tags: Sequence[str] = ()) -> dict[str, Any]:
    """Arguments of `WandbLogger` or `wandb.init` that name the W&B run of one explainer; asked again, the same. Raises
    Damaged where `wandb.json` or the folder `wandb` is not what a run leaves."""
    _room(run_dir)
    state = documents.board(run_dir)
    state["group"] = group or state.get("group") or run_dir.resolve().name
    state["tags"] = sorted({*state.get("tags", ()), *tags})
    run = state.setdefault("runs", {}).setdefault(explainer, {})
    run.setdefault("id", secrets.token_hex(4))
    write_json(run_dir / "wandb.json", state)
    name = f"{explainer} {state['group']}"
    called = {"id": run["id"], "name": name, "group": state["group"], "job_type": explainer}
    return called | {"tags": [explainer, *state["tags"]], "resume": "allow"}


def supersede(run_dir: Path, id: str) -> None:
    """Remove what earlier starts left offline of a W&B run that begins anew: offline none can be resumed, and the new
    one is shown every row again. A link is removed as a link."""
    for path in _offline(run_dir, id):
        inside.remove(run_dir, "wandb", path.name)


def finish_single(run: Any, run_dir: Path, explainer: str, mode: Mode = "offline") -> str | None:
    """Give a W&B run that is already open (`WandbLogger.experiment`) its final figures and pictures, and close it."""
    try:
        with service.environment(run_dir):
            summary = documents.summary(run_dir)
            run.config.update(config(run_dir, explainer), allow_val_change=True)
            _log(run, run_dir, explainer, summary, list(_pictured(run_dir)))
            run.finish()
            _done(run_dir, explainer, f"{mode} {run.entity or None}/{run.project}")
    except Exception as error:  # a view must never change a run
        return unpublished([explainer], run_dir, error)
    return None


def _publish_one(
    run_dir: Path,
    explainer: str,
    summary: Mapping[str, Any],
    pictured: Sequence[tuple[Row, Path]],
    project: str,
    entity: str | None,
    mode: Mode,
    group: str | None,
    tags: Sequence[str],
) -> None:
    import wandb

    called = identity(run_dir, explainer, group, tags)
    published = documents.board(run_dir)["runs"][explainer].get(f"{mode} {entity}/{project}") == _digest(run_dir)
    if published and (mode == "online" or _offline(run_dir, called["id"])):
        return
    if mode == "offline":
        called.pop("resume")
        supersede(run_dir, called["id"])
    run = wandb.init(
        project=project,
        entity=entity,
        mode=mode,
        dir=run_dir,
        config=config(run_dir, explainer),
        reinit="create_new",
        settings=service.settings(x_disable_stats=True, x_disable_machine_info=True, x_disable_meta=True),
        **called,
    )
    try:
        _log(run, run_dir, explainer, summary, pictured)
    finally:
        run.finish()
    _done(run_dir, explainer, f"{mode} {entity}/{project}")


def _log(
    run: Any, run_dir: Path, explainer: str, summary: Mapping[str, Any], pictured: Sequence[tuple[Row, Path]]
) -> None:
    """Figures, and a table of the samples that have pictures; of a damaged sample it says why there are none."""
    import wandb

    table = wandb.Table(columns=["index", "key", "caption", "image", "masks", "maps"])
    for row, folder in pictured:
        said = printable(row.answer["text"]) if row.answer else ""
        try:
            words, tokens = shown(row), len(row.answer["ids"]) if row.answer else 0
            maps = kept.maps_of(folder, run_dir, tokens)
            drawn = strip(maps[explainer], [word.word for word in words]) if words and explainer in maps else None
            image = wandb.Image(_picture(folder, "image.jpg", run_dir))
            there = inside.has(folder, "masks.png")
            masks = wandb.Image(_picture(folder, "masks.png", run_dir)) if there else None
        except Damaged as error:
            table.add_data(row.index, row.key, f"{said} ({error})", None, None, None)
        else:
            titles = printable(" | ".join(word.word.text.strip() for word in words))
            table.add_data(row.index, row.key, said, image, masks, drawn and wandb.Image(drawn, caption=titles))
    final = figures(summary, explainer)
    run.log({**final, TABLE: table} if table.data else final)
    run.summary.update(final)


def _picture(folder: Path, name: str, run_dir: Path) -> str:
    """Where a picture of a sample lies that can be unpacked. Raises Damaged."""
    suffix, _, pixels = kept.PICTURES[name]
    data = kept.picture(folder, name, run_dir)
    try:
        decode_image(data, suffix, max_pixels=pixels)
    except Exception as error:  # a stranger's bytes can raise anything
        raise Damaged(f"{folder / name} is damaged: {printable(str(error))}") from error
    return str(inside.resolved(run_dir, *folder.relative_to(run_dir).parts, name))


def _pictured(run_dir: Path) -> Iterator[tuple[Row, Path]]:
    """Samples that have pictures, and where; every row has to be looked at to find them."""
    rows = read_rows(run_dir)
    for key, head in sorted(rows.heads.items(), key=lambda item: item[1].index):
        folder = run_dir / "figures" / str(head.index)
        if all(inside.has(folder, name) for name in ("image.jpg", "panel.png", "maps.npz")):
            yield rows[key], folder


def _offline(run_dir: Path, id: str) -> list[Path]:
    """The folders of one W&B run that wait to be synced."""
    return [run_dir / "wandb" / name for name in inside.names(run_dir / "wandb", f"offline-run-*-{id}")]


def _done(run_dir: Path, explainer: str, where: str) -> None:
    state = documents.board(run_dir)
    run = state.setdefault("runs", {}).setdefault(explainer, {})
    if where.startswith("offline"):  # the folder took the place of one for another project
        for name in [name for name in run if name.startswith("offline")]:
            del run[name]
    run[where] = _digest(run_dir)
    write_json(run_dir / "wandb.json", state)


def _digest(run_dir: Path) -> str:
    return hashlib.sha256(inside.read(run_dir, "summary.json", limit=documents.LONG)).hexdigest()


def unpublished(explainers: Sequence[str], run_dir: Path, error: Exception) -> str:
    """One line that says what is not on W&B, why, and how it comes there."""
    later = typed.shown("publish", run_dir, "--online")
    return (
        f"{', '.join(explainers) or run_dir}: not published to W&B ({service.reason(error)}); once it can be: {later}"
    )


def _complain(line: str) -> None:
    with program.named("seewhy publish"):
        program.tell(line)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command_parsers.publish()
    given = parser.parse_args(arguments)
    mode: Mode = "online" if given.online else "offline"
    left: list[str] = []
    there = inside.is_file(given.run_dir, "summary.json")
    try:
        with owned(given.run_dir, _complain) if there else nullcontext() as claim:
            verify = claim.verify if claim else None
            _publish(left, given.run_dir, given.project, given.entity, mode, given.group, verify=verify)
    except OwnedError as error:
        _complain(f"error: {error}")
        return AT_FAULT
    except Damaged as error:
        _complain(f"error: {error}")
        return 2
    except Exception as error:  # whatever W&B, the network or the disk has to say
        _complain(unpublished(left, given.run_dir, error))
        return 1
    lies = given.run_dir / "wandb"
    send = f"{typed.command('wandb', 'sync', lies)}/offline-run-*"  # not quoted, so that the shell finds the folders
    print("published" if given.online else f"kept in {printable(str(lies))}; to send it: {send}")
    return 0
