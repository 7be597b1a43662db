"""The example data in examples/ruozhiba: shape, counts, no near-duplicates, and the ugliness its README promises."""

import collections
import csv
import html
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parents[1]
DATA = ROOT / "examples" / "ruozhiba"
POSTS = DATA / "posts"
SHARED = ROOT.parent / "shared" / "data"
KEYS = [
    "instruction",
    "input",
    "output",
    "task_type",
    "domain",
    "metadata",
    "answer_from",
    "human_verified",
    "copyright",
]
NEAR = 0.6
BANNED = re.compile("自杀|毒品|强奸|色情|赌场|政党|suicide|porn|racist", re.IGNORECASE)


def rows(name: str) -> list[dict[str, Any]]:
    text = (DATA / name).read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert "\r" not in text
    return [json.loads(line) for line in text[:-1].split("\n")]


def grams(text: str) -> frozenset[str]:
    kept = "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())
    return frozenset(kept[i : i + 2] for i in range(len(kept) - 1)) or frozenset([kept])


def near_pairs(ours: list[str], others: list[str]) -> Iterator[tuple[float, str, str]]:
    """Pairs (similarity, one of ours, one of the others) at or over the limit, by an inverted index."""
    sets = [grams(t) for t in others]
    index: dict[str, list[int]] = collections.defaultdict(list)
    for number, found in enumerate(sets):
        for gram in found:
            index[gram].append(number)
    for text in ours:
        mine = grams(text)
        shared = collections.Counter(n for gram in mine for n in index.get(gram, ()))
        for number, count in shared.items():
            score = count / len(mine | sets[number])
            if score >= NEAR:
                yield score, text, others[number]


def questions(name: str) -> list[str]:
    return [row["instruction"] for row in rows(name)]


def published() -> list[str]:
    """Every question and post in the test data of the working folder."""
    found: list[str] = []
    for path in sorted(SHARED.glob("ruozhiba*/**/*.json*")):
        text = path.read_text(encoding="utf-8")
        items = json.loads(text) if path.suffix == ".json" else [json.loads(x) for x in text.splitlines() if x.strip()]
        for item in items:
            if "messages" in item:
                found.append(item["messages"][0]["content"])
            found += [item[k] for k in ("instruction", "question", "text") if item.get(k)]
    return found


@pytest.mark.parametrize(
    ("name", "least", "shortest", "longest"),
    [("questions_zh.jsonl", 240, 40, 220), ("questions_en.jsonl", 60, 60, 450)],
)
def test_every_row_has_the_exact_shape(name: str, least: int, shortest: int, longest: int) -> None:
    found = rows(name)
    assert len(found) >= least
    for row in found:
        assert list(row) == KEYS
        assert row["input"] == row["metadata"] == ""
        assert row["answer_from"] == "weitiao"
        assert row["human_verified"] is False
        assert row["copyright"] == "CC0-1.0, weitiao contributors"
        assert list(row["task_type"]) == ["major", "minor"]
        for tags in (*row["task_type"].values(), row["domain"]):
            assert isinstance(tags, list)
            assert tags
            assert all(isinstance(tag, str) and tag for tag in tags)
        for key in ("instruction", "output"):
            assert row[key] == row[key].strip()
            assert "\n" not in row[key]
            assert not BANNED.search(row[key])
        assert shortest <= len(row["output"]) <= longest, row["instruction"]


@pytest.mark.parametrize(("name", "han"), [("questions_zh.jsonl", True), ("questions_en.jsonl", False)])
def test_each_file_keeps_to_its_language(name: str, han: bool) -> None:
    for row in rows(name):
        for key in ("instruction", "output"):
            assert bool(re.search("[\u4e00-\u9fff]", row[key])) is han, row[key]


