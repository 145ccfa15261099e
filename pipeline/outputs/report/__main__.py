"""`python -m pipeline.outputs.report`."""

import sys

from pipeline.outputs.report.command import main

if __name__ == "__main__":
    sys.exit(main())
