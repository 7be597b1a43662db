"""Checks that records carry: what they call right, what they refuse to be, and that no pattern makes them hang."""

import re
import sys
import time
import types
from pathlib import Path
from typing import Any

import orjson
import pytest

from weitiao import checks, pipeline
from weitiao.check import check
from weitiao.checks import KINDS, BadCheck, Check, carried, judge
from weitiao.cli.terminal import plain_recipe
from weitiao.errors import UserError
from weitiao.formats import write
from weitiao.record import to_records
from weitiao.source import Source
from weitiao.source.files import find


def judged(check: Any, answer: str) -> str:
    return judge(carried({"check": check}), answer)


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        ({"exact": "北京"}, ["北京", " 北京。", "“北京”"], ["", "在北京", "上海"]),
        ({"exact": {"answer": "Yes"}}, ["yes", "YES!", "Ｙｅｓ"], ["yes it is", "no"]),
        ({"one_of": ["Paris", "巴黎"]}, ["It is Paris.", "首都是巴黎。", "paris"], ["Parisian life", "comparison", ""]),
        (
            {"one_of": {"answers": ["是"], "wrong": ["不是"]}},
            ["是", "是的，它是油。"],
            ["不是", "不是，也可以说是", "没有"],
        ),
        ({"one_of": ["12"]}, ["12个月", "一共 12 个"], ["112", "1.2", "120"]),
        ({"regex": r"^\d{4}-\d{2}$"}, ["2024-03", " 2024-03\n"], ["2024-3", "on 2024-03"]),
        ({"regex": "(?i)because"}, ["BECAUSE"], ["why"]),
        ({"numeric": 42}, ["42", "17+25=42", "四十二是 ４２", "42.0。", "The answer is 42."], ["", "43", "42 or 43"]),
        ({"numeric": {"value": 3.14, "tolerance": 0.01}}, ["3.141", "π≈3.15"], ["3.2", "-3.14"]),
        ({"numeric": {"value": 1000, "relative": 0.1}}, ["1,050", "1e3"], ["1200"]),
        ({"numeric": {"value": 7, "which": "first"}}, ["7，因为3+4"], ["3+4=7"]),
        ({"numeric": -5}, ["-5", "\u22125 度"], ["5"]),
        (
            {"json": {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}},
            ['{"a": 1}', 'Here:\n```json\n{"a": 1, "b": 2}\n```\n'],
            ["{}", '{"a": true}', '{"a": 1.5}', "[1]", "a: 1", "", "[" * 5000],
        ),
        ({"json": {"items": {"enum": ["x", 1]}}}, ["[]", '["x", 1]'], ["[true]", '["y"]']),
        ({"json": {"required": ["a"]}}, ['{"a": null}'], ["3"]),
        ({"exact": "42", "numeric": 42}, ["42"], ["42.0"]),  # all must hold
    ],
)
def test_each_check_tells_right_from_wrong(check: Any, right: list[str], wrong: list[str]) -> None:
    assert {answer: judged(check, answer) for answer in right} == dict.fromkeys(right, "right")
    assert {answer: judged(check, answer) for answer in wrong} == dict.fromkeys(wrong, "wrong")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a|a?)+$", "(.*a){20}$", r"(\w+\s?)+$"])
def test_no_pattern_hangs(pattern: str) -> None:
    started = time.process_time()
    judged({"regex": pattern}, "a" * 100_000 + "!")
    assert time.process_time() - started < 2  # an engine that tries all ways would take longer than the sun has left


@pytest.mark.parametrize(
    ("check", "field"),
    [
        ({"regex": "(?=a)b"}, "check.regex"),
        ({"regex": {"pattern": "("}}, "check.regex.pattern"),
        ({"regex": "((a{100}){100}){100}"}, "check.regex"),
        ({"regx": "a"}, "check.regx"),
        ({"numeric": "x"}, "check.numeric"),
        ({"numeric": {"value": 1, "tol": 2}}, "check.numeric.tol"),
        ({"one_of": ["…"]}, "check.one_of"),
        ({"one_of": []}, "check.one_of"),
        ({"json": {"properties": {"a": {"type": "text"}}}}, "check.json.properties.a.type"),
        ({"exact": ""}, "check.exact"),
        ({}, "check"),
        ('{"exact": ', "check"),
    ],
)
def test_what_is_no_check_says_where(check: Any, field: str) -> None:
    with pytest.raises(BadCheck) as caught:
        carried({"source": {"check": check}})
    assert caught.value.field == field


