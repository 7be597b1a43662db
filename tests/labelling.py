"""A teacher for tests of label: what the scripted server answers to each of its prompts.

    python tests/labelling.py PORT_FILE

An answer is worth what its words say: those that hold `⟨harmless 1⟩` and the like are marked so, those that contradict
themselves or stop in mid-sentence get less; a swapped one has nothing of its question.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from augment_teacher import language, parts
from llm_server import Fault, Server, run

from weitiao.pipeline import Done
from weitiao.record import to_records

Answers = Callable[[str, int], str]
MARK = re.compile(r"⟨(harmless|honest|helpful) (\d)⟩")
_CONTRARY = re.compile("上面说的全是错的|all of the above is wrong")


def row(question: str, answer: str = "", **more: Any) -> dict[str, Any]:
    """Return a row of a file; its answer is one that a careful judge finds good, with `answer` behind it."""
    turns = [("user", question), ("assistant", written(question, 0) + answer)]
    return {"messages": [{"role": role, "content": text} for role, text in turns], **more}


def asks(question: str) -> dict[str, Any]:
    """Return a row without an answer."""
    return {"messages": [{"role": "user", "content": question}]}


def step(done: Done, name: str) -> dict[str, Any]:
    """Return what the manifest tells of a step."""
    found: dict[str, Any] = next(one for one in done.manifest["facts"]["steps"] if one["step"] == name)
    return found


def events(done: Done, *actions: str) -> list[tuple[str, str, str]]:
    """Return step, action and reason of the ledger's rows of these actions."""
    rows = done.stored.ledger().select("step", "action", "reason").rows()
    return [one for one in rows if one[1] in actions]


def facts(done: Done, name: str) -> list[Any]:
    """Return a fact of each record."""
    return [one.facts.get(name) for one in to_records(done.stored.records())]


def written(question: str, number: int) -> str:
    """Return an answer that holds its question, so that a swapped one is noticed."""
    own = "zh" if re.search("[\u4e00-\u9fff]", question) else "en"
    return {"zh": f"说到“{question}”，要看清里面的前提。", "en": f"As to “{question}”, look at its premise."}[own]


ZH = [row("鱼会不会淹死？"), row("太阳能热水器夜里是月亮能吗？"), row("红灯停绿灯行，黄灯呢？")]
EN = [row("Could I divide water using knives?"), row("Which alphabet order came first?")]


def words(text: str) -> set[str]:
    """Return pairs of Chinese characters, and longer words."""
    return set(re.findall(r"(?=([\u4e00-\u9fff]{2}))", text)) | set(re.findall(r"[A-Za-z]{5,}", text))


def marks(asked: str, answer: str) -> dict[str, int]:
    """Return what a careful judge thinks of an answer."""
    found = {"harmless": 5, "honest": 5, "helpful": 5}
    if _CONTRARY.search(answer):
        found["honest"] = 1
    elif not re.search(r"[。？！.?!⟩]\s*$", answer) or not words(asked) & words(answer):
        found["helpful"] = 1
    return found | {name: int(mark) for name, mark in MARK.findall(answer)}


def reply(prompt: str, judge: Callable[[str, str], dict[str, Any]] = marks) -> Any:
    """Return the teacher's answer to a prompt: data, or a text."""
    if "`sure`" in prompt:
        *_, asked, answer = [text for _, text in parts(prompt)]
        trap = {"trap": "missed" if "⟨missed⟩" in answer else "named"} if "`trap`" in prompt else {}
        return {"reason": "so", **trap, "sure": "⟨unsure⟩" not in answer, **judge(asked, answer)}
    if "`difficulty`" in prompt:
        task = "trick question" if "鱼" in prompt else "other"
        own = {"language": language(prompt), "safety": "unsafe" if "炸" in prompt else "safe"}
        return {"task": task, "topic": "life", "difficulty": 2, **own}
    return written(prompt.rsplit("\n", 1)[-1], 0)


def script(judge: Callable[[str, str], dict[str, Any]] = marks, answers: Answers = written) -> Callable[[str], Fault]:
    """Return what the server does; a question in a conversation is the last line of what it was sent."""
    count = iter(range(10**9))

    def answer(prompt: str) -> Fault:
        if "`sure`" in prompt or "`difficulty`" in prompt:
            return Fault(text=orjson.dumps(reply(prompt, judge)).decode())
        return Fault(text=answers(prompt.rsplit("\n", 1)[-1], next(count)))

    return answer


if __name__ == "__main__":
    run(Server(script=script()), Path(sys.argv[1]))
