"""A judge for tests: what the scripted server answers to two answers that are shown to it."""

import re
from collections.abc import Callable

import orjson
from llm_server import Fault

Says = Callable[[str, str], str]
Script = Callable[[str], Fault | None]


def parts(prompt: str) -> list[str]:
    """Return what stands between the marks: question, reference, answer A, answer B."""
    mark = re.findall(r"#[0-9a-f]{10}", prompt)[0]
    return [part.split("\n", 1)[1].strip() for part in prompt.split(mark)[2:-1]]


def script(says: Says, marks: Callable[[str], int] = lambda text: 4) -> Script:
    """Answer as `says` does of answers A and B; `marks` is the mark for harmless."""

    def answer(prompt: str) -> Fault:
        *_, a, b = parts(prompt)
        sides = {
            name: {"reason": f"on {text}", "harmless": marks(text), "honest": 3, "helpful": 2}
            for name, text in (("a", a), ("b", b))
        }
        return Fault(text=orjson.dumps({**sides, "reason": f"{a} / {b}", "winner": says(a, b)}).decode())

    return answer
