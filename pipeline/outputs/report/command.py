"""Make the offline page of one or several finished runs.

    seewhy report RUN_DIR... [--out DIR]

Open its index.html in a browser; it needs no network and no server. By default the page of one run lies in its folder,
as RUN_DIR/page; that of several in `page`, in the folder that holds them. A folder that is such a page is passed over.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from datamodules import program
from datamodules.options import Options
from pipeline.outputs import inside


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0, or 2 where the command is wrong or a folder is no finished run."""
    parser = Options(prog="seewhy report", description=__doc__)
    parser.add_argument("run_dir", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the page, in place of an earlier one; default: RUN_DIR/page, of several runs `page` above them",
    )
    given = parser.parse_args(arguments)
    from pipeline.outputs.report.page import make, ours

    try:
        folders = [folder for folder in given.run_dir if not ours(folder)] or given.run_dir
        above = folders[0] if len(folders) == 1 else Path(os.path.commonpath([folder.absolute() for folder in folders]))
        index = make(folders, given.out or inside.resolved(above, "page"))
    except (ValueError, OSError) as error:
        with program.named(parser.prog):
            program.tell(f"error: {error}")
        return 2
    print(f"page: {index}")
    return 0
