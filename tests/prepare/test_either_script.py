"""Patterns of simplified letters find traditional ones, and what is written stays in the text's own letters."""

import re

from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.either_script import simple, writer

_TEXTS = st.text("兩两萬万元塊块時时abの1", max_size=12)


@given(_TEXTS)
def test_what_is_written_as_it_stood_stays(text: str) -> None:
    assert writer(text)(re.compile("[两万块时]+"), lambda match: match[0], text) == text
    assert writer(text)(re.compile("."), lambda _: None, text) == text


def test_the_letters_around_stay_traditional() -> None:
    pattern = re.compile("两万(块)?")
    assert writer("花了兩萬塊錢")(pattern, lambda match: f"20000{match[1] or ''}", "花了兩萬塊錢") == "花了20000塊錢"
    assert writer("花了两万块钱")(pattern, lambda match: f"20000{match[1] or ''}", "花了两万块钱") == "花了20000块钱"


def test_japanese_is_not_read() -> None:
    assert (simple("八時半"), simple("八時半です")) == ("八时半", "八時半です")
