"""Threads: the question, the replies with their ids, and the best reply by the rule that the docs state."""

from typing import Any

import pytest

from weitiao.source.threads import Post, choose, thread

LONG = "把旧的索引删掉再重建一次，记得先停掉写入，否则重建到一半会被新数据打断，最后再打开写入。"

DISCUZ = """<html><head><title>电脑开机黑屏怎么办 - 修机论坛 - Powered by Discuz!</title></head><body>
<div id="nv">首页 论坛 登录</div><h1><span id="thread_subject">电脑开机黑屏怎么办</span></h1>
<div id="postlist">
<div id="post_101"><div class="authi"><a>小王</a><em>发表于 2023-1-2</em></div>
<table><tr><td class="t_f" id="postmessage_101">开机后风扇转，屏幕没有信号，试过换线。</td></tr></table>
<div class="sign">签名：天天向上</div></div>
<div id="post_102"><div class="authi"><a>老李</a></div>
<table><tr><td class="t_f" id="postmessage_102">顶</td></tr></table></div>
<div id="post_103"><div class="authi"><a>小张</a></div>
<table><tr><td class="t_f" id="postmessage_103"><div class="quote"><blockquote>小王 发表于 2023-1-2<br>
开机后风扇转，屏幕没有信号，试过换线。</blockquote></div>把内存条拔下来<b>擦一擦</b>再插回去：<br>
<pre><code class="language-sh">dmesg | grep -i a_b</code></pre></td></tr></table></div>
<div class="ad"><a href="/buy">加微信 abc123 买内存条</a></div>
<div id="post_104"><div class="authi"><a>小王</a></div>
<table><tr><td class="t_f" id="postmessage_104">解决了，谢谢 @小张</td></tr></table></div>
</div></body></html>"""

STACK = """<html><head><title>python - Why is x &lt; y? - Stack Overflow</title>
<link rel="license" href="https://creativecommons.org/licenses/by-sa/4.0/">
<link rel="canonical" href="https://stackoverflow.com/questions/11/why"></head>
<body itemscope itemtype="https://schema.org/QAPage"><header>log in</header>
<div itemprop="mainEntity" itemscope itemtype="https://schema.org/Question">
<h1><a class="question-hyperlink">Why is x &lt; y?</a></h1>
<div id="question" class="question" data-questionid="11" data-score="5">
<div class="s-prose js-post-body" itemprop="text"><p>Given <code>x_1</code> and $a_1 &lt; b$, why?</p></div>
<div class="user-details"><a>Ann</a></div></div>
<div id="answers">
<div id="answer-22" class="answer" data-answerid="22" data-score="40" itemprop="suggestedAnswer">
<div class="s-prose js-post-body" itemprop="text"><p>Because.</p></div>
<time datetime="2020-01-01T00:00:00">2020</time></div>
<div id="answer-33" class="answer accepted-answer" data-answerid="33" data-score="7" itemprop="acceptedAnswer">
<div class="s-prose js-post-body" itemprop="text"><p>See <a href="https://e.org/d">docs</a>:</p>
<pre class="lang-py"><code>assert x &lt; y  # *
</code></pre></div></div>
</div></div><footer>site design</footer></body></html>"""


def test_a_discuz_thread_becomes_question_and_the_reply_that_was_thanked(read: Any) -> None:
    read.write("t.html", DISCUZ)
    (record,) = read("t.html", shape="thread").records
    assert record.messages == (
        ("user", "电脑开机黑屏怎么办\n\n开机后风扇转，屏幕没有信号，试过换线。"),
        ("assistant", "把内存条拔下来**擦一擦**再插回去：\n\n```sh\ndmesg | grep -i a_b\n```"),
    )
    source = record.facts["source"]
    assert (source["answer_by"], source["answer_post"]) == ("thanks", "post_103")
    assert [(post["id"], post.get("asker")) for post in source["posts"]] == [
        ("post_101", True),
        ("post_102", None),
        ("post_103", None),
        ("post_104", True),
    ]
    assert "微信" not in str(record)


