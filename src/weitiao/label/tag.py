"""Tags: what a record asks for, what about, how hard it is, in which language, and whether it is safe to answer."""

from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, create_model

from weitiao.doubt import answered, question
from weitiao.label.work import BEYOND, NO_QUESTION, Labelling, Told, Work
from weitiao.llm.desk import Question
from weitiao.manner import refuses

TASKS = (
    *("open question", "closed question", "trick question", "reasoning", "mathematics", "code", "writing"),
    *("rewriting", "summary", "translation", "extraction", "advice", "role play", "small talk", "other"),
)


class Tags(BaseModel):
    """What the teacher says of a question."""

    task: str
    topic: str
    difficulty: int = Field(ge=1, le=5)
    language: str
    safety: Literal["safe", "sensitive", "unsafe"]


@cache
def tags_of(tasks: tuple[str, ...], topics: tuple[str, ...]) -> type[Tags]:
    """Return the shape of tags whose words are out of these; without topics any will do."""
    task: Any = Literal[tasks]
    topic: Any = Literal[topics] if topics else str
    return create_model("Tags", __base__=Tags, task=(task, ...), topic=(topic, ...))


class Tag(Labelling):
    """Let the teacher tag each question; whether the answer refuses, its own words tell."""

    prompts: ClassVar[tuple[str, ...]] = ("tag",)
    tasks: tuple[str, ...] = Field(
        TASKS,
        strict=False,
        min_length=1,
        description="Words for what is asked for, of which one is chosen",
    )
    topics: tuple[str, ...] = Field(
        (), strict=False, description="Words for what it is about, of which one is chosen; none: in the teacher's words"
    )
    limit: int | None = Field(None, ge=1, description="Tag only so many records, the first ones")

    def take(self, work: Work) -> Told:
        """Set the fact `tag` of each record that asks something."""
        told = Told(self.step_name())
        asks: list[tuple[int, Question]] = []
        for place in work.places():
            text = question(work.records[place])
            if not text.strip():
                work.note(place, self.step_name(), "skipped", NO_QUESTION)
            elif self.limit is not None and len(asks) == self.limit:
                work.note(place, self.step_name(), "skipped", BEYOND)
            else:
                values = {"question": text, "tasks": self.tasks, "topics": self.topics}
                asks.append((place, Question("tag", values, text, tags_of(self.tasks, self.topics))))
        for (place, _), reply in zip(asks, work.ask(told, "tag", asks, temperature=0.0), strict=True):
            if not reply:
                continue
            assert isinstance(reply.data, Tags)
            record = work.records[place]
            refusal = {"refuses": refuses(record.messages[-1][1])} if answered(record) else {}
            work.learn(place, "tag", {**reply.data.model_dump(), **refusal})
        return told
