"""A local model folder as a teacher: the same requests, cache and failures, without a server."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from weitiao.llm import Teacher
from weitiao.llm.answer import again, judge
from weitiao.llm.cache import Cache, Key
from weitiao.llm.call import Failure, Messages, Reply, Request, Said, Usage
from weitiao.llm.dialect import told
from weitiao.model.generate import Sampling
from weitiao.model.generate import answers as generate
from weitiao.model.load import load_model, load_tokenizer
from weitiao.model.template import Template

# Tokens in one batch, questions and answers together.
_BATCH_TOKENS = 16_384


def answers(
    todo: Sequence[tuple[Key, Request]], teacher: Teacher, cache: Cache, step: str
) -> Iterator[tuple[Key, Reply | Failure]]:
    """Yield what the model in the folder `teacher.model` answers, each kept as soon as its last token is there."""
    folder = str(Path(teacher.model).expanduser().resolve())
    model, template = load_model(folder), Template(load_tokenizer(folder))
    asked = [(key, request, _messages(request)) for key, request in todo]
    for second in (False, True):
        mend = []
        for place, said in _said(model, template, [(m, r.sample) for _, r, m in asked], teacher):
            key, request, _ = asked[place]
            cache.charge(step, teacher.model, said.usage, 0.0, known=True)
            outcome = judge(request, said)
            messages = None if second or isinstance(outcome, Reply) else again(request, outcome)
            if messages:
                mend.append((key, request, messages))
            else:
                cache.keep(key, outcome, step)
                yield key, outcome
        asked = mend


def _messages(request: Request) -> Messages:
    return told(request.messages, request.schema) if request.schema else request.messages


def _said(
    model: Any, template: Template, asked: Sequence[tuple[Messages, int]], teacher: Teacher
) -> Iterator[tuple[int, Said]]:
    for sample in sorted({sample for _, sample in asked}):
        places = [place for place, (_, number) in enumerate(asked) if number == sample]
        sampling = Sampling(
            teacher.max_tokens, teacher.temperature or 0.0, teacher.top_p or 1.0, seed=(teacher.seed or 0) + sample
        )
        prompts = [asked[place][0] for place in places]
        for index, answer in generate(model, template, prompts, sampling, batch_tokens=_BATCH_TOKENS):
            usage = Usage(len(template.prompt(prompts[index])), answer.tokens)
            yield places[index], Said(answer.text, "", "stop" if answer.stopped else "length", usage)
