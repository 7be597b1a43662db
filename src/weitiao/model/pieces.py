"""A fast tokenizer from a checkpoint's SentencePiece file, special pieces at the ids that the checkpoint gives them.

InternLM2's `tokenizer.model` calls its special pieces `[UNUSED_TOKEN_146]` and so on; the readable names stand only in
`tokenizer_config.json`. Loaders that add the readable names append them behind the vocabulary, where the model has no
embedding. Here the pieces are renamed where they stand.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from weitiao.errors import UserError
from weitiao.talk import t

INTERNLM2_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_NORMAL, _UNKNOWN, _CONTROL, _USER, _BYTE = 1, 2, 3, 4, 6
_SPACE = "▁"
# Texts on which wrong normalising, a wrong prefix or wrong merges show.
_PROOF = (
    "你好，世界！",
    " a  b\n\n\tc ",
    "x²+½=①",
    "🙂👩‍👩‍👧",
    "def f(x):\n    return x",
    "ＡＢ　１２",
    "",
    "é ﬁ ㈱",
    "1234567 3.14",
)


def load_pieces(folder: Path) -> PreTrainedTokenizerFast:
    """Build the tokenizer of a folder with `tokenizer.model` and `tokenizer_config.json`.

    Raises UserError if the file is no SentencePiece BPE model, or if the tokenizer built from it does not give the ids
    that SentencePiece gives.
    """
    path = folder / "tokenizer.model"
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(path.read_bytes())
    if proto.trainer_spec.model_type != 2:
        raise UserError(t("{path} is no SentencePiece BPE model", path=path))
    config_path = folder / "tokenizer_config.json"
    config: dict[str, Any] = orjson.loads(config_path.read_bytes()) if config_path.exists() else {}
    names = {int(index): token["content"] for index, token in config.get("added_tokens_decoder", {}).items()}
    pieces = [names.get(index, piece.piece) for index, piece in enumerate(proto.pieces)]
    outside = {index: name for index, name in names.items() if index >= len(pieces)}
    if outside:
        raise UserError(t("{path}: special tokens {names} lie behind the vocabulary", path=config_path, names=outside))
    fast = _fast(proto, pieces)
    if (jinja := folder / "chat_template.jinja").exists():
        config["chat_template"] = jinja.read_text(encoding="utf-8")
    tokenizer = _wrapped(fast, proto, pieces, config)
    _prove(fast, path)
    return tokenizer


def append_pieces(folder: Path, tokens: Sequence[AddedToken]) -> None:
    """Append tokens to the vocabulary of a folder as `load_pieces` and InternLM2's own code read it.

    Special ones get an unreadable piece, as InternLM2's have, and their name in `tokenizer_config.json`.
    """
    if not tokens:
        return
    path, config_path = folder / "tokenizer.model", folder / "tokenizer_config.json"
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(path.read_bytes())
    config: dict[str, Any] = orjson.loads(config_path.read_bytes()) if config_path.exists() else {}
    for token in tokens:
        index = len(proto.pieces)
        piece = f"[ADDED_TOKEN_{index}]" if token.special else token.content
        proto.pieces.add(piece=piece, score=0, type=_USER)
        if token.special:
            named = {"content": token.content, "normalized": False, "special": True}
            config.setdefault("added_tokens_decoder", {})[str(index)] = named
    path.write_bytes(proto.SerializeToString())
    config_path.write_bytes(orjson.dumps(config, option=orjson.OPT_INDENT_2))


def _fast(proto: Any, pieces: list[str]) -> Tokenizer:
    normal = {pieces[index]: index for index, piece in enumerate(proto.pieces) if piece.type == _NORMAL}
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    model = BPE(
        vocabulary,
        _merges(normal, {name: proto.pieces[index].score for name, index in normal.items()}),
        unk_token=pieces[proto.trainer_spec.unk_id],
        fuse_unk=True,
        byte_fallback=any(piece.type == _BYTE for piece in proto.pieces),
    )
    fast = Tokenizer(model)
    spec = proto.normalizer_spec
    steps: list[Any] = [normalizers.Precompiled(spec.precompiled_charsmap)] if spec.precompiled_charsmap else []
    if spec.remove_extra_whitespaces:
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    if spec.add_dummy_prefix:  # once a stretch between special tokens, as InternLM2's own fast tokenizer does
        steps.append(normalizers.Prepend(_SPACE))
    fast.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", _SPACE)])
    strip = [decoders.Strip(" ", 1, 0)] if spec.add_dummy_prefix else []
    fast.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip])
    for piece, own in zip(pieces, proto.pieces, strict=True):
        if own.type == _USER:
            add = fast.add_tokens if piece == own.piece else fast.add_special_tokens
            add([AddedToken(piece, normalized=False)])
    return fast


def _merges(vocabulary: dict[str, int], scores: dict[str, float]) -> list[tuple[str, str]]:
    """Return the merges in the order in which SentencePiece makes them: by the score of what they make."""
    merges = [
        (scores[piece], (piece[:cut], piece[cut:]))
        for piece in vocabulary
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    return [pair for _, pair in sorted(merges, key=lambda merge: -merge[0])]


def _wrapped(fast: Tokenizer, proto: Any, pieces: list[str], config: dict[str, Any]) -> PreTrainedTokenizerFast:
    spec = proto.trainer_spec
    bos, eos, unk = (pieces[index] for index in (spec.bos_id, spec.eos_id, spec.unk_id))
    renamed = [name for name, own in zip(pieces, proto.pieces, strict=True) if name != own.piece]
    if config.get("add_bos_token", True):
        fast.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, spec.bos_id)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=fast,
        bos_token=bos,
        eos_token=eos,
        unk_token=unk,
        pad_token=_text(config.get("pad_token")) or eos,
        additional_special_tokens=renamed,
        chat_template=config.get("chat_template", INTERNLM2_TEMPLATE),
        clean_up_tokenization_spaces=False,
    )


def _text(token: dict[str, Any] | str | None) -> str | None:
    """Return the text of a token that a config writes as text or as an object."""
    return str(token["content"]) if isinstance(token, dict) else token


def _prove(fast: Tokenizer, path: Path) -> None:
    """Hold that SentencePiece gives the same ids."""
    own = sentencepiece.SentencePieceProcessor(model_file=str(path))
    for text in _PROOF:
        mine, theirs = fast.encode(text, add_special_tokens=False).ids, own.encode(text)
        if mine != theirs:
            what = t("{path}: the tokenizer built from it differs from SentencePiece on {text}", path=path, text=text)
            raise UserError(what, f"{mine} != {theirs}")
