"""Dumps of Stack Exchange: question and answer by the stated rule, as Markdown, each with its licence and address."""

from html import escape
from typing import Any

import pytest

from weitiao.errors import UserError
from weitiao.source import stack_exchange


def row(key: object, kind: int, body: str = "<p>x</p>", **more: object) -> str:
    fields = {"Id": key, "PostTypeId": kind, "CreationDate": "2020-01-01T00:00:00.000", "Body": body, **more}
    written = {name: escape(str(value)).replace("\n", "&#xA;") for name, value in fields.items()}
    return "  <row " + " ".join(f'{name}="{value}"' for name, value in written.items()) + " />\n"


def dump(*rows: str) -> str:
    return '<?xml version="1.0" encoding="utf-8"?>\n<posts>\n' + "".join(rows) + "</posts>"


CODE = (
    '<p>Why is <code>a_b</code> in $x_1 &lt; y$?</p>\n\n<pre class="lang-py"><code>f(1)  # &lt;3\n\ng()\n</code></pre>'
)


def test_a_question_has_its_accepted_or_best_answer(read: Any) -> None:
    rows = [
        row(1, 1, CODE, Title="Why?", Tags="<python><c++>", AcceptedAnswerId=4, OwnerUserId=7, Score=3),
        row(2, 1, Title="T2", CreationDate="2011-01-01T00:00:00.000"),
        row(3, 2, "<p>best</p>", ParentId=1, Score=90),
        row(4, 2, "<p>accepted</p>", ParentId=1, Score=-1, CreationDate="2017-01-01T00:00:00.000", OwnerUserId=8),
        row(5, 2, "<p>late</p>", ParentId=2, Score=2, ContentLicense="CC BY-SA 3.0"),
        row(6, 2, "<p>equal, later</p>", ParentId=2, Score=2),
        row(7, 1, Title="T7", AcceptedAnswerId=99),
        row(8, 2, ParentId=7, Score=0),
        row(9, 4, "<p>a wiki excerpt</p>"),
    ]
    read.write("d/math.stackexchange.com/Posts.xml", dump(*rows))
    read.write("d/math.stackexchange.com/Users.xml", "<users/>")
    result = read("d", licence="unused")
    code = "Why?\n\nWhy is `a_b` in $x_1 < y$?\n\n```py\nf(1)  # <3\n\ng()\n```"
    assert [record.messages for record in result.records] == [
        (("user", code), ("assistant", "accepted")),
        (("user", "T2\n\nx"), ("assistant", "late")),
        (("user", "T7\n\nx"),),
    ]
    site = "https://math.stackexchange.com"
    assert [(record.uri, record.row, record.licence) for record in result.records] == [
        (f"{site}/questions/1", 1, "CC-BY-SA-4.0 AND CC-BY-SA-3.0"),
        (f"{site}/questions/2", 2, "CC-BY-SA-2.5 AND CC-BY-SA-3.0"),
        (f"{site}/questions/7", 7, "CC-BY-SA-4.0"),
    ]
    source = result.records[0].facts["source"]
    assert source["tags"] == ["python", "c++"]
    assert source["authors"] == [f"{site}/users/7", f"{site}/users/8"]
    assert (source["answer_by"], source["answer_id"], source["answers"]) == ("accepted", 4, 2)
    assert result.manifest["facts"]["not_read"] == ["d/math.stackexchange.com/Users.xml"]


def test_answers_may_stand_before_their_question_and_a_name_need_not_tell(read: Any) -> None:
    read.write("dump.xml", dump(row(5, 2, "<p>a</p>", ParentId=9, Score=1), row(9, 1, Title="t")))
    (record,) = read("dump.xml").records
    assert (record.messages[1], record.uri, record.row) == (("assistant", "a"), "dump.xml", 2)


def test_posts_longer_than_a_block_are_read_whole(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_exchange, "_BLOCK", 1 << 8)
    long = "长" * 3000
    read.write(
        "Posts.xml", dump(row(1, 1, f"<p>{long}</p>", Title="t"), row(2, 2, f"<p>{long}b</p>", ParentId=1, Score=1))
    )
    assert read("Posts.xml").texts == [f"t\n\n{long}|{long}b"]


def test_a_billion_laughs_are_refused_before_they_grow(read: Any) -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    read.write(
        "Posts.xml", f'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY l0 "ha">{entities}]><posts><row Id="&l11;"/></posts>'
    )
    with pytest.raises(UserError, match=r"Posts.xml:1: the XML declares a document type"):
        read("Posts.xml")


def test_a_broken_dump_gives_what_stands_before(read: Any) -> None:
    whole = dump(row(1, 1, Title="t"), row("x", 1), row(1, 1), row(3, 2), row(4, 1, Title="u"))
    read.write("Posts.xml", whole[:-20])
    with pytest.raises(UserError, match=r"Posts.xml:4: no number as Id or ParentId, or one that stands twice.*2 more"):
        read("Posts.xml")
    result = read("Posts.xml", skip_bad=True)
    assert result.texts[:1] == ["t\n\nx"]
    assert result.manifest["refused"] == {"bad post": 3, "broken XML": 1}


def test_another_xml_is_not_taken_for_a_dump(read: Any) -> None:
    read.write("x.xml", "<feed/>")
    with pytest.raises(UserError, match=r"x.xml: its name and content do not tell what it is"):
        read("x.xml")
