"""One evaluation from its configuration to its summary: fingerprint, resume, predict, prove, show."""

import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning.fabric.utilities.exceptions import MisconfigurationException

from datamodules.faults import MachineError
from datamodules.printable import printable
from datamodules.program import tell
from datamodules.streams import spared
from metrics.words import tagger
from pipeline import answers, bad, launch, remarks, trainer_options, trial, typed
from pipeline.arguments import UsageError
from pipeline.board import Board, in_a_sweep
from pipeline.cache import Cache
from pipeline.cli import Job, fail
from pipeline.mark import mark
from pipeline.models.checkpoint import CheckpointError
from pipeline.module import ExplainModule
from pipeline.outputs import fingerprint as fingerprints
from pipeline.outputs import kept, published, summary, table
from pipeline.outputs.inside import Damaged
from pipeline.outputs.owner import OwnedError, Ownership, take
from pipeline.outputs.records import Rows, read_rows
from pipeline.remarks import named
from pipeline.remembered import Remembered
from pipeline.status import AT_FAULT, NOT_WHOLE, STOPPED, TOO_MANY_BAD, WRONG, at_fault
from pipeline.stop import Stop, Stopped, stopped_by
from pipeline.trial import CannotExplainError
from pipeline.watch import Watch, check


class Evaluation:
    """Everything that a run needs, built from a checked configuration; no weights are read before `run`."""

    def __init__(self, job: Job) -> None:
        self.job, self.config = job, job.config
        torch.set_num_threads(self.config.threads)
        try:
            self.refuse_sweeps_of_several()
            trainer_options.check(self.config.trainer.as_dict())
            self.trainer, self.vlm, self.data, self.explainers = job.build()
            self.launched = launch.meet(self.trainer)
            self.beside = published.beside(self.config.beside)
            self.tagger = tagger(self.config.words)
            if launch.leading():
                self.check_explainers()
                for line in remarks.limit(self.config.limit, len(self.data.keys)):
                    tell(line)
            # a checkpoint takes long to hash: rank 0 does, and tells the others the folder that follows from it
            self.model_identity = self.vlm.identity() if launch.leading() else {}
            self.cache = Cache.of(self.config.cache, self.config.cache_size, self.model_identity)
            self.given, source = answers.given(self.config.answers, self.data, self.model_identity)
            self.mark = mark(job, self.vlm, self.data, self.explainers, self.tagger.name)
            self.mark |= {"model": self.model_identity, "answers": source}
            self.mark["trainer"]["precision"] = str(self.trainer.precision)  # on a CPU that of 16-mixed is bf16-mixed
        except (UsageError, MisconfigurationException, ValueError, LookupError, TypeError, OSError) as error:
            fail(error)
        except MachineError as error:
            fail(at_fault(error), AT_FAULT)
        names = [job.stems["vlm"], job.stems["data"]]
        default = Path("runs") / "-".join([*names, fingerprints.digest(self.mark)[:8]])
        self.run_dir = Path(self.config.run_dir or default)
        self.ownership: Ownership | None = None
        self.found: Rows | None = None
        self.board = Board(self.trainer, self.run_dir, list(self.explainers), names, **self.config.wandb.as_dict())

    def run(self) -> int:
        """Score what is not scored yet, prove that nothing is missing, write the views. Returns the exit status."""
        launcher = self.trainer.strategy.launcher
        forward, say = launcher.kill if launcher else nothing, tell if launch.leading() else nothing
        with Stop(forward, say, parent=launch.parent(self.trainer)) as stop:
            over = self.launched == 1 and self.trainer.num_nodes == 1
            try:
                status, over = self.through(stop), True
                return status
            except (Stopped, Exception) as error:
                if stop.received is not None:  # also where it is another rank or a loader worker that is gone
                    return self.stopped(stop.received)
                if (owned := self.owned(error)) is not None:
                    return self.refused(owned, status=AT_FAULT)
                if isinstance(error, MachineError):
                    fail(at_fault(error), AT_FAULT)
                if isinstance(error, CheckpointError):
                    return self.refused(error)
                if isinstance(error, Damaged):
                    fail(error)
                if isinstance(error, IsADirectoryError | NotADirectoryError | FileExistsError):
                    fail(f"{error.filename or self.run_dir}: {error.strerror}; delete it, or choose another --run_dir")
                if isinstance(error, CannotExplainError):
                    given = dict(zip(self.explainers, self.config.explainers, strict=True))
                    return self.refused(*error.lines(given))
                if isinstance(error, OSError):
                    fail(at_fault(error, self.run_dir), AT_FAULT)
                raise
            finally:
                if self.ownership is not None and over:  # else ranks that nobody here waits for have rows in hand
                    self.ownership.release()
                if dist.is_available() and dist.is_initialized():
                    dist.destroy_process_group()

    def through(self, stop: Stop) -> int:
        """From the folder to the views, unless `stop` comes before."""
        counted, left = None, 1
        if launch.leading():
            self.open()
            left = self.left()
        # ranks that a launcher started all come along: none may decide alone that nothing is left to do
        if left and launch.leading():
            self.tell_first()
        if left or self.launched > 1 or self.trainer.num_nodes > 1:
            counted = self.predict(stop)
        return self.close(counted) if launch.leading() else 0

    def stopped(self, number: int) -> int:
        """The exit status after a signal; rank 0 first waits until the ranks that it started have written theirs."""
        for process in getattr(self.trainer.strategy.launcher, "procs", ()):
            process.wait()
        if not launch.leading():
            return 0  # that of rank 0 counts, and Lightning kills a rank 0 whose children end otherwise
        tell(stopped_by(number))
        return STOPPED

    def refused(self, *lines: object, status: int = WRONG) -> int:
        """The exit status where checkpoint, explainers or folder cannot be used, which every rank knows by now."""
        if launch.leading():
            for line in lines[:-1]:
                tell(f"error: {line}")
            fail(lines[-1], status)
        return 0  # as where it is stopped

    def owned(self, error: BaseException) -> OwnedError | None:
        """What says that another command has the run folder: `error`, or the folder where `error` follows from it, as
        where ranks that found out first are gone."""
        try:
            self.verify()
        except OwnedError as found:
            return found
        return error if isinstance(error, OwnedError) else None

    def verify(self) -> None:
        """Raise OwnedError where another command has the run folder by now; on rank 0, before it writes there."""
        if self.ownership is not None:
            self.ownership.claim.verify()

    def open(self) -> None:
        """Make the run folder, or accept the one that the same command left."""
        try:
            here: dict[str, Any] = {"python": platform.python_version(), "host": platform.node(), "command": sys.argv}
            here["samples"] = len(self.data.expected)
            self.ownership = take(self.run_dir, tell)
            fingerprints.open_run(self.run_dir, self.mark, fresh=self.config.fresh, environment=here, say=tell)
            fingerprints.write_atomic(self.run_dir / "config.yaml", self.job.dump(), self.verify)
        except ValueError as error:
            fail(error)
        except (FileExistsError, FileNotFoundError, NotADirectoryError):
            why = "a file is in its way, or none can be made there"
            fail(f"--run_dir: {self.run_dir} cannot be a folder: {why}; choose another")

    def tell_first(self) -> None:
        """Say, before anything is computed, what of the command is slow or gives the same thing twice."""
        for line in remarks.first(self.vlm, self.explainers, self.trainer.strategy.root_device):
            tell(line)

    def tell_cut(self, found: Mapping[str, Any]) -> None:
        """Say that many answers were cut off at the limit of tokens."""
        tell(remarks.cut_off(self.vlm, found))

    def left(self) -> int:
        """How many samples have to be done; a line says how many need not."""
        expected = set(self.data.expected)
        self.found = self.rows()
        done = expected & self.found.done(self.config.retry_quarantined)
        if done:
            tell(f"{len(done)} of {len(expected)} samples are there already")
        return len(expected) - len(done)

    def predict(self, stop: Stop) -> dict[str, Any]:
        """Generate and explain on every rank; the figures that the metrics counted over all ranks come back."""
        if launch.leading():
            self.board.open()
        watch = Watch(self.explainers, self.board.log if self.trainer.logger else None)
        module = ExplainModule(
            self.vlm,
            self.explainers,
            run_dir=self.run_dir,
            tagger=self.tagger,
            given=self.given,
            figures=self.config.figures,
            panels=self.config.panels,
            save_maps=self.config.save_maps,
            observe=watch,
            retry=self.config.retry_quarantined,
            claim=self.ownership.claim if self.ownership else None,
            stop=stop,
            cache=self.cache,
            synonyms=self.data.synonyms,
            found=self.found,
        )
        if launch.leading():
            rows = module.there()
            watch.catch_up(rows[key] for key in rows.done(self.config.retry_quarantined))
            if self.cache is not None:
                scales = [scale for explainer in self.explainers.values() for scale in explainer.scales]
                tell(self.cache.forecast(self.vlm, self.data, scales))
        self.trainer.predict(module, datamodule=self.data, return_predictions=False)
        module.meet()
        if isinstance(module.vlm, Remembered):
            said = module.vlm.report(module.group)
            if launch.leading():
                tell(said)
        return watch.total(module.group)

    def close(self, counted: dict[str, Any] | None) -> int:
        """Summary, timing, table, W&B; the exit status says whether the run is whole."""
        rows = self.rows()
        missing, unexpected = summary.prove(rows, self.data.expected)
        if missing:
            tell(f"{len(missing)} samples have no row; the same command resumes: {named(missing)}")
        if unexpected:
            tell(f"{len(unexpected)} rows are not of this data; start over with --fresh true: {named(unexpected)}")
        if missing or unexpected:
            return NOT_WHOLE
        timing = summary.Timing()
        found = summary.summarise(rows, self.data.expected, list(self.explainers), self.tagger.name, timing)
        fingerprints.write_json(self.run_dir / "summary.json", found, self.verify)
        fingerprints.write_json(self.run_dir / "timing.json", timing.figures(), self.verify)
        if counted is not None:
            check(counted, found)
        self.verify()
        self.board.publish(self.verify)
        with spared(tell):
            self.show(found, rows)
        if summary.many_cut(found):
            self.tell_cut(found)
        if bare := self.undrawn(rows):
            tell(
                f"{bare} of the first {self.config.figures} samples have no pictures; these are kept "
                "while a sample is explained: start over with --fresh true, or anew in another --run_dir"
            )
        for line in bad.reasons(rows):
            tell(line)
        if said := bad.too_many(rows, self.config.max_bad):
            tell(said)
            return TOO_MANY_BAD
        return 0

    def show(self, found: Mapping[str, Any], rows: Rows) -> None:
        """Print the figures, or what the model said where there are none, and how to look at the run."""
        if found["ground_truth"] or not found["samples"]["scored"]:
            table.show(found, self.job.stems["vlm"], self.job.stems["data"], self.beside)
        else:
            table.captions(rows, self.job.stems["vlm"], self.job.stems["data"])
        look = typed.shown("report", self.run_dir)
        print(f"run folder: {printable(str(self.run_dir))}; to look at it: {look}", flush=True)

    def undrawn(self, rows: Rows) -> int:
        """How many samples lack the pictures that --figures asks for: from before, or keeping failed."""
        wanted = [head for head in rows.heads.values() if head.index < self.config.figures and head.error is None]
        return sum(not kept.whole(self.run_dir / "figures" / str(head.index)) for head in wanted)

    def rows(self) -> Rows:
        """What the run folder holds so far."""
        try:
            return read_rows(self.run_dir)
        except ValueError as error:
            fail(error)

    def refuse_sweeps_of_several(self) -> None:
        """One W&B run stands for one explainer, so a trial of a sweep holds one."""
        if in_a_sweep() and len(self.job.classes) > 1:
            raise UsageError(self.job.several())

    def check_explainers(self) -> None:
        """Refuse what an explainer cannot do with this model, and scales at which the model cannot be shown images."""
        extent = self.vlm.extent
        for name, explainer in self.explainers.items():
            try:
                explainer.check(extent)
                trial.check_needs(explainer)
            except ValueError as error:
                raise UsageError(f"--explainer.{name}.{error}") from error
            try:
                self.vlm.admit(explainer.scales, explainer.windows)
            except ValueError as error:
                raise UsageError(f"--vlm.{error} (--explainer.{name})") from error


def nothing(_: object) -> None:
    """For those who have nobody to tell."""