def test_posts_of_the_same_thread_know_their_ids(read: Any) -> None:
    read.write("t.html", DISCUZ)
    records = read("t.html").records
    assert [record.facts["source"]["post"] for record in records] == [f"post_{n}" for n in (101, 102, 103, 104)]


def test_a_page_that_says_it_is_a_question_is_read_as_one(read: Any) -> None:
    read.write("q.html", STACK)
    (record,) = read("q.html", licence="mine").records
    assert record.messages == (
        ("user", "Why is x < y?\n\nGiven `x_1` and $a_1 < b$, why?"),
        ("assistant", "See [docs](https://e.org/d):\n\n```py\nassert x < y  # *\n```"),
    )
    assert record.licence == "CC-BY-SA-4.0"
    source = record.facts["source"]
    assert source["address"] == "https://stackoverflow.com/questions/11/why"
    assert source["answer_by"] == "accepted"
    assert source["posts"][1] == {"id": "22", "text": "Because.", "time": "2020-01-01T00:00:00", "votes": 40}


@pytest.mark.parametrize(
    ("replies", "chosen"),
    [
        ([Post("2", "a", votes=9), Post("3", "b", votes=2, accepted=True)], (2, "accepted")),
        ([Post("2", "a", votes=1), Post("3", "b", votes=9)], (2, "votes")),
        ([Post("2", "自答", "问", votes=9), Post("3", "b", "x", votes=1)], (2, "votes")),
        ([Post("2", "a", votes=2), Post("3", LONG, votes=2)], (2, "first long")),
        ([Post("2", "a", "甲"), Post("3", "b", "乙"), Post("4", "谢谢二楼", "问")], (2, "thanks")),
        ([Post("2", "a", "甲"), Post("3", "b", "乙"), Post("4", "谢谢 2楼", "问")], (1, "thanks")),
        ([Post("2", "a", "甲"), Post("3", "b", "乙"), Post("4", "@甲 thanks, that works", "问")], (1, "thanks")),
        ([Post("2", LONG, "甲"), Post("3", "b", "乙"), Post("4", "谢谢，还是不行", "问")], (1, "first long")),
        ([Post("2", "短"), Post("3", LONG), Post("4", LONG * 2)], (2, "first long")),
        ([Post("2", "", votes=9), Post("3", "短")], (None, "")),
        ([Post("2", LONG, "问")], (None, "")),
        ([], (None, "")),
    ],
)
def test_the_best_reply_is_chosen_by_the_stated_rule(replies: list[Post], chosen: tuple[int | None, str]) -> None:
    assert choose([Post("1", "问题，先谢谢了", "问"), *replies]) == chosen


def test_votes_are_read_where_forums_write_them() -> None:
    likes = ["赞(3)", "赞同 12", "👍 5", "7 likes", "", "0 votes"]
    posts = "".join(
        f'<div class="reply" id="r{n}"><div class="reply_content">回复 {n}</div><span>{like}</span></div>'
        for n, like in enumerate(likes)
    )
    row = thread(f"<body><div>{posts}</div></body>")
    assert row is not None
    assert [post.get("votes") for post in row["posts"]] == [3, 12, 5, 7, None, 0]


def test_several_marks_of_acceptance_mark_nothing() -> None:
    posts = "".join(f'<div class="reply"><div class="reply_content">答 {n}</div>best answer</div>' for n in range(3))
    row = thread(f"<body><div>{posts}</div></body>")
    assert row is not None
    assert "answer" not in row


def test_an_answer_that_nobody_can_be_sure_of_is_left_open(read: Any) -> None:
    posts = "".join(
        f'<div class="reply"><div class="reply_content">{text}</div></div>' for text in ("问？", "顶", "沙发")
    )
    read.write("t.html", f"<title>贴</title><body><div>{posts}</div></body>")
    (record,) = read("t.html", shape="thread").records
    assert record.messages == (("user", "贴\n\n问？"),)
    assert [post["text"] for post in record.facts["source"]["posts"]] == ["问？", "顶", "沙发"]


