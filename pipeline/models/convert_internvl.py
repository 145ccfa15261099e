"""InternVL2.5 as OpenGVLab publishes it, which needs remote code, to transformers' own InternVL, which needs none.

    hf download OpenGVLab/InternVL2_5-2B --local-dir checkpoints/internvl25_2b.source
    seewhy convert_internvl checkpoints/internvl25_2b.source checkpoints/internvl25_2b

For the plain 2B and 8B (InternLM2) and 4B (Qwen2.5). Nothing of the source is executed. Weights are read from
safetensors, shard by shard, so memory holds one shard. Names and shapes are checked before the first byte is written,
and the target appears when it is whole. `conversion.json` in it names the source's files by hash, and the prompt.
"""

if __name__ == "__main__":  # before anything else is imported
    from datamodules.safe_path import leave_working_directory

    leave_working_directory()
    import sys

    from pipeline.commands import main as command

    sys.exit(command(["convert_internvl", *sys.argv[1:]]))

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import GenerationConfig, InternVLConfig, InternVLForConditionalGeneration

from datamodules.printable import printable
from pipeline import command_parsers, typed
from pipeline.models import files as checkpoint_files
from pipeline.models import logs
from pipeline.models.files import NO_PICKLES
from pipeline.models.inspection import SLACK
from pipeline.models.internvl_prompt import END, processor
from pipeline.models.internvl_remote import LONGEST, language, native_config, parsed, part, remote_name
from pipeline.models.refusal import blaming
from pipeline.models.trial import Refused, tried


def convert(source: Path, target: Path) -> None:
    """Write the native form of the checkpoint folder `source` to `target`, a new folder.

    Raises ValueError for a source that is not whole or not known here and for a target that is not empty, OSError for
    files that cannot be read or written; nothing is left behind then.
    """
    if not (source / "config.json").is_file():
        raise ValueError(
            f"{source} holds no config.json; first: {typed.command('hf', 'download', 'ID', '--local-dir', source)}"
        )
    if target.exists() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty; name a new folder")
    files = located(source)
    admit(source, files)
    facts, config, asked = prepared(source)
    with blaming(str(source), told=(ValueError,)):
        wanted = plan(files, config, facts)
    partial = target.with_name(f"{target.name}.partial")
    if partial.exists():
        raise ValueError(f"{partial} is left from a conversion that did not finish; delete it")
    partial.mkdir(parents=True)
    try:
        write(files, wanted, config, partial)
        config.save_pretrained(partial)
        asked.save_pretrained(partial)
        end, padding = asked.tokenizer.convert_tokens_to_ids(END), asked.tokenizer.pad_token_id
        GenerationConfig(eos_token_id=end, pad_token_id=padding).save_pretrained(partial)
        record = provenance(source, facts, asked)
        (partial / "conversion.json").write_text(record, encoding="utf-8")
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial)
        raise


def admit(source: Path, weights: Mapping[str, Path]) -> None:
    """Raise ValueError unless the files of `source` may be read, make a configuration, a tokenizer and a processor in a
    child process with limits, and hold about as many `weights` as config.json says."""
    folder = source.resolve()
    names = checkpoint_files.admitted(folder)
    held = checkpoint_files.elements(folder, sorted({path.name for path in weights.values()}))

    def work() -> None:
        _, config, _ = prepared(source)
        with blaming(f"config.json of {source}"), torch.device("meta"):
            described = sum(part.numel() for part in InternVLForConditionalGeneration(config).parameters())
        if described > 2 * held + SLACK:
            raise ValueError(f"config.json describes {described:,} weights, {source} holds {held:,}")

    try:
        tried(work, [checkpoint_files.regular(folder, name) for name in names])
    except Refused as error:
        raise ValueError(str(error) if error.kind == "ValueError" else f"{source}: {error}") from error


def prepared(source: Path) -> tuple[dict[str, Any], InternVLConfig, Any]:
    """Return config.json of `source`, the native configuration, and the native processor.

    Raises ValueError where they are not those of a model that is known here.
    """
    with blaming(f"config.json or the tokenizer of {source}", told=(ValueError,)):
        facts = parsed(source / "config.json")
        try:
            config = native_config(facts)
            asked = processor(source, facts, config)
        except KeyError as error:
            raise ValueError(f"config.json or tokenizer_config.json of {source} lacks {error}") from error
        config.image_token_id = asked.image_token_id
    return facts, config, asked


