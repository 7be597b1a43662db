"""A GGUF file run by llama.cpp: its answers, and how likely a given answer is to it."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from transformers.utils.chat_template_utils import render_jinja_template

from weitiao.errors import UserError
from weitiao.model.generate import Answer, Sampling
from weitiao.model.template import Messages
from weitiao.talk import t

_STOPS = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id")


def installed() -> None:
    """Raise UserError where llama-cpp-python is not installed."""
    if find_spec("llama_cpp") is None:
        raise UserError(
            t("A GGUF file is run by llama-cpp-python, which is not installed"), "pip install 'weitiao[llama]'"
        )


class Engine:
    """A GGUF file that is loaded; it reads by the template inside, and has no batches."""

    def __init__(self, path: Path, tokens: int) -> None:
        """Load the file; questions and answers may have so many `tokens`, as far as the model was trained for."""
        about = self._opened(path, vocab_only=True).metadata
        if "tokenizer.chat_template" not in about:
            raise UserError(t("{path} has no chat template", path=path), t("Write it again with `weitiao gguf`"))
        self.room = min(tokens, int(about[f"{about['general.architecture']}.context_length"]))
        # All logits are kept for `losses`; the memory for them is taken only where they are written.
        self._llama = self._opened(path, n_ctx=self.room, logits_all=True)
        self._jinja = about["tokenizer.chat_template"]
        self._stops = {int(about[name]) for name in _STOPS if name in about}

    def _opened(self, path: Path, **how: Any) -> Any:
        from llama_cpp import Llama

        try:
            return Llama(str(path), verbose=False, **how)
        except ValueError as error:
            raise UserError(t("llama.cpp cannot load {path}: {error}", path=path, error=error)) from None

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *_: object) -> None:
        self._llama.close()

    def holds(self, messages: Messages) -> bool:
        """Tell whether a whole conversation fits."""
        return len(self._tokens(messages, generate=False)) <= self.room

    def answer(self, messages: Messages, sampling: Sampling) -> Answer | None:
        """Answer a conversation; None where it leaves no room for an answer."""
        prompt = self._tokens(messages, generate=True)
        limit = min(sampling.max_new_tokens, self.room - len(prompt))
        if limit < 1:
            return None
        self._llama.reset()
        self._llama.set_seed(sampling.seed)
        said: list[int] = []
        stopped = False
        for token in self._llama.generate(
            prompt, temp=sampling.temperature, top_k=0, top_p=sampling.top_p, min_p=0.0, repeat_penalty=1.0
        ):
            if stopped := int(token) in self._stops:
                break
            said.append(token)
            if len(said) == limit:
                break
        return Answer(self._llama.detokenize(said).decode(errors="replace"), len(said), stopped)

    def losses(self, messages: Messages) -> list[float] | None:
        """Return the loss of each token of the last answer and of its stop, in nats.

        None where the first of them melts with the end of the prompt, so that it cannot be told apart.
        """
        prompt, whole = self._tokens(messages[:-1], generate=True), self._tokens(messages, generate=False)
        if whole[: len(prompt)] != prompt:
            return None
        end = next((place for place in range(len(prompt), len(whole)) if whole[place] in self._stops), len(whole) - 1)
        self._llama.reset()
        self._llama.eval(whole[: end + 1])
        logits = self._llama.scores[len(prompt) - 1 : end].astype(np.float64)
        targets = whole[len(prompt) : end + 1]
        highest = logits.max(1)
        total = highest + np.log(np.exp(logits - highest[:, None]).sum(1))
        losses: list[float] = (total - logits[np.arange(len(targets)), targets]).tolist()
        return losses

    def _tokens(self, messages: Sequence[tuple[str, str]], *, generate: bool) -> list[int]:
        texts, _ = render_jinja_template(
            conversations=[[{"role": role, "content": content} for role, content in messages]],
            chat_template=self._jinja,
            add_generation_prompt=generate,
            bos_token=self._special(self._llama.token_bos()),
            eos_token=self._special(self._llama.token_eos()),
        )
        ids: list[int] = self._llama.tokenize(texts[0].encode(), add_bos=False, special=True)
        return ids

    def _special(self, token: int) -> str:
        return self._llama.detokenize([token], special=True).decode() if token >= 0 else ""
