"""A batch of answers under way: rows join and leave between two steps, and each says what it would say alone."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; `temperature` 0 takes the likeliest."""

    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0  # 0 = all
    repetition_penalty: float = 1.0
    seed: int = 42


@dataclass(eq=False)
class Row:
    """An answer under way; with `told` each token comes with its likelihood and that of so many likeliest ones."""

    prompt: list[int]
    sampling: Sampling
    told: int | None = None
    said: list[int] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens of the prompt and the answer so far."""
        return len(self.prompt) + len(self.said)

    @cached_property
    def draws(self) -> list[float]:
        """The row's uniform random numbers, one a new token."""
        digest = hashlib.blake2b(repr((self.sampling.seed, self.prompt)).encode(), digest_size=7).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest))
        drawn: list[float] = torch.rand(self.sampling.max_new_tokens, generator=generator).tolist()
        return drawn


@dataclass(frozen=True)
class Likely:
    """The natural logarithm of a token's likelihood, and the likeliest tokens with theirs."""

    logprob: float
    top: list[tuple[int, float]]


@dataclass(frozen=True)
class Token:
    """What a row says next, and whether it has ended with it: by a stop token, or because there is no more room."""

    row: Row
    id: int
    last: bool
    likely: Likely | None = None


class Batch:
    """Answers that go on together. A row leaves when it has ended, or when it is taken out."""

    def __init__(self, model: PreTrainedModel, stop_ids: tuple[int, ...]) -> None:
        self.model, self.stop_ids = model, stop_ids
        self.rows: list[Row] = []
        self._cache, self._width = DynamicCache(), 0
        self.joinable = _joinable(model)  # else rows join only when all others have left
        self._room = positions(model)
        self._words = model.config.get_text_config().vocab_size

    def join(self, rows: Sequence[Row]) -> list[Token]:
        """Read the prompts of `rows`, each shorter than the model holds, and return the first token of each."""
        width = max(len(row.prompt) for row in rows)
        ids = torch.tensor([[0] * (width - len(row.prompt)) + row.prompt for row in rows], device=self.model.device)
        # Layers that slide would forget what other rows still have before them: masks alone hold them to their window.
        cache = DynamicCache() if self.joinable else DynamicCache(config=self.model.config)
        other, self.rows = (self.rows, self._cache, self._width) if self.rows else None, list(rows)
        self._cache, self._width, self._choice = cache, 0, _Choice(rows, self._words, self.model.device)
        said = self._next(ids)
        if other:
            self._merge(*other)
        return said

    def step(self) -> list[Token]:
        """Return the next token of each row; nothing where there is none left."""
        if not self.rows:
            return []
        return self._next(torch.tensor([[row.said[-1]] for row in self.rows], device=self.model.device))

    def leave(self, rows: Collection[Row]) -> None:
        """Take out `rows`."""
        going = [place for place, row in enumerate(self.rows) if row not in rows]
        if len(going) == len(self.rows):
            return
        self.rows = [self.rows[place] for place in going]
        if not self.rows:
            self._cache = DynamicCache()
            return
        self._cache.batch_select_indices(torch.tensor(going, device=self.model.device))
        if self.joinable:
            self._set_width(max(row.length for row in self.rows) - 1)
        self._choice = _Choice(self.rows, self._words, self.model.device)

    def _next(self, ids: torch.Tensor) -> list[Token]:
        """Read `ids`, those of each row that are not in the cache yet, and say the next token of each."""
        self._width += ids.shape[1]
        lengths = torch.tensor([row.length for row in self.rows], device=ids.device)
        mask = torch.arange(self._width, device=ids.device) >= self._width - lengths[:, None]
        with evaluating(self.model):
            out = self.model(
                input_ids=ids,
                attention_mask=mask.long(),
                position_ids=(mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :],
                past_key_values=self._cache,
                use_cache=True,
                logits_to_keep=1,
            )
            logits = out.logits[:, -1].float()
            chosen = self._choice.next(logits)
            likely = _likely(self.rows, logits, chosen)
        said = []
        for row, token, known in zip(self.rows, chosen.tolist(), likely, strict=True):
            row.said.append(token)
            full = len(row.said) >= row.sampling.max_new_tokens or row.length >= self._room
            said.append(Token(row, token, full or token in self.stop_ids, known))
        self.leave([token.row for token in said if token.last])
        return said

    def _merge(self, rows: list[Row], cache: DynamicCache, width: int) -> None:
        """Put `rows`, which were here before, in front again."""
        if self.rows:
            widest = max(width, self._width)
            self._set_width(widest)
            for new, old in zip(self._cache.layers, cache.layers, strict=True):
                if new.is_initialized:
                    new.keys = torch.cat([_widened(old.keys, widest), new.keys])
                    new.values = torch.cat([_widened(old.values, widest), new.values])
        else:
            self._cache, self._width = cache, width
        self.rows = [*rows, *self.rows]
        self._choice = _Choice(self.rows, self._words, self.model.device)

    def _set_width(self, width: int) -> None:
        """Give the cache another width: more or less of what no row sees, at its left."""
        if width != self._width:
            for layer in self._cache.layers:
                if layer.is_initialized:
                    layer.keys, layer.values = _widened(layer.keys, width), _widened(layer.values, width)
            self._width = width


