"""What a run does with the trainer's options: each is in one list; what changes a number is recorded or refused."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from lightning import Trainer
from lightning.pytorch.strategies import DDPStrategy

from pipeline import cli
from pipeline.arguments import UsageError
from pipeline.trainer_options import CHECKED, COMPUTING, FREE, RECORDED, check, classes, recorded


def options(*args: str) -> dict[str, Any]:
    """The trainer's options as a command resolves them."""
    return cli.checked(args).config.trainer.as_dict()


def test_every_option_of_the_trainer_is_in_a_list() -> None:
    known = set(inspect.signature(Trainer).parameters)
    assert known == FREE | set(RECORDED) | set(CHECKED)
    assert not FREE & (set(RECORDED) | set(CHECKED))


def test_an_option_that_is_in_no_list_must_have_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.trainer_options.FREE", FREE - {"max_epochs"})
    check({"max_epochs": None})
    with pytest.raises(UsageError, match=r"--trainer\.max_epochs: 3 is no option for a run: a run does not know"):
        check({"max_epochs": 3})


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        ("precision=bf16-true", "--vlm.dtype"),
        ("precision=16-true", "--vlm.dtype"),
        ("precision=64-true", "--vlm.dtype"),
        ("precision=64", "--vlm.dtype"),
        ("precision=transformer-engine", "--vlm.dtype"),
        ("plugins=lightning.pytorch.plugins.HalfPrecision", "--vlm.dtype"),
        ("plugins=lightning.pytorch.plugins.DoublePrecision", "--vlm.dtype"),
        ("plugins=lightning.fabric.plugins.TorchCheckpointIO", "only the environment of a cluster"),
        ("fast_dev_run=true", "--limit"),
        ("fast_dev_run=2", "--limit"),
        ("limit_predict_batches=1", "--limit"),
        ("limit_predict_batches=0.5", "--limit"),
        ("limit_predict_batches=0", "--limit"),
        ("overfit_batches=1", "--limit"),
        ("inference_mode=true", "gradients"),
        ("barebones=true", "leave it out"),
        ("strategy=fsdp", "whole model"),
        ("strategy=deepspeed_stage_3", "whole model"),
        ("strategy=ddp_spawn", "whole model"),
        ("strategy=ddp_fork", "whole model"),
        ("strategy=lightning.pytorch.strategies.ModelParallelStrategy", "whole model"),
        ("strategy=lightning.pytorch.strategies.FSDPStrategy", "whole model"),
        ("strategy=tests.test_trainer_options.Derived", "whole model"),
        ("accelerator=tpu", "one of auto, cpu"),
        ("profiler=xla", "one of simple"),
        ("callbacks=lightning.pytorch.callbacks.BatchSizeFinder", "--batch_size"),
    ],
)
def test_what_loses_samples_or_breaks_a_run_is_refused_with_the_remedy(option: str, remedy: str) -> None:
    name, _, value = option.partition("=")
    with pytest.raises(UsageError, match=rf"^--trainer\.{name}: ") as refused:
        check(options(f"--trainer.{option}"))
    assert remedy in str(refused.value)
    assert value in str(refused.value).lower() or value.rpartition(".")[2] in str(refused.value)


class Derived(DDPStrategy):
    """Could compute anything."""


@pytest.mark.parametrize("name", COMPUTING)
def test_a_strategy_is_given_nothing_that_computes_in_another_way(name: str) -> None:
    plain = {"class_path": "lightning.pytorch.strategies.DDPStrategy", "init_args": {"timeout": 60}}
    check({"strategy": plain})
    with pytest.raises(UsageError, match=r"--trainer\.strategy: .*whole model"):
        check({"strategy": plain | {"init_args": {name: {"class_path": "x.Y"}}}})


@pytest.mark.parametrize(
    "option",
    [
        "accelerator=cpu",
        "strategy=ddp",
        "strategy=auto",
        'strategy={"class_path": "lightning.pytorch.strategies.DDPStrategy"}',
        "plugins=lightning.fabric.plugins.environments.LightningEnvironment",
        "limit_predict_batches=1.0",
        "max_time=00:00:00:01",
        "accumulate_grad_batches=4",
        "use_distributed_sampler=false",
        "profiler=simple",
        "callbacks=lightning.pytorch.callbacks.RichProgressBar",
        "devices=2",
        "num_nodes=2",
    ],
)
def test_what_changes_no_number_is_accepted_and_not_recorded(option: str) -> None:
    found = options(f"--trainer.{option}")
    check(found)
    assert recorded(found) == recorded(options())


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ("precision=bf16-mixed", "precision", "bf16-mixed"),
        ("precision=bf16", "precision", "bf16-mixed"),
        ("precision=16-mixed", "precision", "16-mixed"),
        ("deterministic=true", "deterministic", True),
        ("deterministic=warn", "deterministic", "warn"),
        ("benchmark=true", "benchmark", True),
        ("detect_anomaly=true", "detect_anomaly", True),
    ],
)
def test_what_changes_a_number_is_recorded(option: str, name: str, value: Any) -> None:
    found = options(f"--trainer.{option}")
    check(found)
    assert recorded(found) == recorded(options()) | {name: value}


@pytest.mark.parametrize("precision", ["32", "32-true", "null"])
def test_one_precision_has_one_name(precision: str) -> None:
    assert recorded(options(f"--trainer.precision={precision}"))["precision"] == "32-true"


def test_callbacks_of_ones_own_are_recorded_with_their_parameters_and_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "from lightning import Callback\nclass Own(Callback):\n    def __init__(self, k: int = 3): self.k = k\n"
    (tmp_path / "own_callback.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    found = options("--trainer.callbacks+=own_callback.Own", "--trainer.callbacks.k=5")
    assert recorded(found)["callbacks"] == {"own_callback.Own": {"k": 5}}
    assert [cls.__name__ for cls in classes(found)] == ["Own"]
