"""Export: only what can be trained on leaves, in every format, with what found no place said by name."""

import json
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest

from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.export import Export, why_not
from weitiao.pipeline import Done
from weitiao.recipe import bind
from weitiao.record import Record, to_frame, to_records
from weitiao.stage import Silent


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def export(folder: Path, records: list[Record], **settings: Any) -> tuple[Done, list[str]]:
    """Export some records by way of a recipe; return what was done and what was said."""
    rows = b"\n".join(orjson.dumps(record.row_dict()) for record in records)
    (folder / "in.jsonl").write_bytes(rows)
    recipe = bind({"name": "t", "source": {"inputs": ["in.jsonl"]}, "export": settings}, pipeline.SETTINGS, folder)
    said = Said()
    return pipeline.run(recipe, reporter=said)[-1], said.lines


def record(key: str, *turns: tuple[str, str], **facts: Any) -> Record:
    return Record(key, turns, "a.jsonl", 1, facts=facts)


U, A, S, T = ("user", "问"), ("assistant", "答"), ("system", "你是谁"), ("tool", "")


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([U, A], None),
        ([S, U, A, U, A], None),
        ([U, A, T, A], None),
        ([U, A, T, T, A, U, A], None),
        ([("passage", "文")], "passage, not a conversation"),
        ([U], "no answer"),
        ([U, A, U], "no answer"),
        ([A], "roles do not alternate"),
        ([U, U, A], "roles do not alternate"),
        ([U, A, A], "roles do not alternate"),
        ([U, S, A], "roles do not alternate"),
        ([S, A], "roles do not alternate"),
        ([T, A], "roles do not alternate"),
        ([U, ("assistant", " \n")], "empty turn"),
        ([("user", ""), A], "empty turn"),
        ([U, ("assistant", "我是 {{name}}，由 {{ 作者 }} 开发")], "placeholder left"),
        ([U, ("assistant", "写 `{{name}}`，或\n```vue\n{{msg}}\n```")], None),
        ([U, ("assistant", "{{ a.b }} 和 {{}} 和 {x}")], None),
    ],
)
def test_only_trainable_conversations_pass(turns: list[tuple[str, str]], reason: str | None) -> None:
    frame = to_frame([record("k", *turns)])
    assert frame.select(why_not(pl.col("messages"), Export())).item() == reason


def test_no_origin_no_training() -> None:
    frame = to_frame([Record("k", (U, A), "", 1)])
    assert frame.select(why_not(pl.col("messages"), Export())).item() == "origin unknown"


def test_the_refused_stand_in_the_ledger_and_the_rest_in_order(tmp_path: Path) -> None:
    records = [record("a", U, A), record("b", U), record("c", S, U, A), record("d", ("passage", "x"))]
    done, _ = export(tmp_path, records)
    assert [item.id for item in to_records(done.stored.records())] == ["a", "c"]
    assert (done.manifest["total"], done.manifest["kept"]) == (4, 2)
    assert done.manifest["refused"] == {"no answer": 1, "passage, not a conversation": 1}
    ledger = done.stored.ledger().select("id", "step", "action", "reason").rows()
    assert ledger == [
        ("b", "export", "refused", "no answer"),
        ("d", "export", "refused", "passage, not a conversation"),
    ]
    assert (done.stored.folder / "all.jsonl").read_text() == (
        '{"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}\n'
        '{"messages": [{"role": "system", "content": "你是谁"}, {"role": "user", "content": "问"}, '
        '{"role": "assistant", "content": "答"}]}\n'
    )


def test_each_part_has_its_file(tmp_path: Path) -> None:
    records = [record(str(i), U, A, split={"part": "test" if i % 3 else "train"}) for i in range(7)]
    done, _ = export(tmp_path, records)
    assert done.manifest["facts"]["files"] == {"test.jsonl": 4, "train.jsonl": 3}
    assert len((done.stored.folder / "test.jsonl").read_text().splitlines()) == 4


def test_what_a_format_cannot_hold_is_counted_and_said(tmp_path: Path) -> None:
    records = [
        record("a", U, A, source={"domain": ["x"], "id": 1}),
        record("b", U, A, U, A, source={"id": 2}),
        record("c", S, U, A),
    ]
    done, said = export(tmp_path, records, format="cqia")
    assert done.manifest["facts"]["no_place_for"] == {"id": 1}
    assert done.manifest["facts"]["does_not_fit"] == {"several turns": 1, "a system message": 1}
    assert done.manifest["refused"] == {"does not fit the format": 2}
    assert [orjson.loads(text) for text in done.stored.ledger()["detail"]] == [
        {"format": "cqia", "what": "several turns"},
        {"format": "cqia", "what": "a system message"},
    ]
    assert "cqia has no place for: id 1; the records keep them" in said
    assert "cqia cannot hold several turns: 1 record refused" in said
    assert json.loads((done.stored.folder / "all.jsonl").read_text()) == {
        "instruction": "问",
        "input": "",
        "output": "答",
        "domain": ["x"],
    }