@pytest.mark.parametrize("name", ["questions_zh.jsonl", "questions_en.jsonl"])
def test_answers_do_not_open_alike(name: str) -> None:
    found = rows(name)
    size = 4 if "zh" in name else 12
    opening, count = collections.Counter(row["output"][:size] for row in found).most_common(1)[0]
    assert count <= max(3, len(found) // 50), opening
    assert len({row["output"] for row in found}) == len(found)


@pytest.mark.parametrize("name", ["questions_zh.jsonl", "questions_en.jsonl"])
def test_no_question_is_a_near_duplicate_of_another(name: str) -> None:
    texts = questions(name)
    pairs = [pair for pair in near_pairs(texts, texts) if pair[1] != pair[2]]
    assert pairs == []
    assert len(set(texts)) == len(texts)


def test_no_question_is_a_near_duplicate_of_a_raw_post() -> None:
    texts = questions("questions_zh.jsonl") + questions("questions_en.jsonl")
    assert list(near_pairs(texts, [text for name in FILES for text in texts_of(name)])) == []


def test_nothing_here_is_a_near_duplicate_of_published_data() -> None:
    if not list(SHARED.glob("ruozhiba*")):
        pytest.skip("needs the folder of test data ../shared/data")
    others = published()
    assert len(others) > 1000
    ours = questions("questions_zh.jsonl") + questions("questions_en.jsonl")
    ours += [text for name in FILES for text in texts_of(name) if len(text) > 8]
    assert list(near_pairs(ours, others)) == []


# ---------------------------------------------------------------- the raw posts

FILES = {
    "thread_1.html": 24,
    "thread_2.html": 24,
    "thread_3.html": 23,
    "posts_2023.jsonl": 119,
    "posts_2024.jsonl": 75,
    "posts_mail.csv": 26,
}
BODY = {
    "thread_1.html": ("utf-8", r'<div class="body">(.*?)</div>\n'),
    "thread_2.html": ("gb18030", r"<DIV CLASS=t_msg>(.*?)</DIV>\n"),
    "thread_3.html": ("utf-8-sig", r'<div class="content" itemprop="text">\s*(.*?)\s*</div>'),
}


def json_rows(name: str) -> list[dict[str, Any]]:
    """The lines of a file that are JSON objects."""
    found = []
    for line in (POSTS / name).read_bytes().decode("utf-8").split("\n"):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def table(name: str) -> list[list[str]]:
    text = (POSTS / name).read_bytes().decode("gb18030")
    return list(csv.reader(io.StringIO(text, newline="")))


def texts_of(name: str) -> list[str]:
    """The bodies of all posts of a file as they are stored; null and missing ones are left out."""
    if name in BODY:
        encoding, pattern = BODY[name]
        return re.findall(pattern, (POSTS / name).read_bytes().decode(encoding), re.DOTALL)
    if name.endswith(".csv"):
        return [row[1] for row in table(name)[1:]]
    return [row["text"] for row in json_rows(name) if isinstance(row.get("text"), str)]


def repeated(texts: list[str]) -> int:
    """Rows of a file that say word for word what an earlier row says."""
    kept = [t for t in texts if t.strip()]
    return len(kept) - len(set(kept))


def edited(texts: list[str]) -> int:
    """Rows of a file nearly, but not word for word, the same as an earlier row."""
    kept = list(dict.fromkeys(t for t in texts if len(t) > 8))
    return sum(any(True for _ in near_pairs([text], kept[:number])) for number, text in enumerate(kept))


def pattern(expression: str) -> Callable[[list[str]], int]:
    found = re.compile(expression)
    return lambda texts: sum(bool(found.search(text)) for text in texts)


KINDS: dict[str, Callable[[list[str]], int]] = {
    "tags": pattern(r"(?i)<!--|</?(br|p|b|i|img|div|font|span|a|blockquote|script)(\s[a-z-]+=[^<>]*|\s*/?)>"),
    "entities": pattern(r"&(#x?[0-9A-F]+|[a-z]+);"),
    "ads": pattern(r"wt_demo_\d|扣扣|13800000000|@example\.com|promo\.example\.com"),
    "zero_width": pattern("[\u200b-\u200f\u202a-\u202e\u2060\ufeff]"),
    "control": pattern("[\x00-\x08\x0b\x0c\x0e-\x1f]"),
    "spaces": pattern("[\u00a0\u3000\t\r]"),
    "full_width": pattern("[Ａ-Ｚａ-ｚ０-９]"),
    "traditional": pattern("[說為總後費關階熱蠟鬧]"),
    "punctuation": pattern("([！？。～])\\1{2,}"),
    "emoji": pattern("[\u2600-\u26ff\U0001f300-\U0001faff]|&#x1F"),
    "code_math": pattern(r"a ?(<|&lt;) ?b|List<String>|```|\$x|1 < 2"),
    "symbols": pattern("[²³①-⑳½]"),
    "bbcode": pattern(r"\[(b|img|quote|url=|color=)"),
    "reply": pattern("^(回复 @|//@|@|Re: )"),
    "tail": pattern("客户端$|发自我的"),
    "mojibake": pattern("锟斤拷|\ufffd"),
    "escapes": pattern(r"\\u[0-9a-f]{4}"),
    "short": lambda texts: sum(0 < len(t.strip()) <= 6 for t in texts),
    "empty": lambda texts: sum(t == "" for t in texts),
    "blank": lambda texts: sum(t != "" and not t.strip() for t in texts),
    "repeated": repeated,
    "edited": edited,
}
# kind: how many posts of each of the files above
PLANTED = {
    "tags": [8, 6, 4, 6, 3, 0],
    "entities": [5, 2, 3, 4, 2, 0],
    "ads": [1, 1, 1, 7, 2, 1],
    "zero_width": [0, 0, 0, 4, 1, 0],
    "control": [0, 0, 0, 0, 1, 0],
    "spaces": [0, 0, 1, 0, 5, 0],
    "full_width": [0, 0, 0, 4, 1, 1],
    "traditional": [0, 2, 0, 6, 3, 1],
    "punctuation": [1, 0, 0, 4, 0, 0],
    "emoji": [0, 1, 1, 3, 0, 0],
    "code_math": [0, 0, 1, 5, 0, 0],
    "symbols": [0, 0, 0, 3, 0, 0],
    "bbcode": [0, 0, 0, 0, 3, 0],
    "reply": [0, 0, 1, 0, 3, 1],
    "tail": [0, 0, 0, 0, 2, 0],
    "mojibake": [0, 0, 0, 0, 2, 0],
    "escapes": [0, 0, 0, 0, 1, 0],
    "short": [2, 1, 0, 8, 4, 1],
    "empty": [0, 1, 0, 2, 0, 1],
    "blank": [0, 0, 0, 1, 0, 0],
    "repeated": [0, 0, 0, 8, 2, 1],
    "edited": [0, 0, 0, 10, 2, 0],
}


def test_the_posts_are_as_many_as_said() -> None:
    for name, count in FILES.items():
        if name.endswith(".jsonl"):
            assert len(json_rows(name)) == count
        else:
            assert len(texts_of(name)) == count
    assert sum(FILES.values()) >= 180


@pytest.mark.parametrize("kind", KINDS)
def test_the_ugliness_is_planted_as_said(kind: str) -> None:
    assert [KINDS[kind](texts_of(name)) for name in FILES] == PLANTED[kind]


def test_encodings_of_the_saved_pages() -> None:
    first, second, third = ((POSTS / f"thread_{n}.html").read_bytes() for n in (1, 2, 3))
    assert b'charset="utf-8"' in first
    assert first.decode("utf-8")
    assert b"charset=gb18030" in second
    with pytest.raises(UnicodeDecodeError):
        second.decode("utf-8")
    with pytest.raises(UnicodeDecodeError):
        second.decode("gbk")
    assert third.startswith(b"\xef\xbb\xbf")
    with pytest.raises(UnicodeDecodeError):
        (POSTS / "posts_mail.csv").read_bytes().decode("utf-8")


def test_broken_lines_are_where_they_should_be() -> None:
    lines = (POSTS / "posts_2024.jsonl").read_bytes().decode("utf-8").split("\n")
    broken = []
    others = []
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
        except ValueError:
            broken.append(number)
        else:
            if not isinstance(value, dict):
                others.append((number, type(value)))
    assert len(lines) == 78
    assert broken == [22, 78]
    assert lines[21].startswith("<html>")
    assert others == [(42, list)]
    assert lines[-1].startswith("{")
    found = json_rows("posts_2024.jsonl")
    assert sum("text" not in row for row in found) == 1
    assert sum(row.get("text", "") is None for row in found) == 1
    assert {type(row["no"]) for row in found} == {int, str}
    assert {type(row["likes"]) for row in found} == {int, str, type(None)}


def test_rows_of_2023_have_four_plain_fields() -> None:
    found = json_rows("posts_2023.jsonl")
    assert [row["no"] for row in found] == list(range(1, len(found) + 1))
    assert all(list(row) == ["no", "text", "time", "likes"] for row in found)
    assert all(type(row["likes"]) is int and type(row["time"]) is str for row in found)
    assert sum(row["text"] is None for row in found) == 1


def test_the_table_needs_a_real_csv_reader() -> None:
    found = table("posts_mail.csv")
    assert found[0] == ["标题", "内容", "来源"]
    assert all(len(row) == 3 for row in found)
    raw = (POSTS / "posts_mail.csv").read_bytes().decode("gb18030")
    assert len(raw.splitlines()) > len(found)
    assert any('"' in row[1] for row in found)
    assert any("," in row[1] for row in found)


def test_contact_details_are_invented() -> None:
    everything = "\n".join(text for name in FILES for text in texts_of(name))
    assert set(re.findall(r"(?<!\d)1[3-9]\d{9}(?!\d)", everything)) == {"13800000000"}
    hosts = re.findall(r"(?:https?://|@)([a-z0-9.-]+\.[a-z]+)", html.unescape(everything))
    assert hosts
    assert all(host == "example.com" or host.endswith(".example.com") for host in hosts)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_counts_are_true(name: str) -> None:
    text = (DATA / name).read_text(encoding="utf-8")
    for file in ("questions_zh.jsonl", "questions_en.jsonl"):
        assert f"| `{file}` | {len(rows(file))} |" in text
    for file, count in FILES.items():
        assert f"| `posts/{file}` | {count} |" in text
    for kind, counts in PLANTED.items():
        cells = " | ".join(str(n) if n else "–" for n in counts)
        assert f"| {cells} | {sum(counts)} |" in text, kind
