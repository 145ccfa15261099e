"""Signatures are checked while tests run: shapes by jaxtyping, types by beartype. Every process has one thread."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# before torch is imported: on tensors as small as those of tests, threads only wait for each other
for name, value in {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}.items():
    os.environ.setdefault(name, value)

install_import_hook(["pipeline", "metrics", "datamodules"], "beartype.beartype")


def pytest_sessionstart() -> None:
    """Before any test, or process that one starts, is told to colour what goes to no terminal; pytest itself knows."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        os.environ.pop(name, None)


ROOT = Path(__file__).resolve().parent
_LISTED = """
test_kills test_stop test_run test_owned_runs test_experiments test_fuzz_runs test_fuzz_checkpoints test_strange_data
test_failing_explainers test_explainers test_explainer_faults test_mark test_remembered test_cache test_board
test_faults test_lent test_evaluation test_answers test_damaged_data test_module test_cli test_early test_commands
test_trial test_launch test_store_faults test_synonyms test_sources test_trainer_options test_refusals cluster docs
sweep assets models outputs/report outputs/test_tracker outputs/test_doors outputs/test_owner outputs/test_dashboard
outputs/test_draw explainers/test_golden_methods explainers/test_methods explainers/test_golden_model
explainers/test_public_head explainers/test_oracles datamodules/test_base datamodules/test_growth
datamodules/test_images datamodules/test_card datamodules/test_convert datamodules/test_layout
datamodules/test_sources datamodules/test_streams metrics/test_tam_words metrics/test_pieces_of_characters
"""
SLOW = _LISTED.split()
"""Files and folders of tests that take more than a moment. They begin first, the longest before all, so that no core is
left alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests, and put them first, in the order of the list."""

    def rank(item: pytest.Item) -> int:
        place = item.path.relative_to(ROOT).with_suffix("").as_posix()
        return next((at for at, name in enumerate(SLOW) if place == name or place.startswith(f"{name}/")), len(SLOW))

    for item in items:
        if rank(item) < len(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=rank)
