"""Differences are those of the summary, within a run and between runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.outputs.report.compare import Pair, leaders, pairs_between, pairs_within
from pipeline.outputs.report.read import grouped, read_runs
from tests.outputs.report.built import EXPLAINERS, SCENES, Scene, run_folder

PROFILES = ("corrected", "reference")


def close(ours: Pair, theirs: Pair) -> bool:
    """The same difference, either way round."""
    sign = 1 if ours.first.split(" ")[0] == theirs.first else -1
    for profile, metrics in ours.figures.items():
        for metric, of in metrics.items():
            wanted = theirs.figures[profile][metric]
            ends = sorted([sign * wanted["low"], sign * wanted["high"]])
            assert (of["value"], of["low"], of["high"]) == pytest.approx((sign * wanted["value"], *ends), abs=1e-12)
    return True


@pytest.mark.parametrize("profile", PROFILES)
def test_the_leader_is_compared_with_each_of_the_others_first(tmp_path: Path, profile: str) -> None:
    (group,) = grouped(read_runs([run_folder(tmp_path / "run")]))
    (first,) = leaders(group.entrants, profile)
    pairs = pairs_within(group)[profile]
    assert [pair.first for pair in pairs[:2]] == [first.label] * 2
    assert {frozenset((pair.first, pair.second)) for pair in pairs} == {
        frozenset(pair.split("-")) for pair in group.runs[0].summary["differences"]
    }
    for pair in pairs[:2]:
        assert pair.figures[profile]["f1_iou"]["value"] >= 0
        assert pair.figures[profile]["f1_iou"]["low"] <= pair.figures[profile]["f1_iou"]["high"]
    second = group.runs[0].summary["explainers"][pairs[0].second][profile]["f1_iou"]["value"]
    told = first.figures[profile]["f1_iou"]["value"] - second
    assert pairs[0].figures[profile]["f1_iou"]["value"] == pytest.approx(told, abs=1e-12)


def test_two_runs_are_paired_as_two_explainers_of_one_run_are(tmp_path: Path) -> None:
    """Also where a run quarantined a sample that the other scored: on the images that both scored."""
    both = run_folder(tmp_path / "both", SCENES[1:])
    apart = [
        run_folder(tmp_path / "cam", [Scene("a", "", error="OSError: gone"), *SCENES[1:]], {"cam": EXPLAINERS["cam"]}),
        run_folder(tmp_path / "two", SCENES, {name: EXPLAINERS[name] for name in ("tam", "msea_arc")}),
    ]
    whole = {
        frozenset((pair.first, pair.second)): pair for pair in pairs_within(grouped(read_runs([both]))[0])["corrected"]
    }
    (group,) = grouped(read_runs(apart))
    across = [pair for pair in pairs_within(group)["corrected"] if {pair.first, pair.second} & {"cam"}]
    assert across
    for pair in across:
        assert close(pair, whole[frozenset((pair.first, pair.second))])


def test_models_are_paired_on_the_same_images_only(tmp_path: Path) -> None:
    same = [run_folder(tmp_path / name, model=name, seed=at) for at, name in enumerate(("x", "y"))]
    groups = grouped(read_runs([*same, run_folder(tmp_path / "z", model="x", data="other", seed=2)]))
    everyone = {entrant.explainer: [] for entrant in groups[0].entrants}
    for group in groups:
        for entrant in group.entrants:
            everyone[entrant.explainer].append(entrant)
    for profile, pairs in pairs_between(groups).items():
        best = [max(of, key=lambda one: one.figures[profile]["f1_iou"]["value"]) for of in everyone.values()]
        assert any(one.run.data == "other" for one in best), "the best of all may have nobody to be compared with"
        assert len(pairs) == len(EXPLAINERS)
        for pair in pairs:
            assert {"x on demo", "y on demo"} == {title.split(", ")[1] for title in (pair.first, pair.second)}
            assert pair.figures[profile]["f1_iou"]["value"] > 0, "the better one comes first"


def test_each_profile_has_its_own_leader_in_front(tmp_path: Path) -> None:
    """Also across runs, whose differences no summary has."""
    folders = [run_folder(tmp_path / name, explainers={name: EXPLAINERS[name]}) for name in EXPLAINERS]
    (group,) = grouped(read_runs(folders))
    values = {"cam": (0.4, 0.2), "tam": (0.3, 0.6), "msea_arc": (0.2, 0.5)}
    entrants = [
        replace(one, figures={p: {"f1_iou": {"value": v}} for p, v in zip(PROFILES, values[one.label], strict=True)})
        for one in group.entrants
    ]
    pairs = pairs_within(replace(group, entrants=entrants))
    assert [(pair.first, pair.second, pair.chief) for pair in pairs["corrected"]] == [
        ("cam", "tam", True),
        ("cam", "msea_arc", True),
        ("tam", "msea_arc", False),
    ]
    assert [(pair.first, pair.second, pair.chief) for pair in pairs["reference"]] == [
        ("tam", "cam", True),
        ("tam", "msea_arc", True),
        ("cam", "msea_arc", False),
    ]
    (over, *_), (back, *_) = pairs.values()
    for metric, of in over.figures["reference"].items():
        ends = [0 - of[end] for end in ("value", "high", "low")]
        assert [back.figures["reference"][metric][part] for part in ("value", "low", "high")] == ends


def test_pairs_without_a_figure_are_left_out(tmp_path: Path) -> None:
    (group,) = grouped(read_runs([run_folder(tmp_path / "run", [Scene("x", "Green", ("dog",))])]))
    assert leaders(group.entrants, "corrected") == []
    assert pairs_within(group) == {"corrected": [], "reference": []}


def test_those_that_share_the_highest_figure_all_lead(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name, explainers={"cam": EXPLAINERS["cam"]}) for name in ("one", "two")]
    (group,) = grouped(read_runs(folders))
    assert leaders(group.entrants, "corrected") == group.entrants
    ((pair,), _) = pairs_within(group).values()
    assert pair.figures["corrected"]["f1_iou"] == {"value": 0, "low": 0, "high": 0}
