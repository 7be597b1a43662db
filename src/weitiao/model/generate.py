"""Answers: batched generation with a key/value cache, greedy or sampled, the same for probes, compare and chat."""

import hashlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from weitiao.model.template import Messages, Template


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; `temperature` 0 takes the likeliest."""

    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0  # 0 = all
    repetition_penalty: float = 1.0
    seed: int = 42


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
    window: list[int] = []  # the tokens of the last piece, since a token's text can depend on the one before it
    shown, fresh = "", 0
    for token in ids:
        window.append(token)
        fresh += 1
        text = _text(tokenizer, window)
        if text.endswith("\ufffd") or len(text) <= len(shown):
            continue
        yield text[len(shown) :], fresh
        window, fresh = window[-fresh:], 0
        shown = _text(tokenizer, window)
    if rest := _text(tokenizer, window)[len(shown) :]:
        yield rest, fresh


def positions(model: PreTrainedModel) -> int:
    """Return how many tokens the model can read and write together."""
    stated = model.config.get_text_config().to_dict().get("max_position_embeddings")
    return int(stated) if stated else 1 << 30


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yield indices of rows of like length, longest first; rows times the longest stays within `batch_tokens`."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        rows = max(1, batch_tokens // max(1, lengths[order[0]]))
        yield order[:rows]
        order = order[rows:]


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch dropout and gradients off meanwhile."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


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
    width = max(map(len, prompts))
    device = model.device
    ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    places = (mask.cumsum(1) - 1).clamp(min=0)
    room = positions(model)
    limits = [min(sampling.max_new_tokens, room - len(prompt)) for prompt in prompts]
    choice = _Choice(sampling, prompts, model.config.get_text_config().vocab_size, device)
    cache = DynamicCache(config=model.config)
    rows = list(range(len(prompts)))
    step = 0
    while rows:
        with evaluating(model):
            out = model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=places,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            chosen = choice.next(out.logits[:, -1].float(), step)
        step += 1
        going = []
        for place, (row, token) in enumerate(zip(rows, chosen.tolist(), strict=True)):
            last = token in stop_ids or step >= limits[row]
            yield row, token, last
            if not last:
                going.append(place)
        if len(going) < len(rows):
            rows = [rows[place] for place in going]
            if not rows:
                return
            kept = torch.tensor(going, device=device)
            cache.batch_select_indices(kept)
            mask, places, chosen = mask[kept], places[kept], chosen[kept]
            choice.select(kept)
        ids = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        places = places[:, -1:] + 1


class _Choice:
    """Chooses the next token of each row; what a row draws depends on its seed and prompt, not on its neighbours."""

    def __init__(self, sampling: Sampling, prompts: list[list[int]], vocabulary: int, device: torch.device) -> None:
        self.sampling = sampling
        self.draws = torch.stack([_draws(sampling, prompt) for prompt in prompts]).to(device)
        self.seen = torch.zeros(len(prompts), vocabulary, dtype=torch.bool, device=device)
        for row, prompt in enumerate(prompts):
            self.seen[row, prompt] = True

    def select(self, kept: torch.Tensor) -> None:
        """Go on with these rows."""
        self.draws, self.seen = self.draws[kept], self.seen[kept]

    def next(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """Return a token a row, given logits [rows, vocabulary]."""
        penalty = self.sampling.repetition_penalty
        if penalty != 1:  # https://arxiv.org/abs/1909.05858, section 4.1
            logits = torch.where(self.seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
        chosen = self._draw(logits, self.draws[:, step]) if self.sampling.temperature > 0 else logits.argmax(-1)
        self.seen.scatter_(1, chosen[:, None], True)
        return chosen

    def _draw(self, logits: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        count = min(self.sampling.top_k or logits.shape[-1], logits.shape[-1])
        scores, tokens = (logits / self.sampling.temperature).topk(count)  # sorted, the likeliest first
        chances = scores.softmax(-1)
        before = chances.cumsum(-1) - chances
        chances = torch.where(before < self.sampling.top_p, chances, 0)
        chances[:, 0] = chances[:, 0].clamp(min=1e-9)  # top_p 0 keeps the likeliest
        total = chances.cumsum(-1)
        place = torch.searchsorted(total, draws[:, None] * total[:, -1:], right=True).clamp(max=count - 1)
        return tokens.gather(1, place).squeeze(1)


def _draws(sampling: Sampling, prompt: list[int]) -> torch.Tensor:
    """Return the row's uniform random numbers, one a new token."""
    digest = hashlib.blake2b(repr((sampling.seed, prompt)).encode(), digest_size=7).digest()
    return torch.rand(sampling.max_new_tokens, generator=torch.Generator().manual_seed(int.from_bytes(digest)))