def test_a_system_message_is_added_where_there_is_none_and_noted(tmp_path: Path) -> None:
    done, _ = export(tmp_path, [record("a", U, A), record("b", S, U, A)], system="帮手")
    assert [item.messages[0] for item in to_records(done.stored.records())] == [("system", "帮手"), S]
    assert done.stored.ledger().select("id", "action", "reason", "turn").rows() == [
        ("a", "changed", "system message added", 0)
    ]


def test_llama_factory_gets_its_register(tmp_path: Path) -> None:
    done, _ = export(tmp_path, [record("a", S, U, A)], format="llamafactory")
    info = orjson.loads((done.stored.folder / "dataset_info.json").read_bytes())
    assert info["t_all"]["file_name"] == "all.jsonl"
    assert info["t_all"]["columns"] == {"messages": "conversations"}
    row = json.loads((done.stored.folder / "all.jsonl").read_text())
    assert [turn["from"] for turn in row["conversations"]] == ["system", "human", "gpt"]


def test_hugging_face_gets_parquet_with_messages(tmp_path: Path) -> None:
    done, _ = export(tmp_path, [record("a", U, A, split={"part": "train"})], format="hf")
    frame = pl.read_parquet(done.stored.folder / "data/train.parquet")
    assert frame.to_dicts() == [
        {"messages": [{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}]}
    ]
    assert [path.name for path in done.stored.parts()] == ["part-00000.parquet"]


def test_placeholders_can_be_kept(tmp_path: Path) -> None:
    records = [record("a", U, ("assistant", "{{name}}"))]
    assert export(tmp_path, records, placeholders="keep")[0].manifest["kept"] == 1


def test_thinking_is_taken_out_and_noted(tmp_path: Path) -> None:
    thought = "<think>\nslow\n</think>\n\n"
    rows = [
        [("user", "<think>x</think>a"), ("assistant", thought + "b"), ("user", "c"), ("assistant", "d")],
        [("user", "a"), ("assistant", thought)],
    ]
    texts = [{"messages": [{"role": role, "content": text} for role, text in row]} for row in rows]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
    recipe: dict[str, Any] = {"name": "r", "source": {"inputs": ["data.jsonl"]}, "export": {}}
    kept = pipeline.run(bind(recipe, pipeline.SETTINGS, tmp_path), last="export")[-1].stored.records()
    assert [[m["content"] for m in row] for row in kept["messages"].to_list()] == [[c for _, c in row] for row in rows]
    done = pipeline.run(bind({**recipe, "thinking": "strip"}, pipeline.SETTINGS, tmp_path), last="export")[-1]
    (messages,) = done.stored.records()["messages"].to_list()
    assert [message["content"] for message in messages] == ["<think>x</think>a", "b", "c", "d"]
    assert done.manifest["refused"] == {"empty turn": 1}
    changed = done.stored.ledger().filter(pl.col("reason") == "thinking taken out")
    assert changed.select("turn", "before").rows() == [(1, thought + "b"), (1, thought)]


def test_tool_calls_that_training_does_not_see_are_said_and_noted(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": "我查。", "tool_calls": [{"type": "function"}]}
    quoted = {"role": "assistant", "content": 'x "tool_calls": y'}
    rows = [
        {"messages": [{"role": "user", "content": "问"}, answer], "note": answer["content"]}
        for answer in (call, quoted)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = Said()
    recipe = bind({"name": "r", "source": {"inputs": ["data.jsonl"]}, "export": {}}, pipeline.SETTINGS, tmp_path)
    done = pipeline.run(recipe, reporter=said)[-1]
    first = done.stored.records()["id"][0]
    assert done.stored.ledger().select("id", "action", "reason").rows() == [
        (first, "cut", "tool calls beside the text")
    ]
    assert any("1 records hold tool calls beside the text" in line for line in said.lines)


def test_a_record_without_a_known_licence_is_named_where_one_is_required(tmp_path: Path) -> None:
    known = Record("k", (U, A), "a.jsonl", 1, "CC0-1.0")
    named = [Record(f"n{n}", (U, A), "b.jsonl", n, licence) for n, licence in enumerate((None, " ", "Unknown"), 1)]
    untrained = Record("u", (U,), "c.jsonl", 1)
    with pytest.raises(UserError) as caught:
        export(tmp_path, [known, *named, untrained], require_licence=True)
    assert caught.value.message.split("\n") == [
        "3 of 4 records have no known licence",
        "  b.jsonl:1: record n1",
        "  b.jsonl:2: record n2",
        "  b.jsonl:3: record n3",
    ]
    assert "source.licence" in caught.value.hint
    assert export(tmp_path, [known, untrained], require_licence=True)[0].manifest["kept"] == 1
    assert export(tmp_path, [known, *named])[0].manifest["kept"] == 4
    with pytest.raises(UserError, match="and others: 2"):
        export(tmp_path, [Record(f"n{n}", (U, A), "b.jsonl", n) for n in range(7)], require_licence=True)
