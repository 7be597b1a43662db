"""Answers: batched generation with a key/value cache, greedy or sampled, the same for probes, compare and chat."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from weitiao.model.batch import Batch, Row
from weitiao.model.batch import Sampling as Sampling
from weitiao.model.batch import positions as positions
from weitiao.model.template import Messages, Template


@dataclass(frozen=True)
class Answer:
    """What a model said; `tokens` without the stop token, `stopped` false where a limit ended it."""

    text: str
    tokens: int
    stopped: bool


def answer(
    model: PreTrainedModel, template: Template, prompts: Sequence[Messages], sampling: Sampling, *, batch_tokens: int
) -> list[Answer]:
    """Answer each conversation, in order."""
    found = dict(answers(model, template, prompts, sampling, batch_tokens=batch_tokens))
    return [found[index] for index in range(len(prompts))]


def answers(
    model: PreTrainedModel, template: Template, prompts: Sequence[Messages], sampling: Sampling, *, batch_tokens: int
) -> Iterator[tuple[int, Answer]]:
    """Yield (index, answer) for each conversation as soon as it ends.

    A batch holds at most `batch_tokens` tokens, answers counted in full; the longest go first, so what does not fit
    into memory fails at once. A prompt that leaves the model no position gets an empty answer that did not stop.
    """
    asked = [template.prompt(messages) for messages in prompts]
    limit = positions(model)
    for index, ids in enumerate(asked):
        if len(ids) >= limit:
            yield index, Answer("", 0, stopped=False)
    fitting = [index for index, ids in enumerate(asked) if len(ids) < limit]
    lengths = [len(asked[i]) + sampling.max_new_tokens for i in fitting]
    for batch in batches(lengths, batch_tokens):
        said: list[list[int]] = [[] for _ in batch]
        for row, token, last in _tokens(model, [asked[fitting[b]] for b in batch], sampling, template.stop_ids):
            said[row].append(token)
            if last:
                yield fitting[batch[row]], _answer(template, said[row])


def stream(
    model: PreTrainedModel, template: Template, messages: Messages, sampling: Sampling
) -> Generator[str, None, Answer]:
    """Yield the answer in pieces of whole characters; the generator returns the answer."""
    said: list[int] = []

    def tokens() -> Iterator[int]:
        prompt = template.prompt(messages)
        if len(prompt) >= positions(model):
            return
        for _, token, _ in _tokens(model, [prompt], sampling, template.stop_ids):
            said.append(token)
            if token not in template.stop_ids:
                yield token

    yield from pieces(template.tokenizer, tokens())
    return _answer(template, said)


def pieces(tokenizer: PreTrainedTokenizerBase, ids: Iterable[int]) -> Iterator[str]:
    """Yield the text of `ids` bit by bit, holding a piece back while a character of several tokens is unfinished."""
    return (text for text, _ in counted_pieces(tokenizer, ids))


def counted_pieces(tokenizer: PreTrainedTokenizerBase, ids: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Yield the text of `ids` in pieces of whole characters, each with the number of its tokens."""
    voice = Voice(tokenizer)
    for token in ids:
        held = voice.held + 1
        if text := voice.say(token):
            yield text, held
    held = voice.held
    if rest := voice.rest():
        yield rest, held


class Voice:
    """The text of tokens as they come, in whole characters; `held` tokens have not been heard yet."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer, self.held = tokenizer, 0
        self._window: list[int] = []  # the last piece's tokens too: a token's text can depend on the one before it
        self._shown = ""

    def say(self, token: int) -> str:
        """Return what can be heard with one token more; nothing while a character is unfinished."""
        self._window.append(token)
        self.held += 1
        text = _text(self.tokenizer, self._window)
        if text.endswith("\ufffd") or len(text) <= len(self._shown):
            return ""
        heard = text[len(self._shown) :]
        self._window, self.held = self._window[-self.held :], 0
        self._shown = _text(self.tokenizer, self._window)
        return heard

    def rest(self) -> str:
        """Return what is left at the end."""
        return _text(self.tokenizer, self._window)[len(self._shown) :]


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield indices of rows of like length, longest first; rows times the longest stays within `batch_tokens`."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        rows = max(1, batch_tokens // max(1, lengths[order[0]]))
        yield order[:rows]
        order = order[rows:]


def _answer(template: Template, said: list[int]) -> Answer:
    stopped = bool(said) and said[-1] in template.stop_ids
    ids = said[:-1] if stopped else said
    return Answer(_text(template.tokenizer, ids), len(ids), stopped)


def _text(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> str:
    return str(tokenizer.decode(ids, skip_special_tokens=True))


def _tokens(
    model: PreTrainedModel, prompts: list[list[int]], sampling: Sampling, stop_ids: tuple[int, ...]
) -> Iterator[tuple[int, int, bool]]:
    """Yield (row, token, whether it is the row's last); rows that have ended leave the batch."""
    batch = Batch(model, stop_ids)
    rows = [Row(prompt, sampling) for prompt in prompts]
    places = {row: place for place, row in enumerate(rows)}
    said = batch.join(rows)
    while said:
        for token in said:
            yield places[token.row], token.id, token.last
        said = batch.step()
