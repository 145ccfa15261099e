"""A sentencepiece BPE model as a fast tokenizer, without the sentencepiece library."""

from collections.abc import Mapping
from pathlib import Path

from google.protobuf.message import DecodeError
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers.convert_slow_tokenizer import import_protobuf

from pipeline.models.files import LIMITS, opened

BPE, NORMAL, USER_DEFINED = 2, 1, 4
"""Of sentencepiece_model.proto: TrainerSpec.ModelType.BPE, SentencePiece.Type.NORMAL and .USER_DEFINED."""


def fast_tokenizer(path: Path, added: Mapping[int, AddedToken]) -> Tokenizer:
    """The tokenizer that gives the ids of sentencepiece's own encoder, and its text back.

    added: tokens by id, found in the text before anything else; one whose id is in the model takes the place of its
    piece. Two differences in theory: a NUL character in the text, and where one piece can be joined in two ways at
    once (sentencepiece takes the one further left, a list of merges the one with the longer left part).
    Raises ValueError for what is no whole BPE model, for a normaliser that does more than write spaces as `▁` (that of
    InternLM2 does just this), for user-defined symbols with a space, which the library's own encoder finds in no text
    though it cuts the text around them, and for added ids that leave a gap after the model's own.
    """
    proto = import_protobuf().ModelProto()
    try:
        with opened(path.parent.resolve(), path.name, LIMITS["vocabulary"]) as file:
            proto.ParseFromString(file.read())
    except DecodeError as error:
        raise ValueError(f"{path} is not a sentencepiece model; download it again: {error}") from error
    spec, trainer = proto.normalizer_spec, proto.trainer_spec
    if trainer.model_type != BPE:
        raise ValueError(f"{path.name}: not a BPE model of sentencepiece")
    if spec.precompiled_charsmap or spec.add_dummy_prefix or spec.remove_extra_whitespaces:
        raise ValueError(f"{path.name}: its normaliser {spec.name!r} does more than write spaces as ▁")
    ids = {added[n].content if n in added else piece.piece: n for n, piece in enumerate(proto.pieces)}
    scores = {piece.piece: piece.score for piece in proto.pieces if piece.type == NORMAL}
    core = Tokenizer(
        models.BPE(ids, merges(scores), unk_token=trainer.unk_piece, fuse_unk=True, byte_fallback=trainer.byte_fallback)
    )
    core.normalizer = normalizers.Replace(" ", "▁")
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    own = [p.piece for n, p in enumerate(proto.pieces) if p.type == USER_DEFINED and n not in added]
    if spaced := [piece for piece in own if " " in piece]:
        raise ValueError(
            f"{path.name}: the user-defined symbol {spaced[0]!r} holds a space, which gives other ids here"
        )
    # looked for after spaces became ▁, as by the library
    core.add_tokens([AddedToken(piece, normalized=True, special=False) for piece in own])
    for place, token in sorted(added.items()):
        core.add_tokens([token])
        if (got := core.token_to_id(token.content)) != place:
            raise ValueError(f"{path.name}: added token {token.content!r} gets id {got}, not {place}")
    return core


def merges(scores: Mapping[str, float]) -> list[tuple[str, str]]:
    """Every way to join two normal pieces into a third, the best third first."""
    found = [
        (-score, -cut, (piece[:cut], piece[cut:]))
        for piece, score in scores.items()
        for cut in range(1, len(piece))
        if piece[:cut] in scores and piece[cut:] in scores
    ]
    return [pair for *_, pair in sorted(found)]
