"""A teacher for tests of augment: what the scripted server answers to each of the prompts that ship.

    python tests/augment_teacher.py PORT_FILE

It knows the prompts by the keys that they ask for, and the texts in them by the marks that part them.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from llm_server import Fault, Server, run

Verdicts = Callable[[str, list[str]], dict[str, bool]]

_AROUND = {
    "zh": {
        "casual": "哎我突然想到个事儿，{}有人晓得不",
        "formal": "您好，本人近日对一个问题颇感困惑，敬请指教：{}谨此致谢。",
        "dialect": "摆个龙门阵哈，我硬是没搞醒豁这个事情，劳烦哪个老师给我摆一哈嘛：{}莫笑我哈，我脑壳有点憨。",
        "wordy": "昨天跟几个朋友吃饭聊天，聊着聊着就说到这么一件事：{}我们争了半天也没个结果。",
    },
    "en": {
        "casual": "so I was lying awake last night wondering, {} anyone here got a clue?",
        "formal": "Dear Sir or Madam, I should be most grateful for an answer to the following: {} Yours truly.",
        "wordy": "My brother and I were having dinner and then it came up somehow that {} and we argued for an hour.",
    },
}
_NEW = {
    "zh": [
        "月亮圆的时候会不会滚下来？",
        "影子要是走丢了该去哪里报案？",
        "闹钟自己会不会赖床？",
        "雨衣淋湿了要不要打伞？",
    ],
    "en": [
        "If a shadow gets lost, where is it reported?",
        "Does an alarm clock ever oversleep?",
        "Who wakes the night watchman at noon?",
        "Can a mirror be tired of faces?",
    ],
}


def parts(prompt: str) -> list[tuple[str, str]]:
    """Return what stands between the marks, each with its heading."""
    mark = re.findall(r"#[0-9a-f]{10}", prompt)[0]
    found = [part.split("\n", 1) for part in re.split(rf"^{mark} ", prompt, flags=re.MULTILINE)[1:]]
    return [(one[0], one[1].strip()) for one in found[:-1]]


def language(prompt: str) -> str:
    """Return the language of a prompt."""
    return "zh" if re.search("[\u4e00-\u9fff]", prompt.splitlines()[0]) else "en"


def reply(prompt: str, against: Verdicts | None = None) -> Any:
    """Return the teacher's answer to a prompt, as data; `against` gives the claims of a check that are false."""
    texts = [text for _, text in parts(prompt)]
    for keys in (
        ("same_question", "answer_fits", "trick_kept"),
        ("sensible", "answerable", "same_kind"),
        ("supported", "answers", "standalone"),
    ):
        if f"`{keys[0]}`" in prompt:
            return {"why": "so", **dict.fromkeys(keys, True), **(against(keys[0], texts) if against else {})}
    if "`conversations`" in prompt:
        return {"conversations": _conversations(prompt, texts[0])}
    if "`questions`" in prompt:
        return {"questions": _questions(prompt, texts)}
    return {"texts": _texts(prompt)}


def script(against: Verdicts | None = None) -> Callable[[str], Fault]:
    """Return what the server does."""
    return lambda prompt: Fault(text=orjson.dumps(reply(prompt, against)).decode())


def _texts(prompt: str) -> list[str]:
    own, texts = language(prompt), [text for head, text in parts(prompt) if re.match("第|text", head)]
    if re.search("翻译成|Translate", prompt):
        there = re.search("翻译成英语|into English", prompt)
        return [f"<{text}>" if there else _AROUND[own]["wordy"].format(text.strip("<>")) for text in texts]
    if re.search("手快|in a hurry", prompt):
        return [text.replace("会不会", "会布会").replace("the ", "teh ", 1) for text in texts]
    style = "formal" if re.search("书面、正式|in writing, formal", prompt) else "casual"
    style = "dialect" if "四川话" in prompt else style
    return [_AROUND[own][style].format(text) for text in texts]


def _questions(prompt: str, seeds: list[str]) -> list[str]:
    own = language(prompt)
    if re.search("改写下面|Rewrite the question", prompt):
        return [
            {"zh": "假如换到零下四十度的冬天，{}请一步步说明理由", "en": "In a winter of forty below, {} Why so?"}[
                own
            ].format(seeds[0])
        ]
    # One of them is an example over again, and one in the other language.
    return [*_NEW[own], seeds[0], _NEW["en" if own == "zh" else "zh"][0]]


def _conversations(prompt: str, passage: str) -> list[dict[str, Any]]:
    found = re.search(r"有 (\d+) 轮|with (\d+) in", prompt)
    turns = int(found[1] or found[2]) if found else 1
    sentences = [one for one in re.split(r"(?<=[。.])\s*", passage) if one]
    ask = {"zh": "关于“{}”，可以知道什么？", "en": "What is known about {}?"}[language(prompt)]
    return [
        {"turns": [{"question": ask.format(one[: 12 + 2 * turn]), "answer": one} for turn in range(turns)]}
        for one in sentences
    ]


if __name__ == "__main__":
    run(Server(script=script()), Path(sys.argv[1]))
