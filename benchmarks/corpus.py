"""A made-up corpus for measuring prepare: seeded rows of Chinese and English with HTML and duplicates.

Of the rows 20 % are HTML, 10 % near-duplicates (three words in a hundred changed) and 5 % exact duplicates of earlier
ones. Two thirds are Chinese, of these a tenth traditional, and a fifth with wide letters and stray space; a row has
about 450 characters. Words follow Zipf's law over 6,000 Chinese and 4,000 English made-up words.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from opencc import OpenCC

BLOCK = 10_000  # rows; each block has its own seed, so that a corpus is the head of every longer one
_KEPT = 2_000  # earlier rows that a duplicate may be of
_COMMON = (
    "的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生自会那后能对着事其里所去行过"
    "家十用发天如然作方成者多日都三小军二无同经法当起与好看学进种将还分此心前面又定见只主没公从知全点实业外开它"
    "问题因情现长样体机关系统数据网络模型训练学习回答电话东西车站医院图书馆价格质量标准办理环境历史语言文化艺术音乐"
)
_SYLLABLES = [
    "ba",
    "con",
    "de",
    "en",
    "fi",
    "gra",
    "ho",
    "in",
    "ju",
    "ka",
    "lo",
    "men",
    "no",
    "or",
    "pre",
    "qui",
    "re",
    "sta",
    "ti",
    "un",
    "ver",
    "wi",
    "ex",
    "al",
    "tion",
    "ment",
    "er",
    "ing",
    "ly",
    "ous",
]

Row = dict[str, str]


def write(path: Path, rows: int, seed: int = 0) -> None:
    """Write `rows` rows in Alpaca's shape as JSON Lines."""
    earlier: list[Row] = []
    with path.open("wb") as file:
        for first in range(0, rows, BLOCK):
            made = list(_block(first, seed, earlier))[: rows - first]
            file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in made)


def _block(first: int, seed: int, earlier: list[Row]) -> Iterator[Row]:
    rng, draw = random.Random(f"{seed} {first}"), np.random.default_rng([seed, first])
    traditional = OpenCC("s2t").convert
    for _ in range(BLOCK):
        kind = rng.random()
        if kind < 0.15 and earlier:
            row = rng.choice(earlier)
            yield row if kind < 0.05 else _edited(row, rng)
            continue
        wide = rng.random() < 2 / 3
        row = {"instruction": _text(draw, wide, 12), "input": "", "output": _text(draw, wide, int(rng.gauss(230, 60)))}
        row["instruction"] += "？" if wide else "?"
        look = rng.random()
        if wide and look < 0.1:
            row = {name: traditional(text) for name, text in row.items()}
        elif wide and look < 0.3:
            row["output"] = "　　" + row["output"].replace("，", "，  ", 5).replace("数", "Ａ１", 2) + " \n\n\n"
        if rng.random() < 0.2:
            row["output"] = _marked_up(row["output"], rng)
        if len(earlier) < _KEPT:
            earlier.append(row)
        else:
            earlier[rng.randrange(_KEPT)] = row
        yield row


def _words(seed: int) -> tuple[list[str], list[str]]:
    rng = random.Random(seed)
    chinese = ["".join(rng.choices(_COMMON, k=rng.choice((1, 2, 2, 2, 3)))) for _ in range(6_000)]
    english = [" " + "".join(rng.choices(_SYLLABLES, k=rng.choice((1, 2, 2, 3)))) for _ in range(4_000)]
    return chinese, english


_CHINESE, _ENGLISH = _words(0)


def _ranks(count: int) -> NDArray[np.float64]:
    weights = 1 / np.arange(10, count + 10)
    ranks: NDArray[np.float64] = np.cumsum(weights) / weights.sum()
    return ranks


_RANKS = {True: _ranks(len(_CHINESE)), False: _ranks(len(_ENGLISH))}


def _text(draw: np.random.Generator, wide: bool, length: int) -> str:
    """Return sentences of about `length` words; an English word counts for two and a half."""
    count = max(4, length if wide else length * 2 // 5)
    words: Sequence[str] = _CHINESE if wide else _ENGLISH
    picked = [words[place] for place in np.searchsorted(_RANKS[wide], draw.random(count)).tolist()]
    for place in range(14, count - 4, 15):
        picked[place] += "。\n" if wide and place % 60 == 59 else "，" if wide else "."
    return "".join(picked).strip()


def _edited(row: Row, rng: random.Random) -> Row:
    """Return the row with a few stretches replaced, dropped or doubled."""
    text = row["output"]
    for _ in range(1 + len(text) // 200):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(("", "呢", "吧", text[at : at + 3] * 2)) + text[at + 3 :]
    return {**row, "output": text}


def _marked_up(text: str, rng: random.Random) -> str:
    lines = text.replace("&", "&amp;").split("\n")
    blocks = [f"<p>{line}</p>" for line in lines]
    half = len(lines[0]) // 2
    blocks[0] = f'<p class="post">{lines[0][:half]}<br/><b>{lines[0][half:]}</b>&nbsp;&quot;</p>'
    if rng.random() < 0.5:
        blocks.append('<ul><li><a href="https://example.com/a?b=1&amp;c=2">一</a></li><li>two</li></ul>')
    return f'<div class="content">{"".join(blocks)}</div><script>var a = 1 < 2;</script>'