@pytest.mark.parametrize("value", ["passed", True, None, 3, ["a"]])
def test_a_column_of_that_name_that_holds_no_object_is_not_ours(value: Any) -> None:
    assert carried({"source": {"check": value}}) == carried({"source": "x"}) == carried({}) == ()


@pytest.mark.parametrize("page", ["checks.md", "checks.zh-CN.md"])
def test_the_page_tells_the_truth(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\{.*?\})` \| `(.*?)` \| (\w+) \|$", text, re.MULTILINE)
    assert [judged(orjson.loads(check), answer) for check, answer, _ in table] == [said for _, _, said in table]
    assert {name for check, _, _ in table for name in orjson.loads(check)} == KINDS.keys() - {"trap"}
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(program, {})
    assert capsys.readouterr().out == "right\n"


class Loud(Check):
    """Made elsewhere: the answer is in capitals."""

    least: int = 1

    def judge(self, answer: str) -> str:
        return "right" if answer.isupper() and len(answer) >= self.least else "whispered"


def test_a_kind_made_elsewhere_needs_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "loud", "made_elsewhere:Loud")
    monkeypatch.setitem(sys.modules, "made_elsewhere", types.SimpleNamespace(Loud=Loud))
    assert judged({"loud": {"least": 2}}, "YES") == "right"
    assert judged({"loud": {}, "exact": "yes"}, "yes") == "whispered"


def rows(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
    return path


CHECKED = {"question": "两个三是多少？", "answer": "六", "check": {"one_of": ["6", "六"]}}


@pytest.mark.parametrize("shape", ["openai", "alpaca", "sharegpt", "cqia", "xtuner", "llamafactory"])
def test_a_check_goes_with_its_record_through_all_stages_and_out(tmp_path: Path, shape: str) -> None:
    more = [{"question": f"第{n}个问题问的是什么事情{n * 37}？", "answer": f"答案是{n}"} for n in range(12)]
    stages: dict[str, Any] = {
        "prepare": {},
        "split": {"ratios": {"train": 0.5, "test": 0.5}},
        "export": {"format": shape},
    }
    for path in (rows(tmp_path, CHECKED, *more), tmp_path / "runs" / "x" / "export"):
        recipe = plain_recipe(
            {"source": {"inputs": [str(path if path.is_file() else path / "*.jsonl")]}, **stages}, "x"
        )
        runs = tmp_path / ("runs" if path.is_file() else "again")
        records = to_records(pipeline.run(recipe, runs)[-1].stored.records())
        found = [record for record in records if carried(record.facts)]
        assert [dict(record.messages)["assistant"] for record in found] == ["六"]
        assert checks.written(found[0].facts) == CHECKED["check"]


def test_a_set_of_messages_alone_has_no_place_for_a_check() -> None:
    written = write("hf", [("user", "a"), ("assistant", "b")], {"check": {"exact": "b"}})
    assert (set(written.row), written.lost) == ({"messages"}, ["check"])


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"regex": "(a"}, r"rows\.jsonl:2:check\.regex: unclosed group"),
        ({"json": {"a": 1}}, r"rows\.jsonl:2:check\.json\.a: no such key\. Possible here: type, required, properties"),
        ({"numeric": "9"}, r"rows\.jsonl:2:check\.numeric: it must be a number"),
        ({"trick": {}}, r"rows\.jsonl:2:check\.trick: no such check\. Possible here: exact, one_of"),
    ],
)
def test_a_bad_check_is_the_users_mistake_at_file_line_and_field(tmp_path: Path, check: Any, said: str) -> None:
    path = rows(tmp_path, CHECKED, {"question": "b", "answer": "c", "check": check})
    recipe = plain_recipe({"source": {"inputs": [str(path)]}}, "x")
    with pytest.raises(UserError) as caught:
        pipeline.run(recipe, tmp_path / "runs")
    assert re.search(said, f"{caught.value}\n{caught.value.hint}")


def test_a_table_holds_its_checks_as_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('question,answer,check\n"2+2?",4,"{""numeric"": 4}"\n"why?",so,\n', encoding="utf-8")
    records = to_records(
        pipeline.run(plain_recipe({"source": {"inputs": [str(path)]}}, "x"), tmp_path / "runs")[-1].stored.records()
    )
    assert [len(carried(record.facts)) for record in records] == [1, 0]


def test_the_command_check_names_it_too(tmp_path: Path) -> None:
    path = rows(tmp_path, CHECKED, {"question": "b", "answer": "c", "check": {"regex": "(a"}})
    (report,) = check(find([str(path)], tmp_path), Source(inputs=[str(path)]))
    assert [place for place, _ in report.bad] == ["rows.jsonl:2:check.regex"]
