"""What is told in the end: what it cost, why answers are missing, and when that is an error."""

import pytest

from weitiao.errors import UserError
from weitiao.llm import Price, Teacher
from weitiao.llm.cache import Spent
from weitiao.llm.call import Failure, Reason, Reply, Usage
from weitiao.llm.tally import Tally, bill

TEACHER = Teacher(endpoint="http://localhost/v1", model="m", prices={"m": Price(input=2, output=8)}, budget=1.5)
REPLY = Reply("yes", "", None, Usage(), "stop")
WRONG = Failure(Reason.REFUSED, detail="400 no such model")


def tally(*outcomes: object) -> Tally:
    found = Tally()
    found.count(outcomes)
    return found


def test_a_server_that_refuses_all_is_an_error_with_its_words() -> None:
    with pytest.raises(UserError) as error:
        tally(WRONG, WRONG, Failure(Reason.TIMEOUT, detail="5 s")).hold("label", TEACHER)
    assert error.value.message == (
        "The teacher answered nothing that `label` asked: "
        "request refused by the server (400 no such model) 2; no whole answer in time (5 s) 1"
    )
    assert "`endpoint`" in error.value.hint


@pytest.mark.parametrize("other", [REPLY, Failure(Reason.SHAPE), Failure(Reason.BUDGET), Failure(Reason.WAITING)])
def test_what_a_model_says_and_what_nobody_asked_is_no_error(other: object) -> None:
    tally(WRONG, other).hold("label", TEACHER)
    tally().hold("label", TEACHER)


def test_the_lines_say_why_and_what_is_asked_again() -> None:
    assert list(tally(REPLY).lines(TEACHER)) == []
    some = tally(REPLY, WRONG, Failure(Reason.EMPTY), Failure(Reason.LENGTH), *[Failure(Reason.BUDGET)] * 3)
    assert list(some.lines(TEACHER)) == [
        "Without an answer: request refused by the server (400 no such model) 1",
        "Cut at the token limit: 1; they were paid and are not asked again with the same max_tokens (2048), "
        "but with more they are",
        "Not asked: 3, for a call at its most does not fit into what is left of the budget of 1.5; give more, or fewer "
        "max_tokens",
        "The same command asks again what failed: 2",
    ]


def test_only_a_cut_answer_is_not_asked_again() -> None:
    assert not tally(REPLY, Failure(Reason.LENGTH), Failure(Reason.NO_TEXT)).again
    assert tally(REPLY, Failure(Reason.EMPTY)).again
    assert tally(REPLY, Failure(Reason.BUDGET)).again


def test_the_bill_is_for_this_run_and_for_all() -> None:
    none, first = Spent(0, Usage(), 0.0, 0.0), Spent(40, Usage(1000, 200), 0.5, 0.0)
    second = Spent(50, Usage(1500, 300), 0.75, 0.0)
    assert bill("label", TEACHER, none, none) == bill("label", None, none, first) == ""
    told = "label: 40 calls to the teacher, 1,000 tokens of prompts, 200 of answers, cost 0.5000"
    assert bill("label", TEACHER, none, first) == told
    assert bill("label", TEACHER, first, second) == (
        "label: 10 calls to the teacher, 500 tokens of prompts, 100 of answers, cost 0.2500; "
        "in all runs 50 calls, cost 0.7500"
    )
    unpriced = TEACHER.model_copy(update={"prices": {}})
    assert bill("label", unpriced, none, first).endswith("200 of answers, cost unknown: no price is given")
