"""One evaluation from its configuration to its summary: fingerprint, resume, predict, prove, show."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import transformers
from lightning.pytorch.utilities import rank_zero_only

import pipeline
from datamodules.sample import Sample
from metrics import words
from pipeline.cli import Job, UsageError, fail
from pipeline.models.base import VLM
from pipeline.module import ExplainModule
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs import summary, table
from pipeline.outputs.records import read_rows
from pipeline.types import Answer


class Evaluation:
    """Everything that a run needs, built from a checked configuration; no model is loaded before `run`."""

    def __init__(self, job: Job) -> None:
        self.job, config = job, job.config
        torch.set_num_threads(config.threads)
        try:
            self.trainer, self.vlm, self.data, self.explainers = job.build()
            self.tagger = words.tagger(config.words)
            self.given, answers = self.source_of_answers()
            self.mark = {
                "manifest": self.data.digest,
                "model": self.vlm.identity(),
                "explainers": job.explainer_parameters(),
                "answers": answers,
                "prompt": self.data.prompt,
                "batch_size": config.batch_size,
                "limit": config.limit,
                "threads": config.threads,
                "words": self.tagger.name,
                "versions": {
                    "seewhy": pipeline.__version__,
                    "torch": torch.__version__,
                    "transformers": transformers.__version__,
                },
            }
            self.check_launcher()
        except (UsageError, ValueError, OSError) as error:
            fail(error)
        name = f"{job.stems['vlm']}-{job.stems['data']}-{fingerprints.digest(self.mark)[:8]}"
        self.run_dir = Path(config.run_dir or Path("runs") / name)

    def run(self) -> int:
        """Score what is not scored yet, prove that nothing is missing, write the views. Returns the exit status."""
        try:
            if rank_zero_only.rank == 0:
                self.open()
            self.data.done = frozenset(read_rows(self.run_dir))
            if set(self.data.expected) - self.data.done:
                self.predict()
            return self.close() if rank_zero_only.rank == 0 else 0
        finally:
            if dist.is_available() and dist.is_initialized():
                dist.destroy_process_group()

    def open(self) -> None:
        """Make the run folder, or accept the one that the same command left."""
        try:
            fingerprints.open_run(self.run_dir, self.mark, fresh=self.job.config.fresh)
        except (ValueError, OSError) as error:
            fail(error)
        (self.run_dir / "config.yaml").write_text(self.job.dump(), encoding="utf-8")

    def predict(self) -> None:
        """Generate and explain on every rank, and hold until all ranks are through."""
        module = ExplainModule(
            self.vlm,
            self.explainers,
            run_dir=self.run_dir,
            tagger=self.tagger,
            given=self.given,
            figures=self.job.config.figures,
            save_maps=self.job.config.save_maps,
            observe=self.observer(),
        )
        self.trainer.predict(module, datamodule=self.data, return_predictions=False)
        module.meet()

    def close(self) -> int:
        """Summary, timing, table, W&B; the exit status says whether the run is whole."""
        rows = read_rows(self.run_dir)
        missing = [key for key in self.data.expected if key not in rows]
        if missing:
            shown = ", ".join(missing[:20]) + (" ..." if len(missing) > 20 else "")
            sys.stderr.write(f"run_eval.py: {len(missing)} samples have no row; the same command resumes: {shown}\n")
            return 3
        found = summary.summarise(rows, self.data.expected, list(self.explainers), self.tagger.name)
        summary.write_json(self.run_dir / "summary.json", found)
        summary.write_json(self.run_dir / "timing.json", summary.timing(rows))
        table.show(found, model=self.job.stems["vlm"], dataset=self.job.stems["data"])
        self.publish()
        print(f"run folder: {self.run_dir}")
        bad = [row for row in rows.values() if row.error]
        for row in bad[:5]:
            sys.stderr.write(f"quarantined {row.key}: {row.error}\n")
        if len(bad) > self.job.config.max_bad:
            sys.stderr.write(f"run_eval.py: {len(bad)} samples quarantined, --max_bad is {self.job.config.max_bad}\n")
            return 4
        return 0

    def source_of_answers(self) -> tuple[Callable[[Sample, VLM], Answer] | None, Any]:
        """Where answers come from if the model is not asked, and what the fingerprint says of it."""
        source = self.job.config.answers
        if source is None:
            return None, "generated"
        if source == "captions":
            return first_caption, "captions"
        folder = Path(source)
        earlier, mark = read_rows(folder), fingerprints.read(folder)
        for part, now in (("manifest", self.data.digest), ("model", self.vlm.identity())):
            for name in fingerprints.differences(mark.get(part), now):
                if part == "manifest" or name.startswith("checkpoint"):
                    raise UsageError(f"--answers: {folder} was made with another {part}: {name}")
        said = {key: (row.answer["ids"], row.answer["ended"]) for key, row in earlier.items() if not row.error}
        return Replay(said), {"ids": fingerprints.digest({key: list(ids) for key, (ids, _) in said.items()})}

    def check_launcher(self) -> None:
        """Refuse to run every process alone over all the data."""
        launched = int(os.environ.get("WORLD_SIZE", "1"))
        if launched != 1 and launched != self.trainer.world_size:
            raise UsageError(
                f"--trainer: the launcher started {launched} processes but the trainer counts "
                f"{self.trainer.world_size}; set trainer.devices, trainer.num_nodes and trainer.strategy=ddp"
            )


def first_caption(sample: Sample, vlm: VLM) -> Answer:
    """The first reference caption, as if the model had said it."""
    if not sample.captions:
        raise ValueError("--answers captions: the sample has no caption")
    return vlm.spell(sample.captions[0])


class Replay:
    """The token ids that an earlier run's rows hold."""

    def __init__(self, said: dict[str, tuple[list[int], bool]]) -> None:
        self.said = said

    def __call__(self, sample: Sample, vlm: VLM) -> Answer:
        if sample.key not in self.said:
            raise ValueError(f"--answers: the earlier run has no answer for {sample.key}")
        ids, ended = self.said[sample.key]
        return vlm.read(ids, ended)
