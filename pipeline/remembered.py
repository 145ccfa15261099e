"""A model that looks up what it was asked before, and is loaded when something is new."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from PIL.Image import Image
from torch import Tensor

from pipeline.cache import LISTS, Cache, mark, numerics
from pipeline.models.base import VLM
from pipeline.models.head import project
from pipeline.store import Store
from pipeline.types import Answer, Extent, Layout, Query, Trace

IDS = "input_ids"


class NotLoadedError(Exception):
    """The model cannot be loaded, which is not the fault of the samples for which that was tried."""


class Inputs(Mapping[str, Tensor]):
    """Inputs of a query that was asked before: names and ids are known; whoever reads the others has them made."""

    def __init__(self, names: Sequence[str], ids: Tensor, make: Callable[[], Mapping[str, Tensor]]) -> None:
        self.names, self.ids, self.make = names, ids, make

    @cached_property
    def made(self) -> Mapping[str, Tensor]:
        """As the processor makes them."""
        return self.make()

    def __getitem__(self, name: str) -> Tensor:
        return self.ids if name == IDS else self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Remembered:
    """The verbs of `vlm` that a run and its `Passes` call, each result looked up before the model is asked.

    It is found by what was asked: pixels and prompts of the whole batch, whose composition decides the last bits,
    answers, states; and by what `mark` and `numerics` say. So it is what the model would give, bit for bit. All else
    (gradients, attention, relevance, surgery) is the loaded model's own, which this stands for wherever a VLM may.

    writers: processes that fill the folder together. known, asked: requests that were found, and all. The constructor
    loads the model, and raises what that does, where the folder knows nothing of it.
    """

    def __init__(self, vlm: VLM, cache: Cache, device: torch.device, writers: int = 1) -> None:
        self.vlm, self.device = vlm, device
        self.store = Store(cache.folder, mark(vlm, cache.model, device), limit=cache.limit, writers=writers)
        self.known = self.asked = 0
        self.loaded = False
        self._rows: dict[int, list[Tensor]] = {}
        if self.store.empty:
            self._load()  # now, before time is taken

    def load(self) -> VLM:
        """The model itself; the first call reads its weights. Raises OSError or NotLoadedError."""
        if not self.loaded:
            try:
                self._load()
            except OSError:
                raise
            except Exception as error:
                raise NotLoadedError(f"{self.vlm.checkpoint}: {type(error).__name__}: {error}") from error
        return self.vlm

    def _load(self) -> None:
        with torch.inference_mode(False):
            self.vlm.load(self.device)
        self.loaded = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.load(), name)

    def report(self, group: dist.ProcessGroup | None) -> str:
        """What was known and whether the model was loaded, in all processes. A collective: every rank calls it."""
        counts = torch.tensor([self.known, self.asked, int(self.loaded), 1])
        if group is not None:
            dist.all_reduce(counts, group=group)
        known, asked, loaded, ranks = counts.tolist()
        by = f" by {loaded} of {ranks} processes" if ranks > 1 and loaded else ""
        return f"cache: {known} of {asked} requests known; the model was {'' if loaded else 'not '}loaded{by}"

    # what needs no weights

    @property
    def extent(self) -> Extent:
        """As `VLM.extent`."""
        return self.vlm.extent

    @property
    def end_text(self) -> str:
        """As `VLM.end_text`."""
        return self.vlm.end_text

    def read(self, ids: Sequence[int], ended: bool, end: str | None = None) -> Answer:
        """As `VLM.read`."""
        return self.vlm.read(ids, ended, end)

    def spell(self, text: str) -> Answer:
        """As `VLM.spell`."""
        return self.vlm.spell(text)

    # what is looked up

    def ask(self, images: Sequence[Image], prompts: Sequence[str], scale: float = 1.0) -> list[Query]:
        """As `VLM.ask`; of queries that were asked before the inputs are made when they are read."""
        made: list[Query] = []

        def work() -> list[tuple[list[str], Tensor, Layout]]:
            made.extend(self.load().ask(images, prompts, scale))
            return [(sorted(q.inputs, key=IDS.__ne__), q.inputs[IDS], q.layout) for q in made]

        known = self._recall("ask", images, prompts, scale, work=work)
        return made or [
            Query(image, prompt, scale, Inputs(names, ids, partial(self._inputs, image, prompt, scale)), layout)
            for image, prompt, (names, ids, layout) in zip(images, prompts, known, strict=True)
        ]

    def answer(self, queries: Sequence[Query]) -> tuple[list[Answer], list[Trace]]:
        """As `VLM.answer`."""
        return self._recall("answer", queries)

    def trace(self, queries: Sequence[Query], answers: Sequence[Answer] | None = None) -> list[Trace]:
        """As `VLM.trace`."""
        return self._recall("trace", queries, answers)

    def look(self, images: Sequence[Image], prompts: Sequence[str], scale: float) -> list[Trace]:
        """As `VLM.look`."""
        return self._recall("look", images, prompts, scale)

    def top(self, states: Float[Tensor, "n dim"], k: int) -> Int[Tensor, "n {k}"]:
        """As `VLM.top`."""
        return self._recall("top", states, max(k, min(LISTS, self.extent.vocabulary)))[:, :k]

    def least(self, states: Sequence[Float[Tensor, "_ dim"]], valid_ids_only: bool = False) -> list[int]:
        """As `VLM.least`."""
        return self._recall("least", states, valid_ids_only)

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """As `VLM.unembed`: the same product with the same rows of the head, which are what is looked up."""
        if not len(ids):
            return states.new_zeros(len(states), 0, dtype=torch.float32)
        rows, dtype = map(self._row, ids.tolist()), self.vlm.head_dtype
        weight, *bias = (torch.stack(part).to(dtype) for part in zip(*rows, strict=True))
        return project(states, weight, bias[0] if bias else None)

    def entry(self, token: int) -> Float[Tensor, " dim"]:
        """Return what `VLM.entry` does, from the cache where it is there."""
        return self._row(token)[0]

    def _row(self, token: int) -> list[Tensor]:
        """What the head knows of one entry."""
        if token not in self._rows:
            self._rows[token] = self._recall("row", token, work=lambda: self.load().head.row(token))
        return self._rows[token]

    def _inputs(self, image: Image, prompt: str, scale: float) -> Mapping[str, Tensor]:
        return self.load().ask([image], [prompt], scale)[0].inputs

    def _recall(self, verb: str, *asked: Any, work: Callable[[], Any] | None = None) -> Any:
        """What `verb` gave for the same before; else what `work`, by default the model's verb, gives now."""
        key = self.store.key(numerics(self.device), verb, *asked)
        self.asked += 1
        if (found := self.store.read(key, self.device)) is not None:
            self.known += 1
            return found
        found = work() if work else getattr(self.load(), verb)(*asked)
        self.store.write(key, found)
        return found


VLM.register(Remembered)
