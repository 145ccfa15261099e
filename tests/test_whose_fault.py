"""Which errors end a run, which cost an explainer its entry, and that a row is never too long to be read again."""

import errno
from types import SimpleNamespace

import pytest
import torch

from pipeline import faults
from pipeline.module import ExplainModule
from pipeline.outputs.records import Row, decode, encode

ILLEGAL = "CUDA error: an illegal memory access was encountered"


@pytest.mark.parametrize(
    ("error", "machine", "memory"),
    [
        (torch.AcceleratorError(ILLEGAL), True, False),
        (torch.AcceleratorError("CUDA error: out of memory"), False, True),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), False, True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), False, True),
        (RuntimeError("cuBLAS: CUBLAS_STATUS_ALLOC_FAILED"), False, True),
        (MemoryError(), False, True),
        (ValueError("unsupported memory format option"), False, False),
        (RuntimeError("memory format option is only supported by strided tensors"), False, False),
        (OSError(errno.ENOSPC, "No space left on device"), True, False),
    ],
)
def test_what_ends_a_run_and_what_a_smaller_batch_may_do(error: Exception, machine: bool, memory: bool) -> None:
    assert faults.of_the_machine(error) is machine
    assert faults.out_of_memory(error) is memory


@pytest.mark.parametrize(
    ("number", "own"),
    [(errno.ENOENT, True), (errno.EISDIR, True), (errno.ENOSPC, False), (errno.EIO, False), (errno.ESTALE, False)],
)
def test_a_file_that_an_explainer_misses_is_its_own_fault(number: int, own: bool) -> None:
    assert faults.of_an_explainer(OSError(number, "why", "weights.npy")) is own


def test_a_reason_of_any_length_makes_a_row_that_is_read_again() -> None:
    told = faults.reason(ValueError("x" * 100_000))
    assert told.startswith("ValueError: xxx")
    for row in (Row("a", 0, error=told), Row("a", 0, failed={"cam": told})):
        assert decode(encode(row)) == row


def test_an_error_that_cannot_say_what_it_is_has_a_reason() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert faults.reason(Mute()) == "Mute: its message cannot be read"


def test_only_rank_0_asks_what_a_revision_means(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unasked:
        @property
        def commit(self) -> str:
            raise AssertionError("rank 1 asked the hub")

    class Told(Exception):
        pass

    def broadcast(known: tuple) -> None:
        assert known[0] == ""
        raise Told

    module = object.__new__(ExplainModule)
    torch.nn.Module.__init__(module)
    module.__dict__ |= {"vlm": Unasked(), "run_dir": tmp_path, "claim": None, "retry": False, "cache": None}
    trainer = SimpleNamespace(strategy=SimpleNamespace(broadcast=broadcast))
    monkeypatch.setattr(ExplainModule, "global_rank", property(lambda self: 1))
    monkeypatch.setattr(ExplainModule, "trainer", property(lambda self: trainer))
    with pytest.raises(Told):
        module.setup("predict")
