"""The chat template: the one function that makes the tokens for training and for chatting, and the loss mask."""

import json
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from weitiao.errors import UserError
from weitiao.model.named import named, stop_of
from weitiao.talk import t

Messages = Sequence[tuple[str, str]]

Turns = Literal["all", "last"]
Thinking = Literal["keep", "strip"]
AUTO = "auto"
_BATCH = 1000
_PROBE = (("user", "1"), ("assistant", "2"))

# For a tokenizer without a template. No new tokens: they would be untrained, and LoRA does not train them.
# A prompt ends in a line break, with which the first token of the answer does not melt.
PLAIN = (
    "{{ bos_token or '' }}{% for message in messages %}"
    "{% if message.role == 'assistant' %}Assistant:\n{{ message.content + eos_token }}\n"
    "{% else %}{{ message.role | capitalize }}:\n{{ message.content }}\n{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}Assistant:\n{% endif %}"
)
_MARK = re.compile(r"<\|\w+\|>|<\w+>")
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")

# How a model is asked not to think: the variable that templates look at (Qwen3, SmolLM3, GLM-4.5), and a prompt that
# ends in an opened `<think>` ends before it (DeepSeek-R1). Put into the template itself, it holds wherever that goes.
_NO_THINKING = "{%- set enable_thinking = false -%}"
_OPENED = re.compile(r"<think>(?:\\n|\n)*(?=['\"]\s*-?\}\})")
_SENTINEL = "weitiao6f1"


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


def jinja_of(tokenizer: Any, name: str) -> str:
    """Return the Jinja text of the template `name`; of `auto` the tokenizer's own, or nothing."""
    if name != AUTO:
        return named(name)
    return tokenizer.get_chat_template() if tokenizer.chat_template is not None else ""


def missing(tokenizer: Any, name: str) -> list[str]:
    """Return which marks of the template `name` are no tokens of the tokenizer; in one of them answers may end."""
    marks = dict.fromkeys([*_MARK.findall(jinja_of(tokenizer, name)), stop_of(name)])
    own = tokenizer.get_vocab()
    return [mark for mark in marks if mark and mark not in own]


