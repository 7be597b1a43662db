"""A translation model as a teacher: the same requests, cache and failures; each text goes sentence by sentence."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import orjson

from weitiao.llm import Translator
from weitiao.llm.answer import judge
from weitiao.llm.cache import Cache, Key
from weitiao.llm.call import Failure, Reply, Request, Said, Usage
from weitiao.model.translate import Sentence, Tongue

# A sentence with the space behind it. Such models are trained on single sentences, and of several they leave some out.
# `Dr. Who` is one: a capital with up to two letters behind it ends no sentence.
_SENTENCE = re.compile(
    r"[^\n]+?(?:[。！？…]+[”’」』）)]*|(?<!\b[A-Z])(?<!\b[A-Z][a-z])(?<!\b[A-Z][a-z]{2})[.!?]+[\"'”’)\]]*(?=\s)|(?=\n)|\Z)\s*"
)


def translations(
    todo: Sequence[tuple[Key, Request]], translator: Translator, cache: Cache, step: str
) -> Iterator[tuple[Key, Reply | Failure]]:
    """Yield the translations of each request's texts, as data, kept as soon as its last sentence is there."""
    by = translator.by
    tongue = Tongue(translator.model, by.codes)
    parts = [[sentences(text) for _, text in request.messages] for _, request in todo]
    # What has no letter, a row of dots or a smiley, stands for itself.
    asked = [
        (place, turn, number, one)
        for place, texts in enumerate(parts)
        for turn, text in enumerate(texts)
        for number, one in enumerate(text)
        if any(character.isalnum() for character in one)
    ]
    heard: list[dict[tuple[int, int], Sentence]] = [{} for _ in todo]
    left = Counter(place for place, *_ in asked)

    def ended(place: int) -> tuple[Key, Reply | Failure]:
        key, request = todo[place]
        said = _said(parts[place], heard[place])
        cache.charge(step, translator.model, said.usage, 0.0, known=True)
        outcome = judge(request, said)
        cache.keep(key, outcome, step)
        return key, outcome

    yield from (ended(place) for place in range(len(todo)) if place not in left)
    for index, sentence in tongue.translate([by.prefix + one.strip() for *_, one in asked], by.beams):
        place, turn, number, _ = asked[index]
        heard[place][turn, number] = sentence
        left[place] -= 1
        if not left[place]:
            yield ended(place)


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each with the space behind it."""
    return _SENTENCE.findall(text)


def _said(texts: Sequence[Sequence[str]], heard: dict[tuple[int, int], Sentence]) -> Said:
    told = [
        _joined([(heard[turn, number].text if (turn, number) in heard else one.strip(), one) for number, one in parts])
        for turn, text in enumerate(texts)
        for parts in [list(enumerate(text))]
    ]
    usage = Usage(sum(one.read for one in heard.values()), sum(one.written for one in heard.values()))
    finish = "stop" if all(one.whole for one in heard.values()) else "length"
    return Said(orjson.dumps({"texts": told}).decode(), "", finish, usage)


def _joined(pairs: Sequence[tuple[str, str]]) -> str:
    """Join what was made of each sentence: lines stay lines, and a space stands where the new language has one."""
    text = ""
    for new, old in pairs:
        behind = old[len(old.rstrip()) :]
        text += new + (behind if "\n" in behind else "" if new[-1:] > "⺀" else " ")
    return text.strip()
