"""Several short conversations as one of several turns."""

from collections.abc import Iterator, Sequence

from pydantic import Field

from weitiao.augment.expand import NO_ANSWER, Child, Derive, Make, Messages, answer, groups, question
from weitiao.record import Record
from weitiao.script import script

LONGER = "not a single turn"


class MergeTurns(Derive, Make):
    """Join conversations of one turn each, of one language and system message, into one of several turns.

    Each is joined once; it stays by itself, too.
    """

    turns: int = Field(3, ge=2, le=20, description="Most turns in a conversation; some have fewer")

    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone."""
        roles = [role for role, _ in record.messages]
        if not answer(record):
            return NO_ANSWER
        return None if roles[-2:] == ["user", "assistant"] and roles[:-2] in ([], ["system"]) else LONGER

    def make(self, records: Sequence[Record], seed: int) -> Iterator[Child]:
        """Yield the longer conversations."""
        alike: dict[tuple[str, Messages], list[Record]] = {}
        for record in records:
            alike.setdefault((script(question(record)), record.messages[:-2]), []).append(record)
        for (_, system), found in alike.items():
            for group in groups(found, self.turns, seed):
                if len(group) > 1:
                    turns = tuple(one for record in group for one in record.messages[-2:])
                    yield Child(self.child(group, system + turns, {}, same=False))
