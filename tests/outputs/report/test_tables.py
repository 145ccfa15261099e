"""What tables say in words and signs."""

from pathlib import Path

import pytest

from pipeline.outputs.report.compare import pairs_within
from pipeline.outputs.report.read import grouped, read_runs
from pipeline.outputs.report.tables import apart, counts, entries, every, facts, kept, points, reasons, titles
from tests.outputs.report.built import EXPLAINERS, SCENES, Scene, run_folder


@pytest.mark.parametrize(("value", "told"), [(-0.0123, "−1.23"), (-4e-5, "−<0.01"), (0.0004, "+0.04"), (None, "–")])
def test_a_difference_is_written_as_on_the_terminal_with_a_true_minus(value: float | None, told: str) -> None:
    assert points(value) == told


def test_facts_count_what_was_scored_and_say_nothing_of_what_was_not(tmp_path: Path) -> None:
    bad = Scene("bad", "", error="OSError: gone")
    known = dict(facts(read_runs([run_folder(tmp_path / "known", [*SCENES[:2], bad])])[0]))
    blind = dict(facts(read_runs([run_folder(tmp_path / "blind", [Scene("x", "A dog.", None)])])[0]))
    lost = dict(facts(read_runs([run_folder(tmp_path / "lost", [bad])])[0]))
    assert known["samples"] == "3 expected, 2 scored, 1 quarantined"
    assert known["ground truth"] == "of 2 of 2 samples"
    assert known["batches"] == "8 samples, 1 thread a process, answers generated"
    assert blind["samples"] == "1 expected, 1 explained, 0 quarantined"
    assert blind["ground truth"] == "none"
    assert "objects named" not in blind
    assert not {"captions", "words", "ground truth", "objects named", "time"} & lost.keys()
    assert known["time"] == "0.625 s a sample, 1.25 s over all processes"


def test_reasons_are_counted_over_all_runs(tmp_path: Path) -> None:
    errors = {"one": ["OSError: a", "OSError: b"], "two": ["ValueError: c", "OSError: d"]}
    folders = [
        run_folder(tmp_path / name, [Scene(error, "", error=error) for error in of]) for name, of in errors.items()
    ]
    assert reasons(read_runs(folders)) == "3 OSError, 1 ValueError"


def test_of_runs_and_options_that_differ_those_that_are_more_stand_below_one_another(tmp_path: Path) -> None:
    made = {name: {"msea_arc": EXPLAINERS["msea_arc"] | {"k": k}} for name, k in (("a", 5), ("b", 20), ("c", 50))}
    runs = read_runs([run_folder(tmp_path / name, SCENES[:1], explainers) for name, explainers in made.items()])
    assert apart(runs) == (["run", "explainers.msea_arc.k"], [("a", ["5"]), ("b", ["20"]), ("c", ["50"])])
    other = run_folder(tmp_path / "d", SCENES[:1], made["a"], model="other", data="other")
    assert apart(read_runs([tmp_path / "b", other])) == (
        ["option", "b", "d"],
        [
            ("explainers.msea_arc.k", ["20", "5"]),
            ("manifest", ["demo manifest", "other manifest"]),
            ("model.family", ["demo", "other"]),
        ],
    )
    run_folder(tmp_path / "e", SCENES[:1], made["a"])
    assert apart(read_runs([tmp_path / "a", tmp_path / "e"])) == (["run"], []), "a run and its like"


def test_runs_that_kept_images_of_as_many_samples_are_one_line(tmp_path: Path) -> None:
    one, two, three = read_runs([run_folder(tmp_path / name, SCENES[:4]) for name in ("a", "b", "c")])
    assert kept([(0, one, 2), (1, two, 2), (2, three, 2)]) == [("each run", 2, 4)]
    assert kept([(0, one, 2), (1, two, 1), (2, three, 2)]) == [("a, c", 2, 4), ("b", 1, 4)]
    assert kept([(0, one, 2), (1, two, 4)]) == [("a", 2, 4)]
    assert kept([(0, one, 2)]) == [("a", 2, 4)]
    assert kept([(0, one, 4), (1, two, 4)]) == []


def test_a_sample_of_the_data_counts_once_in_however_many_runs_it_was(tmp_path: Path) -> None:
    lost = [Scene(scene.key, "", error="OSError: gone") for scene in SCENES[:2]]
    one = run_folder(tmp_path / "one", [*SCENES[:2], Scene("x", "", error="OSError: gone")])
    two = run_folder(tmp_path / "two", [lost[0], *SCENES[1:]])
    other = run_folder(tmp_path / "other", SCENES[:2], data="other")
    assert counts(read_runs([one])) == "3 explainers, 2 of 3 samples, 1 quarantined"
    assert counts(read_runs([one, two])) == "2 runs, 3 explainers, 5 of 6 samples, 2 quarantined in some runs"
    assert counts(read_runs([one, other])) == "2 runs, 3 explainers, 4 of 5 samples, 1 quarantined"


def test_no_image_is_counted_under_a_figure_that_there_is_none_of(tmp_path: Path) -> None:
    """Images with function words alone are half of what F1-IoU needs."""
    (group,) = grouped(read_runs([run_folder(tmp_path / "run", [Scene("x", "A lake.", ("dog",))])]))
    assert group.entrants[0].figures["corrected"]["f1_iou"]["count"] == 1
    assert entries(group, "corrected") == ["0", "0", "1", "1", "0", "0", "0"]


def test_pairs_are_all_only_where_each_explainer_is_compared_with_each(tmp_path: Path) -> None:
    names = {"a": ("cam", "tam"), "b": ("msea_arc",), "c": ("arc",)}
    made = EXPLAINERS | {"arc": EXPLAINERS["msea_arc"]}
    runs = [run_folder(tmp_path / run, SCENES, {name: made[name] for name in of}) for run, of in names.items()]
    found = [pairs_within(grouped(read_runs(of))[0])["corrected"] for of in (runs[:1], runs)]
    assert [every(pairs) for pairs in found] == [
        "All 1 pairs",
        f"{len(found[1])} pairs: with a leader, and within a run",
    ]
    assert len(found[1]) < 6


def test_the_gallery_calls_runs_what_tables_call_their_explainers(tmp_path: Path) -> None:
    arc = EXPLAINERS["msea_arc"]
    trials = [run_folder(tmp_path / f"{k}", SCENES[:1], {"msea_arc": arc | {"k": k}}) for k in (5, 50)]
    again = run_folder(tmp_path / "again", SCENES[:1], {"msea_arc": arc | {"k": 50}})
    others = run_folder(tmp_path / "others", SCENES[:1], {name: EXPLAINERS[name] for name in ("cam", "tam")})
    for folders, told in (
        (trials, ["5: k 5", "50: k 50"]),
        ([trials[0], others], ["5: msea_arc", "others: cam, tam"]),
        ([trials[1], again], ["50", "again"]),
        (trials[:1], ["5"]),
    ):
        runs = read_runs(folders)
        assert list(titles(runs, grouped(runs)).values()) == told
