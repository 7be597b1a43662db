"""Documents: what a reader sees comes out as Markdown with its page or chapter; what cannot be read is named."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from documents import Put, docx, epub, paragraph, pdf, rule, table, zipped
from hypothesis import given
from hypothesis import strategies as st

from weitiao.errors import UserError
from weitiao.source import documents
from weitiao.source.passages import LONGEST, SHORTEST, Block, blocks_of, cut

pytest.importorskip("pdfplumber")
pytest.importorskip("mammoth")

LONG = "人工智能是计算机科学的一个分支，它企图了解智能的实质，并造出一种新的、能以相似的方式作出反应的机器。"
TEXT = LONG * 5  # long enough for a passage of its own


def lines(text: str, top: float, indent: int = 24) -> list[Put]:
    """Set a paragraph in lines of 40 characters, the first indented by two."""
    first = 40 - indent // 12
    parts = [text[:first], *(text[at : at + 40] for at in range(first, len(text), 40))]
    return [Put(part, 50 if n else 50 + indent, top + 18 * n) for n, part in enumerate(parts) if part]


def texts(read: Any, name: str, content: bytes, **settings: Any) -> list[str]:
    read.write(name, content)
    return [record.messages[0][1] for record in read(name, **settings).records]


def test_a_pdf_is_headings_paragraphs_lists_and_code(read: Any) -> None:
    page = [
        Put("第一章 概述", 50, 90, 22),
        Put("1.1 缘起", 50, 130, 16),
        *lines(LONG * 2, 160),
        Put("•", 50, 260, 12, "en"),
        Put("第一项", 64, 260),
        Put("•", 50, 278, 12, "en"),
        Put("第二项", 64, 278),
        Put("def f(x):", 50, 320, 10, "code"),
        Put("return x + 1", 74, 332, 10, "code"),
        Put("The first infor-", 50, 370, 12, "en"),
        Put("mation age began.", 50, 384, 12, "en"),
    ]
    assert texts(read, "a.pdf", pdf(page)) == [
        "# 第一章 概述\n\n## 1.1 缘起\n\n" + LONG * 2 + "\n\n- 第一项\n\n- 第二项\n\n"
        "```\ndef f(x):\n    return x + 1\n```\n\nThe first information age began."
    ]


def test_a_table_with_rules_is_a_table(read: Any) -> None:
    across = [rule(50, top, 350, top) for top in (100, 125, 150)]
    down = [rule(left, 100, left, 150) for left in (50, 200, 350)]
    cells = [Put("年份", 60, 117), Put("事件", 210, 117), Put("1956", 60, 142), Put("达特茅斯|会议", 210, 142)]
    assert texts(read, "a.pdf", pdf([Put("表前", 50, 70), *across, *down, *cells, Put("表后", 50, 200)])) == [
        "表前\n\n| 年份 | 事件 |\n| --- | --- |\n| 1956 | 达特茅斯\\|会议 |\n\n表后"
    ]


def test_vertical_columns_are_read_from_right_to_left(read: Any) -> None:
    page = [Put("床前明月光，", 500, 100, 12, "down"), Put("疑是地上霜。", 480, 100, 12, "down")]
    assert texts(read, "a.pdf", pdf(page)) == ["床前明月光，疑是地上霜。"]


def test_letters_set_apart_are_no_words_and_radicals_are_characters(read: Any) -> None:
    spread = [Put(letter, 50 + 16 * n, 100) for n, letter in enumerate("编号三的⽂件")]
    assert texts(read, "a.pdf", pdf([*spread, Put("open", 155, 100, 12, "en")])) == ["编号三的文件 open"]


def test_a_passage_knows_its_pages_and_what_runs_along_the_margin_is_left_out(read: Any) -> None:
    def page(number: int, *content: Put) -> list[Put]:
        return [Put("某某文集", 250, 30, 9), *content, Put(f"- {number} -", 290, 780, 9)]

    pages = [page(1, Put("一、甲", 50, 90, 18), *lines(TEXT, 120)), page(2, *lines(TEXT, 100)), page(3)]
    pages.append(page(4, Put("二、乙", 50, 90, 18), *lines(TEXT, 120)))
    read.write("a.pdf", pdf(*pages))
    found = read("a.pdf", licence="CC-BY-4.0")
    assert [record.facts["source"] for record in found.records] == [
        {"section": "一、甲", "page": 1, "last_page": 2},
        {"section": "二、乙", "page": 4},
    ]
    assert [record.messages[0][1] for record in found.records] == [
        f"## 一、甲\n\n{TEXT}\n\n{TEXT}",
        f"## 二、乙\n\n{TEXT}",
    ]
    assert {(record.uri, record.licence) for record in found.records} == {("a.pdf", "CC-BY-4.0")}
    (event,) = found.ledger
    assert (event["reason"], event["detail"]) == ("empty", '{"place":"a.pdf:3","problem":"the page has no text"}')


LOCKED = f"/Encrypt<</Filter/Standard/V 1/R 2/O<{'00' * 32}>/U<{'11' * 32}>/P -4>>/ID[<00><00>]"
LAUGH = '<!DOCTYPE x [<!ENTITY b "bb">]>'
ROOT = '<a><rootfile full-path="x"/></a>'
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY l0 "ha">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + "]><package><title>&l9;</title></package>"
)
SMALL = "import sys, weitiao.source.convert as c; c.MEMORY = 200 << 20; c.bound(); path, after, *skip = sys.argv[2:]; "


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("scan.pdf", pdf([], []), "its 2 pages are pictures without text"),
        ("cut.pdf", pdf([Put("字", 50, 50)])[:700], "a damaged PDF file: PdfminerException"),
        ("lost.pdf", pdf([Put("看不见", 50, 50, 12, "lost")]), "lost.pdf:1: the fonts of page 1 do not say"),
        ("locked.pdf", pdf([Put("字", 50, 50)], trailer=LOCKED), "it is protected by a password"),
        ("cut.docx", docx(paragraph("字"))[:300], "a damaged ZIP or Office file"),
        ("laugh.docx", docx(paragraph("&b;"), head=LAUGH), "word/document.xml declares a document type"),
        ("bomb.docx", docx("<w:p>" + " " * (65 << 20) + "</w:p>"), "unpacked it has more than 64 MB: word/"),
        ("bad.docx", zipped({"word/document.xml": "<w:document>"}), "a damaged DOCX file: "),
        ("bad.epub", zipped({"META-INF/container.xml": "<a>"}), "a damaged EPUB file: "),
        ("bomb.epub", zipped({"META-INF/container.xml": "<a>" + " " * (65 << 20)}), "unpacked it has more than"),
        ("laugh.epub", zipped({"META-INF/container.xml": ROOT, "x": LAUGHS}), "limit on input"),
        ("none.epub", epub("书", {}), "it names no chapters"),
        ("not.pdf", b"plain text", "the file is not PDF"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(read: Any, name: str, content: bytes, said: str) -> None:
    read.write(name, content)
    with pytest.raises(UserError) as caught:
        read(name)
    assert said in caught.value.message
    assert name in caught.value.message
    read.write("b.txt", "好")
    assert len(read(name, "b.txt", skip_bad=True).records) == 1


def test_a_page_that_takes_too_much_is_named_and_the_others_are_read(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = read.write("a.pdf", pdf(lines(TEXT, 100), [b" " * (300 << 20)], [Put("三", 50, 90, 20), *lines(TEXT, 120)]))
    command = [sys.executable, "-c", SMALL + "c.pdf(path, int(after), set(map(int, skip)))"]
    run = subprocess.Popen
    bounded = lambda args, **more: run([*command, *args[3:]], **more)  # noqa: E731
    monkeypatch.setattr("weitiao.source.documents.subprocess.Popen", bounded)
    rows = list(documents.read(path, "pdf"))
    assert [(row.place, row.value and row.value["text"]) for row in rows] == [
        ("2", None), ("1", TEXT), ("3", f"# 三\n\n{TEXT}"),
    ]  # fmt: skip
    assert rows[0].problem
    assert rows[0].problem.said() == "page 2 cannot be read: PdfminerException: Unable to allocate output buffer."


def test_a_docx_is_headings_lists_tables_and_code(read: Any) -> None:
    body = [
        paragraph("开始", "heading1"),
        paragraph("a &lt; b，*不是* 强调"),
        paragraph("甲", numbered=True),
        paragraph("乙", numbered=True),
        table(("年份", "事件"), ("1956", "会议")),
        paragraph("if x:", "Code"),
        paragraph("    print(1)", "Code"),
        paragraph(TEXT),
        paragraph("第二节", "heading2"),
        paragraph(TEXT),
    ]
    read.write("a.docx", docx(*body))
    found = read("a.docx").records
    assert [record.messages[0][1] for record in found] == [
        "# 开始\n\na < b，*不是* 强调\n\n- 甲\n- 乙\n\n| 年份   | 事件 |\n| ---- | --- |\n| 1956 | 会议 |\n\n"
        f"```\nif x:\n    print(1)\n```\n\n{TEXT}",
        f"## 第二节\n\n{TEXT}",
    ]
    assert [record.facts["source"] for record in found] == [{"section": "开始"}, {"section": "第二节"}]


def test_an_epub_is_read_in_the_order_of_its_spine(read: Any) -> None:
    chapters = {"b.xhtml": f"<h1>二</h1><p>{TEXT}</p>", "a.xhtml": f"<h1>一</h1><p>{TEXT}</p><pre>x = 1\n\ny = 2</pre>"}
    read.write("a.epub", epub("简史", chapters, ["a.xhtml", "b.xhtml"]))
    found = read("a.epub").records
    assert [record.messages[0][1] for record in found] == [
        f"# 一\n\n{TEXT}\n\n```\nx = 1\n\ny = 2\n```",
        f"# 二\n\n{TEXT}",
    ]
    assert [record.facts["source"] for record in found] == [
        {"title": "简史", "section": "一", "chapter": "a.xhtml"},
        {"title": "简史", "section": "二", "chapter": "b.xhtml"},
    ]


@pytest.mark.parametrize("at", [0.05, 0.3, 0.5, 0.7, 0.95])
def test_a_damaged_file_gives_its_pages_or_says_why_not(tmp_path: Path, at: float) -> None:
    content = bytearray(pdf(lines(TEXT, 100), lines(TEXT, 100)))
    for place in range(int(len(content) * at), int(len(content) * at) + 40):
        content[place % len(content)] ^= 0x55
    path = tmp_path / "a.pdf"
    path.write_bytes(bytes(content))
    rows = list(documents.read(path, "pdf"))
    assert rows
    assert all(bool(row.problem) != bool(row.value) for row in rows)


BLOCKS = st.lists(
    st.tuples(st.sampled_from(["# ", "## ", ""]), st.text("字a ", min_size=1, max_size=900), st.sampled_from("123")),
    max_size=20,
)


@given(BLOCKS)
def test_passages_hold_every_block_once_and_keep_their_length(drawn: Iterable[tuple[str, str, str]]) -> None:
    blocks = [Block(mark + text.strip() + "。", place) for mark, text, place in drawn]
    passages = list(cut(blocks))
    assert "\n\n".join(passage.text for passage in passages) == "\n\n".join(block.text for block in blocks)
    for passage in passages:
        assert len(passage.text) <= LONGEST + 1_000 * passage.text.count("#") + 1_000
    for passage in passages[:-1]:
        assert len(passage.text) >= SHORTEST


@given(st.text("a字 \n#`-", max_size=200))
def test_blocks_lose_nothing_but_empty_lines(markdown: str) -> None:
    def bare(text: str) -> list[str]:
        return [line for line in text.split("\n") if line.strip()]

    assert [line for block in blocks_of(markdown, "") for line in bare(block.text)] == bare(markdown)
