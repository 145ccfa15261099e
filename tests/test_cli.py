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
