"""What the benchmarks share: the embedded model and its scenes, without a trainer."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from datamodules.demo import DemoDataModule  # noqa: E402
from datamodules.sample import Sample  # noqa: E402
from datamodules.shards import read  # noqa: E402
from pipeline.models.qwen2_vl import Qwen2VL  # noqa: E402


def demo_vlm(root: Path = ROOT) -> Qwen2VL:
    """The embedded model, loaded on the CPU."""
    vlm = Qwen2VL(checkpoint=str(root / "assets" / "demo" / "model"), max_new_tokens=64)
    vlm.load(torch.device("cpu"))
    return vlm


def demo_samples(count: int) -> list[Sample]:
    """The first held-out scenes."""
    data = DemoDataModule(batch_size=1, limit=count)
    return list(read(data.manifest, range(count)))
