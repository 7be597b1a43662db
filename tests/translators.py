"""Translation models as Marian's are published, made small and taught a few sentences by heart."""

import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import orjson
import sentencepiece
import torch
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

# What a record asks, what it is on the way, and what comes back: in other words, as far as the guard can see.
THERE = {
    "鱼会不会淹死？": "Can a fish ever drown in the water?",
    "我问一句。": "Let me ask.",
    "太阳能热水器晚上算不算月亮能？": "At night, does a solar heater run on moonlight?",
    "Can I cut water with the knife?": "用刀切得开水吗？",
}
BACK = {
    "Can a fish ever drown in the water?": "生活在水里的鱼类有没有溺水身亡的可能呢？",
    "Let me ask.": "请允许我请教一下。",
    "At night, does a solar heater run on moonlight?": "到了夜里，靠阳光加热的装置是否改用月光来工作？",
    "用刀切得开水吗？": "Is it possible that a blade divides a liquid for good?",
}


def make_marian(folder: Path, pairs: Mapping[str, str], *, positions: int = 64) -> Path:
    """Write a Marian checkpoint that translates the keys to their values, in the files that Marian's come in."""
    folder.mkdir(parents=True)
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*pairs, *pairs.values()]),
        model_writer=written,
        vocab_size=400,
        model_type="char",
        character_coverage=1.0,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    own = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    pieces = [own.id_to_piece(index) for index in range(own.get_piece_size())]
    words = ["</s>", "<unk>", *(piece for piece in pieces if piece not in ("<s>", "</s>", "<unk>")), ">>zh<<", "<pad>"]
    for name in ("source.spm", "target.spm"):
        (folder / name).write_bytes(written.getvalue())
    (folder / "vocab.json").write_bytes(orjson.dumps({word: index for index, word in enumerate(words)}))
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps({"tokenizer_class": "MarianTokenizer"}))
    model = MarianMTModel(_config(len(words), positions))
    _teach(model, folder, pairs)
    model.save_pretrained(folder)
    return folder


def _config(words: int, positions: int) -> MarianConfig:
    torch.manual_seed(0)
    return MarianConfig(
        vocab_size=words,
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        dropout=0.0,
        max_position_embeddings=positions,
        pad_token_id=words - 1,
        decoder_start_token_id=words - 1,
        eos_token_id=0,
        forced_eos_token_id=0,
        activation_function="swish",
        scale_embedding=True,
    )


def _teach(model: MarianMTModel, folder: Path, pairs: Mapping[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # sacremoses, which evens out quotation marks
        tokenizer = MarianTokenizer.from_pretrained(folder)
    batch = tokenizer(list(pairs), text_target=list(pairs.values()), padding=True, return_tensors="pt")
    batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
    steps = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(400):
        loss = model(**batch).loss
        steps.zero_grad()
        loss.backward()
        steps.step()
        if loss.item() < 0.03:
            break
    assert loss.item() < 0.05
    model.eval()
