"""Pages and texts: a thread gives its posts, an article stays whole, a text is one row or a row a line."""

from pathlib import Path
from typing import Any

import pytest

from weitiao.errors import UserError

EXAMPLES = Path(__file__).parents[2] / "examples" / "ruozhiba" / "posts"

THREAD = """<!doctype html><html><head><title>帖子 </title>
<script>var x = "<div class=post-body>no</div>"</script></head>
<body><nav>首页 登录 注册</nav>
<div class="post"><b>甲</b><div class="post-content">第一<br>条 &lt;b&gt;</div></div>
<div class="post"><b>乙</b><div class="post-content"><p>第二条</p></div></div>
<div class="post"><b>丙</b><div class="post-content"> </div></div></body></html>"""
ARTICLE = "<p>" + "正文很长，一句接一句。" * 60 + "</p>"
COMMENTS = '<div id="c"><div class="comment">赞</div><div class="comment">顶</div></div>'


def test_a_thread_gives_its_posts_with_their_inner_html(read: Any) -> None:
    read.write("t.html", THREAD)
    result = read("t.html")
    assert result.texts == ["第一<br>条 &lt;b&gt;", "<p>第二条</p>"]
    assert [(record.row, record.facts["source"]) for record in result.records] == [
        (1, {"title": "帖子"}),
        (2, {"title": "帖子"}),
    ]
    assert result.manifest["refused"] == {"empty": 1}


@pytest.mark.parametrize(
    "body",
    [
        ARTICLE + COMMENTS,
        "<article>" + ARTICLE + "</article><pre>" + '<span class="token comment">// a</span>' * 9 + "</pre>",
        "<P CLASS=big>Fish &amp; <br>chips</p  ><!-- kept -->",
    ],
)
def test_a_page_can_stay_whole_not_a_character_changed(read: Any, body: str) -> None:
    read.write("a.html", f"<html><head><title></title></head><body class=x>{body}</body></html>")
    result = read("a.html", shape="page")
    assert result.texts == [body]
    assert result.records[0].facts == {"shape": "posts"}


def test_nested_comments_are_each_a_post(read: Any) -> None:
    inner = '<div class="comment"><div class="body">二楼回一楼</div></div>'
    read.write("n.html", f'<div class="comment"><div class="body">一楼</div>{inner}</div>')
    assert read("n.html").texts == ["一楼", "二楼回一楼"]


@pytest.mark.parametrize(("name", "count"), [("thread_1.html", 24), ("thread_2.html", 24), ("thread_3.html", 23)])
def test_the_example_threads_give_all_their_posts(read: Any, name: str, count: int) -> None:
    read.write(name, (EXAMPLES / name).read_bytes())
    result = read(name)
    assert result.manifest["total"] == count
    assert not any("class=" in text and "<div" in text for text in result.texts)


def test_a_declared_charset_is_believed_and_a_bad_byte_named(read: Any) -> None:
    read.write("g.html", '<meta charset="gb2312"><body>喆镕</body>'.encode("gb18030"))
    result = read("g.html")
    assert (result.texts, result.manifest["facts"]["encodings_guessed"]) == (["喆镕"], {})
    read.write("b.html", "<body>好好好\n好好好\n".encode() + b"\xff</body>")
    with pytest.raises(UserError, match=r"b.html:1: not UTF-8: byte 0xff"):
        read("b.html")


def test_a_text_is_one_row_or_a_row_a_line(read: Any) -> None:
    read.write("a.txt", "一\r\n\r\n 二 \u2028三\n")
    assert read("a.txt").texts == ["一\r\n\r\n 二 \u2028三\n"]
    result = read("a.txt", shape="lines")
    assert result.texts == ["一", " 二 \u2028三"]
    assert [record.row for record in result.records] == [1, 3]
