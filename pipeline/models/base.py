"""The verbs of a model, once for all families; padding exists only in this folder."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL.Image import Image
from torch import Tensor, nn
from transformers import GenerationConfig

from datamodules.printable import printable
from pipeline.models import capabilities, structure
from pipeline.models.batch import Batch, gather, pad, text_start, unreplaced
from pipeline.models.canvas import View
from pipeline.models.generation import Generation
from pipeline.models.head import Head
from pipeline.models.inspection import picture
from pipeline.models.layout import Prompt, prompt_positions, rendered, scaled
from pipeline.models.pieces import pieces
from pipeline.types import Answer, Layout, Query, Trace

QUICK = 10**11
"""Weights times tokens that a CPU passes in about two seconds."""


class VLM(Generation, ABC):
    """An image-text model that is asked, answers, and shows the states it answered from.

    A family says what is particular; everything else is here, once.
    """

    # what a family says

    causal: bool = True
    """Whether no visual token sees the text behind it."""

    follow: Mapping[str, int] = {"attention_mask": 1}
    """What inputs as long as the token sequence say of answer tokens; the others say 0."""

    @abstractmethod
    def grid(self, tokens: Int[Tensor, " n"], inputs: Mapping[str, Tensor], picture: Image) -> Int[Tensor, "rows cols"]:
        """Positions of the visual tokens as they lie over `picture`, out of all `tokens` of the image.

        Raises ValueError where they form no grid.
        """

    def view(self, image: Image, scale: float) -> View:
        """What the processor is given of `image`: all of it, unless the family takes pictures of one size only."""
        return View(scaled(image, scale))

    def options(self, picture: Image) -> dict[str, Any]:
        """How the processor is called for `picture`, where its own defaults will not do."""
        return {}

    def admit(self, scales: Iterable[float], windows: bool = True) -> None:
        """Raises ValueError, naming the option to change, for a scale at which images cannot be shown.

        windows: whether visual states averaged over windows of the enlarged image will do.
        """

    @property
    def decoder(self) -> nn.Module:
        """The language model without its head."""
        return self.model.get_decoder()

    @property
    def norm(self) -> nn.Module:
        """The final norm of the language model."""
        return structure.norm(self.decoder, self.model.config.get_text_config())

    @property
    def blocks(self) -> nn.ModuleList:
        """The decoder blocks of the language model."""
        return structure.blocks(self.decoder, self.model.config.get_text_config())

    @cached_property
    def head(self) -> Head:
        """The unembedding."""
        return Head(self.model.get_output_embeddings(), self.head_dtype)

    def identity(self) -> dict[str, Any]:
        """What tells one model from another in a fingerprint: checkpoint, options, template, generation."""
        return {
            **self.content(),
            "family": type(self).__name__,
            "dtype": str(self.dtype).removeprefix("torch."),
            "attention": self.attention,
            "head": str(self.head_dtype).removeprefix("torch."),
            **self.flash(),
            "template": self.render("{prompt}"),
            "generation": self.generation_record,
        }

    def lacks(self, need: str) -> str:
        """Return why the loaded model lacks what an explainer needs (a key of `capabilities.NEEDS`), as far as its
        structure tells; else an empty string."""
        return capabilities.lacks(self, need)

    def preview(self, image: Image, prompt: str) -> Layout:
        """The layout of a query, as far as it is known before the model is loaded."""
        return self.sketch(image, prompt).layout

    def sketch(self, image: Image, prompt: str) -> Query:
        """Return a query as far as it is known before the model is loaded."""
        return self.ask([image], [prompt])[0]

    def try_out(self) -> None:
        """Ask about a picture of noise once. Raises CheckpointError where the model fails on it, or gives no numbers.

        Left out on a CPU where it would take more than about two seconds.
        """
        size = sum(weight.numel() for weight in self.model.parameters())
        with self.reading("its weights do not fit its processor or config.json"):
            query = self.sketch(picture(), "What is this?")
            if self.model.device.type == "cpu" and size * query.layout.length > QUICK:
                return
            with torch.no_grad():
                inputs = self.batch([query]).inputs
                logits = self.model(**inputs, use_cache=False, logits_to_keep=1).logits
        if not bool(logits.isfinite().all()):
            mend = "download them again, or choose another dtype"
            raise self.unusable(f"its weights give logits that are not finite numbers in {self.dtype}; {mend}")

    # the verbs

    def render(self, prompt: str) -> str:
        """Return the chat with one image and `prompt`, as text.

        The template has been rendered once, in a child process with limits; `prompt` is put where it then was. Raises
        ValueError for a prompt with blanks around it that the template would take away, CheckpointError where there is
        no template.
        """
        if self.facts["trims"] and prompt != prompt.strip():
            if prompt.strip():
                raise ValueError(f"the chat template does not hold the prompt literally and once: {prompt!r}")
            prompt = ""
        return f"{self.facts['before']}{prompt}{self.facts['after']}"

    def ask(self, images: Sequence[Image], prompts: Sequence[str], scale: float = 1.0) -> list[Query]:
        """One query an image and prompt, the image's sides multiplied by `scale` first.

        Raises ValueError where the processor refuses the image or the prompt holds special tokens.
        """
        pairs = zip(images, prompts, strict=True)
        return [self.query(image, prompt, scale, self.view(image, scale)) for image, prompt in pairs]

    def query(self, image: Image, prompt: str, scale: float, view: View) -> Query:
        """The query of one view of `image`."""
        chat = self.chat(prompt)
        try:
            inputs = self.processed(view.picture, chat)
        except ValueError as error:
            size = f"{image.width} x {image.height} pixels at scale {scale}"
            raise ValueError(f"the processor refuses an image of {size}: {printable(str(error))}") from error
        ids = inputs["input_ids"][0]
        cells = self.grid((ids == self.config.image_token_id).nonzero()[:, 0], inputs, view.picture)
        cells = cells[: view.rows, : view.cols]
        (rows, cols), words = cells.shape, prompt_positions(chat, ids, self.processor.tokenizer.decode)
        return Query(image, prompt, scale, inputs, Layout(cells.flatten(), rows, cols, view.box, words, len(ids)))

    def processed(self, picture: Image, chat: Prompt) -> dict[str, Tensor]:
        """What the model is fed."""
        inputs = self.processor(images=[picture], text=[chat.text], return_tensors="pt", **self.options(picture))
        return {name: value for name, value in inputs.items() if isinstance(value, Tensor) and name != "labels"}

    @cached_property
    def chat(self) -> Callable[[str], Prompt]:
        """The chat around a prompt; a data set has few, so each is rendered and taken apart once."""

        def chat(prompt: str) -> Prompt:
            if any(token in prompt for token in self.processor.tokenizer.all_special_tokens):
                raise ValueError(f"the prompt holds a special token of the model: {prompt!r}")
            return rendered(self.processor.tokenizer, self.render, prompt)

        return lru_cache(maxsize=1024)(chat)

    @torch.no_grad()
    def answer(
        self, queries: Sequence[Query], generation: GenerationConfig | None = None
    ) -> tuple[list[Answer], list[Trace]]:
        """Greedy answers, and the scale-1 traces that generation itself left behind."""
        batch = self.batch(queries)
        seen: list[Tensor] = []
        with self.norm.register_forward_hook(lambda module, args, out: seen.append(out)):
            out = self.model.generate(**batch.inputs, generation_config=generation or self.generation)
        width = batch.inputs["input_ids"].shape[1]
        answers = [self._answer(row.tolist()) for row in out[:, width:]]
        steps = torch.cat(seen, 1)
        traces = [
            gather(query, answer, states, shift)
            for query, answer, states, shift in zip(queries, answers, steps, batch.shifts, strict=True)
        ]
        return answers, traces

    @torch.no_grad()
    def trace(self, queries: Sequence[Query], answers: Sequence[Answer] | None = None) -> list[Trace]:
        """One pass without the head: teacher-forced over the answers, or without any up to the image's last token."""
        batch = self.batch(queries, answers, truncate=answers is None and self.causal)
        with unreplaced(self.model.get_input_embeddings(), batch):
            states = self.model.model(**batch.inputs, use_cache=False).last_hidden_state
        said: Sequence[Answer | None] = [None] * len(queries) if answers is None else answers
        return [gather(*each) for each in zip(queries, said, states, batch.shifts, strict=True)]

    def look(self, images: Sequence[Image], prompts: Sequence[str], scale: float) -> list[Trace]:
        """Visual states alone, at any scale."""
        return self.trace(self.ask(images, prompts, scale))

    def unembed(self, states: Float[Tensor, "n dim"], ids: Int[Tensor, " m"]) -> Float[Tensor, "n m"]:
        """Logits of the vocabulary entries `ids` for states after the final norm: fp32, computed as `head` says."""
        return self.head.unembed(states, ids)

    def entry(self, token: int) -> Float[Tensor, " dim"]:
        """Return the weights of one vocabulary entry in the head, in their own dtype."""
        return self.head.row(token)[0]

    def top(self, states: Float[Tensor, "n dim"], k: int) -> Int[Tensor, "n {k}"]:
        """The k best next tokens of every state, best first, ties by the smaller id; ValueError if k > vocabulary."""
        return self.head.top(states, k)

    def least(self, states: Sequence[Float[Tensor, "_ dim"]], valid_ids_only: bool = False) -> list[int]:
        """Each sample's vocabulary entry with the smallest summed logit; of the whole head or the tokenizer's part."""
        if not valid_ids_only:
            return self.head.least(states)
        allowed = torch.zeros(self.head.vocab, dtype=torch.bool)
        allowed[[i for i in self.processor.tokenizer.get_vocab().values() if i < self.head.vocab]] = True
        return self.head.least(states, allowed)

    @torch.no_grad()
    def score(
        self, queries: Sequence[Query], answers: Sequence[Answer], images: Sequence[Image] | None = None
    ) -> list[Float[Tensor, " answer"]]:
        """Probability of every answer token given those before it; with `images` in the place of the queries' own."""
        if images is not None:
            queries = [self.ask([i], [q.text], q.scale)[0] for i, q in zip(images, queries, strict=True)]
        traces = self.trace(queries, answers)
        rows = [t.text[q.layout.length - 1 - text_start(q) :] for t, q in zip(traces, queries, strict=True)]  # type: ignore[index]
        ids = torch.tensor([i for answer in answers for i in answer.ids], dtype=torch.long)
        found = self.head.probabilities(torch.cat(rows), ids)
        return list(found.split([len(answer.ids) for answer in answers]))

    # text

    def read(self, ids: Sequence[int], ended: bool, end: str | None = None) -> Answer:
        """Return the answer that consists of `ids`, without an end token. end: the text of the token that ended it; by
        default, where it ended, `end_text`. Raise ValueError for ids that the model does not have."""
        vocabulary = self.extent.vocabulary
        if foreign := [i for i in ids if not 0 <= i < vocabulary]:
            raise ValueError(f"the answer holds token {foreign[0]}, the model has {vocabulary}; it is another model's")

        def decode(part: Sequence[int], skip: bool = True) -> str:
            return self.processor.tokenizer.decode(
                list(part), skip_special_tokens=skip, clean_up_tokenization_spaces=False
            )

        found = pieces(decode, ids)
        if end is None:
            end = self.end_text if ended else ""
        return Answer(tuple(ids), found, "".join(found), ended, tuple(decode([one], skip=False) for one in ids), end)

    def spell(self, text: str) -> Answer:
        """The answer that says `text`, as far as the tokenizer can."""
        ids = self.processor.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        return self.read(ids, True)

    def _answer(self, ids: list[int]) -> Answer:
        """Return what was generated up to the end token, and which that was."""
        stop = next((n for n, i in enumerate(ids) if i in self.ends), None)
        end = "" if stop is None else self.processor.tokenizer.decode(ids[stop : stop + 1])
        return self.read(ids[:stop], stop is not None, end)

    def batch(self, queries: Sequence[Query], answers: Sequence[Answer] | None = None, truncate: bool = False) -> Batch:
        """Queries, and all but the last token of their answers, as one padded batch on the model's device.

        It is fed to the model inside `unreplaced`.
        """
        config = self.model.config
        return pad(
            queries,
            answers,
            pad_id=config.get_text_config().pad_token_id or 0,
            follow=self.follow,
            device=self.model.device,
            dtype=self.dtype,
            cut_after=config.image_token_id if truncate else None,
            replaced=self.replaced,
        )
