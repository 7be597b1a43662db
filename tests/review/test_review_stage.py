"""review in a recipe: what becomes of records, when the line waits, and what export may demand."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from typer.testing import CliRunner

from weitiao import balance, pipeline, trace
from weitiao.browse import census
from weitiao.browse.catalogue import Catalogue
from weitiao.cli.terminal import plain_recipe
from weitiao.cli.trace import app
from weitiao.doubt import AUDIT, BAD, DISAGREE, NEAR
from weitiao.errors import UserError
from weitiao.pipeline import Done
from weitiao.recipe import Recipe
from weitiao.record import Record, to_frame, to_records
from weitiao.review import Review, place
from weitiao.review.decision import Decision, Item, Person, Turn
from weitiao.review.desk import Desk
from weitiao.review.draw import plan, rows
from weitiao.stage import Outcome

Project = Callable[..., Recipe]
Line = Callable[[Recipe], dict[str, Done]]
HOME = Path("runs/run")


def decide_all(desk: Desk, person: Person, say: Callable[[Item], Decision]) -> int:
    count = 0
    while found := desk.next(person):
        desk.decide(person, found[0].key, say(found[0]))
        count += 1
    return count


def careful(item: Item) -> Decision:
    """Reject what is planted (no bad answer is like that of its question) and 问题3, edit 问题5, accept the rest."""
    asked, answer = item.messages[0][1], item.messages[1][1]
    number = asked.removeprefix("问题").partition("：")[0]
    if answer != f"回答{number}：不会，鱼用鳃呼吸。" or number == "3":
        return Decision(verdict="reject", comment="错了", scores={"honest": 1})
    if number == "5":
        turns = (Turn(role="user", content=asked), Turn(role="assistant", content="更好的回答。"))
        return Decision(verdict="edit", messages=turns, tags=("style",))
    return Decision(verdict="accept", scores={"honest": 5}, seconds=4.0)


def test_the_line_waits_and_goes_on(project: Project, line: Line) -> None:
    recipe = project(40, queue="all", controls=0.2, double=0.0, rest={"split": {}, "export": {}})
    first = line(recipe)
    assert list(first) == ["source", "review"]
    assert first["review"].manifest["facts"]["waiting"] == 40
    assert not line(recipe)["review"].fresh
    with pytest.raises(UserError, match="40 records wait"):
        pipeline.run(recipe, Path("runs"), last="export")
    desk = place.desk(recipe, HOME)
    alice = desk.whoami(desk.invite("alice"))
    assert alice
    assert decide_all(desk, alice, careful) == 48
    done = line(recipe)
    assert list(done) == ["source", "review", "split", "export"]
    review = done["review"]
    assert review.line().startswith(
        "Reviewed 40 of 40 queued records (38 accepted, 1 edited, 1 rejected), 39 of 40 go on"
    )
    assert review.manifest["refused"] == {"rejected in review": 1}
    assert review.manifest["facts"]["accepted"] | {"count": 38, "of": 40} == review.manifest["facts"]["accepted"]
    records = {one.messages[0][1].partition("：")[0]: one for one in to_records(review.stored.records())}
    assert len(records) == 39
    before = {one.id: one for one in to_records(done["source"].stored.records())}
    assert [one.id for one in records.values()] == [key for key in before if key in {r.id for r in records.values()}]
    edited = records["问题5"]
    assert edited.messages[1] == ("assistant", "更好的回答。")
    assert (edited.parents, edited.uri) == (before[edited.id].parents, before[edited.id].uri)
    assert edited.facts["review"] == {"why": "all records", "verdict": "edit", "by": ["alice"], "tags": ["style"]}
    assert records["问题7"].facts["review"]["scores"] == {"honest": 5}
    events = review.stored.ledger()
    assert events.filter(pl.col("action") == "changed").select("reason", "turn", "before").rows() == [
        ("edited in review", 1, "回答5：不会，鱼用鳃呼吸。")
    ]
    caught = desk.status()["people"]["alice"]["attention"]
    assert (caught["caught"], caught["planted"]) == (8, 8)
    life = trace.tell(trace.find([HOME], edited.id)[0])
    told = [event for event in life.events if event.action == "reviewed"]
    assert [(event.reason, event.detail["who"], event.detail["tags"]) for event in told] == [
        ("edited", "alice", ["style"])
    ]
    assert next(event.after for event in life.events if event.action == "changed") == "更好的回答。"
    assert not line(recipe)["review"].fresh
    assert desk.undo(alice)
    assert list(line(recipe)) == ["source", "review"]
    desk.close()


def test_what_waits_is_said_to_wait(project: Project, line: Line) -> None:
    rest = {"split": {"ratios": {"train": 0.5, "test": 0.5}}, "export": {}}
    recipe = project(4, queue="all", controls=0.0, double=0.0, rest=rest)
    review = line(recipe)["review"]
    assert review.line().startswith(
        "Reviewed 0 of 4 queued records (0 accepted, 0 edited, 0 rejected), 4 wait for people in "
    )
    key = review.stored.records()["id"][0]
    assert [(one.action, one.reason) for one in trace.tell(trace.find([HOME], key)[0]).events][-1] == (
        "waiting",
        "waits for people",
    )
    told = CliRunner().invoke(app, ["trace", key, "--run", str(HOME)], catch_exceptions=False)
    assert told.output.splitlines()[-1] == "review    waits for people"
    census.take(HOME)
    found = Catalogue.open(HOME / census.CACHE / census.key(HOME))
    assert found
    assert [(name, label.count) for name, label in found.labels.items() if label.kind == "fate"] == [
        ("fate:review/review/waits for people", 4)
    ]
    assert [(one.state, one.waiting) for one in pipeline.outlook(recipe, Path("runs"))] == [
        ("finished", 0), ("waits", 4), ("waits", 0), ("waits", 0),
    ]  # fmt: skip
    with closing(place.desk(recipe, HOME)) as desk:
        alice = desk.whoami(desk.invite("alice"))
        assert alice
        assert decide_all(desk, alice, lambda _: Decision(verdict="accept")) == 4
    assert [(one.state, one.changed) for one in pipeline.outlook(recipe, Path("runs"))][1:3] == [
        ("changed", ("decided",)), ("new", ()),
    ]  # fmt: skip
    assert "waiting" not in set(line(recipe)["review"].stored.ledger()["action"])


@pytest.mark.parametrize(("undecided", "kept"), [("keep", 20), ("drop", 0)])
def test_what_nobody_decided(project: Project, line: Line, undecided: str, kept: int) -> None:
    done = line(project(20, queue="all", undecided=undecided))["review"]
    assert done.manifest["kept"] == kept
    assert done.manifest["refused"] == ({} if kept else {"not decided in review": 20})
    assert done.manifest["facts"]["waiting"] == 0


def test_another_text_is_another_item(project: Project, line: Line) -> None:
    recipe = project(10, queue="all", controls=0.0, double=0.0)
    line(recipe)
    desk = place.desk(recipe, HOME)
    alice = desk.whoami(desk.invite("alice"))
    assert alice
    decide_all(desk, alice, careful)
    prepared = {"prepare": {"steps": [{"normalise_punctuation": {}}, "strip_html"]}}
    assert line(project(10, queue="all", controls=0.0, double=0.0, rest=prepared))["review"].manifest["kept"] == 9
    Path("data.jsonl").write_bytes(Path("data.jsonl").read_bytes().replace("不会".encode(), "不会的".encode()))
    assert line(recipe)["review"].manifest["facts"]["waiting"] == 10
    desk.close()


def test_export_demands_proof(project: Project, line: Line) -> None:
    rest = {"export": {"min_accept": 0.95}}
    recipe = project(80, audit=0.5, controls=0.0, double=0.0, undecided="keep", rest=rest)
    with pytest.raises(UserError) as caught:
        line(recipe)
    drawn = line(project(80, audit=0.5, controls=0.0, double=0.0, undecided="keep"))["review"].manifest["facts"][
        "audit"
    ]
    assert str(caught.value) == (
        "People accepted 0 of 0 records drawn at random: with a certainty of 95 % at least 0.0 % are good, and "
        "`export.min_accept` wants 95 %\n"
        f"59 that people accept would do, and {drawn} are open: raise `review.audit`"
    )
    recipe = project(80, queue="all", controls=0.0, double=0.0, undecided="keep", rest=rest)
    with pytest.raises(UserError, match="59 that people accept would do, of 80 that are open"):
        line(recipe)
    desk = place.desk(recipe, HOME)
    alice = desk.whoami(desk.invite("alice"))
    assert alice
    desk.decide(alice, desk.next(alice)[0].key, Decision(verdict="accept"))
    with pytest.raises(UserError, match="58 more decisions like these would do, of 79 that are open"):
        line(recipe)
    decide_all(desk, alice, lambda item: Decision(verdict="accept"))
    assert line(recipe)["export"].manifest["kept"] == 80
    for _ in range(10):
        again = desk.undo(alice)
        assert again
        desk.decide(alice, again.key, Decision(verdict="reject"))
        desk.undo(alice)
    while found := desk.next(alice):
        desk.decide(alice, found[0].key, Decision(verdict="reject"))
    with pytest.raises(UserError, match="Too few are good"):
        line(recipe)
    with pytest.raises(UserError, match="needs the stage `review`"):
        pipeline.run(Recipe(recipe.project, {n: s for n, s in recipe.sections.items() if n != "review"}, recipe.folder))
    desk.close()


def doubted(count: int, every: int, why: str) -> list[Record]:
    return [
        Record(
            f"{number:020x}",
            (("user", f"问题{number}说的是{number}什么？"), ("assistant", f"回答{number}是这样的，看{number}。")),
            "x",
            number + 1,
            facts={"judge": {"honest": 5}} | ({"review": {"why": why}} if number % every == 0 else {}),
        )
        for number in range(count)
    ]


def test_the_queue_is_drawn_by_lot_and_doubt_comes_first(tmp_path: Path) -> None:
    records = [
        *doubted(300, 10, NEAR),
        Record("f" * 20, (("user", "问"), ("assistant", "答")), "y", 1, facts={"review": {"why": DISAGREE}}),
    ]
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    to_frame(records[:150]).write_parquet(paths[0])
    to_frame(records[150:]).write_parquet(paths[1])
    settings = Review(audit=0.1, controls=0.1, double=0.2)
    planned = plan(paths, settings, 42)
    assert planned["rank"].to_list() == list(range(len(planned)))
    assert planned.equals(plan(paths, settings, 42))
    assert not planned.equals(plan(paths, settings, 43))
    sure = planned.filter(pl.col("doubted") & ~pl.col("planted"))
    assert sure["why"].to_list() == [DISAGREE, *[NEAR] * 30]
    found = {row["key"]: row for row in rows(paths, planned, False)}
    assert len(found) == len(planned)
    planted = [row for row in found.values() if row["planted"]]
    queued = len(found) - len(planted)
    assert len(planted) == -(-queued // 10)
    sources = {row["source"] for row in found.values() if not row["planted"]}
    for row in planted:
        body = orjson.loads(row["body"])
        assert row["planted"] in BAD
        assert row["source"] not in sources
        assert (row["reasons"], row["audited"], row["doubled"]) == (f'["{AUDIT}"]', False, False)
        assert body["facts"] == {"judge": {"honest": 5}}
        assert body["messages"][0]["content"].startswith("问题")
    one_more = plan([paths[0]], settings, 42)
    kept = {row["id"] for row in planned.filter(~pl.col("planted")).iter_rows(named=True) if row["part"] == 0}
    assert {row["id"] for row in one_more.filter(~pl.col("planted")).iter_rows(named=True)} == kept
    assert plan([], settings, 1).is_empty()


def test_the_password_stands_nowhere(project: Project, line: Line, postgres: str, tmp_path: Path) -> None:
    recipe = project(12, queue="all", database=postgres, name="pg")
    assert line(recipe)["review"].manifest["facts"]["waiting"] == 12
    desk = place.opened(recipe, Path("runs"))
    alice = desk.whoami(desk.invite("alice"))
    bob = desk.whoami(desk.invite("bob"))
    assert alice
    assert bob
    for person in (alice, bob):
        decide_all(desk, person, careful)
    assert line(recipe)["review"].manifest["facts"]["waiting"] == 0
    desk.close()
    secret = [b"s3cret", b"%2F%40"]
    written = [path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()]
    assert len(written) > 4
    assert not [text for text in written if any(one in text for one in secret)]
    assert not (Path("runs") / "pg" / "review.db").exists()


def test_the_environment_stands_first(project: Project, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_REVIEW_DB", "sqlite:///elsewhere.db")
    recipe = project(5, queue="all")
    with pytest.raises(UserError, match="No queue has been drawn yet"):
        place.opened(recipe, Path("runs"))
    line(recipe)
    assert Path("elsewhere.db").exists()
    bare: Any = Recipe(recipe.project, {}, recipe.folder)
    with pytest.raises(UserError, match="has no stage `review`"):
        place.opened(bare, None)


def test_the_balance_would_notice(project: Project, line: Line) -> None:
    done = line(project(10, queue="all", undecided="drop"))
    outcome = Outcome(10, 1, {"not decided in review": 9})
    with pytest.raises(AssertionError):
        balance.check("review", outcome, done["source"].stored, done["review"].stored)


def test_a_mended_answer_keeps_its_rejected_one_and_another_question_does_not(tmp_path: Path) -> None:
    rows = [{"prompt": f"问题{n}", "chosen": f"好{n}", "rejected": f"坏{n}", "id": n} for n in range(4)]
    (tmp_path / "in.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    data = {
        "source": {"inputs": [str(tmp_path / "in.jsonl")]},
        "review": {"queue": "all", "controls": 0.0, "double": 0.0},
        "export": {"format": "preference"},
    }
    recipe, home = plain_recipe(data, "run"), tmp_path / "runs"
    pipeline.run(recipe, home, last="review")
    desk = place.desk(recipe, home / "run")
    alice = desk.whoami(desk.invite("alice"))
    assert alice
    edits = {
        "问题0": ("问题0", "更好0"),
        "问题1": ("问题1，再问", "好1"),
        "问题2": ("问题2", "坏2"),
    }

    def say(item: Item) -> Decision:
        asked, answer = item.messages[0][1], item.messages[1][1]
        new = edits.get(asked, (asked, answer))
        turns = (Turn(role="user", content=new[0]), Turn(role="assistant", content=new[1]))
        return Decision(verdict="edit", messages=turns) if asked in edits else Decision(verdict="accept")

    assert decide_all(desk, alice, say) == 4
    desk.close()
    done = {one.stage.name: one for one in pipeline.run(recipe, home)}
    events = done["review"].stored.ledger().filter(pl.col("action") == "skipped")
    assert events.select("step", "reason").rows() == [("review", "rejected answer of another question")]
    assert orjson.loads(events["detail"][0]) == {"by": ["alice"], "rejected": "坏1"}
    left = [one.facts["source"] for one in to_records(done["review"].stored.records())]
    assert [one.get("rejected") for one in left] == ["坏0", None, "坏2", "坏3"]
    (file,) = done["export"].stored.folder.glob("*.jsonl")
    pairs = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert [(one["chosen"][0]["content"], one["rejected"][0]["content"]) for one in pairs] == [
        ("更好0", "坏0"),
        ("好3", "坏3"),
    ]
    refused = done["export"].stored.ledger().filter(pl.col("action") == "refused")
    assert [orjson.loads(detail)["what"] for detail in refused["detail"]] == [
        "a conversation without a rejected answer",
        "a rejected answer that is the chosen one",
    ]
