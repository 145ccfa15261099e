"""Ask, answer, explain, score, record: one batch of samples becomes rows."""

import gc
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
import torch.distributed as dist
from lightning import LightningModule

from datamodules.base import SampleDataModule
from datamodules.printable import describe
from datamodules.sample import Sample
from metrics import localisation, text
from metrics.base import Evidence
from metrics.words import Tagger, words_of
from pipeline.answers import Given
from pipeline.cache import Cache
from pipeline.explainers.base import Explainer, checked
from pipeline.models.base import VLM
from pipeline.models.checkpoint import CheckpointError
from pipeline.models.passes import Passes
from pipeline.notice import Notice
from pipeline.ops.maps import finish
from pipeline.outputs import draw, inside, kept, maps
from pipeline.outputs.records import Row, RowWriter, Spoken, read_rows
from pipeline.remembered import NotLoadedError, Remembered
from pipeline.stop import Stop
from pipeline.types import Answer, Explanation, Query, Trace

SaveMaps = Literal["none", "uint8", "raw"]
"""Keep no maps, the finished ones, or the raw ones (fp32, before floor, normalisation and filter)."""


class ExplainModule(LightningModule):
    """Generates and explains under `Trainer.predict`; what it leaves is one row a sample in `run_dir`.

    vlm: loaded when the trainer sets up, the commit that rank 0 found. run_dir: that of rank 0 counts.
    explainers: name -> explainer. tagger: the word backend.
    given: takes the place of generation. figures: of how many samples of the manifest images and maps are kept for
    the views; panels: of how many of these a picture is drawn.
    observe: is shown every row that is written. retry: samples that were quarantined are done again.
    stop: what ends the run between two batches. cache: of what the model is asked; then it is loaded only where
    something is new. synonyms: words or phrases that name a category.
    """

    def __init__(
        self,
        vlm: VLM,
        explainers: Mapping[str, Explainer],
        *,
        run_dir: Path,
        tagger: Tagger,
        given: Given | None = None,
        figures: int = 0,
        panels: int = 0,
        save_maps: SaveMaps = "none",
        observe: Callable[[Row], None] = lambda row: None,
        retry: bool = False,
        stop: Stop | None = None,
        cache: Cache | None = None,
        synonyms: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.vlm, self.explainers = vlm, dict(explainers)
        self.run_dir, self.tagger, self.given = run_dir, tagger, given
        self.figures, self.panels, self.save_maps = figures, panels, save_maps
        self.observe, self.retry = observe, retry
        self.stop, self.cache, self.synonyms = stop or Stop(), cache, dict(synonyms or {})
        self.group: dist.ProcessGroup | None = None

    def setup(self, stage: str) -> None:
        """Load the model on this rank's device and open this rank's rows."""
        if dist.is_available() and dist.is_initialized():
            # ranks are uneven: at the end the first waits for the last, for days if need be
            self.group = dist.new_group(backend="gloo", timeout=timedelta(days=30))
        # rank 0 alone knows what the checkpoint's revision means and which folder follows from the fingerprint; it has
        # opened the folder, and nobody writes before it has said what is done
        known: tuple[str, Path, frozenset[str], Cache | None] = ("", self.run_dir, frozenset(), None)
        if self.global_rank == 0:
            known = (self.vlm.commit, self.run_dir, read_rows(self.run_dir).done(self.retry), self.cache)
        self.vlm.commit, self.run_dir, self.done, self.cache = self.trainer.strategy.broadcast(known)
        self.load()
        if isinstance(data := getattr(self.trainer, "datamodule", None), SampleDataModule):
            data.done = self.done
        self.writer = RowWriter(self.run_dir / f"rows.{self.global_rank}.jsonl")
        # signals are ours, not Lightning's, whose handler waits for ranks that may be waiting for this one
        self.trainer._signal_connector.register_signal_handlers = self.stop.hold  # type: ignore[method-assign]

    def load(self) -> None:
        """Read the weights, or what is remembered of them. A collective: where one rank finds that the checkpoint
        cannot be used, all raise its CheckpointError."""
        refusals = [""]
        try:
            if self.cache is None:
                self.vlm.load(self.device)
            else:
                self.vlm = cast(VLM, Remembered(self.vlm, self.cache, self.device, self.trainer.world_size))
        except CheckpointError as error:
            refusals = [str(error)]
        if self.group is not None:
            refusals = refusals * self.trainer.world_size
            dist.all_gather_object(refusals, refusals[0], group=self.group)
        if any(refusals):
            raise CheckpointError(next(filter(None, refusals)))

    def teardown(self, stage: str) -> None:
        """Close the rows."""
        self.writer.close()

    def meet(self) -> None:
        """Hold until every rank is through; also on a rank that had nothing to do."""
        if self.group is not None:
            waiting = dist.barrier(self.group, async_op=True)
            while not waiting.is_completed():  # inside `wait` no signal would be heard
                time.sleep(0.02)
            waiting.wait()

    def predict_step(self, batch: Sequence[Sample], batch_idx: int) -> None:
        """Every sample of the batch becomes a row; rows that exist already are not written again."""
        with self.stop.batch():
            for row in self.rows(batch):
                if row.key not in self.done:
                    self.writer.write(row)
                    self.observe(row)

    def rows(self, batch: Sequence[Sample], redone: str | None = None) -> list[Row]:
        """Explain a batch; where that fails, its halves; a sample that fails alone is quarantined with its reason.

        redone: the kind of error for which this is a part of a batch. Raises what is the machine's fault, not the
        sample's (its samples stay open and are done on resume): any OSError, any fault of an accelerator but memory,
        a model that cannot be loaded.
        """
        unread = [Row(sample.key, sample.index, error=sample.error) for sample in batch if sample.error]
        sound = [sample for sample in batch if not sample.error]
        if not sound:
            return unread
        try:
            return unread + [replace(row, redone=redone) for row in self.explained(sound)]
        except (OSError, NotLoadedError):
            raise
        except Exception as error:
            if isinstance(error, torch.AcceleratorError) and "out of memory" not in str(error):
                raise
            if self.stop.received is not None:  # it may have ended a loader worker, which is told here and now
                raise
            kind = type(error).__name__
            reason = ": ".join([kind, *getattr(error, "__notes__", ()), str(error)])
        # outside of `except`: the error held every frame, and with them all tensors, of the batch that failed
        release()
        if len(sound) == 1:
            return [*unread, Row(sound[0].key, sound[0].index, error=reason)]
        half = len(sound) // 2
        return unread + self.rows(sound[:half], kind) + self.rows(sound[half:], kind)

    def explained(self, batch: Sequence[Sample]) -> Iterator[Row]:
        """The five sentences: ask, answer, explain, score, row."""
        clock = Clock(len(batch))
        with clock("ask"):
            queries = self.vlm.ask([s.image for s in batch if s.image], [s.prompt for s in batch])
        with clock("answer"):
            answers, traces = self.answers(batch, queries)
        passes = Passes(self.vlm, queries, answers, traces)
        explained: list[dict[str, Explanation]] = [{} for _ in batch]
        for name, explainer in self.explainers.items():
            with clock(f"explain/{name}"), naming(name):
                for found, query, answer in zip(explained, queries, answers, strict=True):
                    found[name] = checked(explainer.explain(passes, query, answer), query, answer)
        for sample, query, answer, found in zip(batch, queries, answers, explained, strict=True):
            own = Clock(1)
            with own("finish"):
                finished = {name: self.finished(name, explanation) for name, explanation in found.items()}
            with own("score"):
                row = self.row(sample, query, answer, finished)
            row = replace(row, seconds=clock.seconds() | own.seconds(), batch=len(batch))
            self.keep(sample, row, query, finished, found)
            yield row

    def answers(
        self, batch: Sequence[Sample], queries: Sequence[Query]
    ) -> tuple[Sequence[Answer], Sequence[Trace] | None]:
        """What the model says, or what it is held to have said (then traced by one teacher-forced pass)."""
        if self.given is None:
            return self.vlm.answer(queries)
        return [self.given(sample, self.vlm) for sample in batch], None

    def finished(self, name: str, explanation: Explanation) -> np.ndarray:
        """The explanation's maps as uint8, completed as the explainer declares."""
        explainer = self.explainers[name]
        with naming(name):
            maps = finish(explanation, explainer.rank_filter, explainer.normalise, explainer.floor)
        return maps.cpu().numpy()

    def row(self, sample: Sample, query: Query, answer: Answer, finished: Mapping[str, np.ndarray]) -> Row:
        """Score one answer: its maps in both profiles, its text against the captions and the objects."""
        words = words_of(answer.pieces, self.tagger, answer.alone)
        known = Evidence(
            maps=np.zeros((0, 1, 1), np.uint8),
            pieces=answer.pieces,
            masks=sample.masks or {},
            categories=sample.categories,
            captions=sample.captions,
            box=query.layout.box,
            end=answer.end,
            size=(query.image.height, query.image.width),
            synonyms=self.synonyms,
        )
        scored, captions, phrases = {}, {}, []
        if sample.masks is not None:
            phrases = text.phrases(known, words, self.tagger)
            captions = text.sums(answer.text, known, words, self.tagger)
            for name, values in finished.items():
                scored[name] = localisation.score_all(replace(known, maps=values), words, self.tagger)
        return Row(
            key=sample.key,
            index=sample.index,
            answer={name: getattr(answer, name) for name in ("ids", "pieces", "text", "ended", "end")},
            words=tuple(Spoken.of(w.text, w.label, w.lemma, w.tokens) for w in words),
            captions=captions,
            explainers=scored,
            phrases=phrases,
        )

    def keep(
        self,
        sample: Sample,
        row: Row,
        query: Query,
        finished: Mapping[str, np.ndarray],
        found: Mapping[str, Explanation],
    ) -> None:
        """What views show of the first samples, and the maps where they are asked for; before the row is written."""
        if sample.index < self.figures:
            try:
                folder = inside.made(self.run_dir, "figures", str(sample.index))
                kept.keep(folder, sample, finished, query.layout.box)
                if sample.index < self.panels:
                    draw.sample(folder, sample, row, finished, query.layout.box)
            except Exception as error:  # a view must never change a result
                warnings.warn(f"no pictures of {sample.key}: {describe(error)}", Notice, stacklevel=2)
        if self.save_maps != "none":
            raw = {name: explanation.maps.cpu() for name, explanation in found.items()}
            maps.save(
                inside.made(self.run_dir, "maps") / f"{sample.index:08d}.npz",
                raw if self.save_maps == "raw" else finished,
            )


@contextmanager
def naming(name: str) -> Iterator[None]:
    """An error inside is noted as that of the explainer `name`, with file and line of the innermost method of one."""
    try:
        yield
    except Exception as error:
        frames = traceback.walk_tb(error.__traceback__)
        own = [(frame, line) for frame, line in frames if isinstance(frame.f_locals.get("self"), Explainer)]
        place = "".join(f" ({Path(frame.f_code.co_filename).name}:{line})" for frame, line in own[-1:])
        error.add_note(name + place)
        raise


def release() -> None:
    """Give back the memory that a failed batch took."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class Clock:
    """Wall seconds per stage."""

    def __init__(self, samples: int) -> None:
        self.samples = samples
        self.totals: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Adds the time spent inside to `stage`."""
        start = time.perf_counter()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.totals[stage] = self.totals.get(stage, 0.0) + time.perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """Seconds a sample of each stage so far."""
        return {stage: total / self.samples for stage, total in self.totals.items()}
