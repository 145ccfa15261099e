"""The page of many runs says once what they share, and folds up what nobody reads of all of them."""

import re
from pathlib import Path

from tests.outputs.report.parsed import Parsed


def test_the_page_of_a_sweep_says_once_what_all_runs_share(sweep: Path) -> None:
    text, source = Parsed(sweep).plain(), sweep.read_text()
    assert "9 runs, explainer msea_arc, 2 of 2 samples" in text
    assert "In profile corrected, of the forms of msea_arc, k " in text
    assert "msea_arc · " not in text
    assert source.count('<th scope="col">msea_arc</th>') == 2
    assert text.count("that the run kept images of") == 1
    assert "each run: the 1 sample of 2" in text
    assert len(re.findall(r'<article class="run">\s*<details><summary>', source)) == 9
    assert '<option value="0">5 0.5: k 5, p 0.5</option>' in source
    assert source.index("<h3>Parameters of MSEAARC</h3>") < source.index('<table class="standings">')
    led = re.findall(r'<th scope="col">(k [^<]*) minus</th>', source)
    assert len(led) == 2, "one for each profile"


def test_what_was_run_is_open_where_runs_are_few(two: Path) -> None:
    source = two.read_text()
    assert len(re.findall(r'<article class="run">\s*<h3', source)) == source.count('<article class="run">') == 2
