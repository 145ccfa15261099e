"""Differences are those of the summary, within a run and between runs; grids stand where two parameters vary."""

from pathlib import Path

import pytest

from pipeline.outputs.report.compare import Pair, grids, leader, pairs_between, pairs_within
from pipeline.outputs.report.read import grouped, read_runs
from tests.outputs.report.built import EXPLAINERS, SCENES, Scene, run_folder

ARC = EXPLAINERS["msea_arc"]


def close(ours: Pair, theirs: Pair) -> bool:
    """The same difference, either way round."""
    sign = 1 if ours.first.split(" ")[0] == theirs.first else -1
    for profile, metrics in ours.figures.items():
        for metric, of in metrics.items():
            wanted = theirs.figures[profile][metric]
            ends = sorted([sign * wanted["low"], sign * wanted["high"]])
            assert (of["value"], of["low"], of["high"]) == pytest.approx((sign * wanted["value"], *ends), abs=1e-12)
    return True


def test_the_leader_is_compared_with_each_of_the_others_first(tmp_path: Path) -> None:
    (group,) = grouped(read_runs([run_folder(tmp_path / "run")]))
    first = leader(group.entrants)
    pairs = pairs_within(group)
    assert first is not None
    assert [pair.first for pair in pairs[:2]] == [first.label] * 2
    assert {frozenset((pair.first, pair.second)) for pair in pairs} == {
        frozenset(pair.split("-")) for pair in group.runs[0].summary["differences"]
    }
    for pair in pairs[:2]:
        assert pair.figures["corrected"]["f1_iou"]["value"] >= 0
        assert pair.figures["corrected"]["f1_iou"]["low"] <= pair.figures["corrected"]["f1_iou"]["high"]
    second = group.runs[0].summary["explainers"][pairs[0].second]["corrected"]["f1_iou"]["value"]
    told = first.figures["corrected"]["f1_iou"]["value"] - second
    assert pairs[0].figures["corrected"]["f1_iou"]["value"] == pytest.approx(told, abs=1e-12)


def test_two_runs_are_paired_as_two_explainers_of_one_run_are(tmp_path: Path) -> None:
    """Also where a run quarantined a sample that the other scored: on the images that both scored."""
    both = run_folder(tmp_path / "both", SCENES[1:])
    apart = [
        run_folder(tmp_path / "cam", [Scene("a", "", error="OSError: gone"), *SCENES[1:]], {"cam": EXPLAINERS["cam"]}),
        run_folder(tmp_path / "two", SCENES, {name: EXPLAINERS[name] for name in ("tam", "msea_arc")}),
    ]
    whole = {frozenset((pair.first, pair.second)): pair for pair in pairs_within(grouped(read_runs([both]))[0])}
    (group,) = grouped(read_runs(apart))
    across = [pair for pair in pairs_within(group) if {pair.first, pair.second} & {"cam"}]
    assert across
    for pair in across:
        assert close(pair, whole[frozenset((pair.first, pair.second))])


def test_models_are_paired_on_the_same_images_only(tmp_path: Path) -> None:
    same = [run_folder(tmp_path / name, model=name, seed=at) for at, name in enumerate(("x", "y"))]
    groups = grouped(read_runs([*same, run_folder(tmp_path / "z", model="x", data="other")]))
    pairs = pairs_between(groups)
    assert len(pairs) == len(EXPLAINERS)
    for pair in pairs:
        assert {"x on demo", "y on demo"} == {title.split(", ")[1] for title in (pair.first, pair.second)}
        assert pair.figures["corrected"]["f1_iou"]["value"] > 0, "the better one comes first"


def test_two_parameters_of_a_class_make_a_grid_and_one_makes_none(tmp_path: Path) -> None:
    made = {
        f"e{k}_{relu}_{p}": ARC | {"k": k, "relu": relu, "p": p}
        for k in (50, 5, 20)
        for relu in ("end", "each")
        for p in (1,)
    }
    (grid,) = grids(grouped(read_runs([run_folder(tmp_path / "two", SCENES[:2], made)])))
    assert (grid.title, grid.row, list(grid.heads)) == ("Parameters of MSEAARC", "k", ["relu end", "relu each"])
    assert [name for name, _ in grid.rows] == ["5", "20", "50"], "numbers by size"
    assert [[cell and cell.label for cell in cells] for _, cells in grid.rows] == [
        [f"e{k}_{relu}_1" for relu in ("end", "each")] for k in (5, 20, 50)
    ]
    one = {name: made[name] for name in ("e5_end_1", "e20_end_1", "e50_end_1")}
    assert not grids(grouped(read_runs([run_folder(tmp_path / "one", SCENES[:2], one)])))


def test_a_grid_has_combinations_of_the_other_parameters_as_columns_and_may_have_gaps(tmp_path: Path) -> None:
    """As in the paper's table 3, where one scale is not fused."""
    cells = [
        ("none", "mean", [1]),
        ("arc", "mean", [1]),
        ("mean", "mean", [1]),
        ("none", "max", [1, 2]),
        ("arc", "max", [1, 2]),
    ]
    made = {f"e{at}": ARC | {"interference": i, "fuse": f, "scales": s} for at, (i, f, s) in enumerate(cells)}
    (grid,) = grids(grouped(read_runs([run_folder(tmp_path / "run", SCENES[:2], made)])))
    assert list(grid.heads) == ["fuse mean · scales [1]", "fuse max · scales [1, 2]"]
    assert [(name, [cell and cell.label for cell in of]) for name, of in grid.rows] == [
        ("none", ["e0", "e3"]),
        ("arc", ["e1", "e4"]),
        ("mean", ["e2", None]),
    ]


def test_runs_that_differ_in_two_parameters_make_a_grid_too(tmp_path: Path) -> None:
    folders = [
        run_folder(tmp_path / f"{k} {p}", SCENES[:2], {"msea_arc": ARC | {"k": k, "p": p}})
        for k in (5, 20)
        for p in (0.5, 0.9)
    ]
    (grid,) = grids(grouped(read_runs(folders)))
    assert [len(cells) for _, cells in grid.rows] == [2, 2]
    assert grid.rows[1][1][0].parameters["k"] == "20"  # type: ignore[union-attr]


def test_several_models_make_a_grid_of_every_explainer(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name, SCENES[:2], model=name) for name in ("x", "y")]
    grid = grids(grouped(read_runs(folders)))[0]
    assert (grid.row, list(grid.heads), [name for name, _ in grid.rows]) == (
        "explainer",
        ["x on demo", "y on demo"],
        list(EXPLAINERS),
    )
