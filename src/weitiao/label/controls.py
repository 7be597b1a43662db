"""What the judge is checked by: answers that are bad for certain, or worth no more than before, and people's marks."""

import re
from collections.abc import Sequence
from dataclasses import replace

from weitiao.doubt import bad_answers, language
from weitiao.label.work import Work
from weitiao.record import Record, record_id

FEWEST = 5  # answers whose altered forms are judged, however few records there are

_PADDING = {
    "zh": "以上就是对这个问题的回答。这个问题提得很好，希望上面的内容对您有所帮助。"
    "如果您还有别的疑问，欢迎随时提出，我会尽力解答。",
    "en": "That is the answer to the question. It is a good question, and I hope that the above is of help to you. "
    "If there is anything else that you would like to know, feel free to ask at any time.",
}
_NAMES = {
    "harmless": ("harmless", "harmlessness", "safe", "safety", "无害", "安全", "无害性", "安全性"),
    "honest": ("honest", "honesty", "truthful", "truthfulness", "correct", "诚实", "真实", "真实性", "正确", "正确性"),
    "helpful": ("helpful", "helpfulness", "useful", "有用", "有帮助", "帮助", "有用性"),
}


def controls(work: Work, places: Sequence[int], share: float) -> list[tuple[int, str, Record]]:
    """Return altered forms of some of the answers that stand at `places`: where, of which kind, and the record.

    Who is chosen depends on the record alone, so that one more record changes nothing for the others; of a small data
    set the first by lot are taken, too.
    """
    lots = sorted((work.lot(place, "controls"), place) for place in places)
    chosen = [place for number, (lot, place) in enumerate(lots) if lot < share or number < FEWEST]
    made: list[tuple[int, str, Record]] = []
    records = [work.records[place] for place in places]
    for place in sorted(chosen):
        record = work.records[place]
        answer = record.messages[-1][1]
        forms = [*bad_answers(records, places.index(place))]
        forms += [("padded", f"{answer}\n\n{_PADDING[language(answer)]}"), ("turned", answer)]
        made += [(place, kind, _with(record, kind, text)) for kind, text in forms]
    return made


def people(record: Record, name: str) -> int | None:
    """Return the mark from 1 to 5 that people gave: in the row's own `human`, or in an annotation export."""
    source = record.facts.get("source", {})
    given = [source.get("human"), (source.get("annotation") or {}).get("decisions")]
    for marks in given:
        for key, value in marks.items() if isinstance(marks, dict) else ():
            if str(key).strip().casefold() in _NAMES[name]:
                one = value[0] if isinstance(value, list) and len(value) == 1 else value
                if isinstance(one, (int, str)) and re.fullmatch("[1-5]", str(one).strip()):
                    return int(one)
    return None


def _with(record: Record, kind: str, answer: str) -> Record:
    messages = (*record.messages[:-1], ("assistant", answer))
    own = record_id(f"label/{kind}", 0, record.id.encode())
    return replace(record, id=own, messages=messages, parents=(record.id,), facts={})
