"""JSON: what it holds counts, not its name; every slip has its place; nothing makes the reader fall over."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.errors import UserError
from weitiao.source import json_rows
from weitiao.source.json_slips import explain


@pytest.mark.parametrize(
    ("name", "content", "texts", "said"),
    [
        ("a.json", '[{"text": "a"},\n {"text": "b"}]\n', ["a", "b"], []),
        (
            "a.jsonl",
            '[\n{"text": "a"},\n{"text": "b"}\n]',
            ["a", "b"],
            ["is one JSON value, not JSON Lines"],
        ),
        ("a.json", '{"text": "a"}\n{"text": "b"}\n', ["a", "b"], ["holds JSON Lines"]),
        ("a.txt", '{"text": "a"}\n{"text": "b"}\n', ["a", "b"], ["holds JSON Lines"]),
        ("a.json", '{"version": 1, "data": [{"text": "a"}, {"text": "b"}]}', ["a", "b"], []),
        ("a.json", '{"conversations": [{"from": "human", "value": "a"}]}', ["a"], []),
        ("a.json", '["a", "b"]', ["a", "b"], []),
        ("a.jsonl", '"a"\n"b"\n', ["a", "b"], []),
        ("a.jsonl", '{"text": "a", "text": "b"}\r\n', ["b"], []),
        ("a.json", '\ufeff[{"text": "a"}]', ["a"], []),
        ("a.json", "[]\n\n", None, []),
    ],
)
def test_what_a_file_holds_counts_not_its_name(
    read: Any, name: str, content: str, texts: list[str] | None, said: list[str]
) -> None:
    read.write(name, content)
    if texts is None:
        with pytest.raises(UserError, match=r"a.json: no rows in it"):
            read(name)
        return
    result = read(name)
    assert (result.texts, result.said[:-1]) == (texts, [f"{name} {text}; read as such" for text in said])


SLIPS = [
    ('{"text": "a",}', "a comma too many before character 14"),
    ("{'text': 1}", "single quotes at character 2"),
    ('{"text": "a" "b"}', "a comma, quote or bracket is missing before character 14"),
    ('{"text": "a"} {"text": "b"}', "more text after the end, at character 15"),
    ('{"text": "a\tb"}', "a bare line break or control character in a text, character 12"),
    ('{"text": "a\x00b"}', "a NUL byte at character 12"),
    ('{"text": "C:\\d"}', "a wrong backslash escape at character 13"),
    ('{"text": NaN}', "NaN is not JSON"),
    ('{"text": -Infinity}', "-Infinity is not JSON"),
    ('{"text": "\\ud83d"}', "a lone surrogate, half of a character, at character 11"),
    ('{"text": "a', "it ends before it is closed"),
    ('{"text": tru}', "`t` cannot stand at character 10"),
    ('{"text": \u2060"a"}', "`U+2060` cannot stand at character 10"),
    ("[" * 100_000, "brackets are nested too deep to be data"),
    ('{"a":' * 100_000, "brackets are nested too deep to be data"),
    ("[" * 900 + "]" * 900, None),
]


@pytest.mark.parametrize(("line", "said"), SLIPS, ids=[slip[0][:20] for slip in SLIPS])
def test_every_slip_has_its_name_and_place(line: str, said: str | None) -> None:
    problem = explain(line.encode())
    assert (problem and problem.said()) == said


@pytest.mark.parametrize(("line", "said"), SLIPS[:-1], ids=[slip[0][:20] for slip in SLIPS[:-1]])
@pytest.mark.parametrize("kind", ["lines", "array"])
def test_a_slip_is_named_the_same_in_lines_and_arrays(read: Any, line: str, said: str, kind: str) -> None:
    good = '{"text": "g"}'
    name = "a.jsonl" if kind == "lines" else "a.json"
    read.write(name, f"{good}\n{good}\n{line}\n" if kind == "lines" else f"[{good},\n{good},\n{line}\n]")
    with pytest.raises(UserError) as caught:
        read(name)
    first = caught.value.message.split("\n")[1]
    assert first.startswith(f"  {name}:3: ")
    if kind == "lines":
        assert said in first
    assert read(name, skip_bad=True).texts[:2] == ["g", "g"]


def test_after_a_slip_in_an_array_nothing_is_read_and_it_says_so(read: Any) -> None:
    read.write("a.json", '[{"text": "a"},\n{"text": "b" "c"},\n{"text": "d"}]')
    with pytest.raises(UserError, match=r"a.json:2: a comma.* before character 14; nothing after it can be read"):
        read("a.json")
    assert read("a.json", skip_bad=True).texts == ["a"]


@pytest.mark.parametrize("buffer", [1, 2, 3, 7, 50])
def test_an_array_is_the_same_through_any_window(read: Any, monkeypatch: pytest.MonkeyPatch, buffer: int) -> None:
    monkeypatch.setattr(json_rows, "_BUFFER", buffer)
    path = read.write("a.json", ' [ {"text": "一", "n": 12345},\n\n"二" , {"text":"三"}\n] \n')
    rows = list(json_rows.read_document(path, "utf-8"))
    assert [(row.number, row.place, row.value["text"]) for row in rows] == [
        (1, "1", "一"),
        (2, "3", "二"),
        (3, "3", "三"),
    ]
    assert rows[0].value["n"] == 12345
    path.write_text('[{"text": "a"}, 1234, {"text": "b"}\n, {"text": c}]')
    rows = list(json_rows.read_document(path, "utf-8"))
    assert [row.problem and row.problem.said() for row in rows] == [
        None,
        "it is a number, not an object",
        None,
        "`c` cannot stand at character 12; nothing after it can be read",
    ]


@given(st.binary(max_size=200))
def test_no_bytes_make_the_lines_reader_fall_over(data: bytes) -> None:
    for row in json_rows.read_lines(data, "utf-8", 1):
        assert (row.problem is None) == (row.value is not None)
