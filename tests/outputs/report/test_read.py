"""Runs are told apart, put into groups, and refused by name where they are not whole."""

import json
import re
from pathlib import Path

import pytest

from pipeline.outputs.report import tables
from pipeline.outputs.report.read import called, differing, forms, grouped, read_runs
from tests.outputs.report.built import EXPLAINERS, SCENES, run_folder

ARC = EXPLAINERS["msea_arc"]


def test_runs_are_named_apart_by_as_many_folders_as_it_takes(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name, SCENES[:1]) for name in ("x/run", "y/run", "z")]
    assert [run.name for run in read_runs(folders)] == ["x/run", "y/run", f"{tmp_path.name}/z"]
    assert [run.name for run in read_runs(folders[:1])] == ["run"]
    with pytest.raises(ValueError, match="given twice"):
        read_runs([folders[0], tmp_path / "x" / "." / "run"])


def test_a_run_is_read_in_the_order_of_its_command_and_of_its_manifest(tmp_path: Path) -> None:
    (run,) = read_runs([run_folder(tmp_path / "run")])
    (group,) = grouped([run])
    assert [entrant.label for entrant in group.entrants] == list(EXPLAINERS), "a summary sorts them"
    assert list(run.keys) == [scene.key for scene in SCENES]
    assert (
        group.entrants[2].figures["corrected"]["f1_iou"] == run.summary["explainers"]["msea_arc"]["corrected"]["f1_iou"]
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "env.json").unlink(), "not the folder of a run"),
        (lambda folder: (folder / "summary.json").unlink(), "has not ended; the same command resumes it"),
        (lambda folder: (folder / "timing.json").write_text("{"), r"timing\.json cannot be read"),
    ],
)
def test_a_folder_that_is_no_finished_run_is_named(tmp_path: Path, damage, said: str) -> None:
    folder = run_folder(tmp_path / "run", SCENES[:1])
    damage(folder)
    with pytest.raises(ValueError, match=rf"{re.escape(str(folder))}.*{said}"):
        read_runs([folder])


def test_groups_are_one_model_on_one_data_set(tmp_path: Path) -> None:
    asked = [("one", "a", "demo"), ("two", "b", "demo"), ("three", "a", "coco"), ("four", "a", "demo")]
    runs = read_runs([run_folder(tmp_path / n, SCENES[:1], model=m, data=d) for n, m, d in asked])
    groups = [(group.model, group.data, [run.name for run in group.runs]) for group in grouped(runs)]
    assert groups == [("a", "demo", ["one", "four"]), ("b", "demo", ["two"]), ("a", "coco", ["three"])]


def test_namesakes_are_told_apart_by_their_parameters_else_by_their_run(tmp_path: Path) -> None:
    made = {"one": {"k": 5}, "two": {"k": 50}, "three": {"k": 50, "p": 0.5}, "four": {"k": 50, "p": 0.5}}
    for name, values in made.items():
        run_folder(tmp_path / name, SCENES[:1], {"msea_arc": ARC | values, "cam": EXPLAINERS["cam"]})
    labels = [e.label for e in grouped(read_runs([tmp_path / "one", tmp_path / "two"]))[0].entrants]
    assert labels == ["msea_arc · k 5", "cam · one", "msea_arc · k 50", "cam · two"]
    labels = [e.label for e in grouped(read_runs([tmp_path / name for name in made]))[0].entrants]
    assert labels[::2] == ["msea_arc · k 5, p 0.9", "msea_arc · k 50, p 0.9", "msea_arc · three", "msea_arc · four"]


def test_forms_of_the_only_explainer_of_all_runs_are_named_by_what_they_differ_in_alone(tmp_path: Path) -> None:
    arc = [run_folder(tmp_path / str(k), SCENES[:1], {"msea_arc": ARC | {"k": k}}) for k in (5, 50)]
    twice = run_folder(tmp_path / "again", SCENES[:1], {"msea_arc": ARC | {"k": 50}})
    cam = run_folder(tmp_path / "cam", SCENES[:1], {"cam": EXPLAINERS["cam"]}, model="other")
    for folders, labels, kind in (
        (arc, ["k 5", "k 50"], "msea_arc"),
        ([*arc, twice], ["k 5", "50", "again"], "msea_arc"),
        ([*arc, cam], ["msea_arc · k 5", "msea_arc · k 50"], ""),
        (arc[:1], ["msea_arc"], ""),
    ):
        group = grouped(read_runs(folders))[0]
        assert [entrant.label for entrant in group.entrants] == labels
        assert forms(group.entrants) == kind


