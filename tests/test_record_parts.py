"""What an answer thought and what it said."""

import re

from weitiao.record import THINKING, parted


def test_thinking_is_no_part_of_the_answer() -> None:
    assert parted("2") == ("", "2")
    assert parted("<think>\n\n</think>\n\n2") == ("", "2")
    assert parted("\n<think>\n1 and 1\n</think>\n\n2\n") == ("1 and 1", "2\n")
    assert parted("1 and 1\n</think>\n\n2", opened=True) == ("1 and 1", "2")
    assert parted("<think>1 and", opened=False) == ("1 and", "")
    assert parted("1 and", opened=True) == ("1 and", "")
    assert parted("`<think>` opens a thought</think>") == ("", "`<think>` opens a thought</think>")
    assert re.sub(THINKING, "", "<think>a</think>\nb</think>") == "b</think>"
