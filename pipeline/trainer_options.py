"""Every option of Lightning's trainer, and what a run does with it: the one list of them.

An option changes no number, or it is part of the fingerprint, or it is refused. One that stands in no list, as one of a
newer Lightning, must have its default.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pkgutil import resolve_name
from typing import Any

from lightning import Callback, Trainer
from lightning.fabric.plugins.environments import ClusterEnvironment
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy

from pipeline.arguments import UsageError
from pipeline.trainer_values import NAMED, PLAIN, PRECISIONS, PROFILERS, STRATEGIES, Remedy, one_of, told

FREE = {
    *("devices", "num_nodes", "use_distributed_sampler"),  # the data cuts its own batches, for any number of processes
    *("logger", "log_every_n_steps", "enable_progress_bar", "enable_model_summary"),  # shows something
    *("default_root_dir", "enable_autolog_hparams", "model_registry"),  # where that is kept
    *("max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"),  # of training and validation, all below
    *("limit_train_batches", "limit_val_batches", "limit_test_batches", "num_sanity_val_steps", "val_check_interval"),
    *("check_val_every_n_epoch", "enable_checkpointing", "reload_dataloaders_every_n_epochs", "sync_batchnorm"),
    *("accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
}
"""Options that change no number of a run."""
RECORDED = ("precision", "deterministic", "benchmark", "detect_anomaly", "callbacks")
"""Options that are part of the fingerprint."""
SHOWING = {"TQDMProgressBar", "RichProgressBar", "DeviceStatsMonitor", "ModelSummary", "RichModelSummary"}
"""Lightning's callbacks that only show something. Others are recorded with their parameters."""
COMPUTING = ("accelerator", "precision_plugin", "ddp_comm_hook", "ddp_comm_state", "ddp_comm_wrapper")
"""Parameters of a strategy that may change numbers."""
Option = Callable[[Any], bool]


def _class(value: Any) -> Any:
    """The class that `value` stands for in a configuration; None where it stands for none."""
    path = value.get("class_path") if isinstance(value, Mapping) else None
    return resolve_name(path) if path else None


def _of(kind: type) -> Option:
    return lambda value: isinstance(made := _class(value), type) and issubclass(made, kind)


def _listed(value: Any) -> list[Any]:
    """One value, several or none, as a list."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value] if value else []


def _strategy(value: Any) -> bool:
    """Return whether a strategy is one of Lightning's own two, as it is.

    A class derived from one, or a plugin that computes in another way, could change numbers."""
    if not isinstance(value, Mapping):
        return value in STRATEGIES
    given = value.get("init_args") or {}
    return _class(value) in (DDPStrategy, SingleDeviceStrategy) and not any(given.get(name) for name in COMPUTING)


def _profiler(value: Any) -> bool:
    made = _class(value)
    return value in PROFILERS or bool(made and made.__module__.startswith("lightning."))


CHECKED: dict[str, tuple[Option, Remedy]] = {
    **PLAIN,
    "strategy": (_strategy, NAMED["strategy"][1]),
    "profiler": (_profiler, NAMED["profiler"][1]),
    "plugins": (
        lambda value: all(map(_of(ClusterEnvironment), _listed(value))),
        "only the environment of a cluster; for a precision there are --vlm.dtype and --trainer.precision",
    ),
    "callbacks": (
        lambda value: "BatchSizeFinder" not in [getattr(_class(one), "__name__", "") for one in _listed(value)],
        "the batch size is part of a run, so none is searched for; give --batch_size",
    ),
}
"""Option -> which of its values a run takes, and what is said of the others."""


def check(options: Mapping[str, Any]) -> None:
    """Raise UsageError, with the option and the remedy, for what would lose samples or break the run.

    options: of the trainer, as the configuration resolves them, classes as `class_path` and `init_args`.
    """
    defaults = {name: one.default for name, one in inspect.signature(Trainer).parameters.items()}
    for name, value in options.items():
        accepts: Option | None
        remedy: Remedy
        accepts, remedy = CHECKED.get(name, (None, "a run does not know this option; leave it out"))
        if accepts is None and name not in FREE and name not in RECORDED:
            accepts = one_of(defaults.get(name))
        if accepts is not None and not accepts(value):
            raise UsageError(told(name, _told(value), remedy(value) if callable(remedy) else remedy))


def recorded(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the fingerprint says of the trainer: whatever changes a number, under the options' names."""
    return {
        "precision": PRECISIONS[options.get("precision")],
        "deterministic": options.get("deterministic") or False,
        "benchmark": options.get("benchmark"),
        "detect_anomaly": bool(options.get("detect_anomaly")),
        "callbacks": {
            one["class_path"]: _plain(one.get("init_args"))
            for one in _listed(options.get("callbacks"))
            if not _shows(one)
        },
    }


def classes(options: Mapping[str, Any]) -> list[type]:
    """Return the classes of the callbacks that are recorded; their source is part of the fingerprint too."""
    return [_class(one) for one in _listed(options.get("callbacks")) if not _shows(one)]


def _shows(callback: Any) -> bool:
    """Whether a callback, as configured, is one of Lightning's that only show something."""
    made = _class(callback)
    return issubclass(made, Callback) and made.__module__.startswith("lightning.") and made.__name__ in SHOWING


def _plain(values: Any) -> Any:
    """Parameters as JSON has them."""
    if isinstance(values, Mapping):
        return {str(name): _plain(value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return [_plain(value) for value in values]
    return values if values is None or isinstance(values, bool | int | float | str) else str(values)


def _told(value: Any) -> str:
    path = value.get("class_path") if isinstance(value, Mapping) else None
    if isinstance(value, list | tuple):
        return ", ".join(map(_told, value))
    return str(path or value)
