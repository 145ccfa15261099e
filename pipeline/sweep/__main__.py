"""`python -m pipeline.sweep`."""

import sys

from pipeline.sweep.command import main

sys.exit(main())
