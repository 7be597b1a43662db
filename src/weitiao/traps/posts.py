"""Questions and answers as ugly posts: files of several shapes, with dirt that can be cleaned and rows that must go."""

import csv
import html
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from weitiao.traps.check import Question

KEPT = "kept"
Pair = tuple[str, str]


@dataclass(frozen=True)
class Row:
    """A row as it is planted: what it says when it is clean, and its fate: `KEPT`, or the reason why it must go."""

    fate: str
    question: str = ""
    answer: str = ""
    raw: bytes = b""  # of a row that is broken as such


@dataclass(frozen=True)
class File:
    """A file of posts: its name, its bytes, and its rows in order."""

    name: str
    content: bytes
    rows: tuple[Row, ...]


def posts(questions: Sequence[Question], seed: int) -> list[File]:
    """Return the files: English in one, Chinese in three with answers and one without; the same for the same seed."""
    rng = Random(f"traps {seed} posts")
    drawn = rng.sample(questions, len(questions))
    english = [item for item in drawn if item.lang == "en"]
    chinese = [item for item in drawn if item.lang == "zh"]
    third = len(chinese) // 3
    return [
        _file("chat.json", _planted(chinese[:third], _CHAT, rng), _chat),
        _file("english.jsonl", _planted(english, _ENGLISH, rng), _alpaca),
        _file("forum.jsonl", _planted(chinese[third : 2 * third], _FORUM, rng), _forum),
        _file("mail.csv", _planted(chinese[2 * third :], _MAIL, rng), _mail),
        _file("thread.html", _asked(rng.sample(chinese, min(40, len(chinese))), rng), _thread),
    ]


def _file(name: str, rows: list[Row], write: Callable[[list[Row], Random], bytes]) -> File:
    return File(name, write(rows, Random(f"traps dirt {name} {len(rows)}")), tuple(rows))


# Rows that break the file's form, by file: what stands there, and the reason for which source leaves them out.
_CHAT = (("3.14", "not an object"), ("null", "not an object"), ('{"好友": 12}', "unknown shape"))
_ENGLISH = (
    ("<html><body>502 Bad Gateway</body></html>", "not JSON"),
    ('{"instruction": "Why is', "not JSON"),
    ("{}", "empty"),
)
_FORUM = (
    ("[1, 2, 3]", "not an object"),
    ("{'question': '单引号也算数吗？', 'answer': '不算。'}", "not JSON"),
    ('{"user": "小号三", "likes": 0}', "unknown shape"),
    ('{"question": "这一行存错了编码"}'.encode("gb18030").decode(errors="surrogateescape"), "wrong encoding"),
)
_MAIL = (("少了一列,只有两格", "unequal columns"), ("多,了,一,列,啊", "unequal columns"))

_ADS = (
    "【代写作业】加V信 zuoye-8848，邮箱 ad@example.com，满一百减二十",
    "全网最低价电影票，详情私信 piao@example.net，先到先得！！！",
    "兼职日结三百，不用押金，联系 job@example.org",
)
_NOISE = ("顶", "111", "沙发")


def _ads(rng: Random) -> list[str]:
    return [f"{ad}（单号{rng.randrange(10_000, 100_000)}）" for ad in _ADS]


