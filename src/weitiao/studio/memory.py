"""What the server remembers of its visitors while it lives: the name that they gave, and their conversation."""

from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass, field

from weitiao.studio.conversation import Conversation

MOST_VISITORS = 1000
MOST_LETTERS = 20_000_000  # of all conversations together


@dataclass
class Memory:
    """What is remembered of one visitor."""

    name: str = ""
    talk: Conversation | None = None
    models: list[str] = field(default_factory=list)  # who were asked last


class Memories:
    """The memories of those visitors who came last."""

    def __init__(self) -> None:
        self._by_visitor: OrderedDict[str, Memory] = OrderedDict()

    def of(self, visitor: str) -> Memory:
        """Return what is remembered of a visitor."""
        memory = self._by_visitor.setdefault(visitor, Memory())
        self._by_visitor.move_to_end(visitor)
        while len(self._by_visitor) > MOST_VISITORS:
            self._by_visitor.popitem(last=False)
        return memory

    def forget_the_oldest(self) -> None:
        """Forget conversations, those of who came longest ago first, until all together are no longer too long."""
        letters = {name: one.talk.letters for name, one in self._by_visitor.items() if one.talk}
        left = sum(letters.values())
        for name, length in letters.items():
            if left <= MOST_LETTERS:
                return
            self._by_visitor[name].talk = None
            left -= length


def recalled(talk: Conversation | None) -> Conversation:
    """Return a conversation to go on with; answers that were under way are broken off in it."""
    again = deepcopy(talk) if talk else Conversation()
    for answer in (answer for turn in again.turns for answer in turn.answers.values()):
        answer.finish = answer.finish or "broken"
    return again
