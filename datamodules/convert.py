"""Published datasets to verified shards:  seewhy convert DATASET ... --out DIR

  coco_caption  COCO 2014 as published: --instances instances_val2014.json --captions captions_val2014.json --images
                val2014 --split SPLIT. The protocol's split is minival, 5,000 images: give as SPLIT the
                instances_minival2014.json that TAM's layout holds, any other annotation file (its `images` count), a
                JSON list of ids, or a .txt with one id a line. Without --split every image of --instances is taken.
  grandf        GranDf as published: --annotations GranDf_HA_GCG_train.json --images GranDf_HA_images/train
  openpsg       OpenPSG as GranD-f publishes it: --annotations OpenPsgGCG_val.json --images train2017 val2017
                With --panoptic DIR the original psg.json and its panoptic PNG files (no captions; not comparable).
                Its file names begin with folders, so give those that hold them: --images coco, which holds train2017
                and val2017, and --panoptic annotations, which holds panoptic_train2017 and panoptic_val2017.
  tam_layout    a folder as TAM distributes it: DIR --dataset {coco_caption,grandf,openpsg}
  shards        a folder that this program wrote: DIR, for --to tam_layout

The same input gives the same bytes. The same command again continues a conversion to shards that was killed. What is
left out is named in left_out.jsonl. --to tam_layout writes TAM's layout instead and says what it lost to overlaps.
Exit status: 0 done; 2 the command is wrong; 4 more left out than --max_left_out; 5 this machine cannot read a file (a
failing disk, a stale mount, no permission, no memory).
"""

if __name__ == "__main__":  # before anything else is imported
    from datamodules.safe_path import leave_working_directory

    leave_working_directory()

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args

from datamodules import program
from datamodules.card import LEFT_OUT, write_card, write_left_out
from datamodules.faults import MachineError
from datamodules.journal import FILE as JOURNAL
from datamodules.journal import Journal, Tally
from datamodules.layout import final_file, write_layout
from datamodules.manifest import FILE
from datamodules.options import Options
from datamodules.printable import printable
from datamodules.shards import ShardWriter
from datamodules.sources.base import Folders, Source
from datamodules.sources.coco import Crowd, coco_caption
from datamodules.sources.grandf import PROMPTS, grounded
from datamodules.sources.psg import panoptic
from datamodules.sources.shards import shards
from datamodules.sources.tam import tam_layout
from datamodules.streams import protect

TOO_MANY_LEFT_OUT, UNREADABLE = 4, 5
FORMAT = 2
"""Counted up when the same source gives other bytes; an unfinished conversion of another format is not continued."""
Item = TypeVar("Item")


def main(args: Sequence[str] | None = None) -> int:
    """Convert as the command line says; the exit status."""
    protect("seewhy convert")
    options = parse(args)
    try:
        source = options.make(options)
        tally = (to_layout if options.to == "tam_layout" else to_shards)(source, options)
    except MachineError as error:
        fail(f"{error.line}; mend that, and the same command continues", UNREADABLE)
    except ValueError as error:
        fail(str(error))
    except OSError as error:  # what cannot be read leaves its record out, so this is the folder that is written
        fail(f"--out: {options.out}: {error.strerror or error}; mend it, and the same command continues")
    bad, good = len(tally.left_out), tally.counts["samples"]
    for line in tally.left_out[:5]:
        sys.stderr.write(f"left out: {printable(line['record'][:200])}: {line['reason']}\n")
    if bad > options.max_left_out:
        where = options.out / LEFT_OUT
        why = f"{bad} of {good + bad} records left out, --max_left_out is {options.max_left_out}: "
        why += f"--max_left_out {bad} accepts that; {where} has the reasons"
        sys.stderr.write(f"no dataset was made: {why}\n")
        return TOO_MANY_LEFT_OUT
    print(f"{good} samples of {source.name} in {options.out}; {bad} records left out")
    if source.expected not in (None, good):
        print(f"note: the protocol's split of {source.name} has {source.expected} samples")
    return 0


def to_shards(source: Source, options: argparse.Namespace) -> Tally:
    """Shards, manifest and card in `options.out`; nothing but the list where too much was left out."""
    writer = ShardWriter(options.out, source.name, prompt=source.prompt, categories=source.categories)
    if (options.out / FILE).exists() and (options.fresh or not (options.out / JOURNAL).exists()):
        raise ValueError(f"--out: {options.out} holds a dataset already; name another folder")
    if options.fresh:
        for part in [*options.out.glob(f".{source.name}-*.tar.part"), options.out / JOURNAL]:
            part.unlink(missing_ok=True)
    of = {name: str(value) for name, value in vars(options).items() if name not in ("max_left_out", "fresh", "make")}
    journal = Journal(options.out, {"format": FORMAT, "sources": source.files, **of})
    tally = journal.resume(writer)
    if tally.done:
        sys.stderr.write(f"continued after {tally.done} records\n")
    samples = shown(tally.samples(source), tally, len(source.names))
    while entries := writer.write(islice(samples, options.per_shard)):
        journal.add(writer.shards[-1], entries, tally)
    if len(tally.left_out) > options.max_left_out:
        write_left_out(options.out, tally)
        writer.discard()
    else:
        write_card(options.out, source, tally, options.licence, manifest=writer.manifest().digest)
        writer.publish()
    journal.remove()
    return tally


