"""Articles: what the page is about, with code, formulas and tables; ads, navigation and hidden parts gone."""

from pathlib import Path
from typing import Any

import pytest
from selectolax.lexbor import LexborHTMLParser

from benchmarks.pages import cases, mean, of_trafilatura, of_weitiao, score
from weitiao.source.articles import article
from weitiao.source.markup import markdown, unwrap_layout

WEB = Path(__file__).parents[3] / "shared" / "data" / "web"
PROSE = "文章讲怎样把语料洗干净，一句接着一句，写得很长。" * 5
KATEX = (
    '<span class="katex"><span class="katex-mathml"><math><semantics><mrow>q</mrow><annotation '
    'encoding="application/x-tex">q_1*2</annotation></semantics></math></span>'
    '<span class="katex-html" aria-hidden="true">q1</span></span>'
)
ZHIHU = '<img alt="z_2" eeimg="1">'
PAGE = f"""<html><head><title>洗语料 - 某站</title><link rel="canonical" href="https://a.example/1">
<meta name="author" content="Jane Doe"><link rel="license" href="https://creativecommons.org/licenses/by/4.0/"></head>
<body><nav>首页 登录 注册</nav><div class="sidebar-ads">侧栏广告：全场五折</div><article><h1>洗语料</h1>
<p>{PROSE}</p><div class="ad">加微信 abc123 领优惠，限时抢购，全场五折，仅此一天，快来看看吧</div>
<pre><code class="language-python">def f(x_1):
    if x_1 &lt; 3:

        return "*a*"
</code></pre><p>{PROSE}行内 <code>a_b</code>，公式 $a_1&lt;b^*$ 和 {KATEX}，{ZHIHU}，x<sup>2</sup>，H<sub>2</sub>O。</p>
<script type="math/tex; mode=display">\\int_0^1 x\\,dx</script>
<p style="display:none">看不见的一句话</p>
<table><tr><th>甲</th><th>乙</th></tr><tr><td>1</td><td>2</td></tr></table></article>
<ins class="adsbygoogle">广告</ins><a href="https://ad.doubleclick.net/x">点此购买</a><footer>版权所有</footer></body></html>"""


def test_an_article_is_taken_out_with_code_formulas_and_tables(read: Any) -> None:
    read.write("a.html", PAGE)
    (record,) = read("a.html").records
    text = record.messages[0][1]
    assert record.messages[0][0] == "passage"
    assert text.startswith(f"# 洗语料\n\n{PROSE}\n\n```")
    assert '\ndef f(x_1):\n    if x_1 < 3:\n\n        return "*a*"\n```' in text
    assert "行内 `a_b`，公式 $a_1<b^*$ 和 $q_1*2$，$z_2$，x²，H₂O。" in text
    assert "\\int_0^1 x\\,dx" in text
    assert "| 甲 | 乙 |\n|---|---|\n| 1 | 2 |" in text
    for gone in ("登录", "五折", "看不见", "广告", "购买", "版权", "\\_", "\\*"):
        assert gone not in text
    assert "五折" in of_trafilatura(PAGE)
    source = record.facts["source"]
    assert (source["title"], source["author"], source["address"]) == ("洗语料", "Jane Doe", "https://a.example/1")
    assert record.licence == "CC-BY-4.0"


def test_tables_in_each_other_without_end_are_left_alone() -> None:
    page = f"<body><p>{PROSE}</p>{'<table><tr><td>x</td><td>' * 3000}y{'</td></tr></table>' * 3000}</body>"
    tree = LexborHTMLParser(page)
    assert tree.body
    before = tree.html
    unwrap_layout(tree.body)  # for each of them it would look at all inside
    assert tree.html == before


def test_a_table_that_arranges_a_page_is_no_table() -> None:
    numbered = (
        "<table><tr><td class='gutter'><pre>1\n2</pre></td><td class='code'><pre><code class='language-python'>"
        "if x:\n    y()</code></pre></td></tr></table>"
    )
    found = article(f"<article><p>{PROSE}</p>{numbered}<p>{PROSE}</p></article>")
    assert found is not None
    assert found.text == f"{PROSE}\n\n```python\nif x:\n    y()\n```\n\n{PROSE}"
    other = "第二段说的是怎样给图片配上说明，一张一张地写，写完再看一遍。" * 3
    found = article(f"<table><tr><td>首页</td><td><p>{PROSE}</p><p>{other}</p></td></tr></table>")
    assert found is not None
    assert f"{PROSE}\n\n{other}" in found.text


