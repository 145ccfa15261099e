"""Ask, answer, explain, score, record: one batch of samples becomes rows."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from lightning import LightningModule

from datamodules.sample import Sample
from metrics import localisation, text, words
from metrics.base import Evidence
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.models.passes import Passes
from pipeline.ops.maps import finish
from pipeline.outputs import draw, maps
from pipeline.outputs.records import Row, RowWriter, read_rows
from pipeline.types import Answer, Query, Trace

Given = Callable[[Sample, VLM], Answer]
"""Says what the model is held to have said about a sample, where it is not asked."""


class ExplainModule(LightningModule):
    """Generates and explains under `Trainer.predict`; what it leaves is one row a sample in `run_dir`.

    vlm: loaded when the trainer sets up. explainers: name -> explainer. tagger: the word backend. given: takes the
    place of generation. figures: how many samples of the manifest get pictures. save_maps: none, uint8 or raw.
    """

    def __init__(
        self,
        vlm: VLM,
        explainers: Mapping[str, Explainer],
        *,
        run_dir: Path,
        tagger: words.Tagger,
        given: Given | None = None,
        figures: int = 0,
        save_maps: str = "none",
        observe: Callable[[Row], None] | None = None,
    ) -> None:
        super().__init__()
        self.vlm, self.explainers = vlm, dict(explainers)
        self.run_dir, self.tagger, self.given = run_dir, tagger, given
        self.figures, self.save_maps, self.observe = figures, save_maps, observe

    def setup(self, stage: str) -> None:
        """Load the model on this rank's device and open this rank's rows."""
        self.vlm.load(self.device)
        self.done = frozenset(read_rows(self.run_dir))
        # ranks are uneven: at the end the first waits for the last, for days if need be
        self.group = dist.new_group(backend="gloo", timeout=timedelta(days=30)) if distributed() else None
        self.writer = RowWriter(self.run_dir / f"rows.{self.global_rank}.jsonl")

    def teardown(self, stage: str) -> None:
        """Close the rows."""
        self.writer.close()

    def meet(self) -> None:
        """Hold until every rank is through; also on a rank that had nothing to do."""
        if self.group is not None:
            dist.barrier(self.group)

    def predict_step(self, batch: Sequence[Sample], batch_idx: int) -> None:
        """Every sample of the batch becomes a row; rows that exist already are not written again."""
        for row in self.rows(batch):
            if row.key not in self.done:
                self.writer.write(row)
                if self.observe is not None:
                    self.observe(row)

    def rows(self, batch: Sequence[Sample]) -> Iterator[Row]:
        """Explain a batch; where that fails, each sample alone; what fails alone is quarantined with its reason."""
        yield from (quarantined(sample, sample.error) for sample in batch if sample.error)
        sound = [sample for sample in batch if not sample.error]
        if not sound:
            return
        try:
            ready = list(self.explained(sound))
        except Exception as error:
            if len(sound) == 1:
                ready = [quarantined(sound[0], f"{type(error).__name__}: {error}")]
            else:
                ready = [row for sample in sound for row in self.rows([sample])]
        yield from ready

    def explained(self, batch: Sequence[Sample]) -> Iterator[Row]:
        """The five sentences: ask, answer, explain, score, row."""
        clock = Clock(len(batch))
        with clock("ask"):
            queries = self.vlm.ask([sample.image for sample in batch], [sample.prompt for sample in batch])
        with clock("answer"):
            answers, traces = self.answers(batch, queries)
        passes = Passes(self.vlm, queries, answers, traces)
        explained = [{} for _ in batch]
        for name, explainer in self.explainers.items():
            with clock(f"explain.{name}"):
                for found, query, answer in zip(explained, queries, answers, strict=True):
                    found[name] = explainer.explain(passes, query, answer)
        for sample, query, answer, found in zip(batch, queries, answers, explained, strict=True):
            finished = {
                name: finish(found[name], explainer.rank_filter, explainer.normalise)
                for name, explainer in self.explainers.items()
            }
            with clock("score"):
                row = self.row(sample, query, answer, finished, len(batch), clock)
            if sample.index < self.figures:
                draw.sample(self.run_dir / "figures" / str(sample.index), sample, row, finished, query.layout.box)
            if self.save_maps != "none":
                kept = {name: f.maps for name, f in found.items()} if self.save_maps == "raw" else finished
                maps.save(self.run_dir / "maps" / f"{sample.index:08d}.npz", kept)
            yield row

    def answers(
        self, batch: Sequence[Sample], queries: Sequence[Query]
    ) -> tuple[Sequence[Answer], Sequence[Trace] | None]:
        """What the model says, or what it is held to have said (then traced by one teacher-forced pass)."""
        if self.given is None:
            return self.vlm.answer(queries)
        return [self.given(sample, self.vlm) for sample in batch], None

    def row(
        self,
        sample: Sample,
        query: Query,
        answer: Answer,
        finished: Mapping[str, np.ndarray],
        size: int,
        clock: "Clock",
    ) -> Row:
        """Score one answer's maps in both profiles and its text against the captions."""
        grouped = words.read(answer.pieces, self.tagger)
        scored: dict[str, Any] = {}
        if sample.masks is not None:
            for name, values in finished.items():
                evidence = Evidence(
                    maps=values,
                    pieces=answer.pieces,
                    masks=sample.masks,
                    categories=sample.categories,
                    captions=sample.captions,
                    box=query.layout.box,
                    end=self.vlm.end_text if answer.ended else "",
                )
                scored[name] = localisation.score_all(evidence, grouped)
        return Row(
            key=sample.key,
            index=sample.index,
            answer={"ids": answer.ids, "pieces": answer.pieces, "text": answer.text, "ended": answer.ended},
            words=[(w.text, w.label, w.lemma, w.tokens[0], len(w.tokens)) for w in grouped],
            captions=text.caption_sums(answer.text, grouped, sample.captions, sample.masks, sample.categories),
            explainers=scored,
            seconds=clock.seconds(),
            batch=size,
        )


def distributed() -> bool:
    """Whether there is a process group."""
    return dist.is_available() and dist.is_initialized()


def quarantined(sample: Sample, reason: str) -> Row:
    """The row of a sample that could not be explained."""
    return Row(key=sample.key, index=sample.index, error=reason, batch=1)


class Clock:
    """Wall seconds per stage and sample."""

    def __init__(self, samples: int) -> None:
        self.samples, self.totals = samples, {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.totals[stage] = self.totals.get(stage, 0.0) + time.perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """Seconds a sample of each stage so far."""
        return {stage: total / self.samples for stage, total in self.totals.items()}
