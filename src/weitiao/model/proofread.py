"""Reading sentences by a masked language model that says for each character which one it should be."""

from collections.abc import Sequence
from typing import Any

from weitiao.errors import UserError
from weitiao.model.batch import evaluating, positions
from weitiao.model.generate import batches
from weitiao.model.load import load_proofreader, load_tokenizer
from weitiao.talk import t

_BATCH_TOKENS = 4_096

Guess = tuple[int, str, float]  # the place of a character, the one that should stand there, and its probability


class Proofreader:
    """A model from a folder that was tuned to write sentences again without slips, a character for a character.

    As do `shibing624/macbert4csc-base-chinese` and others of BERT's layout with a head for masked words (Cheng et al.
    2020; Zhang et al., Soft-Masked BERT, 2020). Raises UserError where the folder holds no such model.
    """

    def __init__(self, path: str) -> None:
        self.model = load_proofreader(path)
        self.tokenizer: Any = load_tokenizer(path)
        if not self.tokenizer.is_fast:
            raise UserError(t("The tokenizer of {path} does not say where its tokens stand in a text", path=path))

    def read(self, texts: Sequence[str]) -> list[list[Guess]]:
        """Return for each text where the model would have another character, in order."""
        found: list[list[Guess]] = [[] for _ in texts]
        if not texts:
            return found
        room = positions(self.model)
        read = self.tokenizer(list(texts), truncation=True, max_length=room, return_offsets_mapping=True)
        ids, places = read["input_ids"], read["offset_mapping"]
        for batch in batches([len(one) for one in ids], _BATCH_TOKENS):
            padded: Any = self.tokenizer.pad({"input_ids": [ids[row] for row in batch]}, return_tensors="pt")
            with evaluating(self.model):
                sure, best = self.model(**padded.to(self.model.device)).logits.float().softmax(-1).max(-1)
            for row, own, tokens in zip(batch, sure.tolist(), best.tolist(), strict=True):
                letters = self.tokenizer.convert_ids_to_tokens(tokens[: len(ids[row])])
                known = [token != self.tokenizer.unk_token_id for token in ids[row]]
                found[row] = [
                    (start, letter, probability)
                    for (start, end), letter, probability, is_known in zip(
                        places[row], letters, own, known, strict=False
                    )
                    if is_known and end - start == len(letter) == 1 and letter != texts[row][start]
                ]
        return found