def test_long_fractions_have_as_many_digits_in_a_label_as_tell_them_apart(tmp_path: Path) -> None:
    for values, told in (
        ([0.8740054586847945, 0.9079133304095989, 0.5], ["0.874", "0.908", "0.5"]),
        ([0.8740054586847945, 0.8741], ["0.874", "0.8741"]),
        ([0.3, 0.1 + 0.2], ["0.3", "0.30000000000000004"]),
        ([123456, 123457.5], ["123456", "123457.5"]),
    ):
        folders = [run_folder(tmp_path / str(p), SCENES[:1], {"msea_arc": ARC | {"p": p}}) for p in values]
        labels = [entrant.label for entrant in grouped(read_runs(folders))[0].entrants]
        assert labels == [f"p {text}" for text in told]


def test_where_runs_differ_is_listed_and_explainers_that_only_one_has_are_one_line(tmp_path: Path) -> None:
    one = run_folder(tmp_path / "one", SCENES[:1])
    two = run_folder(tmp_path / "two", SCENES[:1], {"msea_arc": ARC | {"k": 5}}, model="other")
    assert differing(read_runs([one, two])) == {
        "explainers": [", ".join(sorted(EXPLAINERS)), "msea_arc"],
        "explainers.msea_arc.k": ["50", "5"],
        "model.family": ["demo", "other"],
    }


def test_published_figures_are_those_of_the_model_or_of_the_one_asked_for(tmp_path: Path) -> None:
    own = run_folder(
        tmp_path / "own", SCENES[:1], model="qwen2_vl_2b", data="coco_caption", beside="llava15_7b/coco_caption"
    )
    other = run_folder(tmp_path / "other", SCENES[:1], beside="llava15_7b/coco_caption")
    none = run_folder(tmp_path / "none", SCENES[:1])
    found = [grouped(read_runs([folder]))[0].entrants[2] for folder in (own, other, none)]
    assert [entrant.paper.get("f1_iou") for entrant in found] == [44.45, 45.34, None]
    assert [entrant.whose for entrant in found[::2]] == ["", ""]
    assert found[1].whose == " for llava15_7b on coco_caption, another model on other images"


def test_each_run_has_the_published_figures_that_it_asked_for(tmp_path: Path) -> None:
    asked = [None, "qwen2_vl_2b/coco_caption", "llava15_7b/coco_caption"]
    folders = [run_folder(tmp_path / str(at), SCENES[:1], beside=beside) for at, beside in enumerate(asked)]
    (group,) = grouped(read_runs(folders))
    assert [entrant.paper.get("f1_iou") for entrant in group.entrants[2::3]] == [None, 44.45, 45.34]
    assert ["qwen2_vl_2b" in entrant.whose for entrant in group.entrants[2::3]] == [False, True, False]
    assert tables.paper(group) == (
        "as published for qwen2_vl_2b on coco_caption, another model on other images (cam · 1, tam · 1, msea_arc · 1); "
        "as published for llava15_7b on coco_caption, another model on other images (cam · 2, tam · 2, msea_arc · 2)"
    )


def test_whose_published_figures_are_says_in_what_they_differ(tmp_path: Path) -> None:
    same = {"beside": "llava15_7b/coco_caption"}
    images = run_folder(tmp_path / "images", SCENES[:1], model="mine", data="coco_caption", **same)
    model = run_folder(tmp_path / "model", SCENES[:1], model="llava15_7b", data="mine", **same)
    told = [grouped(read_runs([folder]))[0].entrants[0].whose.rpartition(", ")[2] for folder in (images, model)]
    assert told == ["another model", "other images"]


def test_the_fingerprint_is_the_one_of_the_folder(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", SCENES[:1])
    assert read_runs([folder])[0].sha256 == json.loads((folder / "env.json").read_text())["sha256"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cam", "cam"),
        ("/x/y/own.v2.yaml", "own.v2"),
        ("configs/explainer/cam.yml", "cam"),
        ("pipeline.explainers.tam.TAM", "TAM"),
        ("TAM", "TAM"),
        ("{class_path: pipeline.explainers.tam.TAM, init_args: {compat: true}}", "TAM"),
        ("{", "{"),
    ],
)
def test_an_explainer_has_the_name_that_its_run_gave_it(given: str, name: str) -> None:
    assert called(given) == name
