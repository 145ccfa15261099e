"""`summary.json` and `timing.json`: pure functions of the rows, the same to the last bit in whatever order they come."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

from metrics.base import Sum, gather
from metrics.interval import Figure, difference, f1_figure, mean_figure
from metrics.localisation import Entries, sums
from pipeline.outputs.records import Row