class Template:
    """Turns conversations into tokens the way the tokenizer's own chat template says."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, name: str = AUTO, thinking: Thinking = "keep") -> None:
        """`name` is one of `names()`, or `auto`: the tokenizer's own template, else the plain one.

        With `thinking` strip its prompts ask for answers without.
        """
        self.tokenizer: Any = tokenizer
        if not self.tokenizer.is_fast:
            raise UserError(t("{kind} cannot say where a token stands in its text", kind=type(tokenizer).__name__))
        self.name, self.jinja = self._chosen(name)
        if thinking == "strip" and not self.jinja.startswith(_NO_THINKING):
            self.jinja = _NO_THINKING + _OPENED.sub("", self.jinja)
        self._marked = bool(_GENERATION.search(self.jinja))
        added = self.tokenizer.added_tokens_decoder.items()
        self._special = {*self.tokenizer.all_special_ids, *(index for index, token in added if token.special)}
        self._heard = {"user", "assistant"}
        self._closing: int | None = None
        self._heads = True  # a `generation` block may begin with the head of the turn, as SmolLM3's does
        self.opens_thinking = self.text(_PROBE[:1], generate=True).rstrip().endswith("<think>")
        try:
            probe = self.encode(_PROBE)
        except UserError:  # DeepSeek-R1's can be chatted with, but not trained
            if not self.opens_thinking:
                raise
            probe = Template(tokenizer, name, "strip").encode(_PROBE)
        if not probe.stops:
            self._closing = self._close()
            probe = self.encode(_PROBE)
        self._heads = self._marked and self._spans(_PROBE)[1][0].start > self._render(_PROBE, False, True)[1][0][0]
        stop = probe.ids[len(probe.mask) - 1 - probe.mask[::-1].index(True)] if probe.stops else None
        ids = dict.fromkeys((stop, self.tokenizer.eos_token_id))
        self.stop_ids: tuple[int, ...] = tuple(index for index in ids if index is not None)

    def _chosen(self, name: str) -> tuple[str, str]:
        """Return the name to say and the Jinja text of the template `name`."""
        if name == AUTO and self.tokenizer.chat_template is not None:
            return "the tokenizer's own", self.tokenizer.get_chat_template()
        if self.tokenizer.eos_token is None:
            raise UserError(
                t("The tokenizer has neither a chat template nor an end-of-text token"),
                t("Give it a chat_template.jinja"),
            )
        if name == AUTO:
            return "plain", PLAIN
        stop, lacking = stop_of(name), missing(self.tokenizer, name)
        if stop in lacking:
            raise UserError(
                t("The tokenizer has no token `{stop}`, in which answers of `{name}` end", stop=stop, name=name),
                t(
                    "Name another template (`default` ends answers in the model's own end of text), or train its "
                    "marks: train.new_tokens: {tokens}",
                    tokens=json.dumps(lacking),
                ),
            )
        return name, named(name)

    def _close(self) -> int | None:
        """Return the special token that opens what follows an answer, where the template ends an answer in none.

        GLM-4's answers end where the next `<|user|>` begins: that token is what the model says when it is done.
        """
        try:
            more = self.encode([*_PROBE, ("user", "3")])
        except UserError:  # a template that changes earlier turns
            return None
        return more.ids[len(more.mask) - 1 - more.mask[::-1].index(True)] if more.stops else None

    def like(self, other: "Template") -> bool:
        """Tell whether a conversation looks the same in both."""
        chat = [*_PROBE, ("user", "3")]
        return self.text(chat, generate=True) == other.text(chat, generate=True)

    def text(self, messages: Messages, generate: bool) -> str:
        """Render a conversation; with `generate`, up to where the assistant's next answer begins."""
        return self._render(messages, generate, spans=False)[0]

    def prompt(self, messages: Messages) -> list[int]:
        """Return the tokens after which the assistant's next answer begins."""
        self._hear(messages)
        ids: list[int] = self._tokens([self.text(messages, generate=True)])["input_ids"][0]
        return ids

    def prompt_with_tools(self, chat: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> list[int]:
        """Return the `prompt` of messages that may call tools (`tool_calls`), told what `tools` there are.

        Raises UserError where the template leaves out what a role says, the calls, the tools, or who it is by name.
        """
        self._hear([(message["role"], message["content"]) for message in chat if "tool_calls" not in message])
        text = self._laid_out(chat, tools, True, False)[0]
        if tools and self._laid_out(chat, (), True, False)[0] == text:
            raise UserError(t("The chat template leaves out `{name}`", name="tools"))
        for name in ("tool_calls", "name"):  # a result may lack its name: the call before it has one
            bare = [{key: one[key] for key in one if key != name or one["role"] == "tool"} for one in chat]
            if bare != list(chat) and self._laid_out(bare, tools, True, False)[0] == text:
                raise UserError(t("The chat template leaves out `{name}`", name=name))
        ids: list[int] = self._tokens([text])["input_ids"][0]
        return ids

    def encode(self, messages: Messages, turns: Turns = "all") -> Encoded:
        """Return the tokens of a conversation and which of them carry loss: all answers, or the last one alone.

        Raises UserError where the template changes what a turn said, so that it cannot be told what to train.
        """
        return self.encode_all([messages], turns)[0]

    def encode_all(self, conversations: Sequence[Messages], turns: Turns = "all") -> list[Encoded]:
        """Return `encode` of each conversation, faster than one by one."""
        rendered = [self._spans(messages, turns) for messages in conversations]
        if not rendered:
            return []
        tokens = self._tokens([text for text, _ in rendered])
        return [
            self._mask(text, ids, offsets, spans)
            for ids, offsets, (text, spans) in zip(tokens["input_ids"], tokens["offset_mapping"], rendered, strict=True)
        ]

    def differing(
        self, conversations: Sequence[Messages], encoded: Sequence[Encoded]
    ) -> Iterator[tuple[int, list[int]]]:
        """Yield (index, tokens) where the library's own rendering gives other tokens than those that are trained."""
        for start in range(0, len(conversations), _BATCH):
            chats = [
                [{"role": role, "content": content} for role, content in messages]
                for messages in conversations[start : start + _BATCH]
            ]
            theirs = self.tokenizer.apply_chat_template(chats, chat_template=self.jinja, return_dict=True)
            for index, ids in enumerate(theirs["input_ids"], start):
                if encoded[index].ids not in (ids, [*ids, self._closing]):
                    yield index, ids

    def _hear(self, messages: Messages) -> None:
        """Hold that the template passes on what each role says: many pass over roles that they do not know."""
        for role in {role for role, _ in messages} - self._heard:
            marked = [(other, _SENTINEL if other == role else content) for other, content in messages]
            if _SENTINEL not in self._render(marked, False, spans=False)[0]:
                raise UserError(
                    t("The chat template leaves out what the role `{role}` says", role=role),
                    t("Take those conversations out, or name a template that knows the role"),
                )
            self._heard.add(role)

    def _tokens(self, texts: list[str]) -> Any:
        return self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)

    def _render(self, messages: Messages, generate: bool, spans: bool) -> tuple[str, list[tuple[int, int]]]:
        chat = [{"role": role, "content": content} for role, content in messages]
        return self._laid_out(chat, (), generate, spans)

    def _laid_out(
        self, chat: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]], generate: bool, spans: bool
    ) -> tuple[str, list[tuple[int, int]]]:
        try:
            texts, found = render_jinja_template(
                conversations=[list(chat)],
                tools=list(tools) or None,
                chat_template=self.jinja,
                add_generation_prompt=generate,
                return_assistant_tokens_mask=spans,
                **self.tokenizer.special_tokens_map,
            )
        except TemplateError as error:
            roles = ", ".join(message["role"] for message in chat)
            raise UserError(
                t("The chat template takes no conversation of {roles}: {error}", roles=roles, error=error)
            ) from None
        return texts[0], found[0] if spans else []

    def _spans(self, messages: Messages, wanted: Turns = "all") -> tuple[str, list["_Span"]]:
        """Return the text and where in it each assistant turn stands, from its first character to its stop token."""
        self._hear(messages)
        turns = [index for index, (role, _) in enumerate(messages) if role == "assistant"]
        text, found = self._render(messages, False, spans=self._marked)
        if self._marked and len(found) != len(turns):
            raise UserError(
                t("The chat template marks {found} of {turns} answers", found=len(found), turns=len(turns)),
                t("Its `generation` block must stand around each answer"),
            )
        if wanted == "last":
            turns, found = turns[-1:], found[-1:]
        if not self._marked:
            found = [self._between(text, messages, index) for index in turns]
        elif self._heads:
            found = [self._headless(span, text, messages[:index]) for span, index in zip(found, turns, strict=True)]
        return text, [_Span(*span, messages[index][1]) for index, span in zip(turns, found, strict=True)]

    def _headless(self, span: tuple[int, int], text: str, before: Messages) -> tuple[int, int]:
        """Return where an answer begins inside its `generation` block: after the prompt."""
        prompt = self.text(before, generate=True)
        inside = text.startswith(prompt) and span[0] < len(prompt) < span[1]
        return (len(prompt) if inside else span[0]), span[1]

    def _between(self, text: str, messages: Messages, index: int) -> tuple[int, int]:
        """Return where turn `index` stands: after its prompt, as far as the conversation would go on the same."""
        prompt = self.text(messages[:index], generate=True)
        if not text.startswith(prompt):
            raise _unlike(prompt, text)
        if index == len(messages) - 1:
            return len(prompt), len(text)
        # Some, like Phi-3's, end every conversation in one more token, so that the shorter one is no beginning.
        so_far = self.text(messages[: index + 1], generate=False)
        pairs = enumerate(zip(text, so_far, strict=False))
        end = next((place for place, (a, b) in pairs if a != b), min(len(text), len(so_far)))
        # `<|user|>` and `<|endoftext|>` begin alike: what follows begins where its token does.
        for token in self.tokenizer.all_special_tokens:
            place = so_far.rfind(token, 0, end + len(token) - 1)
            if len(prompt) <= place < end < place + len(token):
                end = place
        if end < len(prompt):
            raise _unlike(prompt, text[:end])
        return len(prompt), end

    def _mask(self, text: str, ids: list[int], offsets: list[tuple[int, int]], spans: list["_Span"]) -> Encoded:
        mask = [False] * len(ids)
        starts = [start for start, _ in offsets]
        stops = melted = 0
        for span in spans:
            first, last = bisect_left(starts, span.start), bisect_left(starts, span.end)
            stop = self._stop(text, ids, offsets, range(first, last), span)
            said = text[span.start : span.end if stop is None else offsets[stop][0]]
            if not _ends(said, span.content):
                raise _unlike(span.content, said or text[span.start :][: len(span.content)])
            end = last if stop is None else stop + 1
            mask[first:end] = [True] * (end - first)
            stops += stop is not None
            melted += first > 0 and offsets[first - 1][1] > span.start
        if self._closing is not None and spans and spans[-1].end == len(text):
            ids, mask, stops = [*ids, self._closing], [*mask, True], stops + 1
        return Encoded(ids, mask, stops, len(spans), melted)

    def _stop(
        self, text: str, ids: list[int], offsets: list[tuple[int, int]], turn: range, span: "_Span"
    ) -> int | None:
        """Return which token ends the turn: the first special token after what was said, with nothing but blanks.

        A `generation` block may end before the stop token, and GLM-4 ends an answer with the next `<|user|>`.
        """
        found = None
        for index in reversed(turn):
            special = ids[index] in self._special
            if offsets[index][1] <= span.end and not special and text[slice(*offsets[index])].strip():
                break
            if special and offsets[index][1] <= span.end and _ends(text[span.start : offsets[index][0]], span.content):
                found = index
        after = bisect_left(offsets, (span.end, 0), turn.start)
        while found is None and after < len(ids) and not text[span.end : offsets[after][0]].strip():
            if ids[after] in self._special:
                return after
            if text[slice(*offsets[after])].strip():
                break
            after += 1
        return found


@dataclass(frozen=True)
class _Span:
    """An assistant turn in the rendered text, from character `start` to `end`, and what was to be said."""

    start: int
    end: int
    content: str


def _ends(said: str, content: str) -> bool:
    return said.rstrip().endswith(content.strip())


def _unlike(one: str, other: str) -> UserError:
    return UserError(
        t("The chat template changes what was said: {one} became {other}", one=repr(one), other=repr(other)),
        t(
            "Train on the last answer of each record (turns: last), or without thinking (thinking: strip), or name "
            "a template that keeps every turn"
        ),
    )
