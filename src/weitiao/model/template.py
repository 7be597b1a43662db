"""The chat template: the one function that makes the tokens for training and for chatting, and the loss mask."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from weitiao.errors import UserError
from weitiao.talk import t

Messages = Sequence[tuple[str, str]]

# For a tokenizer without a template. No new tokens: they would be untrained, and LoRA does not train them.
# A prompt ends in a line break, with which the first token of the answer does not melt.
DEFAULT = (
    "{{ bos_token or '' }}{% for message in messages %}"
    "{% if message.role == 'assistant' %}Assistant:\n{{ message.content + eos_token }}\n"
    "{% else %}{{ message.role | capitalize }}:\n{{ message.content }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}"
)
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True)
class Encoded:
    """The tokens of a conversation; `mask[i]` is true where the token `ids[i]` carries loss.

    Those are the assistant's texts, each with its stop token. `stops` of the `turns` assistant turns end in one.
    `melted` turns begin with a token that also ends the prompt, as two line breaks may be one token: it carries no
    loss, and an answer is never asked for in this way.
    """

    ids: list[int]
    mask: list[bool]
    stops: int
    turns: int
    melted: int = 0


class Template:
    """Turns conversations into tokens the way the tokenizer's own chat template says."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer: Any = tokenizer
        if not self.tokenizer.is_fast:
            raise UserError(t("{kind} cannot say where a token stands in its text", kind=type(tokenizer).__name__))
        own = self.tokenizer.chat_template is not None
        self.name = "the tokenizer's own" if own else "default"
        self.jinja: str = self.tokenizer.get_chat_template() if own else DEFAULT
        self._marked = bool(_GENERATION.search(self.jinja))
        added = self.tokenizer.added_tokens_decoder.items()
        self._special = {*self.tokenizer.all_special_ids, *(index for index, token in added if token.special)}
        if not own and self.tokenizer.eos_token is None:
            raise UserError(
                t("The tokenizer has neither a chat template nor an end-of-text token"),
                t("Give it a chat_template.jinja"),
            )
        probe = self.encode([("user", "1"), ("assistant", "2")])
        stop = probe.ids[len(probe.mask) - 1 - probe.mask[::-1].index(True)] if probe.stops else None
        ids = dict.fromkeys((stop, self.tokenizer.eos_token_id))
        self.stop_ids: tuple[int, ...] = tuple(index for index in ids if index is not None)

    def text(self, messages: Messages, generate: bool) -> str:
        """Render a conversation; with `generate`, up to where the assistant's next answer begins."""
        return self._render(messages, generate, spans=False)[0]

    def prompt(self, messages: Messages) -> list[int]:
        """Return the tokens after which the assistant's next answer begins."""
        ids: list[int] = self._tokens([self.text(messages, generate=True)])["input_ids"][0]
        return ids

    def encode(self, messages: Messages) -> Encoded:
        """Return the tokens of a conversation and which of them carry loss.

        Raises UserError where the template changes what a turn said, so that it cannot be told what to train.
        """
        return self.encode_all([messages])[0]

    def encode_all(self, conversations: Sequence[Messages]) -> list[Encoded]:
        """Return `encode` of each conversation, faster than one by one."""
        rendered = [self._spans(messages) for messages in conversations]
        if not rendered:
            return []
        tokens = self._tokens([text for text, _ in rendered])
        return [
            self._mask(text, ids, offsets, spans)
            for ids, offsets, (text, spans) in zip(tokens["input_ids"], tokens["offset_mapping"], rendered, strict=True)
        ]

    def _tokens(self, texts: list[str]) -> Any:
        return self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)

    def _render(self, messages: Messages, generate: bool, spans: bool) -> tuple[str, list[tuple[int, int]]]:
        chat = [{"role": role, "content": content} for role, content in messages]
        try:
            texts, found = render_jinja_template(
                conversations=[chat],
                chat_template=self.jinja,
                add_generation_prompt=generate,
                return_assistant_tokens_mask=spans,
                **self.tokenizer.special_tokens_map,
            )
        except TemplateError as error:
            roles = ", ".join(role for role, _ in messages)
            raise UserError(
                t("The chat template takes no conversation of {roles}: {error}", roles=roles, error=error)
            ) from None
        return texts[0], found[0] if spans else []

    def _spans(self, messages: Messages) -> tuple[str, list["_Span"]]:
        """Return the text and where in it each assistant turn stands, from its first character to its stop token."""
        turns = [index for index, (role, _) in enumerate(messages) if role == "assistant"]
        if self._marked:
            text, found = self._render(messages, False, spans=True)
            if len(found) != len(turns):
                raise UserError(
                    t("The chat template marks {found} of {turns} answers", found=len(found), turns=len(turns)),
                    t("Its `generation` block must stand around each answer"),
                )
        else:
            text = self.text(messages, generate=False)
            found = [self._between(text, messages, index) for index in turns]
        return text, [_Span(*span, messages[index][1]) for index, span in zip(turns, found, strict=True)]

    def _between(self, text: str, messages: Messages, index: int) -> tuple[int, int]:
        """Return where turn `index` stands: after its prompt, up to the end of the conversation so far."""
        prompt = self.text(messages[:index], generate=True)
        so_far = text if index == len(messages) - 1 else self.text(messages[: index + 1], generate=False)
        for part in (prompt, so_far):
            if not text.startswith(part):
                raise _unlike(part, text)
        if len(so_far) < len(prompt):
            raise _unlike(prompt, so_far)
        return len(prompt), len(so_far)

    def _mask(self, text: str, ids: list[int], offsets: list[tuple[int, int]], spans: list["_Span"]) -> Encoded:
        mask = [False] * len(ids)
        starts = [start for start, _ in offsets]
        stops = melted = 0
        for span in spans:
            first, last = bisect_left(starts, span.start), bisect_left(starts, span.end)
            stop = self._stop(text, ids, offsets, range(first, last), span.end)
            said = text[span.start : span.end if stop is None else offsets[stop][0]]
            if not said.rstrip().endswith(span.content.strip()):
                raise _unlike(span.content, said)
            end = last if stop is None else stop + 1
            mask[first:end] = [True] * (end - first)
            stops += stop is not None
            melted += first > 0 and offsets[first - 1][1] > span.start
        return Encoded(ids, mask, stops, len(spans), melted)

    def _stop(self, text: str, ids: list[int], offsets: list[tuple[int, int]], turn: range, end: int) -> int | None:
        """Return which token ends the turn: its last special token, if only blanks follow it up to `end`."""
        for index in reversed(turn):
            if ids[index] in self._special:
                return index if not text[offsets[index][1] : end].strip() else None
        # A `generation` block may end before the stop token.
        after = turn.stop
        return after if self._marked and after < len(ids) and ids[after] in self._special else None


@dataclass(frozen=True)
class _Span:
    """An assistant turn in the rendered text, from character `start` to `end`, and what was to be said."""

    start: int
    end: int
    content: str


def _unlike(one: str, other: str) -> UserError:
    return UserError(
        t("The chat template changes what was said: {one} became {other}", one=repr(one), other=repr(other)),
        t("Train on one turn a record, or give the tokenizer a template that keeps every turn as it is"),
    )