def located(source: Path) -> dict[str, Path]:
    """The file of every tensor in `source`. Raises ValueError where there are none, one stands twice, or a file is not
    whole."""
    files: dict[str, Path] = {}
    for path in sorted(source.glob("*.safetensors")):
        checkpoint_files.whole(source.resolve(), path.name)
        try:
            with safe_open(path, "pt") as opened:
                names = list(opened.keys())
        except SafetensorError as error:
            reason = printable(str(error))
            raise ValueError(f"{path} is not a whole safetensors file; download it again: {reason}") from error
        for name in names:
            if name in files:
                both = f"{printable(name)} is in {printable(files[name].name)} and in {printable(path.name)}"
                raise ValueError(f"{both}; keep one of them")
            files[name] = path
    if not files:
        raise ValueError(f"{source} {NO_PICKLES}")
    return files


def plan(files: Mapping[str, Path], config: InternVLConfig, facts: Mapping[str, Any]) -> dict[str, list[str]]:
    """The native tensors that are made of each tensor of the source.

    Raises ValueError where names or shapes are not those of the model that config.json describes.
    """
    with torch.device("meta"):
        shapes = {name: t.shape for name, t in InternVLForConditionalGeneration(config).state_dict().items()}
    names = {native: remote_name(native, language(facts)) for native in shapes}
    head, embedding = names["lm_head.weight"], names["model.language_model.embed_tokens.weight"]
    wanted: dict[str, list[str]] = {}
    for native, remote in names.items():
        if not (config.tie_word_embeddings and remote == head):
            wanted.setdefault(remote, []).append(native)
    complain("missing", wanted.keys() - files.keys())
    unexpected = files.keys() - wanted.keys()
    if config.tie_word_embeddings and head in unexpected:
        if not torch.equal(read(files, head), read(files, embedding)):
            raise ValueError(f"config.json: tie_word_embeddings, but {head} is not {embedding}")
        unexpected -= {head}
    complain("unexpected", unexpected)
    for remote, natives in wanted.items():
        with safe_open(files[remote], "pt") as opened:
            fused = torch.empty(opened.get_slice(remote).get_shape(), device="meta")
        try:
            fits = all(part(native, remote, fused, config).shape == shapes[native] for native in natives)
        except (RuntimeError, IndexError):
            fits = False
        if not fits:
            raise ValueError(f"{remote} is {tuple(fused.shape)}, which does not fit config.json")
    return wanted


def complain(what: str, names: Collection[str]) -> None:
    """Raises ValueError that gives the number of `names` and the first three, if there are any."""
    if names:
        first = ", ".join(printable(name)[:LONGEST] for name in sorted(names)[:3])
        raise ValueError(f"{len(names)} {what} weights: {first}{' …' * (len(names) > 3)}")


def read(files: Mapping[str, Path], name: str) -> torch.Tensor:
    """One tensor of the source."""
    with safe_open(files[name], "pt") as opened:
        return opened.get_tensor(name)


def write(files: Mapping[str, Path], wanted: Mapping[str, list[str]], config: InternVLConfig, target: Path) -> None:
    """The native weights, a file for each file of the source, and the index if there are several."""
    shards = sorted(set(files.values()))
    places: dict[str, str] = {}
    total = 0
    for number, shard in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors" if len(shards) > 1 else "model.safetensors"
        remotes = [remote for remote in wanted if files[remote] == shard]
        total += write_shard(files, {remote: wanted[remote] for remote in remotes}, config, target / name)
        places |= {native: name for remote in remotes for native in wanted[remote]}
    if len(shards) > 1:
        index = {"metadata": {"total_size": total}, "weight_map": places}
        (target / "model.safetensors.index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def write_shard(files: Mapping[str, Path], wanted: Mapping[str, list[str]], config: InternVLConfig, path: Path) -> int:
    """One file of native weights; the bytes of its tensors, which are in memory during this call only."""
    tensors = {
        native: part(native, remote, read(files, remote), config).clone(memory_format=torch.contiguous_format)
        for remote, natives in wanted.items()
        for native in natives
    }
    save_file(tensors, path, metadata={"format": "pt"})
    return sum(tensor.nbytes for tensor in tensors.values())


def provenance(source: Path, facts: Mapping[str, Any], asked: Any) -> str:
    """Where the converted folder comes from, as JSON: equal sources and versions, equal text."""
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "{prompt}"}]}]
    hashes = {}
    for path in sorted(source.iterdir()):
        if path.suffix in {".json", ".model", ".safetensors", ".txt"}:
            with checkpoint_files.opened(source.resolve(), path.name) as file:
                hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    record = {
        "source_sha256": hashes,
        "language_model": language(facts),
        "template": facts["template"],
        "prompt": asked.apply_chat_template(chat, add_generation_prompt=True, tokenize=False),
        "versions": {name: version(name) for name in ("seewhy", "tokenizers", "transformers")},
    }
    return json.dumps(record, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main(args: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command_parsers.convert_internvl()
    options = parser.parse_args(args)
    logs.make_printable()
    try:
        convert(options.source, options.target)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {printable(str(error))}\n")
    print(f"{printable(str(options.target))}: converted; use it as `checkpoint` of pipeline.models.internvl.InternVL")
