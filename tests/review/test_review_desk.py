"""The desk: who is given what, what is noted, and that nothing is lost when many decide at once."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import func, select

from weitiao.errors import UserError
from weitiao.review.decision import Decision, Item, Person, Said, Turn, settle
from weitiao.review.desk import Desk, Taken
from weitiao.review.tables import CONFLICT, DONE, OPEN, SECOND, SKIPPED, Gone, decisions, file_url, people

Rows = Callable[..., list[dict[str, Any]]]
ACCEPT, REJECT, SKIP = (Decision(verdict=verdict) for verdict in ("accept", "reject", "skip"))


def person(desk: Desk, name: str, **rights: bool) -> Person:
    found = desk.whoami(desk.invite(name, **rights))
    assert found
    return found


def shown(items: list[Item]) -> list[str]:
    return [item.key for item in items]


def edit(*contents: str) -> Decision:
    turns = zip(("user", "assistant"), contents, strict=True)
    return Decision(verdict="edit", messages=tuple(Turn(role=role, content=text) for role, text in turns))  # type: ignore[arg-type]


def test_a_person_by_token(desk: Desk) -> None:
    assert not desk.invited()
    token = desk.invite("alice")
    assert desk.invited()
    alice = desk.whoami(token)
    assert alice
    assert (alice.name, alice.adjudicates) == ("alice", False)
    assert desk.whoami(f"{token}x") is desk.whoami("") is None
    assert desk.whoami("\udcff\x00") is None
    newer = desk.invite("alice", adjudicates=True)
    assert desk.whoami(token) is None
    assert desk.whoami(newer) == Person(alice.id, "alice", True)
    with desk.engine.connect().execution_options(reads=True) as connection:
        stored = str(connection.execute(select(people)).all())
    assert newer not in stored
    with pytest.raises(UserError, match="needs a name"):
        desk.invite(" ")


def test_in_order_kept_for_one_and_loaded_ahead(desk: Desk, queue_rows: Rows) -> None:
    desk.draw("d", queue_rows(5))
    alice, bob = person(desk, "alice"), person(desk, "bob")
    assert shown(desk.next(alice)) == ["k0", "k1"]
    assert shown(desk.next(alice)) == ["k0", "k1"]  # a page that is loaded again
    assert shown(desk.next(bob, ahead=2)) == ["k2", "k3", "k4"]
    first = desk.next(alice)[0]
    assert (first.record, first.reasons, first.detail) == ("r0", ("judge unsure",), {"said": "so"})
    assert first.judge
    assert first.judge["honest"] == 4
    assert first.messages == (("user", "q0"), ("assistant", "a0"))
    desk.decide(alice, "k0", ACCEPT)
    assert shown(desk.next(alice)) == ["k1"]
    desk.give_back(bob)
    desk.decide(bob, "k3", REJECT)  # who was away for a while: nobody took it
    assert desk.decide(bob, "k3", REJECT)
    with pytest.raises(Taken):
        desk.decide(bob, "k3", ACCEPT)
    assert shown(desk.next(alice)) == ["k1", "k2"]
    with pytest.raises(Taken):
        desk.decide(bob, "k2", ACCEPT)
    with pytest.raises(Taken, match="drawn anew"):
        desk.decide(bob, "nothing", ACCEPT)


def test_sent_twice_counts_once(desk: Desk, queue_rows: Rows) -> None:
    desk.draw("d", queue_rows(2))
    alice = person(desk, "alice")
    desk.next(alice)
    number = desk.decide(alice, "k0", ACCEPT)
    assert desk.decide(alice, "k0", ACCEPT) == number
    with pytest.raises(Taken):
        desk.decide(alice, "k0", REJECT)
    assert desk.progress(alice)["mine"] == 1


def test_a_lease_ends(desk: Desk, queue_rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.draw("d", queue_rows(2))
    alice, bob = person(desk, "alice"), person(desk, "bob")
    desk.next(alice, ahead=0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + desk.lease + 1)
    assert shown(desk.next(bob, ahead=0)) == ["k0"]
    with pytest.raises(Taken):
        desk.decide(alice, "k0", ACCEPT)
    desk.next(alice, ahead=0)
    monkeypatch.setattr(time, "time", lambda: now + 2 * desk.lease + 2)
    desk.decide(alice, "k1", ACCEPT)  # late, but nobody took it


def test_undo_is_a_further_row(desk: Desk, queue_rows: Rows) -> None:
    desk.draw("d", queue_rows(3))
    alice = person(desk, "alice")
    for key in ("k0", "k1"):
        assert desk.next(alice)[0].key == key
        desk.decide(alice, key, REJECT)
    again = desk.undo(alice)
    assert again
    assert again.key == "k1"
    assert desk.next(alice)[0].key == "k1"
    desk.decide(alice, "k1", ACCEPT)
    assert {key: final.verdict for key, (final, _) in desk.decided().items()} == {"k0": "reject", "k1": "accept"}
    assert desk.undo(alice)
    assert desk.undo(alice)
    assert desk.undo(alice) is None
    assert desk.progress() == {"queued": 3, "open": 3, "second": 0, "skipped": 0, "conflict": 0, "decided": 0}
    with desk.engine.connect().execution_options(reads=True) as connection:
        rows = select(decisions.c.verdict).where(decisions.c.project == desk.project).order_by(decisions.c.id)
        assert list(connection.scalars(rows)) == ["reject", "reject", "undo", "accept", "undo", "undo"]


def test_a_skip_goes_to_others_at_the_end(desk: Desk, queue_rows: Rows) -> None:
    desk.draw("d", queue_rows(2))
    alice, bob = person(desk, "alice"), person(desk, "bob")
    desk.next(alice, ahead=0)
    desk.decide(alice, "k0", SKIP)
    assert shown(desk.next(alice)) == ["k1"]
    assert shown(desk.next(bob)) == ["k0"]
    desk.decide(bob, "k0", SKIP)
    desk.decide(alice, "k1", ACCEPT)
    assert desk.next(alice) == desk.next(bob) == []
    assert desk.progress()["skipped"] == 1
    assert [desk.progress(one)["mine"] for one in (alice, bob)] == [1, 0]
    carol = person(desk, "carol")
    assert shown(desk.next(carol)) == ["k0"]


def test_two_decide_blind_and_a_third_settles(desk: Desk, queue_rows: Rows) -> None:
    desk.draw("d", queue_rows(2, doubled=2))
    alice, bob, carol = person(desk, "alice"), person(desk, "bob"), person(desk, "carol", adjudicates=True)
    for key in ("k0", "k1"):
        desk.next(alice)
        desk.decide(alice, key, ACCEPT)
    assert desk.next(alice) == []
    assert desk.progress()["second"] == 2
    found = desk.next(bob)
    assert shown(found) == ["k0", "k1"]
    assert not found[0].opinions
    desk.decide(bob, "k0", ACCEPT)
    desk.decide(bob, "k1", edit("q1", "better"))
    assert desk.progress()["conflict"] == 1
    assert desk.next(alice) == desk.next(bob) == []
    (torn,) = desk.next(carol)
    assert [one.verdict for one in torn.opinions] == ["accept", "edit"]
    desk.decide(carol, "k1", edit("q1", "best"))
    final, said = desk.decided()["k1"]
    assert final.ruling
    assert final.said["messages"][1]["content"] == "best"
    assert len(said) == 3
    pair = desk.status()["pairs"][0]
    assert (pair["people"], pair["questions"], pair["same"]) == (["alice", "bob"], 2, 1)


def test_an_edit_that_changes_nothing_is_consent(desk: Desk, queue_rows: Rows) -> None:
    desk.draw("d", queue_rows(1))
    alice = person(desk, "alice")
    desk.next(alice)
    desk.decide(alice, "k0", edit("q0", "a0"))
    assert desk.decided()["k0"][0].verdict == "accept"


def test_drawn_anew_what_was_decided_stays(desk: Desk, queue_rows: Rows) -> None:
    desk.draw("d", queue_rows(3))
    alice, bob = person(desk, "alice"), person(desk, "bob")
    desk.next(alice)
    desk.decide(alice, "k0", REJECT)
    desk.next(bob, ahead=0)
    desk.draw("d", [])  # the same draw: nothing is looked at
    assert desk.progress()["queued"] == 3
    rows = queue_rows(4)
    desk.draw("e", [rows[0] | {"rank": 9}, *rows[2:]])
    assert desk.progress() | {"decided": 1, "open": 2} == desk.progress()
    assert shown(desk.next(bob, ahead=0)) == ["k2"]  # in hand all along
    desk.draw("f", rows[1:])
    assert desk.decided() == {}
    desk.draw("g", rows)
    assert list(desk.decided()) == ["k0"]


def test_what_a_decision_may_be() -> None:
    wrong: list[dict[str, Any]] = [
        {"verdict": "maybe"},
        {"verdict": "edit"},
        {"verdict": "accept", "messages": [{"role": "user", "content": "x"}]},
        {"verdict": "edit", "messages": [{"role": "user", "content": " "}]},
        {"verdict": "accept", "scores": {"honest": 6}},
        {"verdict": "accept", "scores": {"funny": 3}},
        {"verdict": "accept", "tags": [""]},
        {"verdict": "accept", "comment": "x" * 20_001},
        {"verdict": "accept", "comment": "\udcff"},
        {"verdict": "accept", "seconds": -1.0},
        {"verdict": "accept", "who": "me"},
    ]
    for given_ in wrong:
        with pytest.raises(ValidationError):
            Decision.model_validate(given_)


def test_any_text_is_kept(desk: Desk, queue_rows: Rows) -> None:
    desk.draw("d", queue_rows(1))
    alice = person(desk, "阿丽 '\"; DROP TABLE")
    desk.next(alice)
    odd = "\x00 <script> '; -- 𝄞 \u2028"
    desk.decide(alice, "k0", Decision(verdict="reject", comment=odd, tags=(odd,), scores={"honest": 1}, seconds=2.5))
    final, _ = desk.decided()["k0"]
    assert final.said == {"comment": odd, "tags": [odd], "scores": {"honest": 1}}
    assert final.seconds == 2.5


SAID = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(("accept", "reject", "skip")), st.booleans()), max_size=6)


@given(SAID, st.booleans())
@settings(max_examples=200)
def test_laws_of_settling(rows: list[tuple[int, str, bool]], doubled: bool) -> None:
    said = [Said(n, who, word, ruling, {}, None, 0.0) for n, (who, word, ruling) in enumerate(rows, 1)]
    pool, whose, final = settle(said, doubled)
    decided = [one for one in said if one.verdict != "skip"]
    assert (pool == DONE) == (final is not None)
    assert (whose != 0) == (pool in (SECOND, SKIPPED))
    if not said:
        assert pool == OPEN
    if pool == DONE:
        assert final in [one.id for one in decided]
    if pool == CONFLICT:
        assert len({one.verdict for one in decided}) > 1
    if not doubled and decided:
        assert pool in (DONE, CONFLICT)


def work(address: str, project: str, name: str, token: str, failures: list[BaseException]) -> None:
    try:
        desk = Desk.open(address, project)
        me = desk.whoami(token)
        assert me
        latest = time.monotonic() + 60
        # Whoever finds nothing waits: what the others hold at this instant may need a second person.
        while desk.progress()["decided"] < 100 and time.monotonic() < latest:
            for item in desk.next(me)[:1]:
                desk.decide(me, item.key, Decision(verdict="accept", comment=name))
        desk.close()
    except BaseException as error:
        failures.append(error)
        raise


def test_eight_at_once_decide_each_exactly_once_or_twice(address: str, tmp_path: Path, queue_rows: Rows) -> None:
    desk = Desk.open(address, f"eight-{tmp_path.name}")
    desk.draw("d", queue_rows(100, doubled=30, planted=8))
    tokens = {f"person {number}": desk.invite(f"person {number}") for number in range(8)}
    failures: list[BaseException] = []
    threads = [
        threading.Thread(target=work, args=(address, desk.project, name, token, failures))
        for name, token in tokens.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with desk.engine.connect().execution_options(reads=True) as connection:
        own = decisions.c.project == desk.project
        rows = connection.execute(select(decisions.c.item, decisions.c.person).where(own)).all()
        count = connection.execute(select(func.count()).select_from(decisions).where(own)).scalar_one()
    assert len(set(rows)) == len(rows) == count == 130
    assert Counter(item for item, _ in rows) == {f"k{number}": 1 + (number < 30) for number in range(100)}
    assert desk.progress()["decided"] == 100
    desk.close()


def test_an_address_that_does_not_answer_shows_no_password(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        Desk.open("postgresql://me:geheim@127.0.0.1:1/none", "p")
    assert "geheim" not in str(caught.value)
    assert "me:***@127.0.0.1" in str(caught.value)
    for other in ("mysql://me:geheim@x/y", "nonsense geheim", ""):
        with pytest.raises(UserError) as caught:
            Desk.open(other, "p")
        assert "geheim" not in str(caught.value)
    with pytest.raises(UserError, match="Cannot open"):
        Desk.open(file_url(tmp_path / "no" / "where.db"), "p")


def test_a_file_that_is_gone_or_another_takes_nothing(sqlite_desk: Desk, queue_rows: Rows, tmp_path: Path) -> None:
    sqlite_desk.draw("d", queue_rows(2))
    alice = person(sqlite_desk, "alice")
    sqlite_desk.next(alice)
    for file in tmp_path.glob("own.db*"):
        file.unlink()
    with pytest.raises(Gone, match="was removed or replaced"):
        sqlite_desk.decide(alice, "k0", ACCEPT)
    assert not (tmp_path / "own.db").exists()
    new = Desk.open(file_url(tmp_path / "own.db"), "own")
    new.draw("d", queue_rows(2))
    for call in (sqlite_desk.progress, lambda: sqlite_desk.decide(alice, "k0", ACCEPT)):
        with pytest.raises(Gone):
            call()
    assert new.progress()["decided"] == 0
    new.close()


def test_what_is_written_while_the_file_goes_is_not_said_to_be_noted(sqlite_desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(Gone), sqlite_desk._writing():
        (tmp_path / "own.db").unlink()
