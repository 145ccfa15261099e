"""What the benchmarks share: a fair way to compare two works, the embedded model and its scenes."""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from datamodules.demo import MANIFEST, DemoDataModule  # noqa: E402
from datamodules.sample import Sample  # noqa: E402
from datamodules.shards import read  # noqa: E402
from metrics.words import tagger  # noqa: E402
from pipeline.explainers.base import Explainer  # noqa: E402
from pipeline.models.qwen2_vl import Qwen2VL  # noqa: E402
from pipeline.module import ExplainModule  # noqa: E402
from pipeline.outputs.records import Row  # noqa: E402

torch.set_num_threads(1)  # as a run by default, and the only count that other work on the machine disturbs little


def compare(work: Callable[[], object], unit: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median over the rounds of seconds(work) / seconds(unit), and of both; they alternate, so drift meets both."""
    work(), unit()
    pairs = [(seconds(work), seconds(unit)) for _ in range(rounds)]
    works, units = zip(*pairs, strict=True)
    return statistics.median(w / u for w, u in pairs), statistics.median(works), statistics.median(units)


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def status(*met: bool) -> int:
    """The exit status of a benchmark: 1 where a goal is missed."""
    return int(not all(met))


def report(what: str, ratio: float, goal: float, work: float, unit: float) -> None:
    """One line: the ratio, its goal, the seconds it was made of."""
    print(
        f"{what}: {ratio:.2f} (goal {goal}; {work:.3f} s / {unit:.3f} s, {torch.get_num_threads()} thread)", flush=True
    )


def demo_vlm() -> Qwen2VL:
    """The embedded model, loaded on the CPU."""
    vlm = Qwen2VL(checkpoint="assets/demo/model", max_new_tokens=64)
    vlm.load("cpu")
    return vlm


def demo_samples(count: int) -> list[Sample]:
    """The first held-out scenes."""
    return list(read(DemoDataModule().manifest, MANIFEST.parent, range(count)))


def predict(vlm: Qwen2VL, explainers: dict[str, Explainer], samples: Sequence[Sample], batch_size: int) -> list[Row]:
    """The whole path of a run from samples to rows: ask, answer, explain, finish, score, row."""
    module = ExplainModule(vlm, explainers, run_dir=ROOT, tagger=tagger("hanta"))
    batches = [samples[start : start + batch_size] for start in range(0, len(samples), batch_size)]
    return [row for batch in batches for row in module.explained(batch)]