def test_a_short_chinese_article_keeps_its_form() -> None:
    page = (
        "<article><header><h1>电饭煲做面包</h1><p>发表于 2021</p></header><div class='entry-content'><p>先把面粉和酵母"
        "混合均匀，再慢慢加入温水，揉到不粘手为止，盖上湿布放在温暖的地方。</p><h3>发酵</h3><p>发酵的时间要看室温，夏天一"
        "个小时就够了，冬天可能要两三个小时<sup><a href='#1'>[1]</a></sup>。</p><ul><li>面粉 300 克</li><li>酵母 3 克"
        "</li></ul><p>最后把面团放进内胆里，按下煮饭键，跳闸之后再焖二十分钟。</p></div></article>"
    )
    found = article(page)
    assert found is not None
    assert "盖上湿布放在温暖的地方。\n\n### 发酵\n\n发酵的时间" in found.text
    assert "两三个小时[1]。\n\n- 面粉 300 克\n- 酵母 3 克\n\n最后" in found.text


def test_a_page_without_an_article_stays_as_it_is(read: Any) -> None:
    read.write("a.html", "<title>t</title><body><b></b>&nbsp;</body>")
    assert read("a.html").texts == ["<b></b>&nbsp;"]
    assert article("") is None


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (r"<p>\(x_1 * y\) $$z_1$$ # b &lt;b&gt; \alpha_1</p>", r"\(x_1 * y\) $$z_1$$ # b <b> \alpha_1"),
        ("<p>- 不是列表</p><p>1. 也不是</p>", "- 不是列表\n\n1. 也不是"),
        ("<p>a<br>b</p>", "a\nb"),
        ("<pre>x\n  y</pre>", "```\nx\n  y\n```"),
        ("<p>x<sup>2</sup> x<sup>k</sup></p>", "x² x<sup>k</sup>"),
        ('<p>𐊀<img src="a" alt="图"> a_b</p>', "𐊀 a_b"),
        ("<div>" * 5_000 + "深" + "</div>" * 5_000, "深"),
        ("", ""),
    ],
)
def test_markdown_has_no_backslashes_that_the_page_has_not(html: str, text: str) -> None:
    assert markdown(html) == text


@pytest.mark.skipif(not WEB.exists(), reason="no ../shared/data/web beside the checkout")
def test_pages_are_extracted_better_than_by_trafilatura_alone() -> None:
    known = cases(WEB)
    assert len(known) > 20
    ours, theirs = (
        mean([score(take(case.html), case.expected) for case in known]) for take in (of_weitiao, of_trafilatura)
    )
    assert ours.f1 > theirs.f1
    assert ours.precision > theirs.precision


@pytest.mark.parametrize(
    "body",
    [
        '<div style="visibility: hidden; opacity: 0">{}</div><div style="display:none">扫一扫关注</div>',
        '<div aria-hidden="true">{}</div><p>请先登录</p>',
        "<div>加载中</div><noscript>{}</noscript>",
    ],
)
def test_what_a_script_shows_is_read_where_it_is_most_of_the_page(body: str) -> None:
    found = article(f"<html><body>{body.format(f'<h1>洗语料</h1><p>{PROSE}</p><p>{PROSE}完。</p>')}</body></html>")
    assert found
    assert f"{PROSE}\n\n{PROSE}完。" in found.text
    hidden = article(f"<html><body><p>{PROSE}</p>{body.format('<p>看不见的一句话</p>')}</body></html>")
    assert hidden
    assert "看不见" not in hidden.text


def test_code_keeps_lines_and_language_that_stand_around_it() -> None:
    line = '<span class="line">{}</span><br>'
    code = "".join(map(line.format, ("type T struct {", "    n int", "}")))
    hexo = (
        '<figure class="highlight go"><table><tr><td class="gutter"><pre>1<br>2</pre></td>'
        f'<td class="code"><pre>{code}</pre></td></tr></table></figure>'
    )
    sphinx = '<div class="highlight-python notranslate"><div class="highlight"><pre>x = 1\n</pre></div></div>'
    plain = '<div class="highlight-default notranslate"><div class="highlight"><pre>y = 2\n</pre></div></div>'
    heading = '<h2>代码<a class="x" href="#c">¶</a></h2>'
    page = f"<html><body><article><p>{PROSE}</p>{heading}{hexo}<p>{PROSE}</p>{sphinx}{plain}</article></body></html>"
    found = article(page)
    assert found
    assert "## 代码\n\n```go\ntype T struct {\n    n int\n}\n```" in found.text
    assert "```python\nx = 1\n```" in found.text
    assert "```\ny = 2\n```" in found.text


def test_formulas_that_a_script_would_set_are_set() -> None:
    said = r"<p>投影是 \(P_1^2\)，也就是</p><p>\[ A^\top A x \]</p><p>代码 <code>\(x\)</code> 照旧。</p>"
    page = f"<html><head>{{}}</head><body><article><p>{PROSE}</p>{said}<p>{PROSE}</p></article></body></html>"
    found = article(page.format('<script src="https://a.example/mathjax@3/es5/tex-mml-chtml.js"></script>'))
    assert found
    assert "投影是 $P_1^2$，也就是\n\n$$A^\\top A x$$\n\n代码 `\\(x\\)` 照旧。" in found.text
    without = article(page.format(""))
    assert without
    assert r"投影是 \(P_1^2\)" in without.text