def _schema(*answers: str) -> str:
    return (
        "<div itemscope itemtype='https://schema.org/QAPage'><div itemprop='mainEntity' itemscope "
        "itemtype='https://schema.org/Question'><h1 itemprop='name'>怎么反转？</h1><div itemprop='text'>要快。</div>"
        + "".join(
            f"<div itemprop='suggestedAnswer' itemscope itemtype='https://schema.org/Answer'>{answer}</div>"
            for answer in answers
        )
        + "</div></div>"
    )


def test_answers_inside_their_question_are_read_once() -> None:
    page = _schema(
        "<meta itemprop='upvoteCount' content='3'><div itemprop='text'>自己写循环。</div>",
        "<meta itemprop='upvoteCount' content='12'><div itemprop='text'>用库函数。</div>",
    )
    row = thread(page)
    assert row is not None
    assert (row["answer"], row["answer_by"], len(row["posts"])) == ("用库函数。", "votes", 3)


PHPBB = """<body><h2>Mount a drive</h2>
<div id="p1" class="post"><div class="postbody"><div id="post_content1"><h3>Mount a drive</h3><p class="author">by
<a class="username">joe</a></p><div class="content">How do I mount a disk at boot?</div></div></div></div>
<div id="p2" class="post"><div class="postbody"><div id="post_content2"><h3>Re: Mount a drive</h3><p class="author">by
<a class="username">ann</a></p><div class="content">Add a line to /etc/fstab:<div class="codebox"><p>Code: <a>Select
all</a></p><pre><code>UUID=a /b ext4</code></pre></div></div></div></div></div>
<div id="p3" class="post"><div class="postbody"><div id="post_content3"><h3>Re: Mount a drive</h3><p class="author">by
<a class="username">joe</a></p><div class="content">Thanks, works now.</div></div></div></div></body>"""


def test_what_stands_beside_the_words_of_a_post_is_left_out() -> None:
    row = thread(PHPBB)
    assert row is not None
    assert row["question"].endswith("How do I mount a disk at boot?")
    assert "by" not in row["question"]
    assert (row["answer"], row["answer_by"]) == ("Add a line to /etc/fstab:\n\n```\nUUID=a /b ext4\n```", "thanks")


def test_a_thanked_name_names_the_reply() -> None:
    asked = Post("1", "How?", "ann")
    replies = [Post("2", "So.", "老李"), Post("3", "Or so.", "bo"), Post("4", "也可以这样。", "Marta")]
    for thanks, chosen in (("多谢老李！", 1), ("Thanks marta, it runs.", 3), ("Thanks, about time.", 3)):
        assert choose([asked, *replies, Post("5", thanks, "ann")]) == (chosen, "thanks")
    # `bo` is part of a word here.
    assert choose([asked, *replies[:2], Post("4", "Or not.", "cy"), Post("5", "Thanks, both work.", "ann")])[0] == 3


def test_the_title_is_the_threads_and_not_the_sites() -> None:
    page = PHPBB.replace("<body>", "<title>Mount a drive - Some Site</title><body><h1>Some Site</h1>")
    row = thread(page)
    assert row is not None
    assert row["title"] == "Mount a drive"


def test_hearts_points_and_anchors_are_read_and_sidebars_are_no_posts() -> None:
    reply = '<div name="a{n}" class="reply"><p>{votes}</p><div class="reply_content">{text}</div></div>'
    votes = ('<span><img alt="❤️"> 5</span>', '<span class="score">7 points</span>')
    posts = "".join(reply.format(n=n, votes=said, text=f"{LONG}{n}") for n, said in enumerate(("", *votes), start=1))
    side = '<div class="side"><div class="rules"><div class="usertext-body">不许发广告，不许骂人。</div></div></div>'
    row = thread(f"<body>{side}<div class='all'>{posts}</div></body>")
    assert row is not None
    assert [(post["id"], post.get("votes")) for post in row["posts"]] == [("a1", None), ("a2", 5), ("a3", 7)]
    assert (row["answer_post"], row["answer_by"]) == ("a3", "votes")
