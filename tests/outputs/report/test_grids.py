"""Grids stand where two parameters vary."""

from pathlib import Path

from pipeline.outputs.report.grids import grids
from pipeline.outputs.report.read import grouped, read_runs
from tests.outputs.report.built import EXPLAINERS, SCENES, run_folder

ARC = EXPLAINERS["msea_arc"]


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


def test_several_models_and_data_sets_make_a_grid_of_every_explainer_and_no_other(tmp_path: Path) -> None:
    """No parameter was varied, so that there are none of parameters."""
    asked = [("x", "demo"), ("y", "other")]
    folders = [run_folder(tmp_path / f"{m} {d}", SCENES[:2], model=m, data=d) for m, d in asked]
    (grid,) = grids(grouped(read_runs(folders)))
    assert (grid.row, list(grid.heads), [name for name, _ in grid.rows]) == (
        "explainer",
        ["x on demo", "y on other"],
        list(EXPLAINERS),
    )


def test_a_parameter_that_was_varied_makes_a_grid_with_models_and_data_too(tmp_path: Path) -> None:
    asked = [(model, k) for model in ("x", "y") for k in (5, 20)]
    folders = [run_folder(tmp_path / f"{m} {k}", SCENES[:2], {"arc": ARC | {"k": k}}, model=m) for m, k in asked]
    every, parameters = grids(grouped(read_runs(folders)))
    assert every.title == "Every explainer on every model and data set"
    assert (parameters.title, parameters.row) == ("Parameters of MSEAARC", "model")
    assert list(parameters.heads) == ["k 5", "k 20"]
