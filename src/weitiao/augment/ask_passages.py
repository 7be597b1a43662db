"""Questions and answers out of passages."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field

from weitiao.augment.expand import NO_PASSAGE, TOO_LONG, Ask, Child, Teach, Verdict
from weitiao.llm.desk import Question
from weitiao.record import Record

CHECK = "check_answer"
_LIKELY = 0.1  # of a passage's length: a question with its answer


class Turn(BaseModel):
    """A question and its answer."""

    question: str
    answer: str


class Conversation(BaseModel):
    """One or more turns."""

    turns: list[Turn] = Field(min_length=1)


class Conversations(BaseModel):
    """Several conversations about one passage."""

    conversations: list[Conversation]


class FromPassage(Verdict):
    """Whether an answer stands in the passage, and the question stands without it."""

    reasons: ClassVar[dict[str, str]] = {
        "supported": "answer not in the passage",
        "answers": "answer does not fit the question",
        "standalone": "question needs the passage",
    }
    supported: bool
    answers: bool
    standalone: bool


class AskPassages(Teach):
    """Let the teacher write conversations whose answers stand in a passage, of one turn or several."""

    prompts: ClassVar[tuple[str, ...]] = ("ask_passage", CHECK)
    conversations: int = Field(3, ge=1, le=50, description="Conversations to ask for from each passage")
    turns: int = Field(1, ge=1, le=20, description="Questions in each conversation")
    copies: int = Field(1, ge=1, description="How often each passage is asked about")
    min_chars: int = Field(40, ge=1, description="Leave passages alone that have fewer characters")
    max_chars: int = Field(6000, ge=1, description="Leave passages alone that have more characters")

    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone."""
        role, text = record.messages[0] if record.messages else ("", "")
        if role != "passage":
            return NO_PASSAGE
        if len(text) < self.min_chars:
            return "too short to ask about"
        return TOO_LONG if len(text) > self.max_chars else None

    def asks(self, records: Sequence[Record], seed: int) -> Iterator[Ask]:
        """Yield one ask for each passage and copy."""
        for record in records:
            text = record.messages[0][1]
            values = {"passage": text, "count": self.conversations, "turns": self.turns}
            for copy in range(self.copies):
                yield Ask((record,), Question("ask_passage", values, text, Conversations, copy))

    def read(self, ask: Ask, said: BaseModel) -> Iterator[Child | Ask]:
        """Yield the conversations."""
        assert isinstance(said, Conversations)
        passage = ask.parents[0].messages[0][1]
        for talk in said.conversations:
            turns = [(turn.question.strip(), turn.answer.strip()) for turn in talk.turns]
            messages = tuple(one for q, a in turns for one in (("user", q), ("assistant", a)))
            check = Question(CHECK, {"passage": passage, "turns": turns}, passage, FromPassage)
            yield Child(self.child(ask.parents, messages, {}, same=False), check=check if self.check else None)

    def expected(self, ask: Ask) -> BaseModel:
        """Return as many conversations as were asked for, with turns of a tenth of the passage's length."""
        passage = ask.parents[0].messages[0][1]
        part = passage[: max(20, int(_LIKELY * len(passage)))]
        turns = [Turn(question=part, answer=part)] * self.turns
        return Conversations(conversations=[Conversation(turns=turns)] * self.conversations)
