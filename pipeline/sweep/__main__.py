"""`python -m pipeline.sweep`."""

import sys

from pipeline import stop

if __name__ == "__main__":
    stop.at_once("pipeline.sweep")
    from pipeline.sweep.command import main

    sys.exit(main())
