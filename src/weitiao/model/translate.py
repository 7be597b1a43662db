"""Translation by an encoder-decoder model: sentences in, sentences out, in batches of like length."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from weitiao.errors import UserError
from weitiao.model.batch import positions
from weitiao.model.generate import batches
from weitiao.model.load import load_tokenizer, load_translator
from weitiao.talk import t

# Tokens in one batch, translations and beams counted in full.
_BATCH_TOKENS = 16_384


@dataclass(frozen=True)
class Sentence:
    """A translated sentence, with the tokens read and written; `whole` is false where a limit ended it."""

    text: str
    read: int
    written: int
    whole: bool


class Tongue:
    """A translation model from a folder.

    `codes` are the two languages as the tokenizer of a model of many names them. Raises UserError where the folder
    holds no such model, or one that knows no such language.
    """

    def __init__(self, path: str, codes: tuple[str, str] | None = None) -> None:
        self.model = load_translator(path)
        self.model.generation_config.max_length = None  # of old files; each batch has its own
        self.tokenizer = _tokenizer(path)
        self._first: dict[str, int] = {}  # the token of the language that is to be written
        if codes:
            _, target = (self._token(code, path) for code in codes)
            self.tokenizer.src_lang = codes[0]
            self._first = {"forced_bos_token_id": target}

    def translate(self, texts: Sequence[str], beams: int) -> Iterator[tuple[int, Sentence]]:
        """Yield (index, translation) of each sentence, the longest first.

        A translation that is over three times as long as its sentence, and 32 tokens, goes round in circles: it is
        cut. So is one of a sentence that the model has no room for.
        """
        asked: list[list[int]] = [self.tokenizer(text)["input_ids"] for text in texts]
        room = positions(self.model)
        for index in (index for index, ids in enumerate(asked) if len(ids) > room):
            yield index, Sentence("", len(asked[index]), 0, whole=False)
        fitting = [index for index, ids in enumerate(asked) if len(ids) <= room]
        limits = {index: min(3 * len(asked[index]) + 32, room - 1) for index in fitting}
        for batch in batches([beams * (len(asked[i]) + limits[i]) for i in fitting], _BATCH_TOKENS):
            indices = [fitting[place] for place in batch]
            written = self._written([asked[index] for index in indices], beams, max(limits[i] for i in indices))
            for index, ids in zip(indices, written, strict=True):
                text = str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()
                yield index, Sentence(text, len(asked[index]), len(ids), whole=len(ids) < limits[index])

    def _written(self, asked: list[list[int]], beams: int, limit: int) -> list[list[int]]:
        """Return the tokens of each translation, without what begins and fills the rows."""
        padded: Any = self.tokenizer.pad({"input_ids": asked}, return_tensors="pt").to(self.model.device)
        fill = self.model.generation_config.pad_token_id
        with torch.inference_mode():
            rows = self.model.generate(
                **padded, **self._first, num_beams=beams, do_sample=False, max_new_tokens=limit, suppress_tokens=[fill]
            )
        return [[token for token in row[1:] if token != fill] for row in rows.tolist()]

    def _token(self, code: str, path: str) -> int:
        """Return the token of a language; M2M100's are written `__zh__`."""
        for name in (code, f"__{code}__"):
            token = int(self.tokenizer.convert_tokens_to_ids(name))
            if token != self.tokenizer.unk_token_id:
                return token
        raise UserError(t("The model {path} knows no language `{code}`", path=path, code=code))


def _tokenizer(path: str) -> PreTrainedTokenizerBase:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Recommended: pip install sacremoses")  # it only evens out quotation marks
        try:
            return load_tokenizer(path, chats=False)
        except (TypeError, KeyError, AssertionError) as error:  # what Marian's says of a file that is not there
            text = t("Cannot load the tokenizer of {path}: {error}", path=path, error=error)
            raise UserError(text, t("A Marian model comes with source.spm, target.spm and vocab.json")) from None
