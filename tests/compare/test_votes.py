"""Votes: an order of each voter's own, lines that are only added, and figures that follow from them."""

import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from weitiao import pipeline
from weitiao.compare import votes
from weitiao.compare.votes import Ballot, Box, Choice, Pair
from weitiao.pipeline import Done
from weitiao.recipe import Recipe


def row(number: int, before: str = "one", after: str = "other") -> dict[str, Any]:
    said = {"before": {"text": f"{before} {number}"}, "after": {"text": f"{after} {number}"}}
    return {"id": f"r{number}", "question": [{"role": "user", "content": "?"}], "reference": "!", **said}


def left(ballot: Ballot, box: Box, who: str) -> list[Pair]:
    done = {one.pair for one in box.votes() if one.who == who}
    return [pair for pair in ballot.order(who) if pair.key not in done]


def vote_all(ballot: Ballot, box: Box, who: str, choose: Callable[[Pair], Choice]) -> None:
    while pair := ballot.next(who, box.votes()):
        box.cast(who, pair, choose(pair))


def test_each_voter_has_an_order_and_sides_of_their_own() -> None:
    ballot = Ballot.of([*map(row, range(400)), row(1, "same", "same")], 42)
    ann, bob = ballot.order("Ann"), ballot.order("Bob")
    assert len(ann) == 400
    assert {pair.key for pair in ann} == {pair.key for pair in bob}
    assert [pair.key for pair in ann] != [pair.key for pair in bob]
    assert ann == Ballot.of([*map(row, reversed(range(400)))], 42).order("Ann")
    turned = sum(pair.sides[0] == "after" for pair in ann)
    assert 160 < turned < 240  # 4 standard deviations
    sides = {pair.key: pair.sides for pair in bob}
    assert 160 < sum(pair.sides == sides[pair.key] for pair in ann) < 240
    for pair in ann:
        assert [text.split()[0] for text in pair.answers] == [
            {"before": "one", "after": "other"}[side] for side in pair.sides
        ]


def test_what_was_said_stands_and_what_was_undone_does_not_count(tmp_path: Path) -> None:
    ballot, box = Ballot.of(map(row, range(3)), 1), Box(tmp_path)
    first, second, _ = ballot.order("Ann")
    box.cast("Ann", first, "first")
    box.cast("Ann", second, "bad")
    assert box.undo("Ann", ballot.rows)
    assert not box.undo("Bob", ballot.rows)
    assert [(one.pair, one.said) for one in box.votes()] == [(first.key, first.sides[0])]
    assert ballot.next("Ann", box.votes()) == second
    box.cast("Ann", first, "second")  # said anew, on another page
    assert [one.said for one in box.votes()] == [first.sides[1]]
    lines = [orjson.loads(line)["said"] for line in (tmp_path / votes.FILE).read_bytes().splitlines()]
    assert lines == [first.sides[0], "bad", "undo", first.sides[1]]


def test_a_line_that_a_crash_cut_is_no_vote(tmp_path: Path) -> None:
    ballot, box = Ballot.of(map(row, range(2)), 1), Box(tmp_path)
    first, second = ballot.order("Ann")
    box.cast("Ann", first, "tie")
    with (tmp_path / votes.FILE).open("ab") as file:
        file.write(b'{"who":"Ann","pa')
    assert [one.pair for one in box.votes()] == [first.key]
    box.cast("Ann", second, "tie")
    assert [one.pair for one in box.votes()] == [first.key, second.key]


