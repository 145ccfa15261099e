"""The command as it is understood: what is refused, what a saved configuration brings back. Nothing is loaded."""

from pathlib import Path

import pytest

from pipeline import arguments, cli


def refused(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    """The one line that is all a refused command says."""
    with pytest.raises(SystemExit) as left:
        cli.parse(args)
    assert left.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("name", ["batch_size", "limit"])
def test_what_the_run_hands_to_its_data_is_not_given_to_the_data(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, config = tmp_path / "data.yaml", tmp_path / "config.yaml"
    data.write_text(f"class_path: datamodules.demo.DemoDataModule\ninit_args: {{{name}: 4}}\n")
    config.write_text(f"data: {{class_path: datamodules.demo.DemoDataModule, init_args: {{{name}: 4}}}}\n")
    wrong = [[f"--data.{name}=4"], [f"--data.init_args.{name}", "4"], [f"--data={data}"], [f"--config={config}"]]
    for args in wrong:
        assert f"--data.{name}: give it to the run, as --{name}" in refused(capsys, *args, f"--{name}", "2")
    _, _, made, _ = cli.parse([f"--{name}", "2"]).build()
    assert {"batch_size": made.batch_size, "limit": len(made.expected)}[name] == 2  # type: ignore[attr-defined]


def test_a_saved_configuration_describes_the_same_run(tmp_path: Path) -> None:
    given = ["--explainer.msea_arc.scales=[1.0]", "--explainers=cam,msea_arc", "--data.prompt=Who?", "--limit=5"]
    first = cli.parse([*given, "--fresh=true", "--trainer.callbacks=null", "--vlm=qwen2_vl_2b"])
    saved = tmp_path / "config.yaml"
    saved.write_text(first.dump())
    again = cli.parse(["--config", str(saved)])
    assert again.stems == first.stems == {"vlm": "qwen2_vl_2b", "data": "demo"}
    assert again.dump() == first.dump()
    assert first.config.fresh
    assert not again.config.fresh, "it would discard what it is to resume"
    other = cli.parse([f"--config={saved}", "--vlm=demo"])
    assert other.stems == {"vlm": "demo", "data": "demo"}
    assert other.config.vlm.init_args.checkpoint == "assets/demo/model"


def test_what_a_config_spells_out_may_be_given_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("data: {class_path: datamodules.demo.DemoDataModule}\n")
    assert cli.parse([f"--config={config}"]).stems == {"vlm": "demo", "data": "custom"}
    assert cli.parse([f"--config={config}", "--names.data=mine"]).stems == {"vlm": "demo", "data": "mine"}
    assert "--names.data: 'a/b'" in refused(capsys, "--names.data=a/b")


def test_without_a_checkout_one_line_says_that_runs_need_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arguments, "DEFAULT", tmp_path / "configs" / "eval.yaml")
    assert "eval.yaml is missing: runs are started in a checkout of the repository" in refused(capsys)


def test_configs_keep_their_order_however_they_are_spelt() -> None:
    assert arguments.configs_of(["--config", "a", "--x", "1", "--config=b", "--config", "c"]) == ["a", "b", "c"]


def test_help_for_the_data_takes_shared_options_from_their_one_description(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.parse(["--data.help=DemoDataModule"])
    assert left.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "--data.num_workers NUM_WORKERS loader processes of each rank" in said


def test_an_explainer_may_be_a_parameter_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = "--explainer.msea.base=pipeline.explainers.grad_cam.GradCAM"
    job = cli.parse(["--explainers=msea", base, "--explainer.msea.base.preset=causal"])
    saved = tmp_path / "config.yaml"
    saved.write_text(job.dump())
    for each in (job, cli.parse(["--config", str(saved)])):
        msea = each.build()[-1]["msea"]
        assert type(msea.base).__name__ == "GradCAM"  # type: ignore[attr-defined]
        assert msea.base.preset == "causal"  # type: ignore[attr-defined]
        named = each.explainer_parameters()["msea"]["base"]
        assert named["init_args"] == {"preset": "causal", "layer": -2}
    assert "preset" in refused(capsys, "--explainers=msea", base, "--explainer.msea.base.preset=both")
    wrong = cli.parse(["--explainers=msea", base, "--explainer.msea.base.layer=-1"])
    with pytest.raises(cli.UsageError, match=r"^--explainer\.msea\.base\.layer: "):
        wrong.build()


MSEA = "--explainers=msea --explainer.msea.base=pipeline.explainers.grad_cam.GradCAM"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("--limit eight", "--limit: a whole number from 1, or null; not 'eight'"),
        ("--threads 0", "--threads: a whole number from 1; not '0'"),
        ("--figures -1", "--figures: a whole number from 0; not '-1'"),
        (
            "--max_bad 200%",
            "--max_bad: a whole number from 0, or a percentage such as 0.5%, at most 100%; not '200%'",
        ),
        ("--save_maps foo", "--save_maps: one of none, uint8, raw; not 'foo'"),
        ("--wandb.mode on", "--wandb.mode: one of offline, online, disabled, or null; not 'on'"),
        ("--cache_size 1000", "--cache_size: a size with its unit, such as 50GB; not '1000'"),
        ("--fresh maybe", "--fresh: true or false; not 'maybe'"),
        ("--fresh", "--fresh: expected one argument, true or false"),
        (
            "--explainer.msea_arc.scales 0.5",
            "--explainer.msea_arc.scales: a list in brackets, each a number; not '0.5'",
        ),
        ("--explainer.msea_arc.k x", "--explainer.msea_arc.k: a whole number; not 'x'"),
        ("--vlm.dtype bf16", "--vlm.dtype: one of float32, bfloat16, float16; not 'bf16'"),
        (f"{MSEA} --explainer.msea.base.preset=both", "--explainer.msea.base.preset: one of paper, causal; not 'both'"),
    ],
)
def test_a_value_is_refused_in_words_that_say_what_is_expected(
    command: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, *command.split()) == f"run_eval.py: error: {told}"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("--data configs/data/shards.yaml", "--data.manifest: it must be given"),
        ("--data.path x", "--data.path: no such option"),
        ("--vlm.dtyp x", "--vlm.dtyp: no such option; did you mean dtype?"),
        ("--limt 3", "unrecognized arguments: --limt 3; did you mean --limit?"),
        ("--trainer.devces=2", "unrecognized arguments: --trainer.devces=2; did you mean --trainer.devices?"),
        (
            "--data images --data.paths a.jpg b.jpg c.jpg",
            "unrecognized arguments: b.jpg c.jpg; a pattern of files is to be quoted, as in 'photos/*.jpg'",
        ),
    ],
)
def test_an_option_is_named_as_it_is_typed(command: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *command.split()) == f"run_eval.py: error: {told}"


def test_a_name_that_is_almost_right_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "--explainers", "cma")
    assert said.startswith("run_eval.py: error: --explainers: 'cma' is neither a yaml file nor one of: ")
    assert said.endswith("; did you mean cam?")
    assert "did you mean" not in refused(capsys, "--vlm", "zzz")


def test_what_has_no_words_of_its_own_keeps_those_of_the_parser(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "--trainer.callbacks=foo.Bar")
    assert said.startswith("run_eval.py: error: --trainer.callbacks: ")
    assert "No module named 'foo'" in said