def _planted(questions: Sequence[Question], broken: Sequence[tuple[str, str]], rng: Random) -> list[Row]:
    """Return clean rows with junk among them: copies after their originals, questions without answer, ads, breaks."""
    rows = [Row(KEPT, item.question, item.answer) for item in questions]
    junk = [(rng.randrange(len(rows) + 1), Row(fate, raw=raw.encode(errors="surrogateescape"))) for raw, fate in broken]
    for number in rng.sample(range(len(rows)), len(rows) // 10):
        row = rows[number]
        again, fate = rng.choice(_AGAIN)
        junk.append((rng.randrange(number + 1, len(rows) + 1), Row(fate, again(row.question), row.answer)))
    for number in rng.sample(range(len(rows)), len(rows) // 20):
        junk.append((rng.randrange(len(rows) + 1), Row("no answer", f"{number}楼没人回答：{rows[number].question}")))
    junk += [(rng.randrange(len(rows) + 1), Row("no answer", ad)) for ad in _ads(rng)]
    for place, row in sorted(junk, key=lambda item: -item[0]):
        rows.insert(place, row)
    return rows


# The ways in which somebody posts a thing again.
_AGAIN: tuple[tuple[Callable[[str], str], str], ...] = (
    (lambda text: text, "exact duplicate"),
    (lambda text: f"{text}？？？", "near-duplicate"),
    (lambda text: f"“{text}”", "near-duplicate"),
)


def _asked(questions: Sequence[Question], rng: Random) -> list[Row]:
    """Return a thread of posts that only ask."""
    said = [f"求助第{number}次：{item.question}在线等" for number, item in enumerate(questions, 1)]
    rows = [Row("passage, not a conversation", text) for text in (*said, *_ads(rng))]
    extra = [Row("too short", text) for text in _NOISE]
    for row in extra:
        rows.insert(rng.randrange(len(rows) + 1), row)
    return rows


def _dirty(text: str, rng: Random) -> str:
    """Return the text with dirt that prepare takes away without a trace."""
    return rng.choice((_as_it_is, _wide, _tagged, _spaced, _hidden))(text)


def _as_it_is(text: str) -> str:
    return text


def _wide(text: str) -> str:
    return "".join(chr(ord(char) + 0xFEE0) if char.isascii() and char.isalnum() else char for char in text)


def _tagged(text: str) -> str:
    return f"<p><b>{html.escape(text)}</b></p>"


def _spaced(text: str) -> str:
    return f"\u3000\u3000{text} \r\n\r\n"


def _hidden(text: str) -> str:
    return f"\ufeff{text[:2]}\u200b{text[2:]}"


def _forum(rows: list[Row], rng: Random) -> bytes:
    return b"\n".join(_lines(rows, rng, "question", "answer")) + b"\n"


def _alpaca(rows: list[Row], rng: Random) -> bytes:
    return b"\n".join(_lines(rows, rng, "instruction", "output")) + b"\n"


def _lines(rows: list[Row], rng: Random, question: str, answer: str) -> Iterator[bytes]:
    for number, row in enumerate(rows, 1):
        if row.raw:
            yield row.raw
            continue
        likes = rng.choice((rng.randrange(99), str(rng.randrange(99)), None))
        value = {"no": number, question: _dirty(row.question, rng), answer: row.answer and _dirty(row.answer, rng)}
        yield json.dumps({**value, "likes": likes}, ensure_ascii=rng.random() < 0.2).encode()


def _chat(rows: list[Row], rng: Random) -> bytes:
    items = []
    for row in rows:
        if row.raw:
            items.append(row.raw.decode())
            continue
        turns = [{"from": "human", "value": _dirty(row.question, rng)}]
        turns += [{"from": "gpt", "value": _dirty(row.answer, rng)}] if row.answer else []
        items.append(json.dumps({"conversations": turns}, ensure_ascii=False))
    return ("[\n" + ",\n".join(items) + "\n]\n").encode()


def _mail(rows: list[Row], rng: Random) -> bytes:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(("标题", "问题", "回答"))
    for number, row in enumerate(rows, 1):
        if row.raw:
            target.write(row.raw.decode() + "\r\n")
        else:
            answer = row.answer and _dirty(row.answer, rng)
            writer.writerow((f"Re: 第{number}封，来自 reader{number}@example.com", _dirty(row.question, rng), answer))
    return target.getvalue().encode("gb18030")


def _thread(rows: list[Row], rng: Random) -> bytes:
    floors = "\n".join(
        f'<div class="floor"><span class="name">网友{rng.randrange(999)}</span>'
        f'<div class="post-content" id="p{number}">{html.escape(row.question)}</div></div>'
        for number, row in enumerate(rows, 1)
    )
    head = '<head><meta charset="utf-8"><title>脑筋急转弯吧</title><script>var ad = 1;</script></head>'
    nav = "<nav>首页 | 登录 | 注册</nav>"
    return f'<!doctype html>\n<html>{head}<body>{nav}\n<div id="thread">\n{floors}\n</div></body></html>\n'.encode()
