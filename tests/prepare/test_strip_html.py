"""HTML becomes what a reader sees, and what only looks like HTML stays."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weitiao.prepare.html_text import PLAIN, plain_text, visible_text
from weitiao.prepare.strip_html import _TAG, StripHtml, _escaped, _marked, _meant, _visible

DATA = Path(__file__).parents[3] / "shared" / "data" / "web"


def strip(text: str) -> str:
    return str(StripHtml().rewritten(pl.Series([text]))[0])


UNTOUCHED = [
    "如果 a<b 且 c>d",
    "if a<b and c>d then",
    "a<b>c",
    "List<String> x = new ArrayList<>();",
    "Map<A, B> m; vector<int> v; #include <stdio.h>",
    "$a<b$ 与 \\(x<y\\)，$$p<q>r$$",
    "I <3 you",
    "5 < 6 > 4, <>, &, &&, a&b, R&D",
    "?a=1&copy=2&lt=3",
    "用 `<br>` 换行，`<p>x</p>` 是一段，&nbsp 没有分号",
    "看：\n```html\n<p>甲&nbsp;乙</p>\n<!-- 注 -->\n```\n完",
    "网页长这样：\n\n```\n<!DOCTYPE html>\n<html><body><nav>n</nav><p>x</p></body></html>\n```\n完",
    "~~~\n<p>没有结束",
    "用法：prog <input> <output> <title>，见 <https://example.org>",
    "<email><title>会议</title><body>你好\n再见</body></email>",
    "| 名 | 说明 |\n|---|---|\n| a | 一<br>二 |",
    "<|im_start|>user<|im_end|><think></think>",
    "",
]


@pytest.mark.parametrize("text", UNTOUCHED)
def test_what_only_looks_like_html_stays(text: str) -> None:
    assert strip(text) == text


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("甲<br>乙<br/>\n丙<BR />丁", "甲\n乙\n丙\n丁"),
        ("<p>一</p><p>二<b>粗</b>体</p>", "一\n\n二粗体"),
        ("<P ALIGN=center>大写</P>", "大写"),
        ("<p>一<p>二", "一\n\n二"),
        ("<div>甲</div><div>乙</div>", "甲\n乙"),
        ("<h1>题</h1>文", "题\n\n文"),
        ("a <i>b</i> c<a href='x?a=1&amp;b=2'>链接</a>", "a b c链接"),
        ("<table><tr><td>甲1</td><td>乙2</td></tr><tr><td>甲3<td>乙4</table>后", "甲1 | 乙2\n甲3 | 乙4\n\n后"),
        ("前<tr><td>甲1</td><td><p>乙2</p></td></tr>", "前\n甲1 | 乙2"),
        ("<ul><li>a<li><p>b</p><ol><li>x<li>y</ol></ul>t", "- a\n- b\n\n  1. x\n  2. y\n\nt"),
        ("甲 <br> 乙<br>  丙", "甲\n乙\n  丙"),
        ("<ol start='3'><li>a</li><li>b</li></ol>", "3. a\n4. b"),
        ("<ol start=x><li>a</ol>甲<br/ >乙", "1. a\n\n甲\n乙"),
        ("<p>见表：</p>\n| a<br>b |\n", "见表：\n\n| a<br>b |"),
        (
            "<p>a<sub>n+1</sub>=2a<sub>n</sub>，x<sub>i</sub>，CO<sub>2</sub>，T<sub>out</sub></p>",
            "aₙ₊₁=2aₙ，xᵢ，CO₂，Tout",
        ),
        ("<ul><li></li><li><img src=x></li><li>a</li></ul>", "- a"),
        ("Tom &amp; Jerry&nbsp;&#20013;&#x6587;", "Tom & Jerry 中文"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("<p>&amp;lt;b&amp;gt; &lt;p&gt; &copy=1</p>", "&lt;b&gt; <p> &copy=1"),
        ("x<script>var a='<p>'; if(a<b){}</script>y<style>p{}</style><!-- <p>c</p> -->z<noscript>n</noscript>", "xyz"),
        ("<p>如果 a<b 且 c>d，List<String> y，$x<y$，I <3 you</p>", "如果 a<b 且 c>d，List<String> y，$x<y$，I <3 you"),
        ("<p>看 `<br>`：</p>\n```\n<p>x</p>\n```", "看 `<br>`：\n\n```\n<p>x</p>\n```"),
        ("<p>x<sup>2</sup> H<sub>2</sub>O<sup>[1]</sup></p>", "x² H₂O[1]"),
        (
            "<p>说明 <code>&lt;b&gt;</code></p><pre><code>def f():\n    return a&lt;b\n</code></pre>完",
            "说明 `<b>`\n\n```\ndef f():\n    return a<b\n```\n\n完",
        ),
        ("价格 $5</p><p>现在 $6", "价格 $5\n\n现在 $6"),
        ("第一行\n第二行<br>第三行\n\n<div>签名\n换行</div>\n尾", "第一行\n第二行\n第三行\n\n签名换行\n尾"),
        ("<p>one\ntwo  three</p>", "one two three"),
        ("<b>标题</b>\n  缩进\n- x", "标题\n  缩进\n- x"),
        ("<div hidden>x</div><p>y</p>", "y"),
        ("只剩结尾</p>", "只剩结尾"),
        ("<p>\ue005\ue617字</p>", "\ue617字"),
    ],
)
def test_html_becomes_what_a_reader_sees(text: str, seen: str) -> None:
    assert strip(text) == seen


PAGE = """<!DOCTYPE html><html><head><title>t</title><meta name="x" "bad"></head><body class=x>
<nav>导航</nav><header>站名</header><aside>边栏</aside>
<main><article><header><h1>题目</h1></header><p>正文第一行
第二行</p><form><input>搜<button>查</button></form></article></main>
<form id="aspnet"><p>整页在表单里</p><button>提交</button></form>
<footer>版权</footer><script>var s = `<p>`</script></body></html>"""


def test_a_page_loses_what_stands_around_its_text() -> None:
    assert strip(PAGE) == "题目\n\n正文第一行第二行\n\n整页在表单里"


def test_a_body_alone_is_a_page() -> None:
    assert strip("\n<BODY>\n<nav>导航</nav><p>文</p></BODY>") == "文"


def test_long_runs_and_deep_nesting_are_no_trouble() -> None:
    assert strip("<p>甲</p>" + " " * 20_000 + "\\(" * 20_000).startswith("甲\n\n")
    assert strip("<div>" * 3000 + "x" + "</div>" * 3000) == "x"
    assert strip("<!--" * 250_000 + "a<br>b") == "<!--" * 250_000 + "a\nb"
    assert strip("<p>" + "`$<a " * 3000 + "</p>") == ("`$<a " * 3000).rstrip(" ")


def test_a_real_page_gives_its_article() -> None:
    page = DATA / "news" / "bbc_chinese.html"
    if not page.exists():
        pytest.skip(f"no {page}")
    text = strip(page.read_bytes().decode())
    expected = (DATA / "news" / "bbc_chinese.expected.txt").read_text(encoding="utf-8")
    expected = expected.replace("\x93", "“").replace("\x94", "”")  # &#147; is a quotation mark to browsers
    lines = [line.strip() for line in expected.split("\n") if len(line.strip()) > 20]
    assert len(lines) > 8
    assert [line for line in lines if line not in text] == []


_WORDS = (
    "字",
    "a ",
    " b",
    "\n",
    "  ",
    "一\n二",
    "1 < 2",
    "&amp;",
    "&nbsp;",
    "&",
    "&lt;p&gt;",
    "</",
    "&notit;",
    "&hearts;",
    "\xa0",
)
_TAGS = [f"<{close}{name}>" for name in sorted(PLAIN) for close in ("", "/")]


@given(st.lists(st.sampled_from(_WORDS) | st.sampled_from(_TAGS), max_size=12))
@example(["x", "<script>", "1 < 2", "</script>", "y"])
@example(["<ul>", "<li>", "a", "<ul>", "<li>", "b", "</li>", "</ul>", "</li>", "</ul>", "c"])
@example(["<p>", "a", "<br>", "\n", "b", "</p>", "<hr>", "<h1>", "c", "</h1>", "d\n", "<b>", " e", "</b>", "\n"])
def test_without_a_parser_the_text_is_the_same(pieces: list[str]) -> None:
    same_without_a_parser("".join(pieces))


def same_without_a_parser(text: str) -> None:
    if tags := _meant(" ".join(map(_marked, _TAG.finditer(text)))).tags:
        assert _visible(text) == visible_text(_escaped(text, tags), page=False)


def _nested(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    inside = st.lists(children | st.sampled_from(_WORDS), max_size=4).map("".join)
    names = st.sampled_from(sorted(PLAIN - {"br", "hr"}))
    return st.builds("<{0}>{1}</{0}>".format, names, inside) | inside


@given(st.recursive(st.sampled_from((*_WORDS, "<br>", "<hr/>", "<ul><li>甲</li></ul>")), _nested, max_leaves=20))
def test_without_a_parser_what_is_nested_is_the_same(text: str) -> None:
    same_without_a_parser(text)


def test_a_usual_text_needs_no_parser() -> None:
    text = '<div class="x"><p>甲<br/><b>乙</b></p><ul><li><a href="u">丙</a></li></ul></div><script>1 < 2</script>'
    marks = " ".join(map(_marked, _TAG.finditer(text)))
    assert marks == "div= p br b /b /p ul li a= /a /li /ul /div script /script"
    assert _meant(marks).plain == marks.replace("=", "")
    assert _visible(text) == "甲\n乙\n\n- 丙"
    assert _meant("div=? /div").plain is _meant("i /i td /td").plain is None
    assert plain_text(["", "a", ""], "p /p") == "a"
    assert plain_text(["", "", "a", "", ""], "p div /div /p") is None
