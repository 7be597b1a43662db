"""Encoder-decoder models from folders: today's files and Marian's own, models of many languages, and what is none."""

import io
import shutil
from pathlib import Path

import orjson
import pytest
import sentencepiece
import torch
from safetensors.torch import load_file
from transformers import M2M100Config, M2M100ForConditionalGeneration
from translators import THERE, make_marian

from weitiao.errors import UserError
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.translate import Sentence, Tongue

PAIRS = {one: other for one, other in THERE.items() if not one.isascii()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_marian(tmp_path_factory.mktemp("marian") / "zh-en", PAIRS)


@pytest.fixture
def original(folder: Path, tmp_path: Path) -> Path:
    """The files that opus-mt is published in: weights as PyTorch's, and one configuration for all."""
    shutil.copytree(folder, tmp_path / "opus")
    (tmp_path / "opus" / "generation_config.json").unlink()
    weights = load_file(tmp_path / "opus" / "model.safetensors")
    (tmp_path / "opus" / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "opus" / "pytorch_model.bin")
    config = orjson.loads((folder / "config.json").read_bytes())
    fill = config["pad_token_id"]
    config |= {"bad_words_ids": [[fill]], "max_length": 64, "num_beams": 6, "transformers_version": "4.22.0"}
    (tmp_path / "opus" / "config.json").write_bytes(orjson.dumps(config))
    return tmp_path / "opus"


@pytest.mark.parametrize("beams", [1, 4])
def test_all_are_translated_in_one_batch(folder: Path, beams: int) -> None:
    found = dict(Tongue(str(folder)).translate(list(PAIRS), beams))
    assert [found[index].text for index in range(3)] == list(PAIRS.values())
    assert [(found[index].read, found[index].whole) for index in range(3)] == [(9, True), (7, True), (17, True)]


def test_the_files_of_opus_mt_say_the_same(original: Path) -> None:
    found = dict(Tongue(str(original)).translate(list(PAIRS), 4))
    assert [found[index].text for index in range(3)] == list(PAIRS.values())


def test_weights_that_would_run_code_are_not_loaded(original: Path) -> None:
    torch.save({"model.shared.weight": Path("run")}, original / "pytorch_model.bin")
    with pytest.raises(UserError, match="a pickle that would run code"):
        Tongue(str(original))


def test_what_has_no_room_is_not_begun(folder: Path) -> None:
    assert dict(Tongue(str(folder)).translate(["鱼" * 70], 1)) == {0: Sentence("", 72, 0, whole=False)}


def test_a_translation_model_cannot_chat(folder: Path) -> None:
    with pytest.raises(UserError, match="is a translation model, which cannot chat"):
        load_model(str(folder))
    with pytest.raises(UserError, match="is a translation model, which cannot chat"):
        load_tokenizer(str(folder))


def test_a_model_of_many_languages_begins_with_the_one_wanted(tmp_path: Path) -> None:
    written = io.BytesIO()
    texts = ["abcd", "dcba", "鱼会不会"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, vocab_size=40, model_type="char", hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    own = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    pieces = [own.id_to_piece(index) for index in range(3, own.get_piece_size())]
    words = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    (tmp_path / "sentencepiece.bpe.model").write_bytes(written.getvalue())
    (tmp_path / "vocab.json").write_bytes(orjson.dumps({word: index for index, word in enumerate(words)}))
    (tmp_path / "tokenizer_config.json").write_bytes(orjson.dumps({"tokenizer_class": "M2M100Tokenizer"}))
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=len(words) + 120, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64,
    )  # fmt: skip
    M2M100ForConditionalGeneration(config).save_pretrained(tmp_path)
    tongue = Tongue(str(tmp_path), ("zh", "en"))
    (ids,) = tongue._written([tongue.tokenizer("鱼会")["input_ids"]], 1, 5)
    assert ids[0] == tongue.tokenizer.get_lang_id("en")
    assert tongue.tokenizer("鱼会")["input_ids"][0] == tongue.tokenizer.get_lang_id("zh")
    with pytest.raises(UserError, match="knows no language `klingon`"):
        Tongue(str(tmp_path), ("zh", "klingon"))
