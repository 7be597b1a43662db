"""Tokenizers built from a SentencePiece file give SentencePiece's ids, special pieces at the checkpoint's ids."""

from pathlib import Path

import orjson
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from makers import PIECES, SPECIAL, internlm2_tokenizer
from transformers import PreTrainedTokenizerFast

from weitiao.errors import UserError
from weitiao.model.pieces import load_pieces


@pytest.fixture(scope="module", params=[False, True], ids=["no prefix", "prefix"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreTrainedTokenizerFast, sentencepiece.SentencePieceProcessor]:
    folder = internlm2_tokenizer(tmp_path_factory.mktemp("pieces") / "x", prefix=request.param)
    return load_pieces(folder), sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


Pair = tuple[PreTrainedTokenizerFast, sentencepiece.SentencePieceProcessor]


@settings(max_examples=200)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0▁[<")))
def test_ids_equal_sentencepiece_and_decode_gives_the_text_back(pair: Pair, text: str) -> None:
    ours, theirs = pair
    ids = ours(text, add_special_tokens=False)["input_ids"]
    assert ids == theirs.encode(text)
    assert ours.decode(ids) == text


def test_special_pieces_stand_where_the_checkpoint_has_them(pair: Pair) -> None:
    ours, theirs = pair
    assert len(ours) == theirs.get_piece_size() == PIECES
    for place, name in enumerate(SPECIAL):
        assert ours.convert_tokens_to_ids(name) == theirs.piece_to_id(f"[UNUSED_TOKEN_{place}]")
    ids = ours.apply_chat_template([{"role": "user", "content": "你好"}], add_generation_prompt=True, return_dict=False)
    assert ids[0] == ours.bos_token_id
    assert ids[1] == ours.convert_tokens_to_ids("<|im_start|>")
    assert max(ids) < PIECES
    assert "<|im" not in ours.decode(ids, skip_special_tokens=True)
    if "▁user" not in ours.convert_ids_to_tokens(ids):  # with a dummy prefix each stretch of text begins with a blank
        assert ours.decode(ids).replace("> ", ">") == "<s><|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n"


def test_a_special_token_behind_the_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = internlm2_tokenizer(tmp_path / "x", prefix=False)
    (folder / "tokenizer_config.json").write_bytes(
        orjson.dumps({"added_tokens_decoder": {str(PIECES): {"content": "<|im_end|>"}}})
    )
    with pytest.raises(UserError, match="behind the vocabulary"):
        load_pieces(folder)