def test_eight_vote_at_once_and_no_vote_is_lost(tmp_path: Path) -> None:
    ballot = Ballot.of(map(row, range(12)), 1)
    names = [f"voter {number}" for number in range(8)]
    threads = [
        threading.Thread(target=vote_all, args=(ballot, Box(tmp_path), name, lambda pair: "first")) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(one.who for one in Box(tmp_path).votes()) == dict.fromkeys(names, 12)


def test_a_pair_goes_to_the_side_with_more_votes(tmp_path: Path) -> None:
    rows, box = [row(number) for number in range(4)] + [row(9, "same", "same")], Box(tmp_path)
    ballot = Ballot.of(rows, 1)
    wanted = {"Ann": ["after", "after", "before", "bad"], "Bob": ["after", "before", "tie", "tie"]}
    for who, words in wanted.items():
        for pair in ballot.order(who):
            word = words[int(pair.record[1:])]
            box.cast(who, pair, ("first", "second")[pair.sides.index(word)] if word in pair.sides else word)  # type: ignore[arg-type]
    told = votes.count(rows, box.votes())
    assert [one["people"]["verdict"] for one in rows[:4]] == ["win", "tie", "loss", "tie"]
    assert "people" not in rows[4]
    assert told == {"voters": 2, "votes": 8, "pairs": 4, "alike": 1, "bad": 1, "shared": 4, "agreed": 1}
    out = [orjson.loads(line) for line in votes.export(rows, box.votes()).splitlines()]
    assert [one["human"] for one in out] == ["after", "tie", "before", "tie"]
    assert [one["said"] for one in out[3]["votes"]] == ["bad", "tie"]
    assert votes.count(rows, []) is None
    assert not any("people" in one for one in rows)


Recipes = Callable[..., Recipe]


@pytest.fixture
def voted(done: Done, tmp_path: Path) -> Path:
    """A run of one's own in which Ann likes the answers after, but for one."""
    home = tmp_path / "runs" / "test"
    shutil.copytree(done.stored.folder.parent, home)
    facts = orjson.loads((home / "compare" / "report.json").read_bytes())
    ballot = Ballot.of(facts["records"], facts["seed"])
    places = iter(range(100))
    vote_all(
        ballot, Box(home), "Ann", lambda pair: ("first", "second")[pair.sides.index("after")] if next(places) else "bad"
    )
    return home


def plain(report: Path) -> str:
    return re.sub(r" on \d{4}-\d\d-\d\d \d\d:\d\d|于 \S+ \S+ ", "", report.read_text(encoding="utf-8"))


def test_a_run_after_voting_counts_the_votes_and_asks_no_model(
    voted: Path,
    data: Path,
    tiny_llama: Path,
    other_llama: Path,
    recipe: Recipes,
    done: Done,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = recipe(data, tiny_llama, other_llama, general=str(Path(__file__).with_name("general_few.jsonl")))
    monkeypatch.setattr("weitiao.compare.ask.load_model", lambda *_, **__: pytest.fail("a model was loaded"))
    again = pipeline.run(made, voted.parent)[-1]
    assert again.fresh
    facts = orjson.loads((again.stored.folder / "report.json").read_bytes())
    pairs = facts["people"]["pairs"]
    assert pairs == len(Ballot.of(facts["records"], facts["seed"]).rows) > 5
    ruled = facts["people"]["verdicts"]
    assert (ruled["wins"], ruled["losses"], ruled["ties"]) == (pairs - 1, 0, 1)
    assert 0 < ruled["low"] < ruled["net"] < ruled["high"] <= 1
    (item,) = facts["by_people"]
    assert item["name"] == "voted"
    assert item["p"] == pytest.approx(ruled["p"]) == pytest.approx(2 * 0.5 ** (pairs - 1))
    assert item["adjusted"] >= item["p"]
    page = plain(again.stored.folder / "report.html")
    assert f"prefer the answer after on {pairs - 1} of {pairs} pairs" in page
    assert page.count('data-people="win"') == pairs - 1 + sum(one == "win" for one in _picked(facts))
    assert f"| Votes | {pairs} |" in (again.stored.folder / "report.md").read_text(encoding="utf-8")
    assert not pipeline.run(made, voted.parent)[-1].fresh
    # The votes taken back, the report is what it was.
    (voted / votes.FILE).unlink()
    pipeline.run(made, voted.parent)
    assert plain(again.stored.folder / "report.html") == plain(done.stored.folder / "report.html")
    assert again.stored.ledger().equals(done.stored.ledger())


def _picked(facts: dict[str, Any]) -> list[str]:
    from weitiao.compare.report import picked

    return [one["people"]["verdict"] for _, one in picked(facts["records"]) if "people" in one]


def test_votes_on_answers_that_are_no_longer_given_do_not_count(
    voted: Path, data: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes
) -> None:
    made = recipe(data, tiny_llama, other_llama, max_new_tokens=3)
    facts = orjson.loads((pipeline.run(made, voted.parent)[-1].stored.folder / "report.json").read_bytes())
    assert facts["people"] is None
    assert facts["by_people"] == []


def test_exported_votes_are_verdicts_that_compare_reads(
    voted: Path, tiny_llama: Path, other_llama: Path, recipe: Recipes, tmp_path: Path
) -> None:
    facts = orjson.loads((voted / "compare" / "report.json").read_bytes())
    path = tmp_path / "votes.jsonl"
    path.write_bytes(votes.export(facts["records"], Box(voted).votes()))
    from weitiao.compare.judge import human
    from weitiao.record import to_records

    done = pipeline.run(recipe(path, tiny_llama, other_llama), tmp_path / "other", last="export")[-1]
    records = list(to_records(done.stored.records()))
    assert len(records) == len(path.read_bytes().splitlines())
    assert Counter(human(one) for one in records) == {"after": len(records) - 1, "tie": 1}
