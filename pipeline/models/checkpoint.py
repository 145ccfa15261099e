"""Where a checkpoint lies, how it is loaded, and what identifies it."""

import ctypes
import platform
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from transformers import AutoConfig, GenerationConfig

from pipeline.models import logs
from pipeline.models.refusal import CheckpointError
from pipeline.models.source import Source
from pipeline.types import Extent

ROOT = Path(__file__).resolve().parents[2]
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
HeadIn = Literal["float32", "model"]
"""In which dtype logits are computed."""
MOST_TOKENS = 1 << 15
"""Tokens that an answer may have, as many as a row can hold."""


class Checkpoint(Source):
    """Model, processor and generation settings of one checkpoint, each read when first needed.

    checkpoint: hub id or folder (relative to the working directory or to the repository). attention: transformers'
    attention implementation. revision: branch, tag or commit of a hub checkpoint; what it points to when first asked is
    what everything is then read from. max_new_tokens: where an answer is cut off.
    The constructor checks and loads nothing; `load` reads the weights, from safetensors only.
    """

    model_class: type
    processor_class: type

    def __init__(
        self,
        checkpoint: str,
        *,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa",
        revision: str | None = None,
        max_new_tokens: int = 256,
        head: HeadIn = "float32",
    ) -> None:
        if head not in get_args(HeadIn):
            raise ValueError(f"head: one of {', '.join(get_args(HeadIn))}, got {head}")
        logs.make_printable()
        if dtype not in DTYPES:
            raise ValueError(f"dtype: {dtype!r} is none of {', '.join(DTYPES)}")
        if not 1 <= max_new_tokens <= MOST_TOKENS:
            raise ValueError(f"max_new_tokens: expected 1 to {MOST_TOKENS:,}, got {max_new_tokens}")
        super().__init__(checkpoint, locate(checkpoint), revision)
        self.dtype, self.attention, self.max_new_tokens = DTYPES[dtype], attention, max_new_tokens
        self.head_dtype = self.dtype if head == "model" else torch.float32
        self._model: Any = None

    def load(self, device: torch.device | str = "cpu") -> None:
        """Read the weights to `device`, frozen, in evaluation mode. A second call only moves them.

        Raises CheckpointError where these are not the weights that the configuration describes, or the machine lacks
        what `attention` needs.
        """
        if self._model is None:
            self.flash()  # without the package transformers may fetch kernels from the hub, and run them
            self.weigh()
            model, info = self.pretrained(
                self.model_class,
                dtype=self.dtype,
                attn_implementation=self.attention,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are told here
                output_loading_info=True,
            )
            if other := sorted(name for name, *_ in info["mismatched_keys"]):
                raise self.unusable(f"{len(other)} weights have not the shape that config.json says, first {other[0]}")
            if missing := sorted(info["missing_keys"]):
                raise self.unusable(f"{len(missing)} weights are missing, first {missing[0]}")
            model.generation_config = GenerationConfig()  # generate() would fill gaps from the checkpoint's own
            self._model = model.requires_grad_(False).eval()
            self._model.to(device)
            try:
                self.try_out()
            except BaseException:
                self._model = None
                raise
        if torch.device(device).type == "cpu":
            keep_freed_memory()
        self._model.to(device)

    def try_out(self) -> None:
        """Raise CheckpointError where the loaded model cannot be asked."""

    def flash(self) -> dict[str, str]:
        """The version of FlashAttention, where that is asked for. CheckpointError where it is not installed."""
        if self.attention != "flash_attention_2":
            return {}
        try:
            return {"flash_attn": version("flash_attn")}
        except PackageNotFoundError as error:
            missing = f"attention: {self.attention} needs the package flash-attn, which is not installed"
            raise CheckpointError(f"{missing}; install it, or choose sdpa") from error

    @property
    def model(self) -> Any:
        """The transformers model with its head. Raises RuntimeError before `load`."""
        if self._model is None:
            raise RuntimeError("the model is not loaded: call load(device) first")
        return self._model

    def pretrained(self, kind: Any, **options: Any) -> Any:
        """What `kind` of transformers makes of the checkpoint's files, but never of Python code among them. Raises
        CheckpointError where nothing can be made of them, OSError where the system cannot read them."""
        folder = self.folder
        _ = self.facts
        part = "its weights" if kind is self.model_class else "its tokenizer or processor"
        with self.reading("config.json" if kind is AutoConfig else part):
            try:  # unless it is told not to, transformers asks on the terminal, and runs the code if that says y
                return kind.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True, **options)
            except (ValueError, ImportError) as error:
                if "trust_remote_code" not in str(error):
                    raise
                own = "it is published with Python code of its own, which is never run here"
                raise self.unusable(f"{own}; name one that transformers reads itself") from error

    def blank(self) -> Any:
        """The model that the configuration describes, without weights that mean anything."""
        make = getattr(self.model_class, "_from_config", None) or self.model_class.from_config  # type: ignore[attr-defined]
        return make(self.config, attn_implementation="eager")

    @cached_property
    def config(self) -> Any:
        """The checkpoint's configuration, for what must be known before its weights are read."""
        found, wanted = self.pretrained(AutoConfig), getattr(self.model_class, "config_class", None)
        if wanted and not isinstance(found, wanted):
            mend = "choose the class_path of its family, or pipeline.models.auto.Auto"
            raise self.unusable(f"a {found.model_type} is no model for {type(self).__name__}; {mend}")
        return found

    @property
    def extent(self) -> Extent:
        """How deep the language model is and how many entries its head has, by the configuration."""
        text = self.config.get_text_config()
        return Extent(depth=text.num_hidden_layers, vocabulary=text.vocab_size)

    @cached_property
    def processor(self) -> Any:
        """Image processor and tokenizer, padding on the left."""
        return self.pretrained(self.processor_class, backend="pil", padding_side="left")


def without_video(processor: Any) -> type:
    """`processor` without its video processor, which would want torchvision."""
    parts = [part for part in processor.get_attributes() if part != "video_processor"]
    if parts == processor.get_attributes():
        return processor

    def make(cls: Any, args: list[Any], settings: dict[str, Any], **options: Any) -> Any:
        settings = {name: value for name, value in settings.items() if name != "video_processor"}
        return processor.from_args_and_dict.__func__(cls, [*args, None], settings, **options)

    changed = {"get_attributes": classmethod(lambda cls: parts), "from_args_and_dict": classmethod(make)}
    return type(processor.__name__, (processor,), changed)


def keep_freed_memory() -> None:
    """Let glibc hand large freed blocks out again instead of returning them to the system.

    Every pass takes and frees the same few; fresh ones would have their pages mapped and zeroed each time, which costs
    a batch of eight a sixth of its time. A setting of the process, like its threads: results are the same.
    """
    if platform.libc_ver()[0] == "glibc":
        mallopt, (trim_threshold, mmap_max) = ctypes.CDLL(None).mallopt, (-1, -4)
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def locate(checkpoint: str) -> str:
    """A folder, taken from the working directory or the repository, else a hub id.

    Raises ValueError for what can be neither.
    """
    for folder in (Path(checkpoint), ROOT / checkpoint):
        if folder.is_dir():
            return str(folder.resolve())
    if checkpoint.startswith((".", "/", "~")):
        raise ValueError(
            f"checkpoint: no folder {checkpoint} (the head of its file in configs/vlm may say how to make it)"
        )
    if checkpoint.count("/") != 1:
        raise ValueError(f"checkpoint: {checkpoint!r} is neither a folder nor a hub id (owner/name)")
    return checkpoint
