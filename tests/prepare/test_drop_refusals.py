"""Answers that refuse go; those that only look like it stay."""

from hypothesis import given
from hypothesis import strategies as st

from prepare.refusal_set import ANSWERS, LATER_ANSWERS, LATER_REFUSALS, REFUSALS
from weitiao import record
from weitiao.manner import refuses
from weitiao.prepare.drop_refusals import DropRefusals
from weitiao.record import Record
from weitiao.step import Batch


def batch(*answers: str) -> Batch:
    talks = [(("user", "问"), ("assistant", text), ("user", "又问"), ("assistant", "好。")) for text in answers]
    return Batch.of(record.to_frame([Record(f"r{n}", talk, "f", n) for n, talk in enumerate(talks)]))


def gone(*answers: str) -> list[int]:
    return [int(name[1:]) for name in DropRefusals().gone(batch(*answers))["id"]]


def test_the_set_that_the_patterns_were_made_with() -> None:
    assert len(REFUSALS) == len(ANSWERS) + 2 == 52
    assert gone(*REFUSALS) == list(range(len(REFUSALS)))
    assert [ANSWERS[at] for at in gone(*ANSWERS)] == ["婉拒邀请时可以说：抱歉，我今天有事不能参与。"]


def test_other_wordings_and_traditional_characters() -> None:
    refused = (
        "對不起，我無法回答這個問題。",
        "抱歉，我無法提供協助。",
        "不好意思，这个问题我回答不了。",
        "抱歉，我没有办法访问互联网。",
        "抱歉，这超出了我的能力范围。",
        "此问题我无法作答，敬请谅解。",
        "I won't be able to help you with that.",
        "As an AI language model, I don’t have access to personal information.",
        "I'm unable to access your personal accounts.",
        "作为一个AI，我没有能力预测股市走势。",
    )
    assert gone(*refused) == list(range(len(refused)))
    assert gone("无法回答是指不能给出答案。", "對不起，我來晚了。", "這超出了我的預算範圍。") == []


def test_the_set_that_came_later() -> None:
    assert len(gone(*LATER_REFUSALS)) >= 13
    assert gone(*LATER_ANSWERS) == []


def test_the_ledger_names_the_turn_and_questions_are_not_answers() -> None:
    event = DropRefusals().apply(batch(REFUSALS[0])).ledger().to_dicts()[0]
    assert (event["reason"], event["detail"]) == ("refusal", '{"turn":1}')
    asked = Record("r", (("user", REFUSALS[0]), ("assistant", "好。")), "f", 1)
    assert DropRefusals().gone(Batch.of(record.to_frame([asked]))).is_empty()


@given(st.one_of(st.sampled_from(REFUSALS + ANSWERS), st.text(max_size=60)), st.text(" \n“", max_size=2))
def test_what_is_read_first_leaves_no_refusal_out(text: str, before: str) -> None:
    assert gone(before + text) == ([0] if refuses(before + text) else [])