class _Choice:
    """Chooses the next token of each row; what a row draws depends on its seed and prompt, not on its neighbours."""

    def __init__(self, rows: Sequence[Row], words: int, device: torch.device) -> None:
        self.rows, how = rows, [row.sampling for row in rows]
        self.draws = [row.draws if row.sampling.temperature > 0 else [] for row in rows]
        self.temperature = torch.tensor([[one.temperature] for one in how], device=device)
        self.top_p = torch.tensor([[one.top_p] for one in how], device=device)
        self.top_k = torch.tensor([[one.top_k or words] for one in how], device=device)
        self.count = min(words, max(one.top_k or words for one in how))
        self.penalty = torch.tensor([[one.repetition_penalty] for one in how], device=device)
        self.seen = torch.zeros(0)
        if any(one.repetition_penalty != 1 for one in how):
            self.seen = torch.zeros(len(rows), words, dtype=torch.bool, device=device)
            for place, row in enumerate(rows):
                self.seen[place, row.prompt + row.said] = True

    def next(self, logits: torch.Tensor) -> torch.Tensor:
        """Return a token a row, given logits [rows, words]."""
        if len(self.seen):  # https://arxiv.org/abs/1909.05858, section 4.1
            less = torch.where(logits > 0, logits / self.penalty, logits * self.penalty)
            logits = torch.where(self.seen, less, logits)
        chosen = logits.argmax(-1)
        if any(self.draws):
            chosen = torch.where(self.temperature[:, 0] > 0, self._draw(logits), chosen)
        if len(self.seen):
            self.seen.scatter_(1, chosen[:, None], True)
        return chosen

    def _draw(self, logits: torch.Tensor) -> torch.Tensor:
        drawn = [draws[len(row.said)] if draws else 0.0 for draws, row in zip(self.draws, self.rows, strict=True)]
        warm = torch.where(self.temperature > 0, self.temperature, 1)
        scores, tokens = (logits / warm).topk(self.count)  # sorted, the likeliest first
        scores = scores.masked_fill(torch.arange(self.count, device=logits.device) >= self.top_k, -torch.inf)
        chances = scores.softmax(-1)
        before = chances.cumsum(-1) - chances
        chances = torch.where(before < self.top_p, chances, 0)
        chances[:, 0] = chances[:, 0].clamp(min=1e-9)  # top_p 0 keeps the likeliest
        total = chances.cumsum(-1)
        wanted = torch.tensor(drawn, device=logits.device)[:, None] * total[:, -1:]
        place = torch.searchsorted(total, wanted, right=True).clamp(max=self.count - 1)
        return tokens.gather(1, place).squeeze(1)


def positions(model: PreTrainedModel) -> int:
    """Return how many tokens the model can read and write together."""
    stated = model.config.get_text_config().to_dict().get("max_position_embeddings")
    return int(stated) if stated else 1 << 30


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


def _joinable(model: PreTrainedModel) -> bool:
    """Tell whether what rows remember can be laid side by side: keys and values of each token, and nothing else."""
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    layers = model.config.get_text_config().to_dict().get("layer_types") or ()
    # Chunks are counted from the left end of the cache, which moves.
    return kinds <= {DynamicLayer, DynamicSlidingWindowLayer} and "chunked_attention" not in layers


def _widened(states: torch.Tensor, width: int) -> torch.Tensor:
    """Return [rows, heads, width, size], filled up or cut off at the left."""
    return pad(states, (0, 0, width - states.shape[-2], 0))


def _likely(rows: Sequence[Row], logits: torch.Tensor, chosen: torch.Tensor) -> list[Likely | None]:
    """Return how likely the chosen tokens are, before temperature and penalty, for the rows that are told."""
    found: list[Likely | None] = [None] * len(rows)
    wanted = [place for place, row in enumerate(rows) if row.told is not None]
    if not wanted:
        return found
    scores = logits[wanted].log_softmax(-1)
    own = scores.gather(1, chosen[wanted, None])[:, 0].tolist()
    top, tokens = scores.topk(min(max(rows[place].told or 0 for place in wanted), scores.shape[-1]))
    for place, logprob, likeliest, ids in zip(wanted, own, top.tolist(), tokens.tolist(), strict=True):
        found[place] = Likely(logprob, list(zip(ids, likeliest, strict=True))[: rows[place].told])
    return found
