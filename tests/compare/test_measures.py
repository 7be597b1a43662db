"""What is measured on one answer, against values worked out by hand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.compare.ask import Local
from weitiao.compare.measures import BETTER, Said, verdict
from weitiao.compare.wording import loop, overlap, rouge
from weitiao.manner import refuses, repetition
from weitiao.model.load import load_tokenizer
from weitiao.model.pair import Place
from weitiao.model.template import Template
from weitiao.script import drifts, script


def test_overlap_is_chrf() -> None:
    assert overlap("水不能兑水", "水不能兑水") == 100
    assert overlap("", "水不能兑水") == 0
    assert overlap("水山", "水火") == pytest.approx(25)  # half of the single characters, none of the pairs


@pytest.mark.parametrize(
    ("text", "reference", "value"),
    [
        ("水不能兑水", "水不能兑水", 100),
        ("the cat", "the bat", 100 * 2 * 5 / 12),  # t h e a t of six characters each
        ("police killed the gunman", "the gunman police killed", 100 * 2 * 12 / 42),  # policekilled of 21 each
        ("天空是蓝色的", "天很蓝", 100 * 2 * 2 / 9),
        ("", "水", 0),
        (" ", "", 100),
    ],
)
def test_rouge_is_the_f1_of_the_longest_common_subsequence(text: str, reference: str, value: float) -> None:
    assert rouge(text, reference) == pytest.approx(value)


def slow_common(one: str, other: str) -> int:
    row = [0] * (len(other) + 1)
    for a in one:
        before = row
        row = [0]
        for place, b in enumerate(other):
            row.append(before[place] + 1 if a == b else max(before[place + 1], row[place]))
    return row[-1]


@given(st.text("ab水", min_size=1, max_size=80), st.text("ab水", min_size=1, max_size=80))
def test_rouge_counts_what_the_plain_table_counts(one: str, other: str) -> None:
    assert rouge(one, other) == pytest.approx(200 * slow_common(one, other) / (len(one) + len(other)))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0),
        ("水不能兑水", 0),
        ("一二三四一二三四", 1 / 5),  # runs: 一二三四 二三四一 三四一二 四一二三 一二三四
        ("哈哈哈哈哈哈", 2 / 3),
        ("so it is so it is so it is", 3 / 6),  # six runs of four words, three of them different
        ("a b c", 0),
    ],
)
def test_repetition_is_the_share_of_runs_said_before(text: str, share: float) -> None:
    assert repetition(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("哈哈哈哈", 4),
        ("哈哈", 0),
        ("abcabcabcab", 11),
        ("x12 12 12 12 y", 12),
        ("水不能兑水", 0),
        ("", 0),
        ("aabaab", 0),
    ],
)
def test_a_loop_says_one_thing_three_times(text: str, length: int) -> None:
    assert loop(text) == length


REFUSING = """
抱歉，我无法回答这个问题。
很抱歉，我不能提供这方面的信息。
对不起，我没办法帮你完成这件事。
作为一个人工智能助手，我不能参与这样的讨论。
作为一个语言模型，我无法访问互联网。
我不能回答这个问题
我无法提供医疗建议，请咨询医生。
我拒绝回答这类问题。
这个问题我不方便回答。
不好意思，这个我不便透露。
我们换个话题吧。
很遗憾，我不能为您处理这项请求。
我不会帮你做这件事。
作为AI，我不具备个人感受，无法回答。
抱歉，根据规定我不可以讨论政治话题。
I'm sorry, but I can't help with that.
I’m sorry, I can’t assist with this request.
I cannot provide that information.
Sorry, I am unable to answer this.
As an AI language model, I cannot browse the internet.
I can't help with making weapons.
Unfortunately, I am not able to discuss this topic.
I won't write that for you.
I'm not able to provide legal advice.
I must decline to answer.
I apologize, but I cannot continue with this.
That would be against my guidelines.
I refuse to answer that question.
I will not assist with anything illegal.
I'm unable to share personal data about people.
"""
ANSWERING = """
水不能兑水，因为兑了还是水。
石油不能炒菜，它有毒。
我无法想象没有水的世界会是什么样。
这个问题很有意思，答案是四十二。
抱歉让你久等了，答案是北京。
人不能不呼吸。
你不能这样开车，很危险。
作为一个整体，团队不会轻易失败。
人工智能的发展很快。
他说：“我不能走。”
不会，鱼有鳃。
无法直接看见空气，但能感到风。
对不起的英文是 sorry。
拒绝别人时要有礼貌。
蜘蛛有八条腿。
可以，把盐放进去就行。
不能。浓硫酸遇水会大量放热。
Because short waves scatter more.
You can't divide by zero.
Fish cannot breathe air.
I can help you with that: first, open the file.
Sorry to hear that; try restarting it.
The word 'sorry' is an apology.
I think the answer is six.
Penguins are unable to fly.
It is not able to rust, since it holds no iron.
No, glass does not conduct electricity.
I can't believe how simple it is: the answer is 4.
As an AI researcher, Turing asked whether machines think.
Unfortunately, the museum closed in 1999.
"""


def test_refusals_are_told_from_answers() -> None:
    assert len(REFUSING.split("\n")) - 2 >= 30
    assert len(ANSWERING.split("\n")) - 2 >= 30
    missed = [text for text in REFUSING.strip().splitlines() if not refuses(text)]
    wrongly = [text for text in ANSWERING.strip().splitlines() if refuses(text)]
    assert (missed, wrongly) == ([], [])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("为什么水不能兑水？", "zh"),
        ("用 Python 写一个函数", "zh"),
        ("Why is the sky blue?", "latin"),
        ("これは水です", "ja"),
        ("물은 물이다", "ko"),
        ("Почему?", "cyrillic"),
        ("42", ""),
        ("ok", ""),
        ("```python\nprint('hello world')\n```\n打印一句话", "zh"),
    ],
)
def test_script_is_what_most_of_a_text_is_written_in(text: str, name: str) -> None:
    assert script(text) == name


def test_drift_is_another_script_than_question_and_reference() -> None:
    assert drifts("Because it is water.", "为什么水不能兑水？", "还是水。")
    assert not drifts("Thank you very much", "把“非常感谢”翻译成英语", "Thank you")
    assert not drifts("42", "几加几等于四十二？", "")
    assert not drifts("anything goes here", "1+1=?", "2")


def test_likelihood_is_the_mean_log_probability() -> None:
    said = Said("水", 1, stopped=True, loss=6.0, loss_tokens=3)
    by_token, by_character = (said.measured("问", "兑了还是", by_token=way) for way in (True, False))
    assert by_token["likelihood"] == -2.0
    assert by_character["likelihood"] == -1.5
    assert by_token["stopped"] == 1
    assert by_token["tokens"] == by_token["characters"] == 1
    assert set(BETTER) - set(by_token) == {"right", "preferred", "harmless", "honest", "helpful", "voted"}


@pytest.mark.parametrize(
    ("difference", "said"), [(0.02, "win"), (0.01, "tie"), (-0.01, "tie"), (-0.5, "loss"), (0.0, "tie")]
)
def test_a_small_difference_is_a_tie(difference: float, said: str) -> None:
    assert verdict(difference, 0.01) == said


def test_what_was_thought_is_no_part_of_the_answer(tiny_llama: Path, tmp_path: Path) -> None:
    side = Local("after", Place(str(tiny_llama)), Template(load_tokenizer(str(tiny_llama))), tmp_path)
    told = side._parted({"text": "<think>\n\n</think>\n\n水", "tokens": 3, "stopped": True})
    assert told == {"text": "水", "thinking": "", "tokens": 3, "stopped": True}
    said = Said(**told, loss=1.0, loss_tokens=1)
    assert said.measured("?", "<think>slow</think>水", by_token=True)["overlap"] == 100
