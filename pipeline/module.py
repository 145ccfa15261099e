"""Ask, answer, explain, score, record: one batch of samples becomes rows."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeVar, cast

import numpy as np
import torch.distributed as dist
from lightning import LightningModule

from datamodules.base import SampleDataModule
from datamodules.printable import describe
from datamodules.sample import Sample
from metrics import localisation, text
from metrics.base import Evidence
from metrics.words import Tagger, words_of
from pipeline import faults, trial
from pipeline.answers import Given
from pipeline.cache import Cache
from pipeline.clock import Clock
from pipeline.explain import Explained, explain
from pipeline.explainers.base import Explainer
from pipeline.models.base import VLM
from pipeline.models.checkpoint import CheckpointError
from pipeline.models.passes import Passes
from pipeline.notice import Notice
from pipeline.outputs import draw, inside, kept, maps
from pipeline.outputs.owner import Claim, OwnedError
from pipeline.outputs.records import Row, Rows, RowWriter, Spoken, read_rows
from pipeline.remembered import Remembered
from pipeline.stop import Stop
from pipeline.types import Answer, Query, Trace

SaveMaps = Literal["none", "uint8", "raw"]
"""Keep no maps, the finished ones, or the raw ones (fp32, before floor, normalisation and filter)."""
Found = TypeVar("Found")


class ExplainModule(LightningModule):
    """Generates and explains under `Trainer.predict`; what it leaves is one row a sample in `run_dir`.

    vlm: loaded when the trainer sets up, the commit that rank 0 found. run_dir: that of rank 0 counts.
    explainers: name -> explainer. tagger: the word backend.
    given: takes the place of generation. figures: of how many samples of the manifest images and maps are kept for
    the views; panels: of how many of these a picture is drawn.
    observe: is shown every row that counts. retry: samples are done again that are quarantined or lack an explainer.
    claim: the right to write into `run_dir`, that of rank 0 counts. stop: what ends the run between two batches.
    cache: of what the model is asked; then it is loaded only where something is new. synonyms: words for categories.
    found: the rows that `run_dir` holds, where they have been read.
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
        claim: Claim | None = None,
        stop: Stop | None = None,
        cache: Cache | None = None,
        synonyms: Mapping[str, str] | None = None,
        found: Rows | None = None,
    ) -> None:
        super().__init__()
        self.vlm, self.explainers = vlm, dict(explainers)
        self.run_dir, self.tagger, self.given = run_dir, tagger, given
        self.figures, self.panels, self.save_maps = figures, panels, save_maps
        self.observe, self.retry, self.claim = observe, retry, claim
        self.stop, self.cache, self.synonyms = stop or Stop(), cache, dict(synonyms or {})
        self.group: dist.ProcessGroup | None = None
        self.found, self.earlier = found, Rows()

    def setup(self, stage: str) -> None:
        """Load the model on this rank's device and open this rank's rows."""
        if dist.is_available() and dist.is_initialized():
            # ranks are uneven: at the end the first waits for the last, for days if need be
            self.group = dist.new_group(backend="gloo", timeout=timedelta(days=30))
        # rank 0 alone knows what the revision means, whose the folder is and what is done; nobody writes before it says
        found = self.there() if self.global_rank == 0 else Rows()
        done = found.done(self.retry)
        commit = self.vlm.commit if self.global_rank == 0 else ""
        known = (commit, self.run_dir, self.claim, done, self.cache)
        self.vlm.commit, self.run_dir, self.claim, self.done, self.cache = self.trainer.strategy.broadcast(known)
        if self.retry:
            self.earlier = found if self.global_rank == 0 else self.there()
        self.load()
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, SampleDataModule):
            data.done = self.done
        if not isinstance(data, SampleDataModule) or not self.done.issuperset(data.expected):
            self.try_explainers()
        self.writer = RowWriter(self.run_dir / f"rows.{self.global_rank}.jsonl", self.verify)
        # signals are ours, not Lightning's, whose handler waits for ranks that may be waiting for this one
        self.trainer._signal_connector.register_signal_handlers = self.stop.hold  # type: ignore[method-assign]

    def there(self) -> Rows:
        """Return the rows that there are before the first is written; each file is read through once."""
        if self.found is None:
            self.found = read_rows(self.run_dir)
        return self.found

    def load(self) -> None:
        """Read the weights, or what is remembered of them. A collective: where one rank finds that the checkpoint
        cannot be used, all raise its CheckpointError."""
        refusal = ""
        try:
            if self.cache is None:
                self.vlm.load(self.device)
            else:
                self.vlm = cast(VLM, Remembered(self.vlm, self.cache, self.device, self.trainer.world_size))
        except CheckpointError as error:
            refusal = str(error)
        if any(refusals := self.gathered(refusal)):
            raise CheckpointError(next(filter(None, refusals)))

    def try_explainers(self) -> None:
        """Try each explainer once. A collective: where one fails on one rank, all raise CannotExplainError.

        Explainers whose answers may all be known to the cache have proved themselves, and are not tried.
        """
        vlm, explainers = self.vlm, self.explainers
        if isinstance(vlm, Remembered):
            if not vlm.loaded:
                explainers = {name: explainer for name, explainer in explainers.items() if explainer.needs}
            if explainers:
                vlm = vlm.load()
        reasons = trial.failures(vlm, explainers, self.given is None) if explainers else {}
        found = {name: reason for of in reversed(self.gathered(reasons)) for name, reason in of.items()}
        if found:
            raise trial.CannotExplainError({name: found[name] for name in self.explainers if name in found})

    def gathered(self, found: Found) -> list[Found]:
        """Return what every rank has found, in the order of ranks. A collective."""
        each = [found] * (self.trainer.world_size if self.group is not None else 1)
        if self.group is not None:
            dist.all_gather_object(each, found, group=self.group)
        return each

    def verify(self) -> None:
        """Raise OwnedError where another command has the run folder by now."""
        return self.claim.verify() if self.claim is not None else None

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
        """Make a row of every sample of the batch; rows that exist already are not written again, nor are rows that
        lack as many explainers as the one that a retry was to mend."""
        with self.stop.batch():
            for row in self.rows(batch):
                if row.key in self.done:
                    continue
                known = self.earlier.heads.get(row.key)
                if known is not None and known.lacking <= row.lacking:
                    row = self.earlier[row.key]
                else:
                    self.writer.write(row)
                self.observe(row)

    def rows(self, batch: Sequence[Sample], redone: str | None = None) -> list[Row]:
        """Explain a batch; where asking or answering fails, its halves; a sample that fails alone is quarantined with
        its reason. An explainer that fails on a sample is named in the row, which has the others' entries.

        redone: the kind of error for which this is a part of a batch. Raises what is the machine's fault, not the
        sample's (its samples stay open and are done on resume).
        """
        unread = [Row(sample.key, sample.index, error=sample.error) for sample in batch if sample.error]
        sound = [sample for sample in batch if not sample.error]
        if not sound:
            return unread
        try:
            with faults.contained():
                return unread + [replace(row, redone=redone or row.redone) for row in self.explained(sound)]
        except Exception as error:
            if self.ends(error):
                raise
            kind, reason = type(error).__name__, faults.reason(error)
        # outside of `except`: the error held every frame, and with them all tensors, of the batch that failed
        faults.release()
        if len(sound) == 1:
            return [*unread, Row(sound[0].key, sound[0].index, error=reason)]
        half = len(sound) // 2
        return unread + self.rows(sound[:half], kind) + self.rows(sound[half:], kind)

    def ends(self, error: Exception) -> bool:
        """Return whether an error ends the run: it is the machine's fault, or the folder is another command's, or it is
        that of the signal that stops the run, which may have ended a loader worker, as is told here and now."""
        return isinstance(error, OwnedError) or faults.of_the_machine(error) or self.stop.received is not None

    def explained(self, batch: Sequence[Sample]) -> Iterator[Row]:
        """Ask, answer, explain, score, and make the row of every sample."""
        clock = Clock()
        with clock("ask"):
            queries = self.vlm.ask([s.image for s in batch if s.image], [s.prompt for s in batch])
        with clock("answer"):
            answers, traces = self.answers(batch, queries)
        passes = Passes(self.vlm, queries, answers, traces, clock)
        for sample, query, answer, found in zip(
            batch, queries, answers, explain(passes, self.explainers, self.ends), strict=True
        ):
            own = Clock()
            with own("score"):
                row = self.row(sample, query, answer, found.maps)
            seconds = clock.seconds(len(batch)) | own.seconds()
            row = replace(row, seconds=seconds, batch=found.batch, redone=found.redone, failed=found.failed)
            self.keep(sample, row, query, found)
            yield row

    def answers(
        self, batch: Sequence[Sample], queries: Sequence[Query]
    ) -> tuple[Sequence[Answer], Sequence[Trace] | None]:
        """What the model says, or what it is held to have said (then traced by one teacher-forced pass)."""
        if self.given is None:
            return self.vlm.answer(queries)
        return [self.given(sample, self.vlm) for sample in batch], None

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

    def keep(self, sample: Sample, row: Row, query: Query, found: Explained) -> None:
        """What views show of the first samples, and the maps where they are asked for; before the row is written."""
        self.verify()
        if sample.index < self.figures:
            try:
                folder = inside.made(self.run_dir, "figures", str(sample.index))
                kept.keep(folder, sample, found.maps, query.layout.box)
                if sample.index < self.panels:
                    draw.sample(folder, sample, row, found.maps, query.layout.box)
            except Exception as error:  # a view must never change a result
                warnings.warn(f"no pictures of {sample.key}: {describe(error)}", Notice, stacklevel=2)
        if self.save_maps != "none":
            raw = {name: explanation.maps.cpu() for name, explanation in found.raw.items()}
            chosen = raw if self.save_maps == "raw" else found.maps
            maps.save(inside.made(self.run_dir, "maps") / f"{sample.index:08d}.npz", chosen)
