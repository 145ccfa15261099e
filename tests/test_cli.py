"""The command as it is understood: what is refused, what a saved configuration brings back. Nothing is loaded."""

from pathlib import Path

import pytest

from pipeline import arguments, argv, cli
from pipeline.outputs.fingerprint import differences


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
    given = argv.options(["--config", "a", "--x", "1", "--config=b", "--config", "c"])
    assert arguments.configs_of(given) == [Path("a"), Path("b"), Path("c")]


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


VLM, QWEN = "pipeline.models.base.VLM", "pipeline.models.qwen2_vl.Qwen2VL"
DEMO, BASE = "datamodules.demo.DemoDataModule", "--explainer.msea.base"
MSEA = "--explainers=msea --explainer.msea.base=pipeline.explainers.grad_cam.GradCAM"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("--limit eight", "--limit: expected a whole number from 1, or null; got 'eight'"),
        ("--threads 0", "--threads: expected a whole number from 1; got '0'"),
        ("--figures -1", "--figures: expected a whole number from 0; got '-1'"),
        (
            "--max_bad 200%",
            "--max_bad: expected a whole number from 0, or a percentage such as 0.5%, at most 100%; got '200%'",
        ),
        ("--save_maps foo", "--save_maps: expected one of none, uint8, raw; got 'foo'"),
        ("--wandb.mode on", "--wandb.mode: expected one of offline, online, disabled, or null; got 'on'"),
        ("--cache_size 1000", "--cache_size: expected a size with its unit, such as 50GB; got '1000'"),
        ("--fresh maybe", "--fresh: expected true or false; got 'maybe'"),
        ("--fresh", "--fresh: a value is missing; expected true or false"),
        (
            "--explainer.msea_arc.scales 0.5",
            "--explainer.msea_arc.scales: expected a list in brackets, each a number; got '0.5'",
        ),
        ("--explainer.msea_arc.k x", "--explainer.msea_arc.k: expected a whole number; got 'x'"),
        ("--vlm.dtype bf16", "--vlm.dtype: expected one of float32, bfloat16, float16; got 'bf16'"),
        (
            f"{MSEA} --explainer.msea.base.preset=both",
            "--explainer.msea.base.preset: expected one of paper, causal; got 'both'",
        ),
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
        ("--data.path x", "--data.path: no such option here; --data images has --data.paths"),
        ("--vlm.dtyp x", "--vlm.dtyp: no such option; did you mean --vlm.dtype?"),
        ("--vlm.init_args.dtyp=x", "--vlm.init_args.dtyp: no such option; did you mean --vlm.dtype?"),
        ("--vlm.dict_kwargs.a 1", "--vlm.dict_kwargs.a: no such option"),
        ("--limt 3", "--limt: no such option; did you mean --limit?"),
        ("--lim 3", "--lim: no such option; did you mean --limit?"),
        ("-limit 3", "-limit: no such option; did you mean --limit?"),
        ("--no_fresh", "--no_fresh: no such option; did you mean --fresh?"),
        ("--wandb offline", "--wandb: no such option; did you mean --wandb.mode?"),
        ("--print_shtab bash", "--print_shtab: no such option"),
        ("--trainer.devces=2", "--trainer.devces: no such option; did you mean --trainer.devices?"),
        ("--trainr.devces=2", "--trainr.devces: no such option; did you mean --trainer.devices?"),
        ("--explainer.cam.bta=1", "--explainer.cam.bta: no such option; cam has no parameters"),
        ("--explainer.cam.help", "--explainer.cam.help: no such option; cam has no parameters"),
        ("--explainer.msea_ar.k=1", "--explainer.msea_ar.k: no such option; did you mean --explainer.msea_arc.k?"),
        ("--explainer.attn_lrp.sign=abs", "--explainer.attn_lrp.sign: attn_lrp is not among the --explainers"),
        (f"{MSEA} --explainer.msea.base.prset=causal", f"{BASE}.prset: no such option; did you mean {BASE}.preset?"),
        ("--explainer=cam", "--explainer: no such option; did you mean --explainers?"),
        ("--run_dir=", "--run_dir: expected a text that is not empty, or null; got ''"),
        ("--limit=", "--limit: expected a whole number from 1, or null; got ''"),
        ("--limit=2 --limit abc", "--limit: expected a whole number from 1, or null; got 'abc'"),
        ("--vlm.dtype", "--vlm.dtype: a value is missing; expected one of float32, bfloat16, float16"),
        ("--vlm", "--vlm: a value is missing"),
        ("--config", "--config: a value is missing; expected a yaml file"),
        ("--config=", "--config: a value is missing; expected a yaml file"),
        ("--config nofile.yaml", "nofile.yaml: no such file"),
        ("-- --limit 3", "--: leave it out; nothing but options is given to a run"),
        ("demo", "unrecognized arguments: demo; options begin with --"),
        ("--limit 3 4", "unrecognized arguments: 4; an option takes one value, and --limit has '3'"),
        ("--explainers cam tam", "unrecognized arguments: tam; commas join several explainers: --explainers cam,tam"),
        (
            "--data images --data.paths a.jpg b.jpg c.jpg",
            "unrecognized arguments: b.jpg c.jpg; a pattern of files is to be quoted, as in 'photos/*.jpg'",
        ),
        (
            "--print_config skip_defaults",
            "--print_config: expected one of skip_default, skip_null, skip_unset; got 'skip_defaults'; "
            "did you mean skip_default?",
        ),
        ("--trainer 3", "--trainer: a yaml file is expected; its options are given one by one, as --trainer.NAME"),
        (
            "--vlm pipeline.models.base.VLM --vlm.checkpoint x",
            f"--vlm: {VLM} is abstract; name a class that derives from it",
        ),
        (f"--vlm {DEMO}", f"--vlm: {DEMO} is no VLM"),
        ("--vlm torch.nn.Linear", "--vlm: torch.nn.Linear is no VLM"),
        (
            "--data configs/vlm/demo.yaml",
            "configs/vlm/demo.yaml: pipeline.models.qwen2_vl.Qwen2VL is no SampleDataModule",
        ),
        (
            "--explainers datamodules.demo.DemoDataModule",
            "--explainers: datamodules.demo.DemoDataModule is no Explainer",
        ),
        (
            "--vlm pipeline.models.qwen2_vl.Qwen2V",
            "--vlm: class_path 'pipeline.models.qwen2_vl.Qwen2V' cannot be imported: pipeline.models.qwen2_vl has no "
            "Qwen2V; did you mean Qwen2VL?",
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


@pytest.mark.parametrize("spelling", ["{path}", "{name}", '{{"class_path": "{path}"}}'])
def test_a_class_may_be_named_where_help_offers_it(spelling: str) -> None:
    def named(path: str) -> str:
        return spelling.format(path=path, name=path.rpartition(".")[2])

    model, data = named("pipeline.models.qwen2_vl.Qwen2VL"), named("datamodules.images.ImagesDataModule")
    job = cli.parse(["--vlm", model, "--vlm.checkpoint=assets/demo/model", "--data", data, "--data.paths", "*.jpg"])
    assert job.stems == {"vlm": "Qwen2VL", "data": "ImagesDataModule"}
    assert job.config.vlm.class_path == "pipeline.models.qwen2_vl.Qwen2VL"
    assert job.config.data.init_args.paths == "*.jpg"
    assert job.config.vlm.init_args.max_new_tokens == 256, "nothing is left of the default model"


def test_an_explainer_may_be_named_by_its_class(tmp_path: Path) -> None:
    job = cli.parse(["--explainers=pipeline.explainers.msea_arc.MSEAARC,TAM,cam", "--explainer.MSEAARC.k=9"])
    assert list(job.classes) == ["MSEAARC", "TAM", "cam"]
    assert job.parameters("MSEAARC")["k"] == 9
    saved = tmp_path / "config.yaml"
    saved.write_text(job.dump())
    again = cli.parse(["--config", str(saved)])
    assert differences(again.explainer_parameters(), job.explainer_parameters()) == []


def test_the_class_alone_is_another_spelling_of_the_model_not_the_default_under_a_new_class() -> None:
    job = cli.parse(["--vlm.class_path", "pipeline.models.llava.LLaVA", "--vlm.checkpoint=assets/demo/model_llava"])
    assert job.stems["vlm"] == "LLaVA"
    assert job.config.vlm.init_args.max_new_tokens == 256


def test_what_a_model_leaves_open_is_its_default_not_that_of_another_model(tmp_path: Path) -> None:
    model, config, saved = tmp_path / "mine.yaml", tmp_path / "config.yaml", tmp_path / "saved.yaml"
    model.write_text("class_path: pipeline.models.qwen2_vl.Qwen2VL\ninit_args: {checkpoint: a/b}\n")
    config.write_text("vlm: {class_path: pipeline.models.qwen2_vl.Qwen2VL, init_args: {checkpoint: a/b}}\n")
    saved.write_text(cli.parse(["--vlm=qwen2_vl_2b", "--vlm.dtype=float16"]).dump())
    for args in (["--vlm", str(model)], ["--config", str(config)]):
        assert cli.parse(args).config.vlm.init_args.max_new_tokens == 256
    assert cli.parse(["--config", str(saved)]).config.vlm.init_args.dtype == "float16"
    assert cli.parse(["--config", str(saved), "--vlm", str(model)]).config.vlm.init_args.dtype == "float32"


def test_a_config_may_alter_the_default_model(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("vlm: {init_args: {max_new_tokens: 5}}\n")
    altered = cli.parse(["--config", str(config)]).config.vlm.init_args
    assert (altered.checkpoint, altered.max_new_tokens) == ("assets/demo/model", 5)


def test_explainers_may_be_added_to_those_there_are() -> None:
    assert list(cli.parse(["--explainers=cam", "--explainers+=tam", "--explainers+", "msea"]).classes) == [
        "cam",
        "tam",
        "msea",
    ]


@pytest.mark.parametrize("word", ["--print_config=skip_null", "--print_config skip_null", "--print_config"])
def test_the_configuration_is_printed(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.parse([*word.split(), "--limit=3"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "limit: 3" in said
    assert ("revision: null" in said) is (word == "--print_config")


def test_a_key_of_a_yaml_file_that_means_nothing_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.yaml"
    cam, model = "class_path: pipeline.explainers.cam.CAM", "class_path: pipeline.models.qwen2_vl.Qwen2VL"
    wrong = {
        "--explainers": [
            (f"{cam}\ninit_arg: {{k: 3}}", "init_arg: expected class_path and init_args; did you mean init_args?"),
            (f"{cam}\ninit_args: {{k: 3}}", "explainer.x.k: no such option; x has no parameters"),
            ("init_args: {}", "class_path: the path of a class must be given, not None"),
        ],
        "--vlm": [(f"{model}\ninit_args: {{dtyp: x}}", "vlm.dtyp: no such option; did you mean vlm.dtype?")],
        "--config": [
            ("limt: 3", "limt: no such option; did you mean limit?"),
            ("trainer: {devces: 3}", "trainer.devces: no such option; did you mean trainer.devices?"),
            ("explainer: {msea: {fuse: max}}", "explainer.msea: msea is not among the explainers"),
        ],
    }
    for option, cases in wrong.items():
        for content, told in cases:
            path.write_text(content)
            assert refused(capsys, option, str(path)) == f"run_eval.py: error: {path}: {told}"
