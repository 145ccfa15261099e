"""The verdict claims a lead only where a difference on the same images shows one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.outputs.records import Row, RowWriter, read_rows
from pipeline.outputs.report import tables
from pipeline.outputs.report.compare import Pair, leaders, pairs_within
from pipeline.outputs.report.read import Entrant, Group, Run, grouped, read_runs
from pipeline.outputs.report.verdict import listed, verdict
from tests.outputs.made import answer
from tests.outputs.report.built import EXPLAINERS, SCENES, Scene, run_folder

VALUES = {"cam": 0.4, "tam": 0.5, "msea_arc": 0.6}
HIGHEST = "In profile corrected, msea_arc has the highest F1-IoU: 60.00 % [55.00, 65.00]."


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return read_runs([run_folder(tmp_path_factory.mktemp("verdict") / "run", SCENES[:1])])[0]


def figure(value: float | None, reach: float) -> dict[str, float | None]:
    low, high = (None, None) if value is None else (value - reach, value + reach)
    return {"value": value, "low": low, "high": high}


def group(run: Run, values: dict[str, float | None]) -> Group:
    entrants = [
        Entrant(name, name, run, {"corrected": {"f1_iou": figure(value, 0.05)}}, {}, {}, "")
        for name, value in values.items()
    ]
    return Group("demo", "demo", [run], entrants)


def pairs(first: str, **values: float | None) -> list[Pair]:
    """Differences that are known to 0.05, either side."""
    return [
        Pair(first, second, {"corrected": {"f1_iou": figure(value, 0.05)}}, True) for second, value in values.items()
    ]


def said(run: Run, given: Sequence[Pair], values: dict[str, Any] = VALUES) -> str:
    return verdict(group(run, values), given, "corrected")


def test_a_lead_that_is_clear_over_all_is_claimed_and_the_many_comparisons_are_owned(run: Run) -> None:
    assert said(run, pairs("msea_arc", cam=0.2, tam=0.1)) == (
        f"{HIGHEST} On the same images the lead is clear of zero over each of the others. "
        "Intervals are not adjusted for 2 comparisons."
    )
    assert said(run, pairs("msea_arc", cam=0.2), {"cam": 0.4, "msea_arc": 0.6}) == (
        f"{HIGHEST} On the same images the lead is clear of zero over cam."
    )


def test_of_many_over_whom_a_lead_is_clear_the_number_is_told(run: Run) -> None:
    more = VALUES | dict.fromkeys("wxyz", 0.1)
    told = said(run, pairs("msea_arc", cam=0.01, tam=0.2, w=0.2, x=0.2, y=0.2, z=None), more)
    assert "the lead is clear of zero over 4 of the others; it may be chance over cam." in told
    assert "Not compared on the same images: z. Intervals are not adjusted for 5 comparisons." in told


def test_a_lead_whose_interval_reaches_zero_may_be_chance(run: Run) -> None:
    told = said(run, pairs("msea_arc", cam=0.2, tam=0.04))
    assert "the lead is clear of zero over cam; it may be chance over tam." in told
    assert "the lead may be chance over cam and tam." in said(run, pairs("msea_arc", cam=-0.04, tam=0.05))


def test_one_that_is_ahead_on_the_same_images_is_named_and_no_lead_claimed(run: Run) -> None:
    told = said(run, pairs("msea_arc", cam=-0.2, tam=-0.1))
    assert told.startswith(f"{HIGHEST} Ahead on the images that both scored: cam and tam.")
    assert "lead" not in told


@pytest.mark.parametrize("given", [[], pairs("msea_arc", cam=None, tam=None), pairs("cam", tam=0.2)])
def test_nothing_is_claimed_where_nothing_was_compared(run: Run, given: list[Pair]) -> None:
    assert said(run, given) == f"{HIGHEST} Not compared on the same images: cam and tam."


def test_equal_figures_share_the_first_place_and_each_must_lead_over_the_others(run: Run) -> None:
    tied = VALUES | {"cam": 0.6}
    told = said(run, [*pairs("msea_arc", tam=0.2), *pairs("cam", tam=0.1)], tied)
    assert told == (
        "In profile corrected, cam and msea_arc share the highest F1-IoU: 60.00 %. "
        "On the same images the lead is clear of zero over tam. Intervals are not adjusted for 2 comparisons."
    )
    assert "may be chance over tam" in said(run, [*pairs("msea_arc", tam=0.2), *pairs("cam", tam=0.01)], tied)
    assert "Ahead on the images that both scored: tam" in said(
        run, [*pairs("msea_arc", tam=0.2), *pairs("cam", tam=-0.1)], tied
    )
    assert "Not compared on the same images: tam" in said(run, pairs("msea_arc", tam=0.2), tied)


def test_runs_that_differ_in_more_than_explainers_and_limit_are_owned(run: Run) -> None:
    """What a model said, and in what precision, moves figures too."""
    alike = replace(run, fingerprint=dict(run.fingerprint) | {"limit": 24, "explainers": {}})
    other = replace(
        alike, fingerprint=dict(alike.fingerprint) | {"answers": "captions", "model": {"dtype": "bfloat16"}}
    )
    given = pairs("msea_arc", cam=0.2, tam=0.1)
    for runs, clause in (([run, alike], ""), ([run, other], "answers, model.dtype and model.family")):
        told = verdict(replace(group(run, VALUES), runs=runs), given, "corrected")
        assert ("The runs differ in more than their explainers" in told) == bool(clause)
        assert clause in told


def test_there_is_no_verdict_on_one_figure(run: Run) -> None:
    assert said(run, [], {"cam": 0.4}) == ""
    assert said(run, [], {"cam": 0.4, "tam": None}) == ""


def test_a_run_without_a_figure_says_why(tmp_path: Path) -> None:
    for at, (said_of_it, told) in enumerate(
        (
            ("A lake.", "name a category of the data, so there is no Obj-IoU and no F1-IoU."),
            ("A cat.", "name an object of its image (1 named are not there), so there is no Obj-IoU and no F1-IoU."),
            ("Dog", "have both a noun and a function word, so there is no Func-IoU and no F1-IoU."),
        )
    ):
        runs = read_runs([run_folder(tmp_path / str(at), [Scene("x", said_of_it, ("dog",))])])
        (found,) = grouped(runs)
        assert verdict(found, [], "corrected") == f"In profile corrected none of the 1 captions is found to {told}"
        beside = [run_folder(tmp_path / f"beside {at}"), runs[0].folder]
        (both,) = grouped(read_runs(beside))
        both_said = verdict(both, pairs_within(both)["corrected"], "corrected")
        assert " has the highest F1-IoU" in both_said
        assert f"In profile corrected of {at} none of the 1 captions is found to {told}" in both_said


def test_many_names_are_counted_and_names_with_commas_are_told_apart() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed(list("abc")) == "a, b and c"
    assert listed(list("abcde")) == "a, b, c and 2 more"
    assert listed(["k 5, p 1", "k 6, p 1", "k 7, p 1"]) == "k 5, p 1; k 6, p 1 and k 7, p 1"


def test_two_runs_of_which_the_higher_is_behind_on_the_image_that_both_scored(tmp_path: Path) -> None:
    """Each run scored another part of the data, as runs under different limits do."""
    cam = {"cam": EXPLAINERS["cam"]}
    one = run_folder(tmp_path / "one", [SCENES[0], SCENES[2]], cam, seed=2)
    two = run_folder(tmp_path / "two", [SCENES[0], SCENES[4]], cam, seed=3)
    (found,) = grouped(read_runs([one, two]))
    ((first,), (pair,)) = leaders(found.entrants, "corrected"), pairs_within(found)["corrected"]
    assert (first.label, pair.first) == ("one", "one")
    assert pair.figures["corrected"]["f1_iou"]["high"] < 0
    told = verdict(found, [pair], "corrected")
    assert "Ahead on the images that both scored: two." in told
    assert told.startswith(
        "In profile corrected, of the forms of cam, no explainer has all 3 samples, so none is called"
    )
    assert " the best; one has " in told
    assert "The runs scored different images" in told
    assert "lead" not in told


def failing(run: Run, folder: Path, **failures: str) -> Run:
    """The run as if it had a sample for each letter of `failures`, on which the explainer of that name failed."""
    with RowWriter(folder / "rows.0.jsonl") as writer:
        for at, key in enumerate(sorted({key for of in failures.values() for key in of} | {"a"})):
            failed = {name: "RuntimeError: no" for name, of in failures.items() if key in of}
            writer.write(Row(key, at, answer(), failed=failed))
    return replace(run, rows=read_rows(folder))


def test_an_explainer_over_fewer_samples_leads_nobody(run: Run, tmp_path: Path) -> None:
    """Its mean is the highest, over samples that are not those of the others."""
    one = group(failing(run, tmp_path / "one", msea_arc="b"), VALUES)
    assert [entrant.label for entrant in leaders(one.entrants, "corrected")] == ["tam"]
    assert verdict(one, [*pairs("tam", cam=0.2, msea_arc=-0.1)], "corrected") == (
        "In profile corrected, of the explainers with all 2 samples tam has the highest F1-IoU: 50.00 % "
        "[45.00, 55.00]. On the same images the lead is clear of zero over cam. "
        "Ahead on the images that both scored: msea_arc. Intervals are not adjusted for 2 comparisons."
    )
    best = {line.label: (line.lack, line.cells[0].best) for line in lines(one)}
    assert best == {"cam": ("", False), "tam": ("", True), "msea_arc": ("1 of 2 samples", False)}
    alone = group(failing(run, tmp_path / "alone", msea_arc="b", tam="c"), VALUES)
    assert verdict(alone, [], "corrected").startswith(
        "In profile corrected, only cam has all 3 samples, so none is called the best; its F1-IoU is 40.00 % ["
    )
    nobody = group(failing(run, tmp_path / "nobody", msea_arc="b", tam="c", cam="d"), VALUES)
    assert verdict(nobody, [], "corrected").startswith(
        "In profile corrected, no explainer has all 4 samples, so none is called the best; msea_arc has 60.00 % ["
    )
    assert not any(line.cells[0].best for of in (alone, nobody) for line in lines(of))
    same = group(failing(run, tmp_path / "same", msea_arc="b", tam="b", cam="b"), VALUES)
    assert said(run, pairs("msea_arc", cam=0.2, tam=0.1)) == verdict(
        same, pairs("msea_arc", cam=0.2, tam=0.1), "corrected"
    )
    assert [line.lack for line in lines(same)] == [""] * 3, "all have the same samples"


def lines(of: Group) -> Sequence[tables.Line]:
    """The lines of the table, of F1-IoU alone."""
    figures = [dict.fromkeys(tables.METRICS, one.figures["corrected"]["f1_iou"]) for one in of.entrants]
    entrants = [replace(one, figures={"corrected": each}) for one, each in zip(of.entrants, figures, strict=True)]
    return tables.standings(replace(of, entrants=entrants), "corrected")


def test_two_runs_without_an_image_in_common_are_not_compared(tmp_path: Path) -> None:
    halves = [run_folder(tmp_path / name, part) for name, part in (("one", SCENES[:2]), ("two", SCENES[2:]))]
    (found,) = grouped(read_runs(halves))
    for profile, given in pairs_within(found).items():
        told = verdict(found, given, profile)
        assert f"In profile {profile}" in told
        assert "Not compared on the same images: cam · " in told
        assert "each of the others" not in told