def to_layout(source: Source, options: argparse.Namespace) -> Tally:
    """TAM's layout and a card in `options.out`; says what the layout lost."""
    if (options.out / final_file(source)).exists():
        raise ValueError(f"--out: {options.out} holds a dataset already; name another folder")
    tally = Tally()
    lost = write_layout(options.out, source, shown(tally.samples(source), tally, len(source.names)))
    share = lost["pixels"] / max(tally.counts["mask pixels"], 1)
    print(f"lost to overlaps: {lost['pixels']} pixels of masks ({share:.2%}), {lost['masks']} masks whole")
    if len(tally.left_out) > options.max_left_out:
        (options.out / final_file(source)).unlink()
    write_card(
        options.out, source, tally, options.licence, layout={f"lost {name}": count for name, count in lost.items()}
    )
    return tally


def shown(items: Iterable[Item], tally: Tally, total: int, every: float = 5.0) -> Iterator[Item]:
    """The items; every few seconds a line with the rate and the time that is left."""
    start, told, before = time.monotonic(), time.monotonic(), tally.done
    for item in items:
        yield item
        now = time.monotonic()
        if now - told >= every or tally.done == total:
            rate, told = (tally.done - before) / max(now - start, 1e-9), now
            left = f"{(total - tally.done) / rate:.0f} s left, {len(tally.left_out)} left out"
            sys.stderr.write(f"{tally.done} of {total} records, {rate:.0f}/s, {left}\n")


def parse(args: Sequence[str] | None) -> argparse.Namespace:
    """The options; `make` builds the source from them."""
    parser = Options(prog="seewhy convert", description=__doc__)
    common = Options(add_help=False)
    common.add_argument("--out", type=Path, required=True, help="the folder that is written")
    common.add_argument(
        "--to",
        choices=["shards", "tam_layout"],
        default="shards",
        help="what is written: shards that runs read, or the folders that TAM's code reads",
    )
    common.add_argument("--max_left_out", type=int, default=0, help="accept that so many records cannot be converted")
    common.add_argument("--per_shard", type=int, default=1000, help="samples in a shard")
    text = "the licence of the data, such as 'CC BY 4.0', for the card; without it the card says that none was given"
    common.add_argument("--licence", default="", metavar="TEXT", help=text)
    text = "also read files that are links out of their folder"
    common.add_argument("--follow_links", action="store_true", help=text)
    common.add_argument("--fresh", action="store_true", help="start over where an unfinished conversion lies in --out")
    kinds = parser.add_subparsers(dest="dataset_kind", metavar="DATASET", required=True)

    def kind(name: str, make: Callable[[Any], Source]) -> Options:
        made = kinds.add_parser(name, parents=[common], help=f"see above; seewhy convert {name} --help lists options")
        made.set_defaults(make=make)
        return made

    def folders(made: Options, more: str = "") -> None:
        text = f"folders of images; a file is taken from the first that has it{more}"
        made.add_argument("--images", type=folder, nargs="+", required=True, help=text)

    def regions(made: Options) -> None:
        text = "regions marked iscrowd: keep them as part of the category's mask, or drop them"
        made.add_argument("--crowd", choices=get_args(Crowd), default="keep", help=text)

    made = kind("coco_caption", coco)
    made.add_argument("--instances", type=Path, required=True, help="COCO's instances_*.json, with polygons or RLE")
    made.add_argument("--captions", type=Path, required=True, help="COCO's captions_*.json")
    made.add_argument(
        "--split",
        type=Path,
        help="the images to take: an annotation file, a JSON list of ids or a .txt of ids; default: all",
    )
    regions(made)
    folders(made)
    made = kind("grandf", lambda o: grounded("grandf", o.annotations, pictured(o)))
    made.add_argument("--annotations", type=Path, required=True, help="GranDf_HA_GCG_*.json")
    folders(made)
    made = kind("openpsg", openpsg)
    made.add_argument("--annotations", type=Path, required=True, help="OpenPsgGCG_val.json, or psg.json")
    text = "read psg.json; the folder that holds panoptic_train2017 and panoptic_val2017, as the names in it begin"
    made.add_argument("--panoptic", type=folder, help=text)
    regions(made)
    folders(made, "; for psg.json the folder that holds train2017 and val2017, as the names in it begin")
    made = kind("tam_layout", lambda o: tam_layout(o.folder, o.dataset, follow_links=o.follow_links))
    made.add_argument("folder", type=folder, help="the folder as TAM distributes it")
    made.add_argument("--dataset", choices=["coco_caption", *PROMPTS], required=True, help="which data set of it")
    made = kind("shards", lambda o: shards(o.folder, follow_links=o.follow_links))
    made.add_argument("folder", type=folder, help="the folder of manifest.json and its shards")
    options = parser.parse_args(args)
    for name, least in (("per_shard", 1), ("max_left_out", 0)):
        if getattr(options, name) < least:
            parser.error(f"--{name}: at least {least}, not {getattr(options, name)}")
    return options


def coco(options: argparse.Namespace) -> Source:
    """Return COCO's own files."""
    return coco_caption(
        options.instances, options.captions, pictured(options), split=options.split, crowd=options.crowd
    )


def openpsg(options: argparse.Namespace) -> Source:
    """Return the integrated annotations, or the original ones."""
    if options.panoptic is None:
        return grounded("openpsg", options.annotations, pictured(options))
    segments = Folders([options.panoptic], options.follow_links)
    return panoptic(options.annotations, segments, pictured(options), crowd=options.crowd)


def pictured(options: argparse.Namespace) -> Folders:
    """Return where the pictures lie."""
    return Folders(options.images, options.follow_links)


def folder(text: str) -> Path:
    """An existing folder."""
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text!r}")
    return path


def fail(message: str, status: int = 2) -> NoReturn:
    """Write one line and leave with the exit status."""
    with program.named("seewhy convert"):
        program.tell(f"error: {message.strip()}")
    raise SystemExit(status)


if __name__ == "__main__":
    sys.exit(main())
